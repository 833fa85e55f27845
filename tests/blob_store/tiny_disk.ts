/**
 * A file on a disk of few blocks, all of which may be taken.
 *
 * @module
 */

import { MemoryStore } from "../../backends/memory.ts";
import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { storeOf } from "./helpers.ts";
import { systemError } from "./faults.ts";

const BLOCK = 4096;

/**
 * A file that takes blocks of its disk as it is written, as most file systems have it: it
 * can be made longer at no cost, and what was never written has no block yet.
 */
export class SmallDisk implements SyncBackingStore {
  readonly #inner: MemoryStore = new MemoryStore(0, { maxByteLength: 2 ** 26 });
  readonly #taken: Set<number> = new Set();
  /** Blocks that are not taken. */
  free: number;
  /** Whether a file that is made longer takes blocks at once, as on Windows. */
  readonly #isEager: boolean;
  /** How often the disk was full. */
  refusals = 0;

  constructor(byteLength: number, isEager = false) {
    this.free = Math.floor(byteLength / BLOCK);
    this.#isEager = isEager;
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  /** Takes the blocks of a range, as many as there are; throws where that are not all. */
  #take(start: number, end: number, done: (end: number) => void): void {
    for (let block = Math.floor(start / BLOCK); block * BLOCK < end; block++) {
      if (this.#taken.has(block)) continue;
      if (this.free === 0) {
        this.refusals++;
        done(Math.max(start, block * BLOCK));
        throw systemError("ENOSPC");
      }
      this.free--;
      this.#taken.add(block);
    }
    done(end);
  }

  read(offset: number, into: Uint8Array): void {
    this.#inner.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.#take(offset, offset + data.length, (end) => {
      this.#inner.write(offset, data.subarray(0, end - offset));
    });
  }

  resize(byteLength: number): void {
    const before = this.byteLength;
    if (this.#isEager && byteLength > before) this.#take(before, byteLength, () => {});
    this.#inner.resize(byteLength);
    for (const block of this.#taken) {
      if (block * BLOCK < byteLength) continue;
      this.#taken.delete(block);
      this.free++;
    }
  }

  flush(): void {}

  /** What a crash of the process leaves. */
  copy(): MemoryStore {
    const bytes = new Uint8Array(this.byteLength);
    this.read(0, bytes);
    return storeOf(bytes, 2 ** 26);
  }
}
