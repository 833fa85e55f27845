/**
 * Checks of the free regions of a `RangeAllocator`.
 *
 * @module
 */

import { binOf } from "../util/bin_of.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import type { FreeRanges } from "./free_ranges.ts";

const ROOT = 1, MAP = 12, BINS = 128, BIN_COUNT = 1568, NODE = 0x3ffffffc, HIGHER = 1;

/** Throws an `Error` unless both trees hold the same regions, in order and balanced. */
export function checkRanges(ranges: FreeRanges): void {
  const H = ranges.words, { capacity, count } = ranges;
  const known = new Set<number>();
  let end = -1, units = 0;
  heightOf(H, ROOT, 0, (node) => {
    const offset = ranges.offset(node), size = ranges.size(node);
    expectInvariant(
      Number.isInteger(offset) && offset > end,
      `region at ${offset} is out of order, or touches one`,
    );
    expectInvariant(Number.isInteger(size) && size > 0, `region at ${offset} has no size`);
    known.add(node);
    expectInvariant(known.size <= count, "there are other regions than counted");
    end = offset + size;
    units += size;
  });
  expectInvariant(known.size === count, "there are other regions than counted");
  expectInvariant(end <= capacity, "a region is beyond the space");
  expectInvariant(units === ranges.freeSpace, "the regions have other units than are free");

  let sized = 0;
  for (let bin = 0; bin < BIN_COUNT; bin++) {
    if (H[BINS + bin] === 0) continue;
    const isMarked = (H[MAP + (bin >>> 5)] & (0x80000000 >>> bin)) !== 0;
    expectInvariant(isMarked, `bin ${bin} has no mark`);
    let before = 0, at = -1;
    heightOf(H, BINS + bin, 2, (node) => {
      const offset = ranges.offset(node), size = ranges.size(node);
      expectInvariant(known.has(node), `a region of bin ${bin} has no place by address`);
      expectInvariant(binOf(size, 5) === bin, `region at ${offset} is in another bin`);
      const isInOrder = size > before || (size === before && offset > at);
      expectInvariant(isInOrder, `region at ${offset} is out of order of size`);
      before = size;
      at = offset;
      sized++;
      expectInvariant(sized <= count, "a region is in two bins");
    });
  }
  expectInvariant(sized === count, "a region is in no bin");
}

/** Visits a tree in order; returns its height, which the bits of balance tell of each side. */
function heightOf(
  H: Int32Array,
  link: number,
  side: number,
  visit: (node: number) => void,
): number {
  const node = H[link] & NODE;
  if (node === 0) return 0;
  const left = heightOf(H, node + side, side, visit);
  visit(node);
  const right = heightOf(H, node + side + 1, side, visit);
  const leansLeft = (H[node + side] & HIGHER) === HIGHER;
  const leansRight = (H[node + side + 1] & HIGHER) === HIGHER;
  const isBalanced = left - right === Number(leansLeft) - Number(leansRight);
  expectInvariant(isBalanced && !(leansLeft && leansRight), `node ${node} is out of balance`);
  return 1 + Math.max(left, right);
}
