/**
 * One GPU buffer as a store.
 *
 * @module
 */

import {
  type AsyncBackingStore,
  checkBytes,
  checkRange,
  StorageError,
  type StorageOperation,
} from "../../src/arena/backing_store.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { RwLock } from "../../src/util/rw_lock.ts";
import { GpuContext } from "./gpu_context.ts";
import { GpuOutOfMemoryError } from "./gpu_errors.ts";
import { type GpuBufferLike, type GpuDeviceLike, GpuUsage } from "./gpu_types.ts";
import { checkUsage } from "./gpu_usage.ts";
import { Readback } from "./readback.ts";

/** How a {@linkcode GpuBufferStore} makes its buffer. */
export interface GpuBufferStoreOptions {
  /** Bytes in the store; the buffer is as long as the next multiple of 4. */
  readonly byteLength: number;
  /** `GpuUsage` flags; `STORAGE` by default. COPY_SRC and COPY_DST are added. */
  readonly usage?: number | undefined;
  /** How tools call the buffer. */
  readonly label?: string | undefined;
}

/** A range that is to be read. */
export interface GpuReadRange {
  /** First byte within the store. */
  readonly offset: number;
  /** Where the bytes go; its length is that of the range. */
  readonly into: Uint8Array;
}

const WORD = 4;
/** Bytes copied at a time where a copy needs another place in between. */
const MAX_SCRATCH = 1_048_576; // = 2 ** 20

/**
 * An asynchronous store over one GPU buffer, which it makes, or is given.
 *
 * Offsets and lengths are any, although WebGPU knows words of 4 bytes only: a write that begins
 * or ends within a word reads that word first, and so takes as long as a read. Other writes are
 * in the queue when the call returns, if no such write is ahead of them.
 *
 * Operations happen in the order of their calls. `buffer` is for bind groups and commands; it is
 * another one after `resize`.
 *
 * @typeParam B The buffer: `GPUBuffer` for a real device.
 * @throws {DeviceLostError} (every operation, as a rejection) The device is lost.
 *
 * @example
 * ```ts
 * import { Arena } from "@suballoc/offset-allocator";
 * import { GpuBufferStore } from "@suballoc/offset-allocator/webgpu";
 * import type { GpuBufferLike, GpuDeviceLike } from "@suballoc/offset-allocator/webgpu";
 *
 * async function main<B extends GpuBufferLike>(device: GpuDeviceLike<B>) {
 *   await using store = new GpuBufferStore(device, { byteLength: 65536 });
 *   const arena = new Arena(store);
 *   const region = await arena.allocateFrom(new Uint8Array([1, 2, 3]));
 *   await region?.read(); // Uint8Array [1, 2, 3]
 * }
 * ```
 */
export class GpuBufferStore<B extends GpuBufferLike> implements AsyncBackingStore {
  /** Where the buffer is. */
  readonly device: GpuDeviceLike<B>;
  readonly #context: GpuContext<B>;
  readonly #readback: Readback<B>;
  readonly #lock: RwLock = new RwLock();
  readonly #usage: number;
  readonly #label: string | undefined;
  #buffer: B;
  /** True if the buffer was made here, and so is destroyed here. */
  #isOwn: boolean;
  #byteLength: number;
  #scratch: B | undefined;
  #isClosed = false;
  /** Why there is no buffer. */
  #failure: unknown;

