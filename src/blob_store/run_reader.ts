/**
 * Finding keys in a run of the index, one leaf at a time.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";
import { BlockMemory, type KnownLeaf } from "./block_memory.ts";
import { DamagedIndexError } from "./blob_store_errors.ts";
import { compareKeys, PAGE_LENGTH } from "./leaf.ts";
import { LeafCursor } from "./leaf_cursor.ts";
import type { PageCache } from "./page_cache.ts";
import type { Run } from "./root.ts";
import { leafLength, PAGES_AT_ONCE, RunPages } from "./run_pages.ts";
import { RunScan, runSteps, type ScanOptions, type Steps } from "./run_scan.ts";
import type { StoreFile } from "./store_file.ts";
import { decodeText } from "./text.ts";

/** Least bytes of separators that are remembered; and the share of the cache otherwise. */
const MIN_REMEMBERED = 131_072; // = 2 ** 17
const REMEMBERED_SHARE = 4;

// The pages of a group are looked at in blocks of at most 16. A block that is needed for the first
// time is read as a whole, and what divides its leaves is remembered: from then on a key costs one
// leaf. Where a group has several blocks, a search in halves reads the first leaf of some.

/** A block that a key may be in, and the damaged page behind that it may be in as well, or -1. */
interface Found {
  readonly block: number;
  readonly behind: number;
}

/** A run that is asked for keys. */
export class RunReader {
  readonly run: Run;
  readonly #pages: RunPages;
  readonly #cache: PageCache;
  readonly #blockPages: number;
  readonly #memory: BlockMemory;
  readonly #cursor: LeafCursor;
  /** Goes through leaves that are no answer. */
  readonly #learner: LeafCursor = new LeafCursor();
  /** Where a leaf of a page is read to, unless a read that takes its time has it. */
  #scratch: Uint8Array | undefined;

  /**
   * @param file The store.
   * @param run The run by its root.
   * @param uuid Of the store.
   * @param granule Bytes in a unit.
   * @param cache Holds pages of this run from now on, and none of another one.
   */
  constructor(file: StoreFile, run: Run, uuid: Uint8Array, granule: number, cache: PageCache) {
    this.run = run;
    this.#cursor = new LeafCursor(run.flags);
    this.#pages = new RunPages(file, run, uuid, granule);
    this.#cache = cache;
    this.#blockPages = Math.min(run.groupPages, PAGES_AT_ONCE);
    this.#memory = new BlockMemory(
      Math.ceil(run.pages / this.#blockPages),
      Math.max(MIN_REMEMBERED, Math.floor(cache.capacity * PAGE_LENGTH / REMEMBERED_SHARE)),
    );
    cache.use(run.id);
  }

  /** Bytes that it remembers keys in, about. */
  get byteLength(): number {
    return this.#memory.byteLength;
  }

