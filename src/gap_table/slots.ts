/**
 * The slots of a table: which nodes are free, in which order they serve again, and how a table is
 * made larger.
 *
 * @module
 */

import type { BinShape } from "./layout.ts";

// A handle is `generation * (MASK + 1) + slot number`. The generation of a slot goes up by one
// each time it is freed, and starts again at 0 after the last that fits below LAST.
//
// Free slots wait in a queue, a ring of SLOTS words at the end of the table, behind which is one
// more word for the mark STOP. A call that takes a slot sees the mark in the word that it has read
// anyway: to compare with READY instead took 5 % of the time of allocate and free. A slot that is
// freed goes in front and serves again at once, while it is warm; every USES-th time it goes behind
// all others. There at least `reserve - 1` others stand before it, whatever is done, so that a
// handle comes back late:
//
// - After (LAST + 1) / (MASK + 1) uses of its slot, which has waited every USES-th time, and each
//   time `reserve` others were taken: 2^20 allocations with a 16th of the slots in reserve.
// - Others stand in the queue because they were used USES times as well, all but those that were
//   free at first: with an eighth of the slots 2^27 allocations, less USES for each slot of the
//   table. That is 10^8 at least, while the table can be made larger. Where a slot has few
//   generations, each of them waits.
const GROWING_RESERVE = 8;
const LAST_RESERVE = 16;
const USES = 64;
/** Where a slot of a table that grows has fewer generations, it never serves again at once. */
export const FEW_GENERATIONS = 2048;

/** How many allocations a table has room for, and how it is searched. */
export interface TableRoom {
  /** Most live allocations, all of them made room for; no limit where it is undefined. */
  readonly maxAllocations?: number;
  /** Live allocations to make room for at once, where there is no limit. */
  readonly initialAllocations: number;
  /** Most regions that a second search looks at. */
  readonly maxLooks: number;
  /** As in the layout: FIXED and STRICT. */
  readonly mode: number;
}

/**
 * The words of a table without nodes: its header, and the rest zero.
 *
 * @param stride Words of a node.
 * @param make Where the words are, for so many of them, all zero; an array of their own by
 * default.
 */
export function emptyWords(
  { end }: BinShape,
  stride: number,
  room: TableRoom,
  make: (length: number) => Int32Array = (length) => new Int32Array(length),
): Int32Array {
  const HANDLE = 4, MASK = 14, MODE = 16, SLOTS = 17, FRESH = 19, STRIDE = 21, LAST = 23;
  const LOOKS = 25, MAX_HANDLE = 1_073_741_823;
  const slots = slotsFor(room), words = make(tableLength(end, slots, stride));
  words[STRIDE] = stride;
  words[MODE] = room.mode;
  words[SLOTS] = slots;
  words[MASK] = maskOf(slots);
  words[LAST] = MAX_HANDLE;
  words[LOOKS] = room.maxLooks;
  words[FRESH] = 1;
  words[end + HANDLE] = -1;
  beginQueue(words);
  return words;
}

/** Empties the queue of a table with these SLOTS, MASK, MODE and LAST. */
export function beginQueue(H: Int32Array): void {
  const HEAD = 12, TAIL = 13, READY = 22, AGAIN = 28, FIRST = 29, REUSE = 30, STOP = 1;
  const first = queueStart(H);
  H.fill(0, first);
  H[FIRST] =
    H[HEAD] =
    H[TAIL] =
    H[READY] =
      first;
  H[first] = STOP;
  H[REUSE] = H[AGAIN] = reuseOf(H);
}

/** Slots of a table, the end node's among them. */
export function slotsFor({ maxAllocations, initialAllocations }: TableRoom): number {
  const MAX_SLOTS = 67_108_864, FIRST_SLOTS = 64;
  let slots = FIRST_SLOTS;
  if (maxAllocations === undefined) {
    while (slots - slots / GROWING_RESERVE < initialAllocations && slots < MAX_SLOTS) slots *= 2;
    return slots;
  }
  // The slots held back may make the numbers of slots one bit longer.
  slots = maxAllocations + 1;
  for (let i = 0; i < 2; i++) slots = maxAllocations + fixedReserve(maskOf(slots));
  return slots;
}

/** The mask with which handles of a table of so many slots are read. */
export function maskOf(slots: number): number {
  return 2 ** (32 - Math.clz32(slots - 1)) - 1;
}

/** Words of a table: header and bins, the nodes, the queue and the word behind it. */
export function tableLength(end: number, slots: number, stride: number): number {
  return end + slots * stride + slots + 1;
}

