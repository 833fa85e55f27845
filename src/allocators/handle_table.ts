/**
 * The handles of a strategy: which are live, and which slot of the strategy's own columns
 * each one names.
 *
 * @module
 */

import { NotAllocatedError } from "../allocator.ts";

// Slots come in blocks, each twice as large as the one before: block b holds the slots
// 64 << b to (128 << b) - 1, so that a slot keeps its number however many there are. A
// handle says, from its lowest bit on:
//
//   | block: 5 bits | slot within the block: 6 + block bits | generation: the rest, to bit 29 |
//
// Beyond bit 29 V8 may box a number. So every block gives about 2^25 handles.
const FIRST = 64;

/** Most slots that a table can have. */
export const MAX_SLOTS: number = 33_554_368; // = 2 ** 25 - FIRST

/**
 * Gives out slots, and a handle for each that is refused once the slot was released.
 *
 * The strategy keeps what it knows of an allocation in columns of its own, indexed by slot
 * and as long as {@linkcode HandleTable.length}; slots keep their numbers when it grows.
 * The first slot is 64: 0 and the numbers below can mean "none".
 *
 * A slot gives 2^19 handles or fewer (the more slots, the fewer) and is then kept back
 * until no other is left, so that a handle comes back only after some 2^25 allocations.
 *
 * `take`, `find` and `release` are O(1), but for the doubling of the table.
 */
export class HandleTable {
  /** By slot: its handle when it is live, or minus the next one, or 0 when it is worn out. */
  handles: Int32Array = new Int32Array(2 * FIRST);
  /** By free slot: the next free slot, or 0. */
  #links: Int32Array = new Int32Array(2 * FIRST);
  readonly #limit: number;
  #top = 0;
  #fresh = FIRST;
  #live = 0;
  #worn = 0;

  /**
   * Makes a table without live slots.
   *
   * @param limit Most live slots, from 0 to {@linkcode MAX_SLOTS}.
   */
  constructor(limit: number = MAX_SLOTS) {
    this.#limit = limit;
  }

  /** One more than the largest slot so far possible: the length that columns need. */
  get length(): number {
    return this.handles.length;
  }

  /** Number of live slots. */
  get liveCount(): number {
    return this.#live;
  }

  /** Whether {@linkcode HandleTable.take} would give 0. */
  get isFull(): boolean {
    return this.#live >= this.#limit;
  }

  /**
   * Takes a slot; `handles[slot]` is its handle. Gives 0 where the limit is reached. Look
   * at {@linkcode HandleTable.length} afterwards: it may have grown.
   */
  take(): number {
    if (this.#live >= this.#limit) return 0;
    let slot = this.#top;
    if (slot !== 0) this.#top = this.#links[slot];
    else slot = this.#makeSlot();
    this.#live++;
    const handles = this.handles;
    handles[slot] = -handles[slot];
    return slot;
  }

  /** The slot that a handle names, or 0. */
  find(handle: unknown): number {
    const FIRST = 64, BLOCK_BITS = 5, BLOCK = 31;
    if (typeof handle !== "number") return 0;
    const first = FIRST << (handle & BLOCK);
    const slot = (first | ((handle >>> BLOCK_BITS) & (first - 1))) & 0x1ffffff;
    return this.handles[slot] === handle && handle > 0 ? slot : 0;
  }

  /**
   * The slot that a handle names.
   *
   * @throws {NotAllocatedError} It names no live one.
   */
  expect(handle: number): number {
    const slot = this.find(handle);
    if (slot === 0) throw new NotAllocatedError(handle);
    return slot;
  }

  /** Makes a live slot free; its handle is refused from then on. */
  release(slot: number): void {
    const BLOCK_BITS = 5, BLOCK = 31, FIRST_BITS = 6, HANDLE_LIMIT = 1_073_741_824;
    const handles = this.handles, handle = handles[slot];
    const next = (handle + (1 << (BLOCK_BITS + FIRST_BITS + (handle & BLOCK)))) | 0;
    this.#live--;
    if (next >= HANDLE_LIMIT) {
      handles[slot] = 0;
      this.#worn++;
      return;
    }
    handles[slot] = -next;
    this.#links[slot] = this.#top;
    this.#top = slot;
  }

  /** Releases all live slots. */
  clear(): void {
    for (let slot = FIRST; slot < this.#fresh; slot++) {
      if (this.handles[slot] > 0) this.release(slot);
    }
  }

  /** A slot that was never used; failing that, one that is worn out; failing that, a new block. */
  #makeSlot(): number {
    if (this.#fresh === this.length) {
      if (this.#worn > 0) return this.#renew();
      this.handles = doubled(this.handles);
      this.#links = doubled(this.#links);
    }
    const slot = this.#fresh++;
    this.handles[slot] = -firstHandle(slot);
    return slot;
  }

  /** Lets the worn slots begin again, and gives the lowest: the one that was worn first. */
  #renew(): number {
    for (let slot = this.#fresh - 1; slot >= FIRST; slot--) {
      if (this.handles[slot] !== 0) continue;
      this.handles[slot] = -firstHandle(slot);
      this.#links[slot] = this.#top;
      this.#top = slot;
    }
    this.#worn = 0;
    const slot = this.#top;
    this.#top = this.#links[slot];
    return slot;
  }
}

/** The handle of a slot in its first generation, which is 1: no handle is 0. */
function firstHandle(slot: number): number {
  const FIRST = 64, BLOCK_BITS = 5, FIRST_BITS = 6;
  const block = 31 - FIRST_BITS - Math.clz32(slot);
  const bits = FIRST_BITS + block;
  return block | ((slot - (FIRST << block)) << BLOCK_BITS) | (1 << (BLOCK_BITS + bits));
}

/** A copy of a column with twice the room. */
export function doubled<Column extends Int32Array | Float64Array>(column: Column): Column {
  const larger = new (column.constructor as new (length: number) => Column)(2 * column.length);
  larger.set(column);
  return larger;
}
