/**
 * Compaction: regions move down, to earlier buffers first, by copies in the user's encoder.
 *
 * @module
 */

import { allocateAt } from "../../src/operations/allocate_at.ts";
import { planCompaction } from "../../src/operations/compaction.ts";
import { type Allocator, NO_SPACE } from "../../src/allocator.ts";
import type { GpuContext } from "./gpu_context.ts";
import type { GpuRegion, LiveGpuRegion, RegionPlace, RegionSlab } from "./gpu_region.ts";
import { type GpuBufferLike, type GpuEncoderLike, GpuUsage } from "./gpu_types.ts";
import type { Readback } from "./readback.ts";
import type { SlabPool } from "./slab_pool.ts";

/** Bounds of one compaction. */
export interface GpuCompactionOptions {
  /** Most bytes moved; no limit by default. A larger region never moves. */
  readonly maxBytes?: number | undefined;
  /** Most regions moved; no limit by default. */
  readonly maxMoves?: number | undefined;
  /**
   * Most regions and holes that the planner looks at, at least 1: bounds its time. The next plan
   * goes on from there. No limit by default; 8,192 where another bound is given.
   */
  readonly maxLooks?: number | undefined;
}

/** One region's way. */
export interface GpuMove<B extends GpuBufferLike> {
  /** The region or range that moves. */
  readonly region: GpuRegion<B>;
  /** The buffer it moves to: its own, or an earlier one. */
  readonly buffer: B;
  /** Its offset before. */
  readonly from: number;
  /** Its offset after. */
  readonly to: number;
  /** Bytes copied. */
  readonly size: number;
}

/**
 * A planned compaction. Its targets are reserved; nothing has moved yet.
 *
 * 1. `encode(encoder)` records the copies, behind whatever the encoder has. From now on what is
 *    written to a region goes to both of its places, so that it does not matter whether a write
 *    or the copies come first.
 * 2. Submit the encoder, and whatever else was recorded with the old places.
 * 3. `await commit()` proves that the copies were carried out; then the regions are at their new
 *    places: `offset` and `generation` change, and listeners are called.
 *
 * A region that is freed or pinned in between stays out of it. A region that commands of yours
 * write to must not be in a plan between `encode` and `commit`, unless they are recorded before
 * the copies: pin it.
 *
 * @typeParam B The buffers.
 */
export interface GpuCompaction<B extends GpuBufferLike> {
  /** What it moves; empty once it was committed or cancelled. */
  readonly moves: readonly GpuMove<B>[];
  /** Bytes that the moves copy; 0 once it was committed or cancelled. */
  readonly bytes: number;
  /** True if the next plan may find moves: bounds ended this one, or it has some itself. */
  readonly more: boolean;
  /**
   * Records the copies.
   *
   * @throws {Error} It was encoded, committed or cancelled before; or uploads are recorded in
   * another encoder that is not known to be submitted.
   */
  encode(encoder: GpuEncoderLike<B>): void;
  /**
   * Ends it, once the copies were carried out.
   *
   * @throws {Error} (as a rejection) The encoder was not submitted, or an upload recorded by
   * `encodeUploads` is not known to be: nothing has changed. Or it was not encoded, or was
   * committed or cancelled before. An error of an `onRelocate` listener: all has been done then.
   * @throws {DeviceLostError} (as a rejection) The device is lost.
   */
  commit(): Promise<void>;
  /**
   * Gives it up: all regions stay where they are. If the encoder was not submitted, it can no
   * longer be. Does nothing after `commit` or `cancel`.
   */
  cancel(): void;
  /** Cancels it, unless it was committed. */
  [Symbol.dispose](): void;
}

/** An arena as its compaction sees it. */
export interface CompactionHost<B extends GpuBufferLike> {
  readonly context: GpuContext<B>;
  readonly readback: Readback<B>;
  /** Throws where copies in this encoder could overtake uploads. */
  expectInOrder(encoder: GpuEncoderLike<B>): void;
  /** Uploads what was written, as it goes to both places now; throws where it cannot. */
  beforeRelocation(): void;
  /** Frees a range once the GPU is done with it. */
  freeLater(place: RegionPlace<B>): void;
  /** The compaction is over, or cannot go on. */
  ended(): void;
}

