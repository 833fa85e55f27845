/**
 * Commits that the log has no room for, as the committer sees them.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { StoreFullError } from "../../src/blob_store/blob_store_errors.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { writeSource, type WrittenBlob } from "../../src/blob_store/blob_writer.ts";
import { openStore } from "../../src/blob_store/open_store.ts";
import { newDelete, newPut } from "../../src/blob_store/pending_write.ts";
import { bytesOf } from "./helpers.ts";

describe("a group whose batch fits no segment of the log", () => {
  it("takes what fits alone, with the bytes of blobs that were streamed", async () => {
    const store = new MemoryStore(2 ** 20), bytes = bytesOf(1, 200_000);
    const core = await openStore(store), { committer, state } = core;
    const blob = await writeSource(
      state,
      committer.newSeed(),
      { blob: new Blob([bytes as Uint8Array<ArrayBuffer>]) },
      () => core.makeRoom(),
    ) as WrittenBlob;
    const key = new TextEncoder().encode("streamed");
    const streamed = committer.commit([newPut(key, undefined, 0, blob)], false);
    // Together too long for any hole there is.
    const deletes = Array.from({ length: 900 }, (_, i) => {
      return newDelete(new TextEncoder().encode(`${i}`.padStart(1024, "k")));
    });
    const tooMuch = committer.commit(deletes, false);
    await assertRejects(() => tooMuch, StoreFullError);
    await streamed;
    await core.close();
    await using blobs = await BlobStore.open(store);
    assertEquals(await blobs.get("streamed"), bytes);
    await blobs.check();
  });
});
