/**
 * Pages of the index in memory: those that were used last.
 *
 * @module
 */

import { PAGE_LENGTH } from "./leaf.ts";

/** Pages in a piece of the slab, which is made when it is first needed. */
const PIECE_PAGES = 256;

// One array for each page would take 2 us to make, and twice the memory. A clock evicts: its hand
// goes round the slots, and takes the first one that was not used since it was there before.

/** Pages of one run, by number. A page stays where it is until the next `put` or `use`. */
export class PageCache {
  /** Most pages that it holds. */
  readonly capacity: number;
  /** Slots in use. */
  #count = 0;
  #run = -1;
  /** Open addressing, linear probing, at most half full: slot + 1, or 0. */
  #table: Int32Array = new Int32Array(2);
  readonly #pieces: Uint8Array[] = [];
  /** Of each slot: its page, and whether that was used since the hand was there. */
  #pages: Float64Array = new Float64Array(0);
  #used: Uint8Array = new Uint8Array(0);
  #hand = 0;

  /** @param budget Most bytes of pages. */
  constructor(budget: number) {
    this.capacity = Math.floor(budget / PAGE_LENGTH);
  }

  /** Bytes it takes. */
  get byteLength(): number {
    const pieces = this.#pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    return pieces + this.#pages.byteLength + this.#used.byteLength + this.#table.byteLength;
  }

  /** Holds pages of another run from now on: those of the one before are gone. */
  use(run: number): void {
    this.#run = run;
    this.#table.fill(0);
    this.#count = this.#hand = 0;
  }

  /** The slot of a page, or -1. */
  find(run: number, page: number): number {
    if (run !== this.#run) return -1;
    const T = this.#table, mask = T.length - 1;
    for (let i = hash(page) & mask; T[i] !== 0; i = (i + 1) & mask) {
      const slot = T[i] - 1;
      if (this.#pages[slot] !== page) continue;
      this.#used[slot] = 1;
      return slot;
    }
    return -1;
  }

  /** The piece of the slab that a slot is in. */
  pieceOf(slot: number): Uint8Array {
    return this.#pieces[Math.floor(slot / PIECE_PAGES)];
  }

  /** Where in the piece the slot's page begins. */
  startOf(slot: number): number {
    return (slot % PIECE_PAGES) * PAGE_LENGTH;
  }

  /** Keeps a copy of a page that was checked, if it is of the run whose pages are held. */
  put(run: number, page: number, bytes: Uint8Array): void {
    if (run !== this.#run || this.capacity === 0 || this.find(run, page) >= 0) return;
    const slot = this.#count < this.capacity ? this.#newSlot() : this.#evict();
    this.#pages[slot] = page;
    this.#enter(slot);
    this.#used[slot] = 0;
    this.pieceOf(slot).set(bytes, this.startOf(slot));
  }

  #newSlot(): number {
    const slot = this.#count++;
    if (slot === this.#pages.length) {
      const count = Math.min(this.capacity, slot + PIECE_PAGES);
      const pages = this.#pages, used = this.#used;
      (this.#pages = new Float64Array(count)).set(pages);
      (this.#used = new Uint8Array(count)).set(used);
      this.#pieces.push(new Uint8Array((count - slot) * PAGE_LENGTH));
    }
    if (2 * this.#count > this.#table.length) {
      this.#table = new Int32Array(2 * this.#table.length);
      for (let other = 0; other < slot; other++) this.#enter(other);
    }
    return slot;
  }

  /** Enters a slot into the table. */
  #enter(slot: number): void {
    const T = this.#table, mask = T.length - 1;
    let i = hash(this.#pages[slot]) & mask;
    while (T[i] !== 0) i = (i + 1) & mask;
    T[i] = slot + 1;
  }

  /** Takes a slot out of the table. */
  #remove(slot: number): void {
    const T = this.#table, mask = T.length - 1, P = this.#pages;
    let hole = hash(P[slot]) & mask;
    while (T[hole] !== slot + 1) hole = (hole + 1) & mask;
    // What probed past the hole moves into it, so that no search ends there too soon.
    for (let i = (hole + 1) & mask; T[i] !== 0; i = (i + 1) & mask) {
      const home = hash(P[T[i] - 1]) & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      T[hole] = T[i];
      hole = i;
    }
    T[hole] = 0;
  }

  /** Frees the slot of a page that was not used for a while. */
  #evict(): number {
    const used = this.#used;
    while (used[this.#hand] !== 0) {
      used[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % this.capacity;
    }
    const slot = this.#hand;
    this.#hand = (slot + 1) % this.capacity;
    this.#remove(slot);
    return slot;
  }
}

function hash(page: number): number {
  const mixed = Math.imul(page, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