interface PlannedMove<B extends GpuBufferLike> {
  readonly region: LiveGpuRegion<B>;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly source: RegionPlace<B>;
  readonly target: RegionPlace<B>;
}

/** The scratch buffer begins with a word that the copies clear: the proof that they were made. */
const PROOF_BYTES = 8;
const MAX_SCRATCH = 1_048_576; // = 2 ** 20

/** Bounds of a planner. */
export interface PlanBounds {
  readonly maxBytes: number;
  readonly maxMoves: number;
  readonly maxLooks: number;
}

/** The moves of a plan, and whether there may be more. */
export interface PlannedMoves<B extends GpuBufferLike> {
  readonly moves: PlannedMove<B>[];
  readonly more: boolean;
}

/**
 * Plans moves: from the last slab of each pool to earlier ones, then within each slab, into
 * what is free now. Reserves the targets. O(log regions) for a look, and O(regions) once a round.
 */
export function planMoves<B extends GpuBufferLike>(
  pools: Iterable<SlabPool<B>>,
  bounds: PlanBounds,
): PlannedMoves<B> {
  const planner = new MovePlanner<B>(bounds);
  for (const pool of pools) {
    const slabs = pool.slabs.filter(({ dedicated, buffer }) => !dedicated && buffer !== undefined);
    for (let last = slabs.length - 1; last > 0; last--) {
      planner.moveOut(slabs[last], slabs.slice(0, last));
    }
    for (const slab of slabs) planner.moveDown(slab);
  }
  const { moves, isCut } = planner;
  return { moves, more: isCut || moves.length > 0 };
}

/** One plan under way. */
class MovePlanner<B extends GpuBufferLike> {
  readonly moves: PlannedMove<B>[] = [];
  /** True if a bound ended something; the slabs know where it goes on. */
  isCut = false;
  readonly #bounds: PlanBounds;
  readonly #moving: Set<LiveGpuRegion<B>> = new Set();
  #bytes = 0;
  #looks = 0;

  constructor(bounds: PlanBounds) {
    this.#bounds = bounds;
  }