  /**
   * A cursor at the entry of a key, or undefined: there is none. A promise is given only where the
   * file gives one. A cursor without a promise is valid until the next call.
   *
   * The first look into a group reads 16 pages at most, after one leaf for each time that the group
   * is halved to so many. Later looks read one leaf, or nothing where it is in the cache.
   *
   * @throws {DamagedIndexError} The key may be in a damaged page.
   */
  find(
    key: Uint8Array,
    length: number = key.length,
  ): LeafCursor | undefined | Promise<LeafCursor | undefined> {
    const block = this.#blockKnown(key, length), memory = this.#memory;
    const at = block < 0 ? 0 : memory.blockAt(block);
    if (at === 0 || memory.isDamaged(at)) return this.#search(key, length);
    const i = memory.leafOf(at, key, length);
    if (i < 0) return undefined;
    const page = block * this.#blockPages + memory.pageOf(at, i), pages = memory.pagesOf(at, i);
    const cursor = this.#cursor;
    if (pages === 1) {
      const cache = this.#cache, slot = cache.find(this.run.id, page);
      if (slot >= 0) {
        cursor.open(cache.pieceOf(slot), cache.startOf(slot));
        const isFound = cursor.seek(key, length);
        if (isFound === undefined) return this.#search(key, length);
        return isFound ? cursor : undefined;
      }
    }
    const leaf = pages === 1
      ? this.#scratch ??= new Uint8Array(PAGE_LENGTH)
      : new Uint8Array(2 * PAGE_LENGTH);
    const isCached = pages === 2 && this.#copyCached(page, leaf);
    const pending = isCached ? undefined : this.#pages.read(page, leaf);
    if (pending) {
      if (leaf === this.#scratch) this.#scratch = undefined;
      const kept = key.slice(0, length);
      return pending.then(() =>
        this.#seekIn(leaf, page, kept, length, new LeafCursor(this.run.flags))
      );
    }
    return this.#seekIn(leaf, page, key, length, cursor);
  }

  /** Looks for a key in a leaf that was read. */
  #seekIn(
    leaf: Uint8Array,
    page: number,
    key: Uint8Array,
    length: number,
    cursor: LeafCursor,
  ): LeafCursor | undefined | Promise<LeafCursor | undefined> {
    const isFound = this.#pages.isIntact(page, leaf)
      ? cursor.open(leaf).seek(key, length)
      : undefined;
    if (isFound === undefined) return this.#search(key, length);
    this.#keep(page, leaf);
    return isFound ? cursor : undefined;
  }

