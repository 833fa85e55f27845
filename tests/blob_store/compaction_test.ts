/**
 * Compaction where more than blobs lies in the file.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { assertEmptiable, assertHolds, bytesOf, memory, type Model } from "./helpers.ts";

describe("a log that is larger than the blobs in it", () => {
  it("is replaced by a checkpoint, once", async () => {
    const options = { durability: "none", compactAbove: 1, checkpointBytes: 2 ** 23 } as const;
    await using blobs = await BlobStore.open(memory(), options);
    const model: Model = new Map();
    for (let i = 0; i < 1000; i++) {
      await blobs.put(`${i}`, bytesOf(i, 4000));
      model.set(`${i}`, bytesOf(i, 4000));
    }
    for (let i = 0; i < 500; i++) {
      await blobs.delete(`${i}`);
      model.delete(`${i}`);
    }
    const { logBytes, fileBytes, checkpoints } = blobs.stats();
    assert(logBytes > 4e6 && checkpoints === 0, `${logBytes} bytes of log`);
    const { releasedBytes } = await blobs.compact();
    assert(releasedBytes > 2e6, `only ${releasedBytes} released`);
    const after = blobs.stats();
    assertStrictEquals(after.fileBytes, fileBytes - releasedBytes);
    assert(after.fileBytes < 2.3e6, `${after.fileBytes} bytes are left`);
    await assertHolds(blobs, model);
    assertEquals(await blobs.compact(), {
      movedBlobs: 0,
      movedBytes: 0,
      releasedBytes: 0,
      done: true,
    });
    assertStrictEquals(blobs.stats().checkpoints, after.checkpoints, "one more for nothing");
    await assertEmptiable(blobs);
  });
});
