/**
 * Slots of the index in the order of their keys.
 *
 * @module
 */

import { lowerBound } from "../util/lower_bound.ts";

/** The order of keys. */
export interface KeyComparer {
  /** Below 0: the key of the one slot is less than that of the other. */
  compare(one: number, other: number): number;
  /** Below 0: the key of the slot is less than the bytes. */
  compareTo(slot: number, bytes: Uint8Array): number;
}

// Blocks of slots in order, none of them empty: one level of a B+ tree, whose
// root is the list of blocks. A full block is split in halves.
const BLOCK = 512;

interface Block {
  readonly slots: Uint32Array;
  count: number;
}

/** A sorted list that is changed in O(log n + block). */
export class KeyOrder {
  readonly #keys: KeyComparer;
  readonly #blocks: Block[] = [];

  private constructor(keys: KeyComparer) {
    this.#keys = keys;
  }

  /** Takes slots that are in order. O(n). */
  static of(keys: KeyComparer, slots: Uint32Array): KeyOrder {
    const order = new KeyOrder(keys);
    for (let i = 0; i < slots.length; i += BLOCK / 2) {
      const piece = slots.subarray(i, i + BLOCK / 2);
      order.#blocks.push(newBlock(piece));
    }
    return order;
  }

  /** Bytes it takes. */
  get byteLength(): number {
    return this.#blocks.length * (BLOCK * 4 + 32);
  }

  /** Takes in a slot whose key is in no other. */
  insert(slot: number): void {
    const blocks = this.#blocks;
    if (blocks.length === 0) {
      blocks.push(newBlock(Uint32Array.of(slot)));
      return;
    }
    const isLess = (other: number) => this.#keys.compare(other, slot) < 0;
    const at = this.#blockOf(isLess);
    const block = blocks[at], i = indexIn(block, isLess);
    block.slots.copyWithin(i + 1, i, block.count);
    block.slots[i] = slot;
    if (++block.count < BLOCK) return;
    blocks.splice(at + 1, 0, newBlock(block.slots.subarray(BLOCK / 2)));
    block.count = BLOCK / 2;
  }

  /** Takes out a slot that still has its key. */
  remove(slot: number): void {
    // It may be the first one of its block.
    const at = this.#blockOf((other) => this.#keys.compare(other, slot) <= 0);
    const block = this.#blocks[at];
    const i = indexIn(block, (other) => this.#keys.compare(other, slot) < 0);
    block.slots.copyWithin(i, i + 1, block.count);
    if (--block.count === 0) this.#blocks.splice(at, 1);
  }

  /**
   * The first slot whose key is not less than the bytes, or with `behind` greater; or -1. There
   * is a slot at least.
   */
  first(bytes: Uint8Array, behind: boolean): number {
    const blocks = this.#blocks;
    const limit = behind ? 1 : 0;
    const isLess = (slot: number) => this.#keys.compareTo(slot, bytes) < limit;
    const at = this.#blockOf(isLess);
    const block = blocks[at], i = indexIn(block, isLess);
    if (i < block.count) return block.slots[i];
    return blocks[at + 1]?.slots[0] ?? -1;
  }

  /** The last slot whose key is less than the bytes; or -1. There is a slot at least. */
  last(bytes: Uint8Array): number {
    const blocks = this.#blocks;
    const isLess = (slot: number) => this.#keys.compareTo(slot, bytes) < 0;
    const block = blocks[this.#blockOf(isLess)], i = indexIn(block, isLess);
    return i > 0 ? block.slots[i - 1] : -1;
  }

  /** The last block whose first slot is less, as the caller has it, or the first block. */
  #blockOf(isLess: (slot: number) => boolean): number {
    const blocks = this.#blocks;
    return Math.max(lowerBound(blocks.length, (i) => isLess(blocks[i].slots[0])) - 1, 0);
  }
}

/** The least bytes that are greater than every key which begins with `prefix`, as UTF-8. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  if (prefix.length === 0) return Uint8Array.of(0xff);
  const end = prefix.slice();
  end[end.length - 1]++; // no byte of UTF-8 is 0xff: there is no carry
  return end;
}

function newBlock(slots: Uint32Array): Block {
  const block = { slots: new Uint32Array(BLOCK), count: slots.length };
  block.slots.set(slots);
  return block;
}

/** Index of the first slot in the block that is not less. */
function indexIn({ slots, count }: Block, isLess: (slot: number) => boolean): number {
  return lowerBound(count, (i) => isLess(slots[i]));
}
