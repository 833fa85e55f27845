/**
 * What was written to the regions of a slab and is not in its buffer yet.
 *
 * @module
 */

import type { LiveGpuRegion } from "./gpu_region.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import type { Slab } from "./slab.ts";

/** Carries out one write: `length` bytes of `bytes`, from `start` on, at `offset` of a slab. */
export type Upload<B extends GpuBufferLike> = (
  slab: Slab<B>,
  offset: number,
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  length: number,
) => void;

/** Bytes in a page, a multiple of every alignment that a usage has. */
const PAGE = 2 ** 18;
/** Pages that are kept for the next writes: 16 MiB. */
const MAX_SPARE_PAGES = 64;

/** Memory in pages, for all slabs of an arena. */
export class PagePool {
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];

  /** A page with whatever bytes were in it. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#spare.pop() ?? new Uint8Array(PAGE);
  }

  /** Keeps a page for later, unless there are many. */
  give(page: Uint8Array<ArrayBuffer>): void {
    if (this.#spare.length < MAX_SPARE_PAGES) this.#spare.push(page);
  }
}

/**
 * A shadow of the slab, in pages that are there only where something waits. A write goes where
 * it will be in the buffer, so that neighbours are one piece without being gathered, and a later
 * write over an earlier one simply wins.
 *
 * ```text
 *   slab    |  A  |  B  |     |  C  |             offsets
 *   pages   [ a a a b b b . . | c c c . . . ]     bytes that wait, at the same offsets
 *   writes  (A, 0..3) (B, 3..6) (C, 8..11)        in the order they were made
 *   runs     0..6                8..11            what is uploaded
 * ```
 */
export class SlabUploads<B extends GpuBufferLike> {
  readonly slab: Slab<B>;
  readonly #pool: PagePool;
  #pages: Map<number, Uint8Array<ArrayBuffer>> = new Map();
  /** The page of the last write. */
  #page: Uint8Array<ArrayBuffer> | undefined;
  #pageNumber = -1;
  // By write: its region, and the bytes it takes in the slab.
  #regions: LiveGpuRegion<B>[] = [];
  #starts: number[] = [];
  #ends: number[] = [];

  constructor(slab: Slab<B>, pool: PagePool) {
    this.slab = slab;
    this.#pool = pool;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#regions.length === 0;
  }

  /** Bytes that wait; those written twice count twice. */
  get byteLength(): number {
    return this.#ends.reduce((sum, end, i) => sum + end - this.#starts[i], 0);
  }

