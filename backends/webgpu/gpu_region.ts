/**
 * Regions of GPU buffers: ranges that stay the same thing while they move.
 *
 * @module
 */

import { NotAllocatedError } from "../../src/allocator.ts";
import { bytesIn } from "../../src/util/bytes_in.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { Listeners } from "../../src/util/listeners.ts";
import type { StackTrace } from "../../src/util/stack.ts";
import type { GpuRegionOptions } from "./gpu_arena_options.ts";
import type { GpuContext } from "./gpu_context.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import { COPY_ALIGNMENT, maxBindingSize, nameOfUsage } from "./gpu_usage.ts";
import type { Place, Slab } from "./slab.ts";

/** Bytes for a region: a buffer, or any view of one. */
export type GpuData = ArrayBufferLike | ArrayBufferView;

/** A range of a buffer, as a bind group takes it. */
export interface GpuBinding<B extends GpuBufferLike> {
  /** The buffer now. */
  buffer: B;
  /** First byte. */
  offset: number;
  /** Number of bytes, a multiple of 4. */
  size: number;
}

/**
 * A range of one of an arena's buffers. It stays valid while its buffer grows and while it is
 * moved: `buffer` and `offset` are those of now, and `generation` tells when they changed.
 *
 * Values taken from it for commands (a bind group, an offset in a draw) hold until
 * `generation` changes, which happens in `upload()` and at the end of a compaction only:
 * submit what was recorded before.
 *
 * @typeParam B The buffers.
 * @throws {NotAllocatedError} (everything but what it was made with) The region was freed.
 */
export interface GpuRegion<B extends GpuBufferLike> {
  /** The device that its buffer is on. */
  readonly device: object;
  /** Bytes, as they were asked for; it also owns those up to the next aligned offset. */
  readonly size: number;
  /** Divides `offset`. */
  readonly alignment: number;
  /** Bytes per element, where it was given. */
  readonly stride: number | undefined;
  /** `GpuUsage` flags of its buffer. */
  readonly usage: number;
  /** Its name in reports. */
  readonly label: string | undefined;
  /** True if it can no longer be used. */
  readonly freed: boolean;
  /** True if its buffer is there: after the first `upload()`. */
  readonly ready: boolean;
  /** Goes up by one whenever `buffer` or `offset` changes. */
  readonly generation: number;
  /** True if a compaction leaves it where it is; `false` by default. */
  pinned: boolean;

  /**
   * The buffer that it is in now.
   *
   * @throws {Error} It is not there before `upload()`.
   */
  readonly buffer: B;
  /** First byte within the buffer. */
  readonly offset: number;
  /**
   * The offset in elements: `firstVertex`, `baseVertex` or `firstIndex` of a draw.
   *
   * @throws {TypeError} It was allocated without a stride.
   */
  readonly firstElement: number;
  /**
   * Whole elements in the region.
   *
   * @throws {TypeError} It was allocated without a stride.
   */
  readonly elementCount: number;
  /**
   * The region, or `length` bytes of it from `at` (0) on, as the resource of a bind group.
   *
   * @throws {RangeError} The range is outside the region, not aligned as its usage needs, or
   * longer than a binding can be.
   * @throws {TypeError} The region is for neither uniforms nor storage.
   */
  binding(at?: number, length?: number): GpuBinding<B>;

