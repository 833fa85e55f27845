/**
 * An arena of GPU buffers: regions in slabs that grow, move and report.
 *
 * @module
 */

import { alignUp } from "../../src/util/align_up.ts";
import { OutOfSpaceError } from "../../src/allocator.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { type StackTrace, traceBelow } from "../../src/util/stack.ts";
import type { Leak } from "../../src/report/tracked_allocator.ts";
import {
  checkArenaOptions,
  type CheckedOptions,
  checkRegionOptions,
  longestSlab,
} from "./gpu_arena_options.ts";
import type { GpuArenaOptions, GpuRegionOptions } from "./gpu_arena_options.ts";
import { leaksOf, statsOf } from "./gpu_arena_report.ts";
import type { GpuArenaStats } from "./gpu_arena_report.ts";
import { expectEncoder, GpuContext } from "./gpu_context.ts";
import { LiveGpuCompaction, planMoves } from "./gpu_compaction.ts";
import type { GpuCompaction, GpuCompactionOptions } from "./gpu_compaction.ts";
import { LiveGpuRegion } from "./gpu_region.ts";
import { expectStill, type MoveHost, moveRegion } from "./move_region.ts";
import type { GpuData, GpuRegion, GpuRegionHost, RegionSlab } from "./gpu_region.ts";
import type { GpuBufferLike, GpuDeviceLike } from "./gpu_types.ts";
import type { UploadState } from "./gpu_upload.ts";
import { alignmentOf, COPY_ALIGNMENT, usageAlignment, usageOf } from "./gpu_usage.ts";
import { Readback } from "./readback.ts";
import { DeferredFrees } from "./deferred_free.ts";
import type { GpuSlab } from "./slab.ts";
import { SlabPool } from "./slab_pool.ts";
import { PagePool, type PendingWrites, type Upload } from "./pending_writes.ts";

/** Looks of a plan that has other bounds: some milliseconds. */
const BOUNDED_LOOKS = 8192;

/**
 * Puts many regions into few GPU buffers: slabs, one list of them for each usage.
 *
 * `allocate` is synchronous and makes no GPU call; buffers are made, and made longer, by the next
 * `upload`, which also uploads what was written, neighbours in one piece. A region stays valid
 * while its buffer is replaced or it is moved.
 *
 * | call | cost |
 * | ---- | ---- |
 * | `allocate`, `free` | O(slabs of the usage) |
 * | `write` | O(bytes) |
 * | `upload` | O(writes), and a copy of each buffer that grows |
 * | `planCompaction` | O((regions + holes) log regions), O(looks log regions) in bounds |
 * | `stats`, `leaks`, reports | O(regions) |
 *
 * The device belongs to the caller. Several arenas may share it.
 *
 * @typeParam B The buffers: `GPUBuffer` for a real device.
 *
 * @example
 * ```ts
 * import { GpuArena } from "@suballoc/offset-allocator/webgpu";
 * import type { GpuBufferLike, GpuDeviceLike } from "@suballoc/offset-allocator/webgpu";
 *
 * async function upload<B extends GpuBufferLike>(device: GpuDeviceLike<B>) {
 *   const arena = new GpuArena(device);
 *   const positions = new Float32Array([0, 0, 1, 0, 0, 1]);
 *   const { byteLength } = positions;
 *   const mesh = arena.allocateOrThrow(byteLength, { role: "vertex", stride: 8 });
 *   mesh.write(positions);
 *   await arena.upload();
 *   // pass.setVertexBuffer(0, mesh.buffer);
 *   // pass.draw(mesh.elementCount, 1, mesh.firstElement);
 *   return mesh;
 * }
 * ```
 */
export class GpuArena<B extends GpuBufferLike> {
  /** Where the buffers are. */
  readonly device: GpuDeviceLike<B>;
  /**
   * Its face for functions beside the class.
   *
   * @internal
   */
  readonly state: object;
  readonly #context: GpuContext<B>;
  readonly #options: CheckedOptions;
  readonly #label: string | undefined;
  readonly #stacks: boolean;
  /** By usage. */
  readonly #pools: Map<number, SlabPool<B>> = new Map();
  readonly #pages: PagePool = new PagePool();
  readonly #readback: Readback<B>;
  readonly #deferredFrees: DeferredFrees<B>;
  readonly #uploads: UploadState<B>;
  readonly #regionHost: GpuRegionHost<B>;
  #compaction: Promise<LiveGpuCompaction<B>> | LiveGpuCompaction<B> | undefined;
  #growth: Promise<void> | undefined;
  #isClosed = false;

