/**
 * Shared memory that state is laid out in.
 *
 * @module
 */

import { checkInteger, describe } from "../util/check_integer.ts";
import { newBuffer } from "../util/new_buffer.ts";

/** The part of a `WebAssembly.Memory` that is used. */
export interface SharedMemory {
  /** The memory now, a `SharedArrayBuffer`. */
  readonly buffer: ArrayBufferLike;
}

/** Where a shared allocator can lie. */
export type SharedSource = SharedArrayBuffer | SharedMemory;

/**
 * The buffer of a source, which has so many bytes from `byteOffset` on.
 *
 * @throws {TypeError} The source is no shared memory.
 * @throws {RangeError} It has not that many bytes, or the offset is not a multiple of 8.
 */
export function bufferFor(
  source: SharedSource,
  byteOffset: number,
  byteLength: number,
): SharedArrayBuffer {
  checkInteger("byteOffset", byteOffset);
  if (byteOffset % 8 !== 0) {
    throw new RangeError(`Expected byteOffset to be a multiple of 8, got ${byteOffset}`);
  }
  const buffer = bufferOf(source);
  if (byteLength > buffer.byteLength - byteOffset) {
    throw new RangeError(
      `Expected a buffer with ${byteLength} bytes from ${byteOffset} on, got one of ` +
        `${buffer.byteLength}`,
    );
  }
  return buffer;
}

/**
 * A new buffer that has so many bytes from `byteOffset` on.
 *
 * @throws {TypeError} There are no shared buffers.
 * @throws {RangeError} The runtime has no memory for it.
 */
export function makeBuffer(byteOffset: number, byteLength: number): SharedArrayBuffer {
  checkInteger("byteOffset", byteOffset);
  if (typeof SharedArrayBuffer === "undefined") {
    throw new TypeError("Expected SharedArrayBuffer: a page has it when cross-origin isolated");
  }
  return newBuffer(SharedArrayBuffer, byteOffset + byteLength);
}

function bufferOf(source: SharedSource): SharedArrayBuffer {
  const buffer: unknown = (source as Partial<SharedMemory> | null)?.buffer ?? source;
  if (Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]") {
    return buffer as SharedArrayBuffer;
  }
  throw new TypeError(
    `Expected a SharedArrayBuffer or a shared WebAssembly.Memory, got ${describe(source)}`,
  );
}