  /**
   * The entries in order, from a key on or before it.
   *
   * Reads 64 KiB at a time, past the cache; up to 3 million entries a second.
   */
  scan(options: ScanOptions = {}): RunScan {
    const { from, reverse = false } = options, { pages } = this.run;
    return new RunScan(this.#pages, options, () => this.#startOf(from, reverse, pages));
  }

  /** The page where a scan begins, or behind it in reverse. */
  *#startOf(from: Uint8Array | undefined, reverse: boolean, pages: number): Steps<number> {
    if (from === undefined || pages === 0) return reverse ? pages : 0;
    const { block, behind } = yield* this.#blockOf(from, from.length);
    if (!reverse) return block * this.#blockPages;
    const { groupPages } = this.run, end = (block + 1) * this.#blockPages;
    // What is less than `from` may have been in damaged pages behind the block.
    const group = Math.floor(block * this.#blockPages / groupPages);
    return Math.min(pages, behind < 0 ? end : (group + 1) * groupPages);
  }

  #search(
    key: Uint8Array,
    length: number,
  ): LeafCursor | undefined | Promise<LeafCursor | undefined> {
    if (this.run.pages === 0) return undefined;
    return runSteps(this.#searchSteps(key.slice(0, length), length));
  }

  *#searchSteps(key: Uint8Array, length: number): Steps<LeafCursor | undefined> {
    const { block, behind } = yield* this.#blockOf(key, length), memory = this.#memory;
    const first = block * this.#blockPages;
    let at = memory.blockAt(block), bytes: Uint8Array | undefined;
    if (at === 0) {
      bytes = yield* this.#readBlock(block);
      at = this.#learn(block, bytes);
    }
    const i = memory.leafOf(at, key, length), page = i < 0 ? -1 : memory.pageOf(at, i);
    const isLast = i + 1 === memory.leaves(at);
    const next = isLast ? this.#blockPages : memory.pageOf(at, i + 1);
    const gap = memory.damaged(at).find((damaged) => damaged > page && damaged < next);
    const damaged = gap !== undefined ? first + gap : isLast ? behind : -1;
    if (i < 0) {
      if (damaged < 0) return undefined;
      throw yield* this.#damageAt(damaged, block);
    }
    const pages = memory.pagesOf(at, i);
    const leaf = bytes?.subarray(page * PAGE_LENGTH, (page + pages) * PAGE_LENGTH) ??
      (yield* this.#leaf(first + page, pages));
    if (leaf === undefined) throw yield* this.#damageAt(first + page, block);
    const cursor = new LeafCursor(this.run.flags).open(leaf);
    if (cursor.seek(key, length)) return cursor;
    if (damaged < 0) return undefined;
    cursor.last();
    if (compareKeys(key, length, cursor.key, cursor.keyLength) < 0) return undefined;
    throw yield* this.#damageAt(damaged, block);
  }

  /** The block that a key is in, as far as it is known without reading; or -1. */
  #blockKnown(key: Uint8Array, length: number): number {
    const group = this.run.separators.groupOf(key, length);
    if (this.run.groupPages <= PAGES_AT_ONCE) return group;
    let [low, high] = this.#blocksOf(group);
    while (high - low > 1) {
      const middle = (low + high) >>> 1, at = this.#memory.firstAt(middle);
      if (at === 0) return -1;
      if (this.#memory.compareFirst(at, key, length) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The first block of a group, and the one behind its last one. */
  #blocksOf(group: number): [number, number] {
    const blocks = Math.ceil(this.run.groupPages / PAGES_AT_ONCE);
    const all = Math.ceil(this.run.pages / this.#blockPages);
    return [group * blocks, Math.min((group + 1) * blocks, all)];
  }

  /** The block that a key is in: the last one whose first key is not greater. */
  *#blockOf(key: Uint8Array, length: number): Steps<Found> {
    const memory = this.#memory;
    let [low, high] = this.#blocksOf(this.run.separators.groupOf(key, length)), behind = -1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (memory.firstAt(middle) === 0) yield* this.#learnFirst(middle);
      const at = memory.firstAt(middle);
      if (at !== 0) {
        if (memory.compareFirst(at, key, length) <= 0) low = middle;
        else [high, behind] = [middle, -1];
        continue;
      }
      // It begins with a damaged page: the first leaf behind that tells.
      const next = yield* this.#soundBlock(middle, high);
      if (next < high && memory.leafOf(memory.blockAt(next), key, length) >= 0) low = next;
      else [high, behind] = [middle, middle * this.#blockPages];
    }
    return { block: low, behind };
  }

  /** Looks for a block that has a sound leaf, and learns it. */
  *#soundBlock(block: number, end: number): Steps<number> {
    const memory = this.#memory;
    for (; block < end; block++) {
      let at = memory.blockAt(block);
      if (at === 0) at = this.#learn(block, yield* this.#readBlock(block));
      if (memory.leaves(at) > 0) break;
    }
    return block;
  }

  /** Reads the first key of a block; it stays unknown where the first page is damaged. */
  *#learnFirst(block: number): Steps<void> {
    let leaf: Uint8Array | undefined;
    try {
      leaf = yield* this.#leaf(block * this.#blockPages);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error; // else the block is read as a whole
    }
    if (leaf === undefined) return;
    const cursor = this.#learner.open(leaf);
    cursor.first();
    this.#memory.learnFirst(block, cursor.copyKey());
  }

  /** A leaf of so many pages, or of as many as it says; undefined: it is damaged. */
  *#leaf(page: number, pages = 1): Steps<Uint8Array | undefined> {
    let leaf = new Uint8Array(pages * PAGE_LENGTH);
    if (!this.#copyCached(page, leaf)) {
      yield this.#pages.read(page, leaf);
      if (pages === 1 && leafLength(leaf) > PAGE_LENGTH && page + 1 < this.run.pages) {
        leaf = new Uint8Array(2 * PAGE_LENGTH);
        yield this.#pages.read(page, leaf);
      }
    } else if (leafLength(leaf) > leaf.length) return yield* this.#leaf(page, 2);
    // What is in the cache may have passed a look at one of its keys only.
    if (!this.#pages.check(page, leaf)) return undefined;
    this.#keep(page, leaf);
    return leaf;
  }