  /** From the end of a slab to earlier ones. */
  moveOut(slab: RegionSlab<B>, earlier: readonly RegionSlab<B>[]): void {
    const { maxBytes, maxMoves, maxLooks } = this.#bounds;
    const waiting = slab.leaving ??
      Array.from(slab.allocator.allocations(), ({ handle }) => handle);
    while (waiting.length > 0) {
      if (this.moves.length >= maxMoves || this.#looks >= maxLooks) break;
      this.#looks++;
      const region = slab.regions.get(waiting.pop()!);
      if (!this.#isMovable(region) || region.extent > maxBytes - this.#bytes) continue;
      const target = placeIn(earlier, region.extent, region.alignment);
      if (target === undefined) continue;
      this.#add(region, target);
      slab.hasLeft = true;
    }
    // What has left made room for regions of later slabs: another round then.
    if (waiting.length > 0 || slab.hasLeft) this.isCut = true;
    slab.leaving = waiting.length > 0 ? waiting : undefined;
    slab.hasLeft &&= waiting.length > 0;
  }

  /** Into the holes of a slab. */
  moveDown(slab: RegionSlab<B>): void {
    const { maxBytes, maxMoves, maxLooks } = this.#bounds;
    const isBounded = maxLooks < Number.MAX_SAFE_INTEGER;
    // A plan that goes on takes what is too large for the rest of the bounds for too large.
    if (isBounded && (this.#looks >= maxLooks || this.moves.length > 0)) {
      this.isCut = true;
      return;
    }
    const looks = maxLooks - this.#looks;
    const plan = planCompaction(slab.allocator, {
      maxUnits: maxBytes - this.#bytes,
      maxMoves: maxMoves - this.moves.length,
      ...isBounded ? { maxLooks: looks, from: slab.planned } : {},
      overlap: false,
      alignmentOf: (handle) => {
        const region = slab.regions.get(handle);
        return this.#isMovable(region) ? region.alignment : Infinity;
      },
    });
    this.#looks += plan.looks;
    slab.planned = plan.next;
    if (plan.next !== undefined) this.isCut = true;
    for (const { handle, to, size } of plan) {
      // It may have been freed or pinned since an earlier plan looked at it.
      const region = slab.regions.get(handle);
      if (!this.#isMovable(region)) continue;
      const target = allocateAt(slab.allocator, to, size);
      if (target !== NO_SPACE) this.#add(region, { slab, handle: target });
    }
  }

  #isMovable(region: LiveGpuRegion<B> | undefined): region is LiveGpuRegion<B> {
    return region !== undefined && region.ready && !region.pinned && !this.#moving.has(region);
  }

  #add(region: LiveGpuRegion<B>, target: RegionPlace<B>): void {
    const { slab, handle, start: from, extent: size } = region;
    const to = target.slab.allocator.offset(target.handle);
    this.moves.push({ region, from, to, size, source: { slab, handle }, target });
    this.#moving.add(region);
    this.#bytes += size;
  }
}

/** A place in one of the slabs that is there on the GPU already. */
function placeIn<B extends GpuBufferLike>(
  slabs: readonly RegionSlab<B>[],
  size: number,
  alignment: number,
): RegionPlace<B> | undefined {
  for (const slab of slabs) {
    const allocator: Allocator = slab.allocator;
    const handle = allocator.allocate(size, alignment);
    if (handle === NO_SPACE) continue;
    if (allocator.offset(handle) + size <= slab.backed) return { slab, handle };
    allocator.free(handle);
  }
  return undefined;
}

/** The one {@linkcode GpuCompaction}. */
export class LiveGpuCompaction<B extends GpuBufferLike> implements GpuCompaction<B> {
  readonly #host: CompactionHost<B>;
  #moves: PlannedMove<B>[];
  /** The proof, and room for copies within a buffer, which WebGPU does not have. */
  readonly #scratch: B | undefined;
  readonly more: boolean;
  #state: "planned" | "encoded" | "committing" | "committed" | "cancelled" = "planned";

  private constructor(host: CompactionHost<B>, planned: PlannedMoves<B>, scratch?: B) {
    this.#host = host;
    this.#moves = planned.moves;
    this.more = planned.more;
    this.#scratch = scratch;
  }

  /**
   * Makes what the moves need: without any, nothing, so that such a plan may be dropped.
   *
   * @throws {GpuOutOfMemoryError | DeviceLostError} It could not; the targets were given back.
   */
  static async of<B extends GpuBufferLike>(
    host: CompactionHost<B>,
    planned: PlannedMoves<B>,
  ): Promise<LiveGpuCompaction<B>> {
    const { moves } = planned;
    if (moves.length === 0) {
      host.ended();
      return new LiveGpuCompaction(host, planned);
    }
    const within = moves.filter(({ source, target }) => source.slab === target.slab);
    const needed = within.reduce((sum, { size }) => sum + size, 0);
    try {
      const scratch = await host.context.createBuffer({
        size: PROOF_BYTES + Math.min(needed, MAX_SCRATCH),
        usage: GpuUsage.COPY_SRC | GpuUsage.COPY_DST,
        mappedAtCreation: true,
        label: "compaction",
      });
      new Uint8Array(scratch.getMappedRange()).fill(1, 0, PROOF_BYTES);
      scratch.unmap();
      return new LiveGpuCompaction(host, planned, scratch);
    } catch (error) {
      for (const { target: { slab, handle } } of moves) slab.allocator.free(handle);
      host.ended();
      throw error;
    }
  }

  get moves(): readonly GpuMove<B>[] {
    return this.#moves.map(({ region, target, from, to, size }) => {
      return { region, buffer: target.slab.buffer!, from, to, size };
    });
  }

  get bytes(): number {
    return this.#moves.reduce((sum, { size }) => sum + size, 0);
  }

