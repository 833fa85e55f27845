/**
 * The slabs of one usage: where a new region goes, and how they grow and shrink.
 *
 * @module
 */

import { alignUp } from "../../src/util/align_up.ts";
import { NO_SPACE } from "../../src/allocator.ts";
import type { SlabPolicy } from "./gpu_arena_options.ts";
import type { RegionPlace, RegionSlab } from "./gpu_region.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import { COPY_ALIGNMENT } from "./gpu_usage.ts";
import { Slab } from "./slab.ts";
import type { PagePool } from "./pending_writes.ts";

/** The slabs of one usage, in the order in which they are filled. */
export class SlabPool<B extends GpuBufferLike> {
  readonly usage: number;
  /** Divides every offset, and so the bytes that a region takes. */
  readonly alignment: number;
  readonly slabs: RegionSlab<B>[] = [];
  readonly #policy: SlabPolicy;
  readonly #pages: PagePool;

  constructor(usage: number, alignment: number, policy: SlabPolicy, pages: PagePool) {
    this.usage = usage;
    this.alignment = alignment;
    this.#policy = policy;
    this.#pages = pages;
  }

  /**
   * Reserves bytes: in a free region, else by a longer slab, else in a new one. At most `budget`
   * bytes are added to the slabs; `undefined` where that is not enough.
   */
  allocate(byteLength: number, alignment: number, budget: number): RegionPlace<B> | undefined {
    if (byteLength > this.#policy.dedicatedBytes) {
      return byteLength > budget ? undefined : this.#add(byteLength, byteLength, true);
    }
    for (const slab of this.slabs) {
      if (slab.dedicated) continue;
      const handle = slab.allocator.allocate(byteLength, alignment);
      if (handle !== NO_SPACE) return { slab, handle };
    }
    for (const slab of this.slabs) {
      if (slab.dedicated || !this.#lengthen(slab, byteLength, alignment, budget)) continue;
      const handle = slab.allocator.allocate(byteLength, alignment);
      if (handle !== NO_SPACE) return { slab, handle };
    }
    const { initialSlabBytes } = this.#policy;
    if (byteLength > budget) return undefined;
    return this.#add(Math.max(byteLength, Math.min(initialSlabBytes, budget)), byteLength, false);
  }

  /** Takes off what has been unused for long; returns the slabs that are to go. */
  trim(trimAfter: number = this.#policy.trimAfter): RegionSlab<B>[] {
    const gone = new Set<RegionSlab<B>>();
    for (const slab of this.slabs) {
      const isEmpty = slab.allocator.allocationCount === 0;
      const target = this.#shrunk(slab);
      if (!isEmpty && target === slab.byteLength) slab.idle = 0;
      else if (slab.idle++ >= trimAfter || (isEmpty && slab.dedicated)) {
        if (isEmpty) gone.add(slab);
        else slab.allocator.shrink(slab.byteLength - target);
        slab.idle = 0;
      }
    }
    if (gone.size > 0) this.slabs.splice(0, Infinity, ...this.slabs.filter((s) => !gone.has(s)));
    return [...gone];
  }

  /** Half of what a slab has, where no more than a quarter of it is in use. */
  #shrunk(slab: RegionSlab<B>): number {
    const { byteLength, end } = slab, { initialSlabBytes } = this.#policy;
    if (slab.dedicated || end > byteLength / 4 || byteLength <= initialSlabBytes) return byteLength;
    return alignUp(Math.max(end * 2, initialSlabBytes), COPY_ALIGNMENT);
  }

  /** Makes a slab long enough, within its limit and the budget. */
  #lengthen(slab: RegionSlab<B>, byteLength: number, alignment: number, budget: number): boolean {
    const { maxSlabBytes, growth } = this.#policy, { byteLength: now } = slab;
    const least = alignUp(slab.end, alignment) + byteLength;
    const most = Math.min(maxSlabBytes, now + budget);
    // Refused although it is long enough: it has no handle left, another slab has.
    if (least > most || least <= now) return false;
    const target = alignUp(Math.ceil(now * growth), COPY_ALIGNMENT);
    slab.allocator.grow(Math.max(least, Math.min(target, most)) - now);
    return true;
  }

  #add(length: number, byteLength: number, dedicated: boolean): RegionPlace<B> {
    const slab: RegionSlab<B> = new Slab(this.usage, alignDown(length), dedicated, this.#pages);
    this.slabs.push(slab);
    return { slab, handle: slab.allocator.allocate(byteLength) };
  }
}

function alignDown(length: number): number {
  return length - length % COPY_ALIGNMENT;
}
