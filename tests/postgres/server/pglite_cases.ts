/**
 * A store over PGlite: PostgreSQL where there is no server.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PGlite } from "@electric-sql/pglite";
import { after, describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { PostgresStore } from "../../../backends/postgres/mod.ts";
import { withSeed } from "../../support/random.ts";
import { storeContract } from "../../support/store_contract.ts";
import { readerAgrees, storesAgree } from "../model.ts";

const client = new PGlite();
await PostgresStore.install(client);
let stores = 0;

storeContract("PostgresStore over PGlite", {
  make: async (byteLength) => {
    const store = await PostgresStore.open(client, `s${stores++}`, { create: true });
    await store.resize(byteLength);
    return store;
  },
  skip: { sync: "a database answers later", copyWithin: "it has none", view: "it is elsewhere" },
});

describe("PostgresStore over PGlite", () => {
  after(() => client.close());

  it("agrees with an array, and readers with a writer", async () => {
    await withSeed(
      7,
      (random) => storesAgree(client, random, { pageSize: 1024, cacheBytes: 4096 }, 150),
    );
    await withSeed(8, (random) => readerAgrees(client, random, 60));
  });

  it("keeps blobs, and one writer at a time", async () => {
    const pages = await PostgresStore.open(client, "blobs", { create: true });
    const blobs = await BlobStore.open(pages, { create: true });
    for (const size of [0, 1, 300, 70_000, 1_000_000]) {
      await blobs.put(`${size}`, new Uint8Array(size).fill(size % 251));
    }
    assertEquals(
      await PostgresStore.open(client, "blobs").catch(({ name }) => name),
      "StoreLockedError",
    );
    await blobs.close();
    await pages.close();
    const again = await PostgresStore.open(client, "blobs");
    const store = await BlobStore.open(again);
    assertEquals((await store.verify()).damaged, []);
    assertEquals((await store.get("70000"))!.every((byte) => byte === 70_000 % 251), true);
    await store.close();
    await again.close();
  });
});