  encode(encoder: GpuEncoderLike<B>): void {
    this.#expect("planned", "encode");
    this.#host.context.expectAlive();
    this.#host.expectInOrder(encoder);
    this.#state = "encoded";
    if (this.#scratch === undefined) return;
    const scratch = new ScratchCopies(encoder, this.#scratch);
    this.#moves = this.#moves.filter((move) => {
      if (isStill(move)) return true;
      move.target.slab.allocator.free(move.target.handle); // no command knows it
      return false;
    });
    for (const { region, source, target, from, to, size } of this.#moves) {
      const old = source.slab.buffer!, now = target.slab.buffer!;
      if (old === now) scratch.copy(old, from, to, size);
      else encoder.copyBufferToBuffer(old, from, now, to, size);
      region.target = target;
    }
    scratch.end();
    encoder.clearBuffer(this.#scratch, 0, PROOF_BYTES);
  }

  async commit(): Promise<void> {
    this.#expect("encoded", "commit");
    this.#state = "committing";
    try {
      await this.#expectSubmitted();
      // It may have been cancelled, or the arena closed, in between.
      this.#expect("committing", "commit");
      this.#host.beforeRelocation();
    } catch (error) {
      if (this.#state === "committing") this.#state = "encoded";
      throw error;
    }
    this.#state = "committed";
    const errors = this.#moves.flatMap((move) => this.#relocate(move));
    this.#end();
    if (errors.length > 0) throw errors[0];
  }

  cancel(): void {
    if (this.#state === "committed" || this.#state === "cancelled") return;
    const wasEncoded = this.#state !== "planned";
    this.#state = "cancelled";
    for (const { region, target } of this.#moves) {
      if (region.target === target) region.target = undefined;
      if (wasEncoded) this.#host.freeLater(target);
      else target.slab.allocator.free(target.handle);
    }
    this.#end();
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  /** Throws unless the GPU has carried out the copies. */
  async #expectSubmitted(): Promise<void> {
    if (this.#scratch === undefined) return;
    const proof = await this.#host.readback.read(this.#scratch, 0, PROOF_BYTES);
    if (proof.every((byte) => byte === 0)) return;
    throw new Error("Expected the encoder to be submitted before commit()");
  }

  /** The region is where its copy is. */
  #relocate(move: PlannedMove<B>): unknown[] {
    const { region, source, target } = move;
    region.target = undefined;
    if (!isStill(move)) {
      this.#host.freeLater(target);
      return [];
    }
    source.slab.regions.delete(source.handle);
    this.#host.freeLater(source);
    region.slab = target.slab;
    region.handle = target.handle;
    region.start = target.slab.allocator.offset(target.handle);
    target.slab.regions.set(target.handle, region);
    return region.relocated();
  }

  /** Commands that use the scratch buffer and are not submitted yet can no longer be. */
  #end(): void {
    this.#moves = [];
    if (this.#scratch === undefined) return; // there was nothing to do, and it was told
    this.#scratch.destroy();
    this.#host.ended();
  }

  #expect(state: string, call: string): void {
    if (this.#state === state) return;
    throw new Error(`Cannot ${call} a compaction that is ${this.#state}`);
  }
}

/** Tells whether a move's region is live, where it was, and free to move. */
function isStill<B extends GpuBufferLike>({ region, source, size }: PlannedMove<B>): boolean {
  return !region.freed && !region.pinned && region.slab === source.slab &&
    region.handle === source.handle && region.extent === size;
}

/** Copies within a buffer, as many at a time as the scratch buffer holds. */
class ScratchCopies<B extends GpuBufferLike> {
  readonly #encoder: GpuEncoderLike<B>;
  readonly #scratch: B;
  #used = PROOF_BYTES;
  /** Where what is in the scratch buffer goes. */
  #waiting: { buffer: B; at: number; to: number; size: number }[] = [];

  constructor(encoder: GpuEncoderLike<B>, scratch: B) {
    this.#encoder = encoder;
    this.#scratch = scratch;
  }

  copy(buffer: B, from: number, to: number, size: number): void {
    for (let done = 0; done < size;) {
      if (this.#used === this.#scratch.size) this.end();
      const at = this.#used, piece = Math.min(size - done, this.#scratch.size - at);
      this.#encoder.copyBufferToBuffer(buffer, from + done, this.#scratch, at, piece);
      this.#waiting.push({ buffer, at, to: to + done, size: piece });
      this.#used += piece;
      done += piece;
    }
  }

  end(): void {
    for (const { buffer, at, to, size } of this.#waiting) {
      this.#encoder.copyBufferToBuffer(this.#scratch, at, buffer, to, size);
    }
    this.#waiting = [];
    this.#used = PROOF_BYTES;
  }
}
