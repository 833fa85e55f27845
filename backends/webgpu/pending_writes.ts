/**
 * Writes to the regions of a slab that are not in its buffer yet.
 *
 * @module
 */

import type { GpuBufferLike } from "./gpu_types.ts";

/** A slab as writes see it. */
export interface WritableSlab<B extends GpuBufferLike> {
  readonly buffer: B | undefined;
  readonly allocator: { offset(handle: number): number };
  readonly pending: PendingWrites<B>;
}

/** A region as writes see it. */
export interface WritableRegion<B extends GpuBufferLike> {
  /** First byte in the slab. */
  readonly start: number;
  readonly ready: boolean;
  readonly freed: boolean;
  /** Where it is being copied to. */
  readonly target: { readonly slab: WritableSlab<B>; readonly handle: number } | undefined;
}

/** Carries out one write: `length` bytes of `bytes`, from `start` on, at `offset` of a slab. */
export type Upload<B extends GpuBufferLike> = (
  slab: WritableSlab<B>,
  offset: number,
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  length: number,
) => void;

/** Bytes in a page, a multiple of every alignment that a usage has. */
const PAGE = 262_144; // = 2 ** 18
/** Pages that are kept for the next writes: 16 MiB. */
const MAX_SPARE_PAGES = 64;

const FIRST_WRITES = 16;
/** Longer lists of writes are not kept for the next ones. */
const MAX_SPARE_WRITES = 65_536; // = 2 ** 16

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
export class PendingWrites<B extends GpuBufferLike> {
  readonly slab: WritableSlab<B>;
  readonly #pool: PagePool;
  #pages: Map<number, Uint8Array<ArrayBuffer>> = new Map();
  /** The page of the last write. */
  #page: Uint8Array<ArrayBuffer> | undefined;
  #pageNumber = -1;
  // By write: its region, and the bytes it takes in the slab. The arrays are longer than that.
  #count = 0;
  #regions: (WritableRegion<B> | undefined)[] = [];
  #starts: Float64Array = new Float64Array(FIRST_WRITES);
  #ends: Float64Array = new Float64Array(FIRST_WRITES);
  /** One that is empty, for the next {@linkcode PendingWrites.take}. */
  #spare: PendingWrites<B> | undefined;

  constructor(slab: WritableSlab<B>, pool: PagePool) {
    this.slab = slab;
    this.#pool = pool;
  }

  /** True if nothing waits. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Bytes that wait; those written twice count twice. */
  get byteLength(): number {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += this.#ends[i] - this.#starts[i];
    return sum;
  }