  /**
   * Takes a copy of `data`, for `at` (0) on. It reaches the buffer with the next `upload()`.
   *
   * @throws {RangeError} The range is outside the region; `at` is not a multiple of 4, or the
   * length is not, unless the range ends with the region.
   * @throws {TypeError} `data` is no buffer and no view of one.
   * @throws {DeviceLostError} The device is lost.
   */
  write(data: GpuData, at?: number): void;
  /**
   * A copy of `length` bytes from `at` (0) on, by default all to the region's end, once
   * everything written so far is there: it flushes. Reads of the same tick share one wait.
   *
   * @throws {RangeError} The range is outside the region.
   * @throws {DeviceLostError} The device is lost, then or later.
   */
  read(at?: number, length?: number): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * Makes it this long, at least 1 byte, and keeps the bytes that fit; those after them are what
   * was there before. In place where there is room, else the region moves, by a copy on the GPU:
   * then it uploads first, as `upload()` does.
   *
   * @returns True if it could: `false` is out of space, and nothing has changed.
   * @throws {RangeError} (as a rejection, as all) No buffer of the device can be that long.
   * @throws {Error} Its move by a compaction is recorded; or an upload recorded by
   * `encodeUploads` is not known to be submitted.
   * @throws {GpuOutOfMemoryError} There is no memory for a buffer; nothing has changed.
   * @throws {DeviceLostError} The device is lost.
   */
  resize(byteLength: number): Promise<boolean>;

  /**
   * Calls `listener` whenever `buffer` or `offset` has changed: to make new bind groups.
   *
   * @returns A function that ends that.
   */
  onRelocate(listener: (region: GpuRegion<B>) => void): () => void;
  /** Frees the range. It is reused once the work submitted so far is done with it. */
  free(): void;
  /** Frees the region, unless that has happened. */
  [Symbol.dispose](): void;
}

/** A slab of regions. */
export type RegionSlab<B extends GpuBufferLike> = Slab<B, LiveGpuRegion<B>>;
/** An allocation in a slab of regions. */
export type RegionPlace<B extends GpuBufferLike> = Place<RegionSlab<B>>;

/** An arena as its regions see it. */
export interface GpuRegionHost<B extends GpuBufferLike> {
  readonly context: GpuContext<B>;
  read(region: LiveGpuRegion<B>, at: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  resize(region: LiveGpuRegion<B>, byteLength: number): Promise<boolean>;
  release(region: LiveGpuRegion<B>): void;
}

/** The one {@linkcode GpuRegion}. */
export class LiveGpuRegion<B extends GpuBufferLike> implements GpuRegion<B> {
  readonly host: GpuRegionHost<B>;
  /** Where it was made, if that is kept. */
  readonly trace: StackTrace | undefined;
  size: number;
  readonly alignment: number;
  readonly stride: number | undefined;
  readonly label: string | undefined;
  slab: RegionSlab<B>;
  handle: number;
  /** First byte in the slab, and bytes reserved there: what the allocator would say. */
  start: number;
  extent: number;
  generation = 0;
  freed = false;
  pinned: boolean;
  /** Where it is being copied to: writes go there, too, as the copy may be done already. */
  target: RegionPlace<B> | undefined = undefined;
  #listeners: Listeners<GpuRegion<B>> | undefined = undefined;

  constructor(
    host: GpuRegionHost<B>,
    { slab, handle }: RegionPlace<B>,
    sizes: { readonly size: number; readonly extent: number; readonly alignment: number },
    options: GpuRegionOptions,
    trace: StackTrace | undefined,
  ) {
    this.host = host;
    this.slab = slab;
    this.handle = handle;
    this.start = slab.allocator.offset(handle);
    this.size = sizes.size;
    this.extent = sizes.extent;
    this.alignment = sizes.alignment;
    this.stride = options.stride;
    this.label = options.label;
    this.pinned = options.pinned ?? false;
    this.trace = trace;
  }

  get device(): object {
    return this.host.context.device;
  }

  get usage(): number {
    return this.slab.usage;
  }

  get ready(): boolean {
    return !this.freed && this.start + this.extent <= this.slab.backed;
  }

  get buffer(): B {
    this.#checkLive();
    if (this.ready) return this.slab.buffer!;
    throw new Error(`Expected upload() to be awaited before the buffer of ${this.#name()} is used`);
  }

  get offset(): number {
    this.#checkLive();
    return this.start;
  }

  get firstElement(): number {
    this.#checkLive();
    return this.start / this.#strideOf("firstElement");
  }

