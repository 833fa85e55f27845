import { binOf } from "./bin_of.ts";
import {
  BIN,
  BIN_NEXT,
  BIN_PREV,
  BINS,
  END,
  FIXED,
  FREE,
  FRESH,
  GAP,
  HANDLE,
  HANDLE_LIMIT,
  LEAF,
  MASK,
  MODE,
  NEXT,
  NODE,
  OFFSET,
  type OffsetTable,
  PREV,
  SIZE,
  SLOTS,
  stackStart,
  STRICT,
  STRIDE,
  SUMMARY,
  TOP,
  WIDE_BINS,
  WORN,
  WORN_OUT,
} from "./offset_table.ts";

/**
 * What is wrong with a table, or undefined. Every link is verified before it is
 * followed and every loop is bounded: any words at all can be given. O(slots).
 */
export function offsetTableDamage(table: OffsetTable): string | undefined {
  const H = table.words, stride = H[STRIDE], mask = H[MASK], slots = H[SLOTS];
  const isNode = (node: number) =>
    node > END && node < stackStart(H) && (node - END) % stride === 0;
  if ((H[MODE] & ~(FIXED | STRICT)) !== 0) return "the mode is unknown";
  if ((H[MODE] & FIXED) === 0 && slots !== mask + 1) return "the table has an odd size";

  // The ring: gaps and allocations tile the space.
  let position = 0, free = 0, live = 0, holes = 0, unstacked = 0, prev = END, node = END;
  do {
    node = H[prev + NEXT];
    if (node !== END && !isNode(node)) return "a link leads out of the table";
    if (H[node + PREV] !== prev) return "neighbours disagree";
    const handle = H[node + HANDLE], gap = table.get(node, GAP);
    const size = node === END ? 0 : table.get(node, SIZE);
    const named = node === END
      ? handle === -1
      : handle > 0 && handle < HANDLE_LIMIT && END + (handle & mask) * stride === node;
    if (!named) return "a handle does not name its node";
    if (!isUnits(gap) || !isUnits(size)) return "a size is not a number of units";
    if (gap > 0 && H[node + BIN_PREV] === 0) return "a free region is in no bin";
    if (H[node + BIN_PREV] !== 0) holes++;
    if (table.get(node, OFFSET) !== position + gap) return "the space has a hole or an overlap";
    position += gap + size;
    free += gap;
    if (node !== END && ++live >= slots) return "the ring does not close";
    prev = node;
  } while (node !== END);
  if (!isUnits(position)) return "the capacity is not a number of units";
  if (live !== table.liveCount) return "the number of allocations is wrong";
  if (free !== table.freeSpace) return "the free space is wrong";

  // The bins: each free region in the bin of its size, each bin with its bits set.
  for (let bin = 0; bin < 32 * (BINS - LEAF); bin++) {
    const marked = (H[LEAF + (bin >>> 5)] & (0x80000000 >>> bin)) !== 0;
    const summed = (H[SUMMARY] & (0x80000000 >>> (bin >>> 5))) !== 0;
    if (marked && (bin >= WIDE_BINS || !summed)) return "the bitmap contradicts itself";
    if (bin >= WIDE_BINS) continue;
    let before = BIN + bin;
    for (let node = H[BINS + bin]; node !== 0; node = H[node + BIN_NEXT]) {
      if (node !== END && !(isNode(node) && H[node + HANDLE] > 0)) return "a bin holds no node";
      if (H[node + BIN_PREV] !== before) return "the list of a bin is broken";
      if (binOf(table.get(node, GAP)) !== bin) return "a free region is in the wrong bin";
      if (!marked) return "a bin that holds regions is not marked";
      if (--holes < 0) return "the list of a bin does not end";
      before = node;
    }
  }
  if (holes !== 0) return "a free region is in no bin";
  if ((H[SUMMARY] & (0xffffffff >>> (BINS - LEAF))) !== 0) return "the summary is too long";

  // The slots that are not live: each has a generation, each is stacked once or kept back.
  const stacked = new Uint8Array(slots);
  for (let i = H[TOP]; i < H.length - 1; i++) {
    const slot = H[i] & NODE;
    if (!isNode(slot) || H[i] !== (slot | FREE)) return "a free slot is out of the table";
    if (stacked[(slot - END) / stride]++ !== 0) return "a free slot is stacked twice";
  }
  for (let slot = END + stride, number = 1; number < slots; slot += stride, number++) {
    if (H[slot + HANDLE] > 0) {
      live--;
      if (stacked[number] !== 0) return "a live slot is stacked as free";
      continue;
    }
    const generation = -H[slot + HANDLE];
    if (generation > HANDLE_LIMIT || (generation & mask) !== 0) return "a generation is broken";
    if (H[slot + HANDLE] === WORN_OUT && stacked[number] !== 0) return "a worn slot is stacked";
    if (H[slot + BIN_PREV] !== 0 || table.get(slot, GAP) !== 0) return "a free slot has a gap";
    if (stacked[number] === 0) unstacked++;
  }
  if (live !== 0) return "a slot has a handle, but no place";
  return unstacked === H[WORN] + slots - H[FRESH] ? undefined : "slots are lost";
}

/** Whether a value is a number of units. */
function isUnits(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}
