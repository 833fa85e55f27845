/**
 * A `Blob` or `File` as a backing store that is only read.
 *
 * @module
 */

import {
  type AsyncBackingStore,
  checkBytes,
  checkRange,
  StorageError,
} from "../../src/arena/backing_store.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import type { BlobLike } from "./browser_files.ts";
import { reasonOf } from "./locate_file.ts";

/**
 * A `Blob` or a `File` as a store that is only read: one that was dropped on a page, chosen in an
 * `<input type=file>`, or is the body of an answer. It needs no worker, and runs on Deno, Node and
 * Bun, too. Bytes are read where they are asked for.
 *
 * A `File` is a snapshot: once the file behind it changes, reads are refused.
 *
 * @example
 * ```ts
 * import { BlobSourceStore, BlobStore } from "@suballoc/offset-allocator/opfs";
 * import { MemoryStore } from "@suballoc/offset-allocator";
 *
 * const memory = new MemoryStore(0, { maxByteLength: 2 ** 24 });
 * {
 *   await using made = await BlobStore.open(memory);
 *   await made.put("greeting", "hello");
 * }
 * const dropped = new Blob([memory.view(0, memory.byteLength).slice()]);
 *
 * await using blobs = await BlobStore.open(new BlobSourceStore(dropped), { readOnly: true });
 * await blobs.get("greeting"); // Uint8Array of 5 bytes
 * ```
 */
export class BlobSourceStore implements AsyncBackingStore {
  readonly #source: BlobLike;
  #isClosed = false;

  /**
   * Takes a `Blob` or a `File`.
   *
   * @throws {TypeError} It is something else.
   */
  constructor(source: BlobLike) {
    const { size, slice, arrayBuffer } = Object(source) as Partial<BlobLike>;
    const isBlob = typeof size === "number" && typeof slice === "function" &&
      typeof arrayBuffer === "function";
    if (!isBlob) {
      throw new TypeError(`Expected source to be a Blob or a File, got ${describe(source)}`);
    }
    this.#source = source;
  }

  /** Bytes in it. */
  get byteLength(): number {
    return this.#source.size;
  }

  /**
   * Fills `into` with the bytes from `offset` on.
   *
   * @throws {StorageError} The range ends beyond it, or it cannot be read any more.
   */
  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check("read", "into", offset, into);
    const { length } = into;
    if (length === 0) return;
    let bytes: ArrayBuffer;
    try {
      bytes = await this.#source.slice(offset, offset + length).arrayBuffer();
    } catch (cause) {
      throw new StorageError("read", offset, length, reasonOf(cause), { cause });
    }
    if (bytes.byteLength !== length) {
      throw new StorageError("read", offset, length, `${bytes.byteLength} bytes were there`);
    }
    checkIntact("into", into); // another one may have taken the buffer meanwhile
    into.set(new Uint8Array(bytes));
  }

  /**
   * Refuses to write.
   *
   * @throws {StorageError} Always, where the arguments are valid.
   */
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#check("write", "data", offset, data);
    if (data.length === 0) return await undefined;
    throw new StorageError("write", offset, data.length, "a Blob is only read");
  }

  /** Refuses further use. Closing again does nothing. */
  async close(): Promise<void> {
    this.#isClosed = await true;
  }

  #check(operation: "read" | "write", name: string, offset: number, bytes: Uint8Array): void {
    checkBytes(name, bytes);
    checkIntact(name, bytes);
    checkInteger("offset", offset);
    if (this.#isClosed) {
      throw new StorageError(operation, offset, bytes.length, "the store is closed");
    }
    checkRange(operation, offset, bytes.length, this.byteLength);
  }
}