  /** Takes a copy of `data` for a region, from `at` on, and zeros after it up to `end`. */
  add(region: WritableRegion<B>, at: number, data: Uint8Array, end: number): void {
    const start = region.start + at, dataEnd = start + data.length;
    const stop = region.start + end;
    const first = Math.floor(start / PAGE);
    if (dataEnd <= (first + 1) * PAGE) this.#pageOf(first).set(data, start - first * PAGE);
    else this.#spread(start, data);
    if (stop !== dataEnd) {
      const last = Math.floor(dataEnd / PAGE), from = last * PAGE;
      this.#pageOf(last).fill(0, dataEnd - from, stop - from);
    }
    const i = this.#count;
    if (i > 0 && this.#ends[i - 1] === start && this.#regions[i - 1] === region) {
      this.#ends[i - 1] = stop;
      return;
    }
    if (i === this.#starts.length) this.#lengthen();
    this.#regions[i] = region;
    this.#starts[i] = start;
    this.#ends[i] = stop;
    this.#count = i + 1;
  }

  /** Forgets what is written to a region from an offset of the slab on. O(n). */
  cut(region: WritableRegion<B>, end: number): void {
    for (let i = 0; i < this.#count; i++) {
      if (this.#regions[i] !== region) continue;
      this.#starts[i] = Math.min(this.#starts[i], end);
      this.#ends[i] = Math.min(this.#ends[i], end);
    }
  }

  /** Takes out the writes to regions that are ready, and forgets those to freed ones. */
  take(): PendingWrites<B> {
    const all = this.#spare ?? this.#empty();
    this.#spare = undefined;
    all.#exchange(this);
    let i = 0;
    while (i < all.#count && all.#regions[i]!.ready) i++;
    if (i === all.#count) return all;

    const ready = this.#empty();
    for (let i = 0; i < all.#count; i++) {
      const region = all.#regions[i]!;
      if (!region.freed) (region.ready ? ready : this).#addFrom(all, i);
    }
    all.done();
    return ready;
  }

  /** Puts writes that were taken out back, before those that were made since. */
  putBack(taken: PendingWrites<B>): void {
    this.#exchange(taken);
    for (let i = 0; i < taken.#count; i++) this.#addFrom(taken, i);
    taken.done();
  }

  /**
   * Uploads everything, as few pieces, each within a page. O(n), O(n log n) where writes did
   * not come in the order of their places.
   */
  carryOut(upload: Upload<B>): void {
    const count = this.#count, regions = this.#regions, { slab } = this;
    const starts = this.#starts, ends = this.#ends, order = orderOf(starts, count);
    for (let i = 0; i < count;) {
      const first = order === undefined ? i : order[i], start = starts[first];
      let end = ends[first];
      for (i++; i < count; i++) {
        const next = order === undefined ? i : order[i];
        if (starts[next] > end) break;
        if (ends[next] > end) end = ends[next];
      }
      this.#pieces(start, end, (at, page, from, length) => upload(slab, at, page, from, length));
    }
    for (let i = 0; i < count; i++) {
      const { target, start } = regions[i]!;
      if (target === undefined) continue;
      // It is being moved: the copy may have been made already.
      const shift = target.slab.allocator.offset(target.handle) - start;
      this.#pieces(starts[i], ends[i], (at, page, from, length) => {
        upload(target.slab, at + shift, page, from, length);
      });
    }
  }

  /** Forgets everything; the memory serves again. */
  done(): void {
    for (const page of this.#pages.values()) this.#pool.give(page);
    this.#pages.clear();
    this.#pageNumber = -1;
    this.#regions.fill(undefined, 0, this.#count);
    this.#count = 0;
    if (this.#starts.length <= MAX_SPARE_WRITES) this.slab.pending.#spare = this;
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

  #addFrom(other: PendingWrites<B>, i: number): void {
    const region = other.#regions[i]!, { start } = region, end = other.#ends[i];
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

  #lengthen(): void {
    const starts = this.#starts, ends = this.#ends;
    this.#starts = new Float64Array(2 * starts.length);
    this.#ends = new Float64Array(2 * ends.length);
    this.#starts.set(starts);
    this.#ends.set(ends);
  }

  #empty(): PendingWrites<B> {
    return new PendingWrites(this.slab, this.#pool);
  }

  /** Each gets what the other has. */
  #exchange(other: PendingWrites<B>): void {
    [this.#pages, other.#pages] = [other.#pages, this.#pages];
    [this.#count, other.#count] = [other.#count, this.#count];
    [this.#regions, other.#regions] = [other.#regions, this.#regions];
    [this.#starts, other.#starts] = [other.#starts, this.#starts];
    [this.#ends, other.#ends] = [other.#ends, this.#ends];
    this.#pageNumber = other.#pageNumber = -1;
  }
}

/** The writes by their first byte; `undefined` where they are in that order already. */
function orderOf(starts: Float64Array, count: number): Float64Array | undefined {
  let i = 1;
  while (i < count && starts[i - 1] <= starts[i]) i++;
  if (i >= count) return undefined;
  // Numbers are sorted several times as fast as by a comparison function: the number of the
  // write goes with its first byte, far below 2^53.
  const keys = starts.slice(0, count).map((start, i) => start * count + i).sort();
  return keys.map((key) => key % count);
}
