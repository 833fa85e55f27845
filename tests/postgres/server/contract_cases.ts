/**
 * The contract of stores, and crashes after every statement, over a real server.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { after, describe, it } from "@std/testing/bdd";
import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { PostgresStore } from "../../../backends/postgres/mod.ts";
import { withSeed } from "../../support/random.ts";
import { storeContract } from "../../support/store_contract.ts";
import { type Crashable, crashEverywhere } from "../crash_images.ts";
import { freshName, openPool } from "./clients.ts";

const { client, end } = openPool();
await PostgresStore.install(client);

storeContract("PostgresStore over a server", {
  make: async (byteLength) => {
    const store = await PostgresStore.open(client, freshName(), { create: true });
    await store.resize(byteLength);
    return store;
  },
  skip: { sync: "a database answers later", copyWithin: "it has none", view: "it is elsewhere" },
});

/** A store of the server that is copied, row by row, into another name. */
function crashable(name: string): Crashable {
  let onCommit: () => void | Promise<void> = () => {};
  const named = (name: string) => ({
    async query(text: string, values: unknown[] = []) {
      const mine = values.map((value) => value === "s" ? name : value);
      const result = await client.query(text, mine);
      if (text.startsWith("WITH fence") && result.rows.length === 1) await onCommit();
      return result;
    },
  });
  return {
    client: named(name),
    watch: (callback) => void (onCommit = callback),
    async copy() {
      const image = freshName();
      await client.query(
        `WITH old AS (SELECT * FROM suballoc_store WHERE name = $1),
made AS (INSERT INTO suballoc_store (name, page_size, byte_length, epoch, version)
  SELECT $2, page_size, byte_length, epoch, version FROM old RETURNING id),
pages AS (INSERT INTO suballoc_page SELECT made.id, page, p.version, data
  FROM suballoc_page p, made, old WHERE p.store = old.id)
INSERT INTO suballoc_redo SELECT made.id, r.version, writes
  FROM suballoc_redo r, made, old WHERE r.store = old.id`,
        [name, image],
      );
      const end = async () => assert(await PostgresStore.remove(client, image));
      return { client: { query: (text, values) => copied(image).query(text, values) }, end };
    },
  };

  function copied(image: string) {
    return {
      query: (text: string, values: unknown[] = []) =>
        client.query(text, values.map((value) => value === "s" ? image : value)),
    };
  }
}

/** 50 in the step `postgres`. */
const WORKLOADS = Number(process.env.SUBALLOC_SERVER_WORKLOADS ?? 50);

describe("PostgresStore over a server", () => {
  after(() => end());

  it(`keeps what was acknowledged after each statement of ${WORKLOADS} workloads`, async () => {
    let images = 0;
    const run = async (seed: number) => {
      await withSeed(seed, async (random) => {
        images += await crashEverywhere(crashable(freshName()), random, 4);
      });
    };
    for (let seed = 1; seed <= WORKLOADS; seed++) await run(seed);
    assert(images > 4 * WORKLOADS, `${images} images`);
  });

  it("has a table hardly longer than the store after many small commits", async () => {
    const name = freshName();
    const pages = await PostgresStore.open(client, name, { create: true });
    const blobs = await BlobStore.open(pages, { create: true, durability: "none" });
    for (let i = 0; i < 3000; i++) {
      await blobs.put(`${i % 700}`, new Uint8Array(200).fill(i));
      await pages.flush();
    }
    await blobs.close();
    const { rows: [{ count, id }] } = await client.query(
      "SELECT id, (SELECT count(*) FROM suballoc_page p WHERE p.store = s.id)::int AS count " +
        "FROM suballoc_store s WHERE name = $1",
      [name],
    );
    assert(count * pages.pageSize < 1.2 * pages.byteLength + 8 * pages.pageSize, `${count} pages`);
    const { rows: [{ commits }] } = await client.query(
      "SELECT count(*)::int AS commits FROM suballoc_redo WHERE store = $1",
      [id],
    );
    assert(commits <= 1000, `${commits} redo rows`);
    await pages.close();
    assertEquals(await PostgresStore.remove(client, name), true);
  });
});