/** The value of REUSE in a table: the lowest bits of a generation, or none. */
export function reuseOf(H: Int32Array): number {
  const MASK = 14, MODE = 16, LAST = 23, FIXED = 1;
  const slots = H[MASK] + 1, generations = (H[LAST] + 1) / slots;
  const least = (H[MODE] & FIXED) === 0 ? FEW_GENERATIONS : 1;
  return generations < least ? 0 : slots * (Math.min(USES, generations) - 1);
}

/** Where the queue of a table begins. */
export function queueStart(H: Int32Array): number {
  const SLOTS = 17;
  return H.length - 1 - H[SLOTS];
}

/** Number of slots that are taken. */
export function takenSlots(H: Int32Array): number {
  const FRESH = 19;
  return H[FRESH] - 1 - waitingCount(H);
}

/** Number of slots in the queue. */
export function waitingCount(H: Int32Array): number {
  const HEAD = 12, TAIL = 13, SLOTS = 17;
  const count = H[TAIL] - H[HEAD];
  return count < 0 ? count + H[SLOTS] : count;
}

/** Slots that have to be in the queue for one to be taken. */
export function reserveOf(H: Int32Array): number {
  const MASK = 14, SLOTS = 17;
  return canDouble(H) ? H[SLOTS] / GROWING_RESERVE : fixedReserve(H[MASK]);
}

/** The same in a table that stays as large as it is. */
function fixedReserve(mask: number): number {
  return (mask / LAST_RESERVE | 0) + 1;
}

/** Tells whether a table may be made larger: a slot of the largest has 16 generations. */
export function canDouble(H: Int32Array): boolean {
  const MODE = 16, SLOTS = 17, LAST = 23, FIXED = 1;
  return (H[MODE] & FIXED) === 0 && H[SLOTS] <= (H[LAST] + 1) / 32;
}

/** Tells whether no slot may be taken, whatever is done. */
export function isFull(H: Int32Array): boolean {
  const HEAD = 12, SLOTS = 17, FRESH = 19, READY = 22;
  if (H[HEAD] !== H[READY] || canDouble(H)) return false;
  return waitingCount(H) + H[SLOTS] - H[FRESH] < reserveOf(H);
}

/**
 * Makes slots ready, so many if it can: those that wait longest, else some that were never used;
 * `false` where none may be taken. O(1) each.
 */
export function makeReady(H: Int32Array, count: number = 1): boolean {
  const HEAD = 12, SLOTS = 17, FRESH = 19, STRIDE = 21, READY = 22, FIRST = 29, FRESH_SLOTS = 64;
  const FREE = -2_147_483_648, STOP = 1;
  const waiting = waitingCount(H), unused = H[SLOTS] - H[FRESH], spare = waiting - reserveOf(H) + 1;
  const end = H.length - 1;
  if (spare + unused <= 0) return false;
  H[H[READY]] ^= STOP;
  if (spare >= count || unused === 0) {
    if (H[HEAD] === end) H[HEAD] = H[FIRST];
    H[READY] = Math.min(H[HEAD] + spare, end);
  } else {
    if (H[HEAD] === H[FIRST]) H[HEAD] = H[READY] = end;
    const most = Math.min(Math.max(count, FRESH_SLOTS), unused, spare + unused, H[HEAD] - H[FIRST]);
    const nodes = H[FIRST] - H[SLOTS] * H[STRIDE];
    H[HEAD] -= most;
    for (let i = 0; i < most; i++) H[H[HEAD] + i] = (nodes + H[FRESH]++ * H[STRIDE]) | FREE;
  }
  H[H[READY]] ^= STOP;
  return true;
}

/** The HANDLE of a slot once this handle is freed: minus the next generation. */
export function freeWord(H: Int32Array, handle: number): number {
  const MASK = 14, LAST = 23;
  return -(((handle | H[MASK]) + 1) & H[LAST]);
}

/** Puts the slot of a handle, which is freed, in the queue. */
export function recycle(H: Int32Array, slot: number, handle: number): void {
  const HANDLE = 4, HEAD = 12, MASK = 14, AGAIN = 28, FIRST = 29, FREE = -2_147_483_648;
  const LINK = 0x3fffffff;
  const generation = (handle | H[MASK]) + 1, head = H[HEAD] & LINK;
  if ((generation & H[AGAIN]) === 0 || head === H[FIRST]) return retire(H, slot, generation);
  H[slot + HANDLE] = -generation | 0;
  H[head - 1] = slot | FREE;
  H[HEAD] = head - 1;
}

