/**
 * The words of an allocator's table, as its snapshot has them.
 *
 * @module
 */

import * as layout from "../../../src/gap_table/layout.ts";
import { snapshot } from "../../../src/operations/snapshot.ts";
import type { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";

/** A node of the ring: an allocation and the gap before it, or the end and the last gap. */
export interface RingNode {
  /** Its place among the nodes: 0 is the end node. */
  readonly number: number;
  /** Its handle; that of the end node means nothing. */
  readonly handle: number;
  readonly offset: number;
  readonly size: number;
  readonly gap: number;
}

/** The words of an allocator of a 32-bit capacity, up to those of the last node in use. */
export function wordsOf(allocator: OffsetAllocator): Int32Array {
  const saved = new Int32Array(snapshot(allocator).buffer);
  const words = new Int32Array(saved.length + layout.NARROW); // it leaves out the zeros at its end
  words.set(saved);
  return words;
}

/** The nodes of the ring in address order, the end node last. */
export function ringOf(allocator: OffsetAllocator): RingNode[] {
  const words = wordsOf(allocator), end = layout.OFFSET_END, ring: RingNode[] = [];
  let node = end;
  do {
    node = words[node + layout.NEXT];
    ring.push({
      number: (node - end) / layout.NARROW,
      handle: words[node + layout.HANDLE],
      offset: words[node + layout.OFFSET],
      size: words[node + layout.SIZE],
      gap: words[node + layout.GAP],
    });
  } while (node !== end);
  return ring;
}

/** The gaps in a bin, in the order in which a search takes them. */
export function gapsIn(words: Int32Array, bin: number): number[] {
  const gaps: number[] = [];
  for (let node = words[layout.OFFSET_BINS + bin]; node !== 0;) {
    gaps.push(words[node + layout.GAP]);
    node = words[node + layout.BIN_NEXT];
  }
  return gaps;
}