  get elementCount(): number {
    return Math.floor(this.size / this.#strideOf("elementCount"));
  }

  binding(at = 0, length?: number): GpuBinding<B> {
    const { buffer, size, usage } = this, { limits } = this.host.context;
    const count = length ?? Math.max(0, size - at);
    this.#checkRange("bind", at, count);
    const uniform = (usage & 0x40) !== 0, storage = (usage & 0x80) !== 0;
    if (!uniform && !storage) {
      throw new TypeError(
        `Expected a region for uniforms or storage, got ${this.#name()}, which is for ` +
          `${nameOfUsage(usage)}`,
      );
    }
    if (count === 0) throw new RangeError("Expected length to be at least 1, got 0");
    const step = Math.max(
      uniform ? limits.minUniformBufferOffsetAlignment : 1,
      storage ? limits.minStorageBufferOffsetAlignment : 1,
    );
    if (at % step !== 0) {
      throw new RangeError(`Expected at to be a multiple of ${step} in a binding, got ${at}`);
    }
    const padded = padTo4(count), most = maxBindingSize(usage, limits);
    if (padded > most) {
      throw new RangeError(`Expected at most ${most} bytes in a binding, got ${padded}`);
    }
    return { buffer, offset: this.start + at, size: padded };
  }

  write(data: GpuData, at = 0): void {
    this.#checkLive();
    this.host.context.expectAlive();
    const bytes = bytesOf(data);
    this.#checkRange("write", at, bytes.length);
    if (at % COPY_ALIGNMENT !== 0) {
      throw new RangeError(`Expected at to be a multiple of ${COPY_ALIGNMENT}, got ${at}`);
    }
    if (bytes.length % COPY_ALIGNMENT !== 0 && at + bytes.length !== this.size) {
      throw new RangeError(
        `Expected a multiple of ${COPY_ALIGNMENT} bytes, or all to the region's end, ` +
          `got ${bytes.length} at ${at} of ${this.size}`,
      );
    }
    if (bytes.length === 0) return;
    const end = at + bytes.length;
    this.slab.pending.add(this, at, bytes, end === this.size ? this.extent : end);
  }

  async read(at = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#checkLive();
    checkInteger("at", at);
    const count = length ?? Math.max(0, this.size - at);
    this.#checkRange("read", at, count);
    return await this.host.read(this, at, count);
  }

  async resize(byteLength: number): Promise<boolean> {
    this.#checkLive();
    return await this.host.resize(this, byteLength);
  }

  onRelocate(listener: (region: GpuRegion<B>) => void): () => void {
    this.#checkLive();
    return (this.#listeners ??= new Listeners()).add(listener);
  }

  free(): void {
    this.#checkLive();
    this.freed = true;
    this.#listeners = undefined;
    this.host.release(this);
  }

  [Symbol.dispose](): void {
    if (!this.freed) this.free();
  }

  /** Another buffer, or another place: returns what the listeners threw. */
  relocated(): unknown[] {
    this.generation++;
    return this.#listeners?.call(this) ?? [];
  }

  #name(): string {
    return this.label === undefined ? "the region" : `"${this.label}"`;
  }

  #strideOf(member: string): number {
    if (this.stride !== undefined) return this.stride;
    throw new TypeError(`Expected a region allocated with a stride, for ${member}`);
  }

  #checkLive(): void {
    if (this.freed) throw new NotAllocatedError(this.handle);
  }

  #checkRange(operation: string, at: number, length: number): void {
    checkInteger("at", at);
    checkInteger("length", length);
    if (length <= this.size - at) return;
    const range = `${length} bytes at ${at}`;
    throw new RangeError(`Cannot ${operation} ${range}: the region has ${this.size} bytes`);
  }
}

/** The next multiple of 4. */
export function padTo4(length: number): number {
  return length + (-length & 3);
}

/** The bytes of whatever holds some; no copy. */
function bytesOf(data: GpuData): Uint8Array {
  const bytes = bytesIn(data);
  if (bytes !== undefined) {
    checkIntact("data", bytes);
    return bytes;
  }
  throw new TypeError(`Expected data to be a buffer or a view of one, got ${describe(data)}`);
}
