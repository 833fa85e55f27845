/**
 * Going through a run of the index in the order of its keys, or against it.
 *
 * @module
 */

import { DamagedIndexError } from "./blob_store_errors.ts";
import { compareKeys, PAGE_LENGTH } from "./leaf.ts";
import { LeafCursor } from "./leaf_cursor.ts";
import { type LeafFound, PAGES_AT_ONCE, type RunPages } from "./run_pages.ts";
import type { Pending } from "./store_file.ts";
import { decodeText } from "./text.ts";

/** Where a scan begins and how it goes. */
export interface ScanOptions {
  /** The key that it begins at; without one it begins at the first, or last, key. */
  readonly from?: Uint8Array;
  /** True if it begins behind `from`: that key is left out. */
  readonly isBehind?: boolean;
  /** True if it goes from greater keys to less ones. */
  readonly reverse?: boolean;
  /** Told of each damaged stretch, which is passed over then. Without it, `next` throws. */
  readonly onDamage?: (range: DamagedIndexError) => void;
}

/** A step that waits for a file, and answers what comes of it. */
export type Steps<T> = Generator<Pending, T, void>;

/**
 * The entries of a run, one after another. It reads 64 KiB at a time, and no page twice.
 */
export class RunScan {
  /** The entry it is at, once `next` said true. */
  readonly entry: LeafCursor = new LeafCursor();
  readonly #pages: RunPages;
  readonly #options: ScanOptions;
  /** Where to begin: until the first entry is found. */
  #from: Uint8Array | undefined;
  #start: () => Steps<number>;
  readonly #buffer: Uint8Array;
  /** The pages in the buffer; before the first read, where that begins. */
  #first = -1;
  #end = -1;
  /** Leaves in the buffer, and the next of them. */
  #leaves: LeafFound[] = [];
  #next = 0;
  /** A key of the last sound leaf, which is next to what comes; undefined: there is none. */
  #edge: string | undefined;
  /** True if `entry` is in a leaf of the buffer. */
  #isInLeaf = false;
  /** The first damaged page since the last sound leaf, or -1. */
  #damaged = -1;

  /**
   * @param pages The run.
   * @param start Finds the page where to begin: before it going forward, behind it in reverse.
   */
  constructor(pages: RunPages, options: ScanOptions, start: () => Steps<number>) {
    this.#pages = pages;
    this.#options = options;
    this.#from = options.from;
    this.#start = start;
    this.#buffer = new Uint8Array(PAGE_LENGTH * Math.min(PAGES_AT_ONCE, pages.run.pages));
  }

  /**
   * Goes to the next entry. False: there is none. A promise is given only where the file gives one.
   *
   * @throws {DamagedIndexError} A page is damaged, and `onDamage` is not there. The next call
   *   goes on behind it.
   */
  next(): boolean | Promise<boolean> {
    const { entry } = this;
    if (this.#isInLeaf && (this.#options.reverse ? entry.previous() : entry.next())) return true;
    return runSteps(this.#advance());
  }

  *#advance(): Steps<boolean> {
    const { reverse = false } = this.#options;
    if (this.#first < 0) yield* this.#begin(reverse);
    for (;;) {
      while (this.#next < this.#leaves.length) {
        const leaf = this.#leaves[reverse ? this.#leaves.length - 1 - this.#next : this.#next];
        if (!leaf.isSound) this.#noteDamage(this.#first + leaf.page);
        else if (this.#enter(leaf.page * PAGE_LENGTH, reverse)) {
          this.#next++;
          return true;
        }
        this.#next++;
      }
      this.#leave();
      const isOver = reverse ? this.#first === 0 : this.#end >= this.#pages.run.pages;
      if (isOver) {
        this.#report(undefined);
        return false;
      }
      yield* this.#load(reverse);
    }
  }

  /** Finds out where to begin. */
  *#begin(reverse: boolean): Steps<void> {
    const page = yield* this.#start();
    this.#first = this.#end = page;
    this.#edge = reverse ? this.#pages.boundAbove(page) : this.#pages.boundBelow(page);
  }

  /** Reads the next pages, from a multiple of two on: no leaf is torn. */
  *#load(reverse: boolean): Steps<void> {
    const { pages } = this.#pages.run;
    const first = reverse
      ? Math.floor((this.#first - 1) / PAGES_AT_ONCE) * PAGES_AT_ONCE
      : this.#end;
    const end = reverse ? this.#first : Math.min(pages, first + PAGES_AT_ONCE);
    const buffer = this.#buffer.subarray(0, (end - first) * PAGE_LENGTH);
    yield this.#pages.readSome(first, buffer);
    this.#first = first;
    this.#end = end;
    this.#leaves = this.#pages.leavesIn(first, buffer);
    this.#next = 0;
  }

  /** Goes to the first entry that is wanted in a sound leaf; false: there is none. */
  #enter(at: number, reverse: boolean): boolean {
    const { entry } = this, from = this.#from, { isBehind = false } = this.#options;
    this.#leave();
    entry.open(this.#buffer, at);
    if (entry.count === 0) return false;
    if (this.#damaged >= 0) {
      if (reverse) entry.last();
      else entry.next();
      this.#report(entry);
      entry.open(this.#buffer, at);
    }
    this.#isInLeaf = true;
    if (from === undefined) return reverse ? entry.last() : entry.next();
    const isFound = reverse
      ? entry.seekLast(from, from.length, isBehind)
      : entry.seekFirst(from, from.length, isBehind);
    if (isFound) this.#from = undefined;
    return isFound;
  }

  /** Remembers the key at the far end of the leaf that `entry` is in. */
  #leave(): void {
    if (!this.#isInLeaf) return;
    this.#isInLeaf = false;
    const { entry } = this;
    if (this.#options.reverse) entry.first();
    else entry.last();
    this.#edge = decodeText(entry.key.subarray(0, entry.keyLength));
  }

  #noteDamage(page: number): void {
    this.#leave();
    if (this.#damaged < 0) this.#damaged = page;
  }

  /** Tells of damage up to an entry or to the end, unless nothing that is wanted was there. */
  #report(entry: LeafCursor | undefined): void {
    if (this.#damaged < 0) return;
    const { reverse = false, onDamage } = this.#options, from = this.#from;
    const position = this.#pages.positionOf(this.#damaged);
    this.#damaged = -1;
    if (entry !== undefined && from !== undefined) {
      const order = compareKeys(entry.key, entry.keyLength, from, from.length);
      if (reverse ? order >= 0 : order <= 0) return;
    }
    const key = entry && decodeText(entry.key.subarray(0, entry.keyLength)), edge = this.#edge;
    const range = new DamagedIndexError(reverse ? key : edge, reverse ? edge : key, position);
    if (onDamage === undefined) throw range;
    onDamage(range);
  }
}

/** Runs steps; a promise comes back only where one of them waits for one. */
export function runSteps<T>(steps: Steps<T>): T | Promise<T> {
  return runFrom(steps, steps.next());
}

function runFrom<T>(steps: Steps<T>, step: IteratorResult<Pending, T>): T | Promise<T> {
  for (;; step = steps.next()) {
    if (step.done) return step.value;
    if (step.value) return waitFor(steps, step.value);
  }
}

/** Goes on once a promise resolves; a rejection arises in the step that waits. */
async function waitFor<T>(steps: Steps<T>, pending: Promise<void>): Promise<T> {
  let next: () => IteratorResult<Pending, T> = () => steps.next();
  try {
    await pending;
  } catch (error) {
    next = () => steps.throw(error);
  }
  return await runFrom(steps, next());
}
