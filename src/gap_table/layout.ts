/**
 * The words of a gap table: what they hold and where they are.
 *
 * @module
 */

// The whole state of an allocator is one Int32Array:
//
//   | header | bitmap of the bins | bins | node 0 = end | node 1 | node 2 | ... | queue |
//
// One node per live allocation, and nothing else: a node holds its allocation and
// the free region just *before* it (its gap, 0 units if there is none); the gap
// before the end node is the free region at the end of the space.
//
//   offset 0                                                  end of the space
//   |  gap of A  |  A  |  B  |  gap of C  |  C  | gap of end  | end
//
// The nodes form a ring in address order. A node whose gap is free space is in the
// bin for that gap's size. To allocate is to put a node in front of a node with a
// large enough gap; to free is to take one out and leave its units to the gap of the
// next. Between two spans of space lies a wall: a node like any other, whose handle
// nobody was given.
//
// Hot functions declare the numbers that they use themselves, and so do all that OffsetAllocator
// is made of. Engines and bundlers compile those in, which makes a bundle smaller as well. An
// imported constant is read at every use. A constant of a module is one in a file, but a variable
// in a bundle, where esbuild turns it into one: V8 13.6 then takes 1.25 of the time. A test
// compares the numbers with those here.
//
// A node is named by the index of its first word. 32-bit nodes have 8 words; wide
// ones 12, with offset, size and gap as doubles in words 6 to 11.
export const PREV = 0; // node before, in address order
export const NEXT = 1; // node after, in address order
export const BIN_PREV = 2; // node before in the bin, or the bin; 0: the gap is in no bin
export const BIN_NEXT = 3; // node after in the bin, or 0
export const HANDLE = 4; // live: the handle; wall: -handle; free: minus its next generation
export const OFFSET = 5;
export const SIZE = 6;
export const GAP = 7;
export const NARROW = 8;
export const WIDE = 12;

// The doubles of the wide node at word n are at n / 2 plus these.
export const WIDE_OFFSET = 3;
export const WIDE_SIZE = 4;
export const WIDE_GAP = 5;

// The header is laid out as a node: word BIN_PREV takes the writes to the node after the
// last of a bin, both it and BIN_NEXT those of a node that is in no bin and yet taken out
// of it, and SIZE holds the free space.
export const MAGIC = 0;
export const VERSION = 1;
export const HEAD = 12; // word of the queue with the slot that serves next
export const TAIL = 13; // word behind the last slot of the queue
export const MASK = 14; // handle & MASK is the slot number, the rest its generation
export const SUMMARY = 15; // bit 31 - w: some bit of leaf word w may be set
export const MODE = 16; // FIXED | STRICT
export const SLOTS = 17; // nodes in the table, live or not, the end node included
export const CHECKSUM = 18; // of the other bytes; only in a snapshot
export const FRESH = 19; // number of the first slot that was never in the queue
export const SUMMARY_HIGH = 20; // the same as SUMMARY for leaf words 32 to 63
export const STRIDE = 21; // words of a node, NARROW or WIDE
export const READY = 22; // word of the queue with the mark STOP: slots before it may be taken
export const LAST = 23; // the largest handle: 2^30 - 1, or less in tests
export const EPOCH = 24; // counts what may have made room but free(), and rounds of the queue
export const LOOKS = 25; // most regions that a second search looks at
export const NEAR = 26; // the node that a search by offset met last, or 0
export const WIDTH = 27; // of a snapshot: NARROW or WIDE, by the class that was saved
export const AGAIN = 28; // REUSE, or 0: the next free() is to change TAIL or EPOCH
export const FIRST = 29; // first word of the queue
export const REUSE = 30; // bits of a generation: with one set, its slot serves again at once
export const FLOOR = 31; // the first generation of slots that come back after trim()
export const LEAF = 32; // bit 31 - b % 32 of leaf word b / 32: bin b may hold a node

export const FIXED = 1;
export const STRICT = 2;

export const MAX_CAPACITY: number = 9_007_199_254_740_991; // = 2 ** 53 - 1
export const MAX_NARROW: number = 4_294_967_295; // = 2 ** 32 - 1
export const MAX_SLOTS: number = 67_108_864; // = 2 ** 26
export const MAX_ALLOCATIONS: number = 62_914_560; // = 2 ** 26 - 2 ** 22
export const MOST_LOOKS = 0x7fffffff; // more than there are regions
export const FIRST_SLOTS = 64; // slots of a table that grows
export const FRESH_SLOTS = 64; // slots queued at a time
export const MAX_HANDLE: number = 1_073_741_823; // = 2 ** 30 - 1; above, V8 may box the number
export const FREE: number = -2_147_483_648; // = -(2 ** 31); the sign bit of a queued slot
export const STOP = 1; // bit of the word READY of the queue, beside the slot that waits there

// `& NODE` tells V8 that an index is never negative, which spares the sign
// extension of every access behind it: 8 % of allocate and free.
export const NODE = 0x3ffffffc;
export const LINK = 0x3fffffff; // the same, for what may be a bin

/** Where the bins of an index are, and how wide they are. */
export interface BinShape {
  /** Bits of mantissa below the leading one of a size: bins are at most 2^-bits wide. */
  readonly mantissaBits: number;
  /** Word of the first bin. */
  readonly bins: number;
  /** Number of bins. */
  readonly binCount: number;
  /** Word of the end node, behind the last bin; a multiple of 8. */
  readonly end: number;
}

// The numbers of a shape are constants as well: hot functions declare them.

// Those of the C++ reference.
export const OFFSET_BINS = 48;
export const OFFSET_END = 456;
export const OFFSET_SHAPE: BinShape = {
  mantissaBits: 3,
  bins: OFFSET_BINS,
  binCount: 408,
  end: OFFSET_END,
};

// Finer bins, for TlsfAllocator.
export const TLSF_BINS = 84;
export const TLSF_END = 1656;
export const TLSF_SHAPE: BinShape = {
  mantissaBits: 5,
  bins: TLSF_BINS,
  binCount: 1568,
  end: TLSF_END,
};

// The same bins, each with a tree. Behind them is the way that the last search went down.
export const FOUND_DEPTH = 1652; // index in PATH of the link to what was found
export const PATH = 1656; // 64 links; a tree of 2^26 nodes has at most 38 levels
export const TREE_END = 1720;
export const TREE_SHAPE: BinShape = {
  mantissaBits: 5,
  bins: TLSF_BINS,
  binCount: 1568,
  end: TREE_END,
};

/**
 * Where the exponent of a wide node's gap is: the word of its upper half, which half that is by
 * the machine. With the first bits of the mantissa it makes the bin of a large gap.
 */
export function gapExponent(): number {
  const WIDE_GAP = 5;
  return 2 * WIDE_GAP + new Uint8Array(new Uint16Array([1]).buffer)[0];
}