/**
 * Puts a free slot behind all others, where it is time for that. One that only has to be noticed,
 * since AGAIN is 0, goes in front with another EPOCH: early at the end, it would spare others their
 * wait.
 */
export function retire(H: Int32Array, slot: number, generation: number): void {
  const HANDLE = 4, HEAD = 12, TAIL = 13, LAST = 23, EPOCH = 24, AGAIN = 28, FIRST = 29;
  const REUSE = 30, FREE = -2_147_483_648, STOP = 1;
  const tail = H[TAIL];
  H[slot + HANDLE] = -(generation & H[LAST]);
  H[AGAIN] = H[REUSE];
  if ((generation & H[REUSE]) !== 0 && H[HEAD] !== H[FIRST]) {
    H[--H[HEAD]] = slot | FREE;
    H[EPOCH]++;
    return;
  }
  H[tail] = H[tail] & STOP | slot | FREE;
  H[TAIL] = tail + 1;
  if (tail + 2 < H.length) return;
  H[TAIL] = H[FIRST];
  H[EPOCH]++;
}

/** Queues the slots before FRESH that are not taken, lowest first: their order is not known. */
export function queueFreeSlots(H: Int32Array, end: number): void {
  const HANDLE = 4, FRESH = 19, STRIDE = 21;
  beginQueue(H);
  for (let number = 1; number < H[FRESH]; number++) {
    const slot = end + number * H[STRIDE];
    if (!isTaken(H, slot)) retire(H, slot, -H[slot + HANDLE]);
  }
}

/** Tells whether a node is in the ring: live, or a wall, whose handle is negative there. */
export function isTaken(H: Int32Array, node: number): boolean {
  const HANDLE = 4, MASK = 14;
  const handle = H[node + HANDLE];
  return handle > 0 || (-handle & H[MASK]) !== 0;
}

/**
 * A table with twice the slots. A live node goes to the slot to which its handle, read with the new
 * mask, leads: handles stay valid. Every other slot goes on behind the last handle that the slot it
 * was part of gave, at FLOOR at the least: behind what slots gave that trim() took. O(slots).
 */
export function doubled(H: Int32Array, shape: BinShape): Int32Array {
  const NEXT = 1, HANDLE = 4, HEAD = 12, TAIL = 13, MASK = 14, SLOTS = 17;
  const FRESH = 19, STRIDE = 21, LAST = 23, NEAR = 26, FIRST = 29, FLOOR = 31;
  const FREE = -2_147_483_648, NODE = 0x3ffffffc;
  const { end, bins, binCount } = shape, stride = H[STRIDE], half = H[SLOTS], slots = 2 * half;
  const words = new Int32Array(tableLength(end, slots, stride)), mask = H[MASK] | slots - 1;
  const nodeOf = (handle: number) => end + (handle & mask) * stride;
  // The lowest two bits of a link are the index's.
  const target = (link: number) =>
    link < end + stride ? link : nodeOf(Math.abs(H[(link & ~3) + HANDLE])) | (link & 3);
  const queue = (handle: number) => {
    const slot = nodeOf(handle);
    words[slot + HANDLE] = -(Math.max(handle, H[FLOOR]) & ~mask & H[LAST]);
    words[words[TAIL]++] |= slot | FREE;
  };

  while (H[FRESH] < half) retire(H, end + H[FRESH]++ * stride, 0);
  words.set(H.subarray(0, bins));
  words[SLOTS] = words[FRESH] = slots;
  words[MASK] = mask;
  words[NEAR] = 0;
  beginQueue(words);
  for (let bin = bins; bin < bins + binCount; bin++) words[bin] = target(H[bin]);
  let node = end;
  do {
    const to = target(node);
    for (let word = stride; word-- > 0;) {
      words[to + word] = word < HANDLE ? target(H[node + word]) : H[node + word];
    }
    node = H[node + NEXT];
  } while (node !== end);

  for (let i = H[HEAD], count = waitingCount(H); count > 0; i++, count--) {
    if (i === H.length - 1) i = H[FIRST];
    const slot = H[i] & NODE, handle = (slot - end) / stride - H[slot + HANDLE];
    queue(handle);
    queue(handle + half);
  }
  for (node = H[end + NEXT]; node !== end; node = H[node + NEXT]) {
    queue(Math.abs(H[node + HANDLE]) + half);
  }
  queue(half); // beside the end node
  return words;
}
