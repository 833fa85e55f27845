/**
 * Memory as a store: an `ArrayBuffer`, a `SharedArrayBuffer`, the memory of a
 * WebAssembly instance, or a window of one of them.
 *
 * @module
 */

import {
  checkBytes,
  checkRange,
  StorageError,
  type ViewableStore,
} from "../src/arena/backing_store.ts";
import { isBuffer } from "../src/util/bytes_in.ts";
import { checkInteger, describe } from "../src/util/check_integer.ts";
import { checkOptions } from "../src/util/check_options.ts";

/** The part of a `WebAssembly.Memory` that is used. */
export interface WasmMemory {
  /** The memory now; another object after each growth. */
  readonly buffer: ArrayBufferLike;
  /** Adds `delta` pages of 64 KiB. */
  grow(delta: number): number;
}

/** Memory that a {@linkcode MemoryStore} can use. */
export type MemorySource = ArrayBufferLike | ArrayBufferView | WasmMemory;

/** Limits of a store that makes its own buffer. */
export interface MemoryLimits {
  /** Most bytes the store can be resized to; without it the length is fixed. */
  readonly maxByteLength?: number | undefined;
}

/** The part of a buffer or memory that is the store. */
export interface MemoryWindow {
  /**
   * First byte of the store within the source, 0 by default. Regions can be viewed as a
   * `Float64Array`, say, only where it is a multiple of the size of an element.
   */
  readonly byteOffset?: number | undefined;
  /** Bytes in the store; without it the store reaches to the source's end and follows it. */
  readonly byteLength?: number | undefined;
}

/** Methods of buffers in newer editions of the language than the types assume. */
interface ResizableBuffer {
  readonly resizable?: boolean;
  readonly growable?: boolean;
  readonly byteLength: number;
  readonly maxByteLength?: number;
  resize(byteLength: number): void;
  grow(byteLength: number): void;
}

const ResizableArrayBuffer = ArrayBuffer as unknown as new (
  byteLength: number,
  options?: MemoryLimits,
) => ArrayBuffer;

const WASM_PAGE = 65536;

/**
 * A synchronous store in memory, whose bytes can be used where they are.
 *
 * | source | `resize` |
 * | ------ | -------- |
 * | a length, with `maxByteLength` | either way, up to that |
 * | `ArrayBuffer` made with `maxByteLength` | either way, up to that |
 * | `SharedArrayBuffer` made with `maxByteLength` | grows only |
 * | `WebAssembly.Memory` | grows only, by whole pages of 64 KiB |
 * | anything of fixed length, a window of given length | refused |
 *
 * No `resize` copies a byte, but for what the engine does to grow WebAssembly
 * memory. The store follows a source that somebody else resizes. It holds nothing
 * to release and so has no `close`, and nothing to `flush`.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 *
 * const store = new MemoryStore(1024, { maxByteLength: 65536 });
 * store.write(16, new Uint8Array([1, 2, 3]));
 * const inPlace = store.view(16, 3); // no copy
 * store.resize(4096);
 * ```
 */
export class MemoryStore implements ViewableStore {
  readonly #source: MemorySource;
  /** The source, where it is WebAssembly memory. */
  readonly #memory: WasmMemory | undefined;
  readonly #window: MemoryWindow;
  /**
   * The store's bytes; out of date once WebAssembly memory has grown: {@linkcode #now}. Asked for
   * `byteLength`: V8 of Node 20 inlines `length` without a look at whether the buffer is detached.
   */
  #bytes: Uint8Array;

  /**
   * Makes a buffer of `byteLength` zeros.
   *
   * @throws {RangeError | TypeError} A length is not a non-negative integer, or above the limit, or
   * `limits` has another name.
   * @throws {StorageError} There is not that much memory.
   */
  constructor(byteLength: number, limits?: MemoryLimits);
  /**
   * Takes a buffer, a view of one or a WebAssembly memory, and copies nothing.
   *
   * @throws {RangeError} The window does not lie within the source.
   * @throws {TypeError} It is none of these, or `window` has another name.
   */
  constructor(source: MemorySource, window?: MemoryWindow);
  constructor(source: number | MemorySource, options: MemoryLimits & MemoryWindow = {}) {
    if (typeof source === "number") {
      checkOptions(options, "maxByteLength", "limits");
      this.#source = allocate(source, options.maxByteLength);
      this.#window = {};
    } else {
      if (!isBuffer(source) && !ArrayBuffer.isView(source) && !isWasmMemory(source)) {
        const got = describe(source);
        throw new TypeError(
          `Expected source to be a length, a buffer, a view or a WebAssembly.Memory, got ${got}`,
        );
      }
      checkOptions(options, "byteOffset byteLength", "window");
      this.#source = source;
      this.#window = windowOf(source, options);
    }
    this.#memory = isWasmMemory(this.#source) ? this.#source : undefined;
    this.#bytes = this.#take();
  }

