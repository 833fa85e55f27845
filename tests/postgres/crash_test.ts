/**
 * What a blob store in PostgreSQL is after each statement that was committed.
 *
 * @module
 */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";
import { crashEverywhere } from "./crash_images.ts";
import { FakePostgres } from "./fake_postgres.ts";

/** The step `postgres` of `deno task test` asks for 200. */
const WORKLOADS = Number(process.env.SUBALLOC_WORKLOADS ?? share(40)), OPERATIONS = 5;

describe("PostgresStore: crashes", () => {
  it(`keeps what was acknowledged after each statement of ${WORKLOADS} workloads`, async () => {
    let images = 0;
    for (let seed = 1; seed <= WORKLOADS; seed++) {
      await withSeed(seed, async (random) => {
        const database = new FakePostgres();
        images += await crashEverywhere(
          {
            client: database,
            watch: (onCommit) => {
              database.after = (name) => name.startsWith("commit") ? onCommit() : undefined;
            },
            copy: () => {
              const client = new FakePostgres();
              client.tables = database.snapshot();
              return Promise.resolve({ client, end: () => Promise.resolve() });
            },
          },
          random,
          OPERATIONS,
        );
      });
    }
    assert(images > WORKLOADS * OPERATIONS, `${images} images`);
  });
});
