/**
 * A disk that forgets: it keeps what is durable apart from what was written since
 * the last flush, and tells what a power loss may leave of it.
 *
 * @module
 */

import { checkBytes, checkRange, type SyncBackingStore } from "../../../src/arena/backing_store.ts";
import { checkInteger } from "../../../src/util/check_integer.ts";

/** What was done since the last flush, in order. */
export type Change =
  | { readonly kind: "write"; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "resize"; readonly to: number };

/** A disk at one moment: what a crash then can leave is all in here. */
export interface DiskState {
  /** What no crash takes away. */
  readonly durable: Uint8Array;
  /** The changes that are not durable yet: the first `count` of them, later ones are ignored. */
  readonly changes: readonly Change[];
  /** How many changes had been made. */
  readonly count: number;
}

/** What the disk was asked to do. */
export type DiskOperation = "write" | "resize" | "flush";

/**
 * A synchronous store in memory over {@linkcode DiskState}: reads see every write,
 * a crash keeps of the unflushed ones what it likes.
 */
export class SimulatedDisk implements SyncBackingStore {
  /** What `resize` can at most make of it. */
  readonly maxByteLength: number;
  /** Called before the disk changes or becomes durable: the moments to crash at. */
  onOperation: ((operation: DiskOperation) => void) | undefined;
  /** What reads see, with room to grow; while `#shared`, these are the durable bytes. */
  #bytes: Uint8Array;
  #byteLength: number;
  #shared = true;
  #durable: Uint8Array;
  #changes: Change[] = [];

  /** Makes a disk that was flushed with `bytes` on it; it does not change them. */
  constructor(bytes: Uint8Array = new Uint8Array(0), maxByteLength: number = 2 ** 24) {
    this.#bytes = this.#durable = bytes;
    this.#byteLength = bytes.length;
    this.maxByteLength = maxByteLength;
  }

  /** The disk as a killed process leaves it: nothing is lost, and nothing has become durable. */
  static unflushed(state: DiskState, maxByteLength?: number): SimulatedDisk {
    const disk = new SimulatedDisk(state.durable, maxByteLength);
    for (const change of state.changes.slice(0, state.count)) disk.#apply(change);
    return disk;
  }

  /** Bytes on the disk. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The moment, for {@linkcode crashImages}. */
  get state(): DiskState {
    return { durable: this.#durable, changes: this.#changes, count: this.#changes.length };
  }

  read(offset: number, into: Uint8Array): void {
    checkBytes("into", into);
    checkRange("read", offset, into.length, this.#byteLength);
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, data: Uint8Array): void {
    checkBytes("data", data);
    checkRange("write", offset, data.length, this.#byteLength);
    this.onOperation?.("write");
    if (data.length > 0) this.#apply({ kind: "write", offset, data: data.slice() });
  }

  resize(byteLength: number): void {
    checkInteger("byteLength", byteLength);
    if (byteLength > this.maxByteLength) {
      throw new RangeError(`Expected at most ${this.maxByteLength} bytes, got ${byteLength}`);
    }
    this.onOperation?.("resize");
    if (byteLength !== this.#byteLength) this.#apply({ kind: "resize", to: byteLength });
  }

  flush(): void {
    this.onOperation?.("flush");
    if (this.#changes.length === 0) return;
    this.#durable = this.#bytes.slice(0, this.#byteLength);
    this.#changes = []; // a new list: states that were taken keep the old one
  }

  #apply(change: Change): void {
    if (this.#shared) this.#bytes = this.#bytes.slice();
    this.#shared = false;
    this.#changes.push(change);
    if (change.kind === "write") return this.#bytes.set(change.data, change.offset);
    if (change.to > this.#bytes.length) {
      const larger = new Uint8Array(change.to + (change.to >>> 2));
      larger.set(this.#bytes.subarray(0, this.#byteLength));
      this.#bytes = larger;
    }
    if (change.to < this.#byteLength) this.#bytes.fill(0, change.to, this.#byteLength);
    this.#byteLength = change.to;
  }
}