  /** Bytes in the store now. */
  get byteLength(): number {
    return this.#now().byteLength;
  }

  /** Bytes that `resize` can reach; memory may end before. */
  get maxByteLength(): number {
    if (this.#window.byteLength !== undefined) return this.byteLength;
    if (this.#memory !== undefined) return Infinity; // it does not tell
    const { maxByteLength, byteLength } = this.#source as unknown as ResizableBuffer;
    return (maxByteLength ?? byteLength) - (this.#window.byteOffset ?? 0);
  }

  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): void {
    checkBytes("into", into);
    const bytes = this.#now();
    checkRange("read", offset, into.length, bytes.byteLength);
    into.set(bytes.subarray(offset, offset + into.length));
  }

  /** Writes `data` from `offset` on. */
  write(offset: number, data: Uint8Array): void {
    checkBytes("data", data);
    const bytes = this.#now();
    checkRange("write", offset, data.length, bytes.byteLength);
    bytes.set(data, offset);
  }

  /** The bytes themselves; growth of WebAssembly memory takes a view's bytes away. */
  view(offset: number, length: number): Uint8Array {
    const bytes = this.#now();
    checkRange("view", offset, length, bytes.byteLength);
    return bytes.subarray(offset, offset + length);
  }

  /** Copies a range, which may overlap its target. */
  copyWithin(from: number, to: number, length: number): void {
    const bytes = this.#now();
    checkRange("copy", from, length, bytes.byteLength);
    checkRange("copy", to, length, bytes.byteLength);
    bytes.copyWithin(to, from, from + length);
  }

  /**
   * Makes the store this long, where the source can (see the table above);
   * WebAssembly memory ends at the next multiple of 64 KiB.
   *
   * @throws {StorageError} The source cannot be that long; nothing has changed.
   */
  resize(byteLength: number): void {
    checkInteger("byteLength", byteLength);
    const now = this.byteLength;
    if (byteLength === now) return;
    const refuse = (reason: string, options?: { cause: unknown }) =>
      new StorageError("resize", 0, byteLength, reason, options);
    const { byteOffset = 0, byteLength: fixed } = this.#window, end = byteOffset + byteLength;
    const memory = this.#memory;
    const buffer = this.#source as unknown as ResizableBuffer;
    if (fixed !== undefined || !(memory ?? (buffer.resizable || buffer.growable))) {
      throw refuse("its buffer or window has a fixed length");
    }
    if (byteLength < now && !buffer.resizable) throw refuse("such memory only grows");
    try {
      if (memory !== undefined) {
        memory.grow(Math.ceil((end - memory.buffer.byteLength) / WASM_PAGE));
      } else if (buffer.resizable) buffer.resize(end);
      else buffer.grow(end);
    } catch (cause) {
      throw refuse("the limit of the buffer, or of memory, is reached", { cause });
    }
  }

  /** The store's bytes, taken again if WebAssembly memory has grown since. */
  #now(): Uint8Array {
    const memory = this.#memory;
    // Identity, not length: shared WebAssembly memory keeps its old buffer alive.
    if (memory !== undefined && memory.buffer !== this.#bytes.buffer) this.#bytes = this.#take();
    return this.#bytes;
  }

  /** A view of the window; without a length it follows a resizable buffer. */
  #take(): Uint8Array {
    const source = this.#source;
    const { byteOffset, byteLength } = this.#window;
    const buffer = "buffer" in source ? source.buffer : source;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** A buffer of the store's own. */
function allocate(byteLength: number, maxByteLength?: number): ArrayBuffer {
  checkInteger("byteLength", byteLength);
  if (maxByteLength !== undefined) checkInteger("maxByteLength", maxByteLength, byteLength);
  try {
    if (maxByteLength === undefined) return new ArrayBuffer(byteLength);
    return new ResizableArrayBuffer(byteLength, { maxByteLength });
  } catch (cause) {
    const reason = `no memory for ${maxByteLength ?? byteLength} bytes`;
    throw new StorageError("open", 0, byteLength, reason, { cause });
  }
}

/** The window asked for, within the one that a view already is. */
function windowOf(
  source: MemorySource,
  { byteOffset = 0, byteLength }: MemoryWindow,
): MemoryWindow {
  const available = (isWasmMemory(source) ? source.buffer : source).byteLength;
  checkInteger("byteOffset", byteOffset, 0, available);
  if (byteLength !== undefined) checkInteger("byteLength", byteLength, 0, available - byteOffset);
  if (!ArrayBuffer.isView(source)) return { byteOffset, byteLength };
  return {
    byteOffset: source.byteOffset + byteOffset,
    byteLength: byteLength ?? available - byteOffset,
  };
}

/** Views have a buffer and shared buffers grow; only WebAssembly memory has both. */
function isWasmMemory(value: unknown): value is WasmMemory {
  const memory = value as Partial<WasmMemory> | null | undefined;
  return typeof memory?.grow === "function" && memory.buffer !== undefined;
}