  /**
   * Makes a buffer of zeros. Where there is no memory for it, every operation tells.
   *
   * @throws {TypeError | RangeError} An option is out of range, or the device cannot make such
   * a buffer.
   */
  constructor(device: GpuDeviceLike<B>, options: GpuBufferStoreOptions);
  /**
   * Takes a buffer with COPY_SRC and COPY_DST; it is never destroyed by the store. Its last
   * bytes after a multiple of 4 are not part of the store.
   *
   * @throws {TypeError} It is no such buffer, or known to be of another device.
   */
  constructor(device: GpuDeviceLike<B>, buffer: B);
  constructor(device: GpuDeviceLike<B>, source: GpuBufferStoreOptions | B) {
    const context = GpuContext.of(device);
    this.device = device;
    this.#context = context;
    this.#readback = new Readback(context);
    if (source !== null && typeof source === "object" && "mapAsync" in source) {
      const needed = GpuUsage.COPY_SRC | GpuUsage.COPY_DST;
      if ((source.usage & needed) !== needed) {
        throw new TypeError(
          `Expected a buffer with COPY_SRC and COPY_DST, got one with usage ${source.usage}`,
        );
      }
      context.expectOwn("buffer", source);
      this.#usage = source.usage;
      this.#isOwn = false;
      this.#buffer = source;
      this.#byteLength = source.size - source.size % WORD;
      return;
    }
    if (typeof source?.byteLength !== "number") {
      throw new TypeError(
        `Expected a GPUBuffer or options with a byteLength, got ${describe(source)}`,
      );
    }
    checkOptions(source, "byteLength usage label");
    const { byteLength, usage = GpuUsage.STORAGE, label } = source;
    checkType("label", label, "string");
    checkInteger("byteLength", byteLength, 0, longest(context));
    context.expectAlive();
    this.#usage = checkUsage(usage);
    device.checkUsage?.(this.#usage);
    this.#label = label;
    this.#isOwn = true;
    this.#byteLength = byteLength;
    const { buffer, made } = context.beginBuffer(this.#descriptor(byteLength));
    this.#buffer = buffer!;
    // Nothing uses the buffer before it is known to be there.
    void this.#lock.exclusive(() => made.catch((error) => this.#failure = error));
  }

  /** The buffer now; another one after `resize`. */
  get buffer(): B {
    return this.#buffer;
  }

  /** Bytes in the store now. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Most bytes that a buffer of the device can have. */
  get maxByteLength(): number {
    return longest(this.#context);
  }

  /** Fills `into` with the bytes from `offset` on. Reads of one tick share one wait. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    checkBytes("into", into);
    await this.#lock.shared(() => this.#read(offset, into));
  }

  /**
   * Fills several arrays, with one wait for the GPU. Refused as a whole if a range is.
   *
   * @throws {StorageError} (as a rejection) A range ends beyond the store.
   */
  async readAll(ranges: Iterable<GpuReadRange>): Promise<void> {
    if (typeof Object(ranges)[Symbol.iterator] !== "function") {
      throw new TypeError(`Expected ranges to be an iterable of ranges, got ${describe(ranges)}`);
    }
    const all = Array.from(ranges, (range) => {
      if (typeof range === "object" && range !== null) return range;
      throw new TypeError(
        `Expected ranges to be an iterable of ranges, got ${describe(range)} in it`,
      );
    });
    for (const { into } of all) checkBytes("into", into);
    await this.#lock.shared(async () => {
      for (const { offset, into } of all) this.#check("read", offset, into.length);
      await Promise.all(all.map(({ offset, into }) => this.#read(offset, into)));
    });
  }

  /** Writes `data` from `offset` on. Do not change `data` before the promise settles. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    checkBytes("data", data);
    checkInteger("offset", offset);
    if (isWhole(offset, data.length)) {
      await this.#lock.shared(() => {
        checkIntact("data", data);
        this.#check("write", offset, data.length);
        if (data.length > 0) this.#writeWords(offset, plain(data));
      });
    } else await this.#lock.exclusive(() => this.#write(offset, data));
  }

  /** Copies a range, which may overlap its target. */
  async copyWithin(from: number, to: number, length: number): Promise<void> {
    await this.#lock.exclusive(async () => {
      this.#check("copy", from, length);
      this.#check("copy", to, length);
      if (from === to || length === 0) return;
      if (isWhole(from, length) && isWhole(to, length)) await this.#copyWords(from, to, length);
      else await this.#copyBytes(from, to, length);
    });
  }

  /**
   * Makes the store this long, by a new buffer; a given one stays with its owner.
   *
   * @throws {StorageError} (as a rejection) The device cannot make such a buffer, or has no
   * memory for it; nothing has changed.
   */
  async resize(byteLength: number): Promise<void> {
    checkInteger("byteLength", byteLength);
    await this.#lock.exclusive(async () => {
      this.#expectOpen("resize", 0, byteLength);
      if (byteLength === this.#byteLength) return;
      if (byteLength > this.maxByteLength) {
        const most = `a buffer has at most ${this.maxByteLength}`;
        throw new StorageError("resize", 0, byteLength, most);
      }
      // What the buffer has beyond the end of the store is zero, so that growth shows zeros. That
      // is the rest of a word, or the one word of an empty store.
      const size = sizeFor(byteLength), last = size - WORD;
      const cut = byteLength < this.#byteLength && byteLength < size
        ? await this.#readback.read(this.#buffer, last, WORD)
        : undefined;
      if (size !== this.#buffer.size) await this.#replace(byteLength);
      this.#byteLength = byteLength;
      if (cut !== undefined) this.#writeWords(last, cut.fill(0, byteLength - last));
    });
  }

  /** Resolves once the GPU has done everything that was submitted. */
  async flush(): Promise<void> {
    await this.#lock.shared(async () => {
      this.#expectOpen("flush", 0, 0);
      await this.#context.orLost(this.device.queue.onSubmittedWorkDone());
    });
  }

  /**
   * Waits for the operations under way, then destroys the buffer, unless it was given. Closing
   * again does nothing.
   */
  async close(): Promise<void> {
    await this.#lock.exclusive(() => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      if (this.#isOwn) this.#buffer?.destroy();
      this.#scratch?.destroy();
      this.#readback.close();
    });
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    this.#check("read", offset, into.length);
    into.set(await this.#readback.read(this.#buffer, offset, into.length));
  }

  /** Writes bytes that begin or end within a word. */
  async #write(offset: number, data: Uint8Array): Promise<void> {
    checkIntact("data", data);
    this.#check("write", offset, data.length);
    if (data.length === 0) return;
    const end = offset + data.length, from = offset - offset % WORD;
    const words = new Uint8Array(Math.ceil((end - from) / WORD) * WORD), last = words.length - WORD;
    const edges = [
      ...offset === from ? [] : [0],
      // After the end of the store there are zeros.
      ...end % WORD === 0 || end === this.#byteLength || (last === 0 && offset !== from)
        ? []
        : [last],
    ];
    await Promise.all(edges.map(async (at) => {
      words.set(await this.#readback.read(this.#buffer, from + at, WORD), at);
    }));
    words.set(data, offset - from);
    this.#expectOpen("write", offset, data.length);
    this.#writeWords(from, words);
  }

  #writeWords(offset: number, words: Uint8Array<ArrayBuffer>): void {
    this.#readback.submit();
    this.device.queue.writeBuffer(this.#buffer, offset, words, 0, words.length);
  }

  /** WebGPU copies from one buffer to another only. */
  async #copyWords(from: number, to: number, length: number): Promise<void> {
    const needed = Math.min(length, MAX_SCRATCH);
    if (this.#scratch === undefined || this.#scratch.size < needed) {
      const usage = GpuUsage.COPY_SRC | GpuUsage.COPY_DST;
      const size = Math.min(MAX_SCRATCH, 2 ** Math.ceil(Math.log2(needed)));
      let scratch: B;
      try {
        scratch = await this.#context.createBuffer({ size, usage, label: "scratch" });
      } catch (cause) {
        if (!(cause instanceof GpuOutOfMemoryError)) throw cause;
        throw new StorageError("copy", from, length, cause.message, { cause });
      }
      this.#scratch?.destroy();
      this.#scratch = scratch;
    }
    const encoder = this.device.createCommandEncoder(), scratch = this.#scratch;
    for (const { at, size } of pieces(from, to, length, scratch.size)) {
      encoder.copyBufferToBuffer(this.#buffer, from + at, scratch, 0, size);
      encoder.copyBufferToBuffer(scratch, 0, this.#buffer, to + at, size);
    }
    this.#readback.submit();
    this.#context.submit(encoder);
  }

  async #copyBytes(from: number, to: number, length: number): Promise<void> {
    for (const { at, size } of pieces(from, to, length, MAX_SCRATCH)) {
      await this.#write(to + at, await this.#readback.read(this.#buffer, from + at, size));
    }
  }

  /** Another buffer with the same bytes, as far as they fit. */
  async #replace(byteLength: number): Promise<void> {
    let buffer: B;
    try {
      buffer = await this.#context.createBuffer(this.#descriptor(byteLength));
    } catch (cause) {
      if (!(cause instanceof GpuOutOfMemoryError)) throw cause;
      throw new StorageError("resize", 0, byteLength, cause.message, { cause });
    }
    const old = this.#buffer, encoder = this.device.createCommandEncoder();
    const kept = Math.min(sizeFor(this.#byteLength), buffer.size);
    encoder.copyBufferToBuffer(old, 0, buffer, 0, Math.min(kept, old.size - old.size % WORD));
    this.#readback.submit();
    this.#context.submit(encoder);
    if (this.#isOwn) old.destroy();
    this.#buffer = buffer;
    this.#isOwn = true;
  }

  #descriptor(byteLength: number) {
    return { size: sizeFor(byteLength), usage: this.#usage, label: this.#label };
  }

  #check(operation: StorageOperation, offset: number, length: number): void {
    this.#expectOpen(operation, offset, length);
    checkRange(operation, offset, length, this.#byteLength);
  }

  #expectOpen(operation: StorageOperation, offset: number, length: number): void {
    this.#context.expectAlive();
    if (this.#failure !== undefined) {
      const cause = this.#failure;
      throw new StorageError(operation, offset, length, (cause as Error).message, { cause });
    }
    if (this.#isClosed) throw new StorageError(operation, offset, length, "the store is closed");
  }
}

/** Length of the buffer behind a store; an empty one is of no use to WebGPU. */
function sizeFor(byteLength: number): number {
  return Math.max(WORD, Math.ceil(byteLength / WORD) * WORD);
}

function longest<B extends GpuBufferLike>({ limits }: GpuContext<B>): number {
  return limits.maxBufferSize - limits.maxBufferSize % WORD;
}

/** Tells whether a range consists of whole words. */
function isWhole(offset: number, length: number): boolean {
  return offset % WORD === 0 && length % WORD === 0;
}

/** The bytes in memory that every implementation takes: neither shared nor resizable. */
function plain(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = data;
  const isPlain = buffer instanceof ArrayBuffer && !(buffer as { resizable?: boolean }).resizable;
  return isPlain ? data as Uint8Array<ArrayBuffer> : new Uint8Array(data);
}

/** A copy in pieces, in the order in which none overwrites what another still has to copy. */
function* pieces(from: number, to: number, length: number, most: number) {
  const count = Math.ceil(length / most);
  for (let i = 0; i < count; i++) {
    const at = (from > to ? i : count - 1 - i) * most;
    yield { at, size: Math.min(most, length - at) };
  }
}
