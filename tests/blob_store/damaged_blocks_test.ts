/**
 * Blob stores of which a sector, a block or two neighbouring ones are lost: nothing that was
 * acknowledged is missing without an error, but for what the last batches of the log said.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
} from "../../src/blob_store/blob_store_errors.ts";
import { bytesOf, contentsOf, memory, regionsOf, storeOf } from "./helpers.ts";
import { isShared } from "../support/share.ts";

const SECTOR = 512, BLOCK = 4096;

/** A store that was left without closing, and its puts in their order. */
interface Left {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly puts: readonly { readonly key: string; readonly value: Uint8Array }[];
  /** Puts that the checkpoint has. */
  readonly checkpointed: number;
  /** Where the last batch begins, and where it ends. */
  readonly last: number;
  readonly end: number;
  readonly segments: number;
}

/** Fills a store so that its log goes on in several segments. */
async function makeLeft(): Promise<Left> {
  const store = memory(), blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 30 });
  const puts: { key: string; value: Uint8Array }[] = [];
  const put = async (i: number) => {
    const key = `key ${i}`, value = bytesOf(i, i % 7 === 0 ? 5000 : (37 * i) % 700);
    await blobs.put(key, value);
    puts.push({ key, value });
  };
  for (let i = 0; i < 60; i++) await put(i);
  await blobs.checkpoint();
  const checkpointed = puts.length;
  for (let i = 60; i < 200; i++) await put(i);
  const before = contentsOf(store);
  await put(201); // small: it lies in the log
  const file = contentsOf(store) as Uint8Array<ArrayBuffer>;
  const { length: segments } = await regionsOf(blobs, "log");
  let last = 0, end = file.length;
  while (file[last] === before[last]) last++;
  while (file[end - 1] === before[end - 1]) end--;
  return { file, puts, checkpointed, last, end: end + 8, segments };
}

/** Reads what is left, and fails where anything is missing or wrong without an error. */
async function examine(left: Left, start: number, length: number): Promise<string> {
  const { puts, last, end, checkpointed } = left, file = left.file.slice();
  file.fill(0, start, start + length);
  let blobs: BlobStore;
  try {
    blobs = await BlobStore.open(storeOf(file), { readOnly: true });
  } catch (error) {
    assert(error instanceof CorruptStoreError, `${error}`);
    return "refused";
  }
  let missing = 0, isDamaged = false;
  for (const { key, value } of puts) {
    try {
      const found = await blobs.get(key);
      if (found === undefined) missing++;
      else {
        assertEquals(missing, 0, `${key} is there, one before it is not`);
        assert(found.length === value.length && found.every((byte, i) => byte === value[i]), key);
      }
    } catch (error) {
      const { damaged, damagedIndex } = await blobs.verify();
      if (error instanceof DamagedIndexError) assert(damagedIndex.length > 0);
      else assert(error instanceof CorruptBlobError && damaged.length > 0, `${error}`);
      isDamaged = true;
    }
  }
  if (missing === 0) return isDamaged ? "a damaged blob" : "whole";
  assert(start < end && start + length > last, `${missing} are missing`);
  assert(missing < puts.length - checkpointed, "all of the log is missing");
  return "without the last ones";
}

describe("a store of which nothing is left", () => {
  const ranges: Record<string, [length: number, step: number]> = {
    "in a sector": [SECTOR, SECTOR],
    "in a block": [BLOCK, BLOCK],
    "in a block that begins anywhere": [BLOCK, 7 * SECTOR],
    "in two neighbouring blocks": [2 * BLOCK, BLOCK],
  };
  for (const [where, [length, step]] of Object.entries(ranges)) {
    it(`${where} says so`, async () => {
      const left = await makeLeft(), counts = new Map<string, number>();
      assert(left.segments >= 4, `${left.segments} segments`);
      for (let start = 0; start < left.file.length; start += step) {
        if (!isShared(start / step)) continue;
        const outcome = await examine(left, start, length).catch((cause) => {
          throw new Error(`bytes from ${start} on: ${cause.message}`, { cause });
        });
        counts.set(outcome, 1 + (counts.get(outcome) ?? 0));
      }
      for (const outcome of ["refused", "a damaged blob"]) {
        assert((counts.get(outcome) ?? 0) > 1, JSON.stringify([...counts]));
      }
    });
  }
});