  *#readBlock(number: number): Steps<Uint8Array> {
    const first = number * this.#blockPages;
    const count = Math.min(this.#blockPages, this.run.pages - first);
    const bytes = new Uint8Array(count * PAGE_LENGTH);
    yield this.#pages.readSome(first, bytes);
    return bytes;
  }

  /** Looks through the pages of a block, keeps them and remembers what divides them. */
  #learn(block: number, bytes: Uint8Array): number {
    const first = block * this.#blockPages;
    const leaves: KnownLeaf[] = [], damaged: number[] = [];
    let before: Uint8Array | undefined; // the last key of the leaf before, if that is sound
    for (const leaf of this.#pages.leavesIn(first, bytes)) {
      const { page, pages, isSound, first: key } = leaf;
      if (!isSound) {
        damaged.push(page);
        before = undefined;
        continue;
      }
      this.#keep(first + page, bytes.subarray(page * PAGE_LENGTH, (page + pages) * PAGE_LENGTH));
      if (key === undefined) continue;
      // At the start, and behind a damaged page, it is the first key itself.
      leaves.push({ page, pages, separator: before ? shortest(before, key) : key });
      before = leaf.last;
    }
    const isWithinGroup = first % this.run.groupPages !== 0;
    if (isWithinGroup && leaves[0]?.page === 0) {
      this.#memory.learnFirst(block, leaves[0].separator);
    }
    return this.#memory.learn(block, leaves, damaged);
  }

  /** Keeps the pages of a leaf that was checked. */
  #keep(page: number, leaf: Uint8Array): void {
    const { id } = this.run, cache = this.#cache;
    if (leaf.length === PAGE_LENGTH) return cache.put(id, page, leaf);
    cache.put(id, page, leaf.subarray(0, PAGE_LENGTH));
    cache.put(id, page + 1, leaf.subarray(PAGE_LENGTH));
  }

  /** Copies pages out of the cache; false: one of them is not there. */
  #copyCached(page: number, to: Uint8Array): boolean {
    const cache = this.#cache;
    for (let at = 0; at < to.length; at += PAGE_LENGTH, page++) {
      const slot = cache.find(this.run.id, page);
      if (slot < 0) return false;
      const start = cache.startOf(slot);
      to.set(cache.pieceOf(slot).subarray(start, start + PAGE_LENGTH), at);
    }
    return true;
  }

  /** The error for a damaged page: which keys may be lost, as its neighbours tell. */
  *#damageAt(page: number, known: number): Steps<DamagedIndexError> {
    this.#memory.forget(known); // to be looked at again: the next read may succeed
    const { groupPages, pages } = this.run, size = this.#blockPages;
    const number = Math.floor(page / size), all = Math.ceil(pages / size);
    let after: string | undefined, before: string | undefined;
    // Below: in this block, or in the one before.
    for (let n = number; n >= Math.max(0, number - 1) && after === undefined; n--) {
      const bytes = yield* this.#readBlock(n);
      for (const { page: i, last } of this.#pages.leavesIn(n * size, bytes)) {
        if (n * size + i <= page && last !== undefined) after = decodeText(last);
      }
    }
    after ??= this.#pages.boundBelow(page);
    // Above: in the rest of the group, which the separator behind it bounds.
    const end = Math.min(all, (Math.floor(page / groupPages) + 1) * Math.ceil(groupPages / size));
    for (let n = number; n < end && before === undefined; n++) {
      const bytes = yield* this.#readBlock(n);
      for (const { page: i, first } of this.#pages.leavesIn(n * size, bytes).reverse()) {
        if (n * size + i >= page && first !== undefined) before = decodeText(first);
      }
    }
    before ??= this.#pages.boundAbove(Math.min(pages, end * size));
    return new DamagedIndexError(after, before, this.#pages.positionOf(page));
  }
}

/** The shortest beginning of a key that is greater than the key before. */
function shortest(before: Uint8Array, key: Uint8Array): Uint8Array {
  let i = 0;
  while (i < before.length && before[i] === key[i]) i++;
  return key.subarray(0, i + 1);
}
