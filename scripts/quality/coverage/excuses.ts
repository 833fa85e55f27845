/**
 * The lines of `src/` and `backends/` that the tests on Deno do not reach, and why.
 *
 * @module
 */

import type { Excuse } from "./gaps.ts";

/** What is not reached on purpose; `deno task coverage` refuses what no longer holds. */
export const EXCUSES: readonly Excuse[] = [
  {
    reason: "Only on a machine whose byte order is not that of the file",
    lines: {
      "src/blob_store/codec.ts": [
        "return Uint32Array.from({ length: count }",
        "const view = new DataView(bytes.buffer);",
      ],
    },
  },
  {
    reason: "Only in a page that may not wait or share memory: `deno task test:browser` is there",
    lines: {
      "src/shared/lock.ts": ["if (!this.#maySleep) continue;", "return false;"],
      "src/shared/shared_buffer.ts": ["a page has it when cross-origin isolated"],
    },
  },
  {
    reason: "Only on engines without Error.captureStackTrace; those of the tests have it",
    lines: { "src/util/stack.ts": ["if (capture === undefined) return new Error();"] },
  },
  {
    reason: "Only where a disk fills up between the making of a name and the bytes behind it",
    lines: { "backends/blob_store/owner_note.ts": ["discardFile(path);"] },
  },
  {
    reason:
      "Only where another thread comes between two instructions: `tests/shared/threads/` tries",
    sometimes: true,
    lines: {
      "src/shared/lock.ts": [
        "continue;",
        "Atomics.compareExchange(this.#words, this.#index, word, mine) !== word) return false;",
      ],
      "src/shared/locked_table.ts": ["throw new NotAllocatedError(handle);"],
      "src/shared/shared_slots.ts": [
        "while (!this.#replace(top));",
        "throw new NotAllocatedError(handle);",
      ],
      "src/shared/worker_cache.ts": ["throw new NotAllocatedError(handle);"],
    },
  },
  {
    reason: "A guard of check(): what is looked at before leaves nothing for it, but a bug could",
    lines: {
      "src/operations/check_table.ts": [
        'return "the ring does not close";',
        'return "the list of a bin does not end";',
      ],
      "src/allocators/page_allocator.ts": [
        "overlaps another`);",
        "of handle ${handle} is free`);",
        "a taken page has no owner",
      ],
    },
  },
  {
    reason: "Tables never shrink: when one grows, every slot before it is live",
    lines: { "src/blob_store/key_index.ts": ["if (!this.isLive(slot)) continue;"] },
  },
  {
    reason: "Needs 2^26 slots, or 2^29 generations of one",
    lines: {
      "src/gap_table/spans.ts": ["No room for another wall"],
    },
  },
  {
    reason: "Neither the process nor the disk does that in a test: it is passed on as it came",
    lines: {
      "backends/blob_store/lock.ts": ["if (!isNoDatabase(error)) throw error;"],
      "src/blob_store/copy_blobs.ts": ["if (!(error instanceof Unreadable)) throw error;"],
    },
  },
  {
    reason: "The blob is replaced again and again, between two reads each time",
    lines: { "src/blob_store/verify_blobs.ts": ["error instanceof BlobChangedError) continue;"] },
  },
  {
    reason: "What leads here is refused before: `acquireMany` asks for no more than the maximum",
    lines: { "src/pool/pool.ts": ["if (!this.#grow()) break;"] },
  },
  {
    reason: "Needs one group of commits of which one finds no place and the rest no log segment",
    lines: {
      "src/blob_store/committer.ts": [
        "if (transaction.isOver) continue;",
        "if (transaction.isOver) return;",
      ],
    },
  },
  {
    reason: "Closing waits for every write: holds also if one should come through all the same",
    lines: {
      "src/blob_store/store_file.ts": ['if (this.#isClosed) throw new StorageError("write"'],
      "src/blob_store/open_store.ts": ["if (device.hasFailed) return;"],
    },
  },
  {
    reason: "This writer proves all of the window at once or nothing of it; the format allows more",
    lines: { "src/blob_store/recovery.ts": ["if (sequence <= replay.durable) continue;"] },
  },
  {
    reason: "The window has only blobs with places of their own",
    lines: { "src/blob_store/recovery.ts": ["place === NO_PLACE) return [];"] },
  },
  {
    reason: "So much metadata with a right checksum: no writer makes it",
    lines: { "src/blob_store/replay.ts": ["record.metadata.length > MAX_METADATA) return false;"] },
  },
  {
    reason: "The store is full to the last byte in just this step, or fails in it",
    lines: {
      "src/blob_store/open_store.ts": [
        "return false;",
      ],
    },
  },
];
