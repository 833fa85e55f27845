/**
 * A file whose calls can be made to fail, in the form of a `Deno.FsFile`.
 *
 * @module
 */

import type { SeekableFile } from "../../backends/file/mod.ts";

/** A file in memory whose calls can be made to fail. */
export class FakeFile implements SeekableFile {
  bytes: Uint8Array;
  cursor = 0;
  calls = 0;
  /** What happens at a call: an error to throw, or the most bytes it moves. */
  fault: (call: number, what: string) => Error | number | undefined = () => undefined;

  constructor(byteLength: number) {
    this.bytes = new Uint8Array(byteLength);
  }

  #move(what: string, length: number): number {
    const fault = this.fault(++this.calls, what);
    if (fault instanceof Error) throw fault;
    return Math.min(length, this.bytes.length - this.cursor, fault ?? Infinity);
  }

  seekSync(offset: number): number {
    return this.cursor = offset;
  }

  readSync(into: Uint8Array): number | null {
    const count = this.#move("read", into.length);
    into.set(this.bytes.subarray(this.cursor, this.cursor + count));
    this.cursor += count;
    return count === 0 ? null : count;
  }

  writeSync(data: Uint8Array): number {
    const count = this.#move("write", data.length);
    this.bytes.set(data.subarray(0, count), this.cursor);
    this.cursor += count;
    return count;
  }

  truncateSync(byteLength: number): void {
    this.#move("truncate", 0);
    const before = this.bytes;
    this.bytes = new Uint8Array(byteLength);
    this.bytes.set(before.subarray(0, byteLength));
  }

  statSync(): { size: number } {
    this.#move("stat", 0);
    return { size: this.bytes.length };
  }

  syncDataSync(): void {
    this.#move("sync", 0);
  }
}
