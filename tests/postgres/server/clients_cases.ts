/**
 * The clients that users have, over a real server.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { PostgresStore, StorageError, StoreFencedError } from "../../../backends/postgres/mod.ts";
import { withSeed } from "../../support/random.ts";
import { readerAgrees, storesAgree } from "../model.ts";
import { clients, freshName } from "./clients.ts";

for (const [name, connect] of Object.entries(clients)) {
  describe(`PostgresStore over ${name}`, () => {
    it("keeps blobs, for the next one that opens it", async () => {
      const { client, end } = await connect(), store = freshName();
      await Promise.all([1, 2, 3].map(() => PostgresStore.install(client)));
      {
        await using pages = await PostgresStore.open(client, store, { create: true });
        await using blobs = await BlobStore.open(pages, { create: true });
        for (const size of [0, 1, 300, 70_000, 2_000_000]) {
          await blobs.put(`${size}`, new Uint8Array(size).fill(size % 251));
        }
        await Promise.all(
          Array.from(
            { length: 100 },
            (_, i) => blobs.put(`small ${i}`, new Uint8Array(200).fill(i)),
          ),
        );
      }
      {
        await using pages = await PostgresStore.open(client, store, { readOnly: true });
        await using blobs = await BlobStore.open(pages, { readOnly: true });
        assertEquals((await blobs.verify()).damaged, []);
        for (const size of [0, 1, 300, 70_000, 2_000_000]) {
          const found = (await blobs.get(`${size}`))!;
          assertEquals([found.length, found.every((byte) => byte === size % 251)], [size, true]);
        }
        const small = await Promise.all(
          Array.from({ length: 100 }, (_, i) => blobs.get(`small ${i}`)),
        );
        assertEquals(small.map((bytes) => bytes![199]), small.map((_, i) => i));
      }
      assertEquals(await PostgresStore.remove(client, store), true);
      await end();
    });

    it("agrees with an array, and readers with a writer", async () => {
      const { client, end } = await connect();
      await PostgresStore.install(client);
      await withSeed(
        7,
        (random) =>
          storesAgree(client, random, { pageSize: 1024, cacheBytes: 4096 }, 150, freshName()),
      );
      await withSeed(8, (random) => readerAgrees(client, random, 60, freshName()));
      await end();
    });

    it("has one writer, and errors of the server as causes", async () => {
      const { client, end } = await connect(), store = freshName();
      const tables = { schema: "public", prefix: 'odd "names" ' };
      await PostgresStore.install(client, tables);
      const first = await PostgresStore.open(client, store, { create: true, ...tables });
      await first.resize(100_000);
      await first.write(5, new Uint8Array([1]));
      const second = await PostgresStore.open(client, store, { takeOver: true, ...tables });
      await assertRejects(() => first.flush(), StoreFencedError, "opening 2, this one is 1");
      await first.close();
      await second.close();
      const missing = { prefix: "no_such_" };
      const error = await assertRejects(
        () => PostgresStore.open(client, store, missing),
        StorageError,
        "PostgresStore.install(client)",
      );
      assertEquals(error.cause instanceof Error, true);
      await end();
    });
  });
}