  /**
   * Makes an arena without buffers.
   *
   * @throws {TypeError | RangeError} `device` is no device, or an option is out of range.
   */
  constructor(device: GpuDeviceLike<B>, options: GpuArenaOptions = {}) {
    this.#context = GpuContext.of(device);
    this.#options = checkArenaOptions(options, longestSlab(this.#context.limits));
    this.device = device;
    this.#label = options.label;
    this.#stacks = options.stacks ?? false;
    this.#readback = new Readback(this.#context);
    this.#deferredFrees = new DeferredFrees(this.#context);
    this.state = this.#uploads = {
      context: this.#context,
      maxBeltBytes: this.#options.maxBeltBytes,
      deferredFrees: this.#deferredFrees,
      belt: undefined,
      recorded: undefined,
      write: this.#write,
      take: () => {
        this.#expectIdle();
        return this.#takeUploads();
      },
    };
    this.#regionHost = {
      context: this.#context,
      read: (region, at, length) => this.#read(region, at, length),
      release: (region) => this.#release(region),
      resize: (region, byteLength) => this.#resize(region, byteLength),
    };
  }

  /**
   * Reserves a region of `byteLength` bytes, at least 1. Its bytes are those that were
   * there before.
   * `undefined` means out of space: it would take more than `maxBytes`. Ranges that were freed
   * and are still in use count until then: {@linkcode GpuArena.settled} waits for them.
   *
   * @throws {TypeError | RangeError} An argument is out of range, or no buffer of the device can
   * be that long.
   * @throws {DeviceLostError} The device is lost.
   */
  allocate(byteLength: number, options: GpuRegionOptions): GpuRegion<B> | undefined {
    return this.#allocate(byteLength, options, this.#traceBelow(GpuArena.prototype.allocate));
  }

  /**
   * Reserves a region as {@linkcode GpuArena.allocate} does, for callers to whom a full arena is
   * an error. The numbers of that error are bytes.
   *
   * @throws {OutOfSpaceError} It would take more than `maxBytes`.
   * @throws As {@linkcode GpuArena.allocate}.
   */
  allocateOrThrow(byteLength: number, options: GpuRegionOptions): GpuRegion<B> {
    const trace = this.#traceBelow(GpuArena.prototype.allocateOrThrow);
    const region = this.#allocate(byteLength, options, trace);
    if (region !== undefined) return region;
    const pool = this.#pools.get(usageOf(options))!, budget = this.#budget();
    let freeSpace = budget, largest = budget;
    for (const { allocator, dedicated } of pool.slabs) {
      if (dedicated) continue;
      freeSpace += allocator.freeSpace;
      largest = Math.max(largest, allocator.largestFreeRegion());
    }
    const room = { freeSpace, largestFreeRegion: () => largest };
    const alignment = alignmentOf(pool.usage, pool.alignment, options);
    throw new OutOfSpaceError(room, byteLength, alignment, "bytes");
  }

  #allocate(byteLength: number, options: GpuRegionOptions, trace: StackTrace | undefined) {
    const { limits } = this.#context;
    this.#expectUsable();
    checkRegionOptions(options);
    const usage = usageOf(options);
    let pool = this.#pools.get(usage);
    if (pool === undefined) {
      this.device.checkUsage?.(usage);
      const least = usageAlignment(usage, limits);
      this.#pools.set(usage, pool = new SlabPool(usage, least, this.#options, this.#pages));
    }
    const longest = longestSlab(limits);
    checkInteger("byteLength", byteLength, 1, longest - longest % pool.alignment);
    const alignment = alignmentOf(usage, pool.alignment, options);
    // No other region can use what is left up to the next aligned offset.
    const extent = alignUp(byteLength, pool.alignment);
    const place = pool.allocate(extent, alignment, this.#budget());
    if (place === undefined) return undefined;
    const sizes = { size: byteLength, extent, alignment };
    const region = new LiveGpuRegion(this.#regionHost, place, sizes, options, trace);
    place.slab.regions.set(place.handle, region);
    return region;
  }

  /**
   * Reserves a region for `data` and writes it there; `undefined` means out of space.
   *
   * @throws As {@linkcode GpuArena.allocate} and {@linkcode GpuRegion.write}.
   */
  allocateFrom(data: GpuData, options: GpuRegionOptions): GpuRegion<B> | undefined {
    const trace = this.#traceBelow(GpuArena.prototype.allocateFrom);
    const region = this.#allocate(data?.byteLength, options, trace);
    try {
      region?.write(data);
    } catch (error) {
      region?.free();
      throw error;
    }
    return region;
  }

  /**
   * Brings the buffers up to date: what was written is uploaded, buffers that are too short are
   * replaced by longer ones, those that were empty for long go.
   *
   * Uploads that need no new buffer are in the queue when the call returns: a frame that allocates
   * nothing need not wait. The promise tells that the rest is, too. Commands that use a buffer
   * which is replaced must be submitted before: it is destroyed.
   *
   * @throws {GpuOutOfMemoryError} (as a rejection, as all) A buffer could not be made. Nothing is
   * lost: the regions keep what they have, and what they wait for goes with a later `upload`.
   * @throws {DeviceLostError} The device is lost.
   * @throws {Error} An upload recorded by `encodeUploads` is not known to be submitted. An
   * error of an `onRelocate` listener: all has been done then.
   */
  async upload(): Promise<void> {
    this.#uploadReady();
    this.#trim();
    // Growth under way may be for less than is needed now: once more then.
    while (this.#growth !== undefined) await this.#growth.catch(() => {});
    if (this.#misfits().length === 0) return;
    this.#growth = this.#grow();
    try {
      await this.#growth;
    } finally {
      this.#growth = undefined;
    }
  }

  /**
   * Plans to gather the free space: regions move to earlier buffers of their usage and to lower
   * offsets. Reserves the targets and changes nothing else; one plan at a time.
   *
   * Within a buffer, copies go through a scratch buffer of at most 1 MiB. Repeated until `more`
   * is false (a plan without moves may be dropped) it leaves what no hole below fits.
   *
   * @throws {TypeError | RangeError} (as a rejection, as all) A bound is out of range.
   * @throws {Error} The last plan was neither committed nor cancelled.
   * @throws {GpuOutOfMemoryError} There is no memory for the scratch buffer.
   * @throws {DeviceLostError} The device is lost.
   */
  async planCompaction(
    options: GpuCompactionOptions = {},
  ): Promise<GpuCompaction<B>> {
    checkOptions(options, "maxBytes maxMoves maxLooks");
    const none = Number.MAX_SAFE_INTEGER, { maxBytes = none, maxMoves = none } = options;
    const { maxLooks = Math.min(maxBytes, maxMoves) < none ? BOUNDED_LOOKS : none } = options;
    this.#expectUsable();
    checkInteger("maxBytes", maxBytes);
    checkInteger("maxMoves", maxMoves);
    checkInteger("maxLooks", maxLooks, 1);
    if (this.#compaction !== undefined) {
      throw new Error("Expected the last compaction to be committed or cancelled");
    }
    const found = planMoves(this.#pools.values(), { maxBytes, maxMoves, maxLooks });
    const isEmpty = found.moves.length === 0;
    const planned = LiveGpuCompaction.of({
      context: this.#context,
      readback: this.#readback,
      expectInOrder: (encoder) => {
        expectEncoder(encoder);
        if (this.#uploads.recorded?.encoder !== encoder) this.#expectNoUpload();
      },
      beforeRelocation: () => this.#uploadReady(),
      freeLater: (place) => this.#deferredFrees.add(place),
      ended: () => this.#compaction = undefined,
    }, found);
    if (!isEmpty) this.#compaction = planned;
    const plan = await planned;
    if (this.#isClosed) plan.cancel();
    else if (!isEmpty) this.#compaction = plan;
    this.#expectUsable();
    return plan;
  }

  /**
   * Destroys the buffers of empty slabs now; the next `upload` shortens those that are far too
   * long. Does nothing while a compaction is planned.
   */
  trim(): void {
    this.#expectUsable();
    this.#trim(0);
  }

  /**
   * Resolves once all freed ranges can be used again and all reads have ended.
   *
   * @throws {Error} (as a rejection) An upload recorded by `encodeUploads` is not known to be
   * submitted: its commands may use what was freed.
   */
  async settled(): Promise<void> {
    this.#expectNoUpload();
    await this.#readback.settled();
    await this.#deferredFrees.settled();
  }

  /** Counts what there is, in O(slabs). */
  stats(): GpuArenaStats {
    return statsOf(this.#allSlabs(), {
      pendingBytes: [...this.#allSlabs()].reduce((sum, slab) => sum + slab.pending.byteLength, 0),
      retiringBytes: this.#deferredFrees.byteLength,
      beltBytes: this.#uploads.belt?.byteLength ?? 0,
    });
  }

  /** The slabs, those of one usage together. */
  *slabs(): Generator<GpuSlab<B>, void, void> {
    yield* this.#allSlabs();
  }

  /** The live regions, slab by slab, in the order of their offsets. */
  *regions(): Generator<GpuRegion<B>, void, void> {
    yield* this.#liveRegions();
  }

  /** Live regions: at the end of a program, the leaks. For `formatLeaks`. */
  leaks(): Leak[] {
    return leaksOf(this.#liveRegions());
  }

  /**
   * Destroys all buffers, once submitted work is done with them. Regions can no longer be used;
   * reads that are under way are rejected. The device stays as it is. Closing again does nothing.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#compaction instanceof LiveGpuCompaction) this.#compaction.cancel();
    for (const region of [...this.#liveRegions()]) region.free();
    for (const { buffer } of this.#allSlabs()) buffer?.destroy();
    this.#pools.clear();
    this.#uploads.recorded?.cancel();
    this.#uploads.belt?.close();
    this.#readback.close();
  }

  /** Closes the arena. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Where the program called `caller`, if that is to be kept. */
  #traceBelow(caller: (...args: never[]) => unknown): StackTrace | undefined {
    return this.#stacks ? traceBelow(caller) : undefined;
  }

  async #read(region: LiveGpuRegion<B>, at: number, length: number) {
    if (!region.ready) await this.upload();
    this.#uploadReady();
    return await this.#readback.read(region.buffer, region.start + at, length);
  }

  async #resize(region: LiveGpuRegion<B>, byteLength: number): Promise<boolean> {
    this.#expectUsable();
    const { slab, start } = region, pool = this.#pools.get(slab.usage)!;
    const longest = longestSlab(this.#context.limits);
    checkInteger("byteLength", byteLength, 1, longest - longest % pool.alignment);
    const extent = alignUp(byteLength, pool.alignment);
    expectStill(region);
    this.#expectNoUpload();
    const isIn = !region.ready || start + extent <= slab.backed;
    if (isIn && slab.allocator.resize(region.handle, extent)) {
      region.size = byteLength;
      region.extent = extent;
      slab.pending.cut(region, start + extent);
      return true;
    }
    const place = pool.allocate(extent, region.alignment, this.#budget());
    if (place === undefined) return false;
    try {
      // The buffers of both places; slabs that change in between need another round.
      const end = place.slab.allocator.offset(place.handle) + extent;
      do {
        await this.upload();
        expectStill(region);
      } while (!region.ready || end > place.slab.backed);
      const host: MoveHost<B> = {
        context: this.#context,
        upload: () => {
          this.#readback.submit();
          this.#uploadReady();
        },
        freeLater: (old) => this.#deferredFrees.add(old),
      };
      await moveRegion(host, region, { place, size: byteLength, extent });
    } catch (error) {
      if (region.handle !== place.handle || region.slab !== place.slab) {
        place.slab.allocator.free(place.handle);
        this.#trim();
      }
      throw error;
    }
    return true;
  }

  #release(region: LiveGpuRegion<B>): void {
    const { slab, handle } = region;
    slab.regions.delete(handle);
    // No command can know a place that never was on the GPU.
    if (region.start + region.extent > slab.backed) slab.allocator.free(handle);
    else this.#deferredFrees.add({ slab, handle });
  }

  /** Gives the queue what was written to regions that are there, where it may. */
  #uploadReady(): void {
    this.#expectIdle();
    this.#uploadAll();
  }

  #uploadAll(): void {
    for (const uploads of this.#takeUploads()) {
      uploads.carryOut(this.#write);
      uploads.done();
    }
  }

  readonly #write: Upload<B> = ({ buffer }, offset, bytes, start, length) => {
    this.device.queue.writeBuffer(buffer!, offset, bytes, start, length);
  };

  #takeUploads(): PendingWrites<B>[] {
    const taken: PendingWrites<B>[] = [];
    for (const { pending } of this.#allSlabs()) {
      if (pending.isEmpty) continue;
      const ready = pending.take();
      if (!ready.isEmpty) taken.push(ready);
    }
    // What is read so far was asked for before.
    if (taken.length > 0) this.#readback.submit();
    return taken;
  }

  #trim(trimAfter?: number): void {
    // Its copies may be recorded: they need the buffers they were recorded with.
    if (this.#compaction !== undefined) return;
    for (const pool of this.#pools.values()) {
      for (const { buffer } of pool.trim(trimAfter)) buffer?.destroy();
    }
  }

  /** The slabs whose buffer has another length than they. */
  #misfits(): RegionSlab<B>[] {
    return [...this.#allSlabs()].filter((slab) => slab.backed !== slab.byteLength);
  }

  /** Makes the buffers that are needed; only once all are there is anything replaced. */
  async #grow(): Promise<void> {
    const slabs = this.#misfits();
    const label = this.#label === undefined ? "" : `${this.#label}: `;
    const made = await Promise.allSettled(slabs.map((slab) =>
      this.#context.createBuffer({
        size: slab.byteLength,
        usage: slab.usage,
        label: `${label}${slab.role} slab`,
      })
    ));
    const failed = made.find(({ status }) => status === "rejected") as
      | PromiseRejectedResult
      | undefined;
    // Uploads that an encoder got in between go to the buffers of now.
    while (this.#uploads.recorded !== undefined) {
      await this.#context.orLost(this.#uploads.recorded.ended);
    }
    // Slabs may have gone, and shrunk ones may have got regions again.
    const current = new Set(this.#allSlabs());
    const encoder = this.device.createCommandEncoder();
    const replaced: { slab: RegionSlab<B>; old: B | undefined; buffer: B }[] = [];
    made.forEach((result, i) => {
      if (result.status === "rejected") return;
      const slab = slabs[i], buffer = result.value, old = slab.buffer;
      const isOutdated = !current.has(slab) || slab.end > buffer.size && buffer.size < slab.backed;
      if (failed !== undefined || isOutdated) return buffer.destroy();
      if (old !== undefined) {
        encoder.copyBufferToBuffer(old, 0, buffer, 0, Math.min(old.size, buffer.size));
      }
      replaced.push({ slab, old, buffer });
    });
    if (failed !== undefined) throw failed.reason;
    this.#expectUsable();
    this.#readback.submit();
    this.#context.submit(encoder);
    const errors: unknown[] = [];
    for (const { slab, old, buffer } of replaced) {
      const moved = [...slab.regions.values()].filter((region) =>
        old !== undefined && region.ready
      );
      slab.use(buffer);
      old?.destroy();
      for (const region of moved) errors.push(...region.relocated());
    }
    this.#uploadAll();
    if (errors.length > 0) throw errors[0];
  }

  *#allSlabs(): Generator<RegionSlab<B>, void, void> {
    for (const { slabs } of this.#pools.values()) yield* slabs;
  }

  *#liveRegions(): Generator<LiveGpuRegion<B>, void, void> {
    for (const { allocator, regions } of this.#allSlabs()) {
      for (const { handle } of allocator.allocations()) {
        const region = regions.get(handle);
        if (region !== undefined) yield region;
      }
    }
  }

  /** Bytes that may be added to the slabs. */
  #budget(): number {
    const { maxBytes } = this.#options;
    if (maxBytes === Infinity) return Number.MAX_SAFE_INTEGER - 3;
    let used = 0;
    for (const { byteLength } of this.#allSlabs()) used += byteLength;
    const left = Math.max(0, maxBytes - used);
    return left - left % COPY_ALIGNMENT;
  }

  #expectUsable(): void {
    if (this.#isClosed) throw new Error("Expected an arena that is open: it was closed");
    this.#context.expectAlive();
  }

  #expectIdle(): void {
    this.#expectUsable();
    this.#expectNoUpload();
  }

  #expectNoUpload(): void {
    if (this.#uploads.recorded === undefined) return;
    throw new Error(
      "Expected the upload recorded by encodeUploads() to be ended by submitted() or cancel()",
    );
  }
}

/**
 * An arena as functions beside the class see it.
 *
 * @throws {TypeError} It is no arena.
 */
export function uploadsOf<B extends GpuBufferLike>(arena: GpuArena<B>): UploadState<B> {
  if (arena instanceof GpuArena) return arena.state as UploadState<B>;
  throw new TypeError(`Expected arena to be a GpuArena, got ${describe(arena)}`);
}
