/**
 * A file served in place where that is quicker, and by the thread pool where not.
 *
 * @module
 */

import { nextTurn } from "./cursor.ts";
import { type FileIO, MAX_IN_PLACE, MAX_PER_TURN } from "./file_io.ts";

/** The common part of both async stores: in place or aside, turns of the event loop, order. */
export class AsyncFile {
  readonly io: FileIO;
  /** Transfers in the thread pool, each as the end it comes to. */
  readonly #underWay: Set<Promise<void>> = new Set();
  /** Work done in place since the event loop had its last turn. */
  #inPlace = 0;
  /** Settles when the last resize asked for has; undefined where none is waiting. */
  #resizes: Promise<void> | undefined;

  constructor(io: FileIO) {
    this.io = io;
  }

  /** True if nothing is in the thread pool. */
  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  transfer(operation: "read" | "write", offset: number, bytes: Uint8Array): void | Promise<void> {
    this.io.checkTransfer(operation, offset, bytes);
    if (bytes.length > MAX_IN_PLACE) {
      return this.#track(this.io.transferAsync(operation, offset, bytes));
    }
    this.io.transfer(operation, offset, bytes);
    return this.turnAfter(bytes.length + 4096);
  }

  /** Counts work done in place; now and then a turn of the event loop to wait for. */
  turnAfter(work: number): void | Promise<void> {
    // Awaited calls that end in place would keep timers and signals waiting for ever.
    this.#inPlace += work;
    if (this.#inPlace < MAX_PER_TURN) return;
    this.#inPlace = 0;
    return nextTurn();
  }

  /** Resizes in place, unless a resize is waiting or what is cut off may be under way. */
  resize(byteLength: number): void | Promise<void> {
    this.io.checkResize(byteLength);
    const before = this.#resizes;
    if (before === undefined && (this.isIdle || byteLength >= this.io.byteLength)) {
      return this.io.resize(byteLength);
    }
    const turn = before === undefined
      ? this.#resizeAfterTransfers(byteLength)
      : before.then(() => this.#resizeAfterTransfers(byteLength));
    const end = turn.catch(() => {}).then(() => {
      if (this.#resizes === end) this.#resizes = undefined;
    });
    this.#resizes = end;
    return turn;
  }

  async #resizeAfterTransfers(byteLength: number): Promise<void> {
    const before = this.io.byteLength;
    if (byteLength < before) {
      // No new request may touch what is cut off, and one under way would bring it back.
      this.io.byteLength = byteLength;
      await Promise.all(this.#underWay);
    }
    try {
      this.io.resize(byteLength);
    } catch (error) {
      this.io.byteLength = before;
      throw error;
    }
  }

  /** Looks at the length anew, once no resize is waiting. */
  async reload(): Promise<void> {
    this.io.checkUsable("read");
    while (this.#resizes !== undefined) await this.#resizes;
    this.io.reload();
  }

  /** Flushes in the thread pool, after the transfers that are there. */
  async flushAsync(): Promise<void> {
    this.io.checkUsable("flush");
    const before = Promise.all(this.#underWay);
    await this.#track(before.then(() => this.io.flushAsync()));
  }

  async close(): Promise<void> {
    if (this.io.markClosed()) return;
    await this.#resizes;
    await Promise.all(this.#underWay);
    this.io.release();
  }

  /** Notes a transfer until it ends: a descriptor closed under it may name another file. */
  #track(transfer: Promise<void>): Promise<void> {
    const end = transfer.catch(() => {}).then(() => void this.#underWay.delete(end));
    this.#underWay.add(end);
    return transfer;
  }
}