  /** Takes a copy of `data` for a region, from `at` on, and zeros after it up to `end`. */
  add(region: LiveGpuRegion<B>, at: number, data: Uint8Array, end: number): void {
    const start = region.start + at, dataEnd = start + data.length;
    const stop = region.start + end;
    const first = Math.floor(start / PAGE);
    if (dataEnd <= (first + 1) * PAGE) this.#pageOf(first).set(data, start - first * PAGE);
    else this.#spread(start, data);
    if (stop !== dataEnd) {
      const last = Math.floor(dataEnd / PAGE), from = last * PAGE;
      this.#pageOf(last).fill(0, dataEnd - from, stop - from);
    }
    const i = this.#regions.length - 1;
    if (i >= 0 && this.#regions[i] === region && this.#ends[i] === start) this.#ends[i] = stop;
    else {
      this.#regions.push(region);
      this.#starts.push(start);
      this.#ends.push(stop);
    }
  }

  /** Takes out the writes to regions that are ready, and forgets those to freed ones. */
  take(): SlabUploads<B> {
    const taken = this.#empty();
    if (this.#regions.every((region) => region.ready)) {
      taken.#become(this);
      this.#become(this.#empty());
      return taken;
    }
    const all = this.#empty();
    all.#become(this);
    this.#become(this.#empty());
    for (let i = 0; i < all.#regions.length; i++) {
      const region = all.#regions[i];
      if (!region.freed) (region.ready ? taken : this).#addFrom(all, i);
    }
    all.done();
    return taken;
  }

  /** Puts writes that were taken out back, before those that were made since. */
  putBack(taken: SlabUploads<B>): void {
    const later = this.#empty();
    later.#become(this);
    this.#become(taken);
    for (let i = 0; i < later.#regions.length; i++) this.#addFrom(later, i);
    later.done();
  }

  /**
   * Uploads everything, as few pieces, each within a page. O(n), O(n log n) where writes did
   * not come in the order of their places.
   */
  carryOut(upload: Upload<B>): void {
    const regions = this.#regions, starts = this.#starts, ends = this.#ends, { slab } = this;
    const order = orderOf(starts);
    for (let i = 0; i < starts.length;) {
      const first = order === undefined ? i : order[i], start = starts[first];
      let end = ends[first];
      for (i++; i < starts.length; i++) {
        const next = order === undefined ? i : order[i];
        if (starts[next] > end) break;
        if (ends[next] > end) end = ends[next];
      }
      this.#pieces(start, end, (at, page, from, length) => upload(slab, at, page, from, length));
    }
    for (let i = 0; i < regions.length; i++) {
      const { target, start } = regions[i];
      if (target === undefined) continue;
      // It is being moved: the copy may have been made already.
      const shift = target.slab.allocator.offset(target.handle) - start;
      this.#pieces(starts[i], ends[i], (at, page, from, length) => {
        upload(target.slab, at + shift, page, from, length);
      });
    }
  }

  /** Gives the pages up. */
  done(): void {
    for (const page of this.#pages.values()) this.#pool.give(page);
    this.#become(this.#empty());
  }

  /** The bytes of a range, page by page. */
  #pieces(
    start: number,
    end: number,
    visit: (at: number, page: Uint8Array<ArrayBuffer>, from: number, length: number) => void,
  ): void {
    for (let at = start; at < end;) {
      const number = Math.floor(at / PAGE), from = at - number * PAGE;
      const length = Math.min(end - at, PAGE - from);
      visit(at, this.#pages.get(number)!, from, length);
      at += length;
    }
  }

  #addFrom(other: SlabUploads<B>, i: number): void {
    const region = other.#regions[i], { start } = region, end = other.#ends[i];
    other.#pieces(other.#starts[i], end, (at, page, from, length) => {
      this.add(region, at - start, page.subarray(from, from + length), at - start + length);
    });
  }

  /** Bytes that end in another page than they begin. */
  #spread(start: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const at = start + done, number = Math.floor(at / PAGE), from = at - number * PAGE;
      const length = Math.min(data.length - done, PAGE - from);
      this.#pageOf(number).set(data.subarray(done, done + length), from);
      done += length;
    }
  }

  #pageOf(number: number): Uint8Array<ArrayBuffer> {
    if (number === this.#pageNumber) return this.#page!;
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = this.#pool.take();
      this.#pages.set(number, page);
    }
    this.#pageNumber = number;
    this.#page = page;
    return page;
  }

  #empty(): SlabUploads<B> {
    return new SlabUploads(this.slab, this.#pool);
  }

  #become(other: SlabUploads<B>): void {
    this.#pages = other.#pages;
    this.#regions = other.#regions;
    this.#starts = other.#starts;
    this.#ends = other.#ends;
    this.#pageNumber = -1;
    this.#page = undefined;
  }
}

/** The writes by their first byte; `undefined` where they are in that order already. */
function orderOf(starts: number[]): Float64Array | undefined {
  const count = starts.length;
  let i = 1;
  while (i < count && starts[i - 1] <= starts[i]) i++;
  if (i >= count) return undefined;
  // Numbers are sorted several times as fast as by a comparison function: the number of the
  // write goes with its first byte, far below 2^53.
  const keys = Float64Array.from(starts, (start, i) => start * count + i).sort();
  return keys.map((key) => key % count);
}
