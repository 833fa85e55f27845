/**
 * Blobs of no bytes: they take no place in the space of a store.
 *
 * @module
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { Space } from "../../src/blob_store/space.ts";
import type { StoreFile } from "../../src/blob_store/store_file.ts";
import type { BlobSource } from "../../src/blob_store/types.ts";
import { assertEmptiable, assertSound, bytesByKind, copyOf, memory, streamOf } from "./helpers.ts";

const sources: Record<string, () => BlobSource> = {
  "a string": () => "",
  "bytes": () => new Uint8Array(0),
  "a Blob": () => new Blob([]),
  "a stream": () => streamOf(new Uint8Array(0)),
  "a stream of empty pieces": () =>
    new ReadableStream({
      start(controller) {
        for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(0));
        controller.close();
      },
    }),
};

describe("an empty blob", () => {
  for (const inlineBytes of [undefined, 0]) {
    for (const [name, source] of Object.entries(sources)) {
      const options = inlineBytes === undefined ? {} : { inlineBytes };
      it(`takes no place, from ${name}, ${JSON.stringify(options)}`, async () => {
        const store = memory();
        let blobs = await BlobStore.open(store);
        for (let i = 0; i < 20; i++) await blobs.put(`e${i}`, source(), { metadata: i });
        await blobs.put("full", new Uint8Array(10_000));
        const stats = await blobs.stats();
        assertEquals([stats.blobs, stats.blobBytes], [21, 10_000]);
        const { blob } = await bytesByKind(blobs);
        await blobs.delete("full");
        assertStrictEquals((await bytesByKind(blobs)).blob <= blob - 10_000, true);
        for (const reopen of [false, true, false]) {
          if (reopen) {
            await blobs.close();
            blobs = await BlobStore.open(copyOf(store));
          } else await blobs.compact();
          assertStrictEquals((await bytesByKind(blobs)).blob, 0);
          for (let i = 0; i < 20; i += 7) {
            assertStrictEquals((await blobs.get(`e${i}`))?.length, 0);
          }
          assertEquals((await blobs.verify()).damaged, []);
          await assertSound(blobs);
        }
        assertStrictEquals(await blobs.delete("e3"), true);
        assertStrictEquals(await blobs.delete("e3"), false);
        assertStrictEquals(await blobs.get("e3"), undefined);
        await assertEmptiable(blobs);
        await blobs.close();
      });
    }
  }
});

describe("the space of a store that is in too many pieces", () => {
  it("grows no file", async () => {
    let resizes = 0;
    const file = {
      byteLength: 2 ** 20,
      maxByteLength: Infinity,
      resize(byteLength: number) {
        if (++resizes > 100) throw new Error("it grows for ever");
        file.byteLength = byteLength;
      },
    };
    const space = new Space(file as unknown as StoreFile, 64, Infinity, true);
    space.ranges.allocate = () => NO_SPACE;
    let message = "";
    await space.allocate(10).catch((error) => message = error.name);
    assertEquals([message, resizes, file.byteLength], ["StoreFullError", 0, 2 ** 20]);
  });
});
