/**
 * The strategies whose calls are measured, and where their documentation says what.
 *
 * @module
 */

import type { Allocator } from "../../../src/allocator.ts";
import { BestFitAllocator } from "../../../src/allocators/best_fit_allocator.ts";
import { BuddyAllocator } from "../../../src/allocators/buddy_allocator.ts";
import { IdAllocator } from "../../../src/allocators/id_allocator.ts";
import { LinearAllocator } from "../../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { PageAllocator } from "../../../src/allocators/page_allocator.ts";
import { SlabAllocator } from "../../../src/allocators/slab_allocator.ts";
import { TlsfAllocator } from "../../../src/allocators/tlsf_allocator.ts";
import { WideOffsetAllocator } from "../../../src/allocators/wide_offset_allocator.ts";
import { SharedOffsetAllocator } from "../../../src/shared/shared_allocator.ts";

/** What a request can meet. */
export type Condition =
  /** A region is sure to fit. */
  | "fitting"
  /** A region fits at an alignment. */
  | "aligned"
  /** The region that fits is the last that a search looks at. */
  | "searched"
  /** No region fits. */
  | "refused"
  /** The same request once more. */
  | "refused again"
  /** No region fits at an alignment. */
  | "aligned, refused"
  /** The same request once more. */
  | "aligned, refused again";

/** How an allocator is made. */
export interface Make {
  readonly capacity: number;
  /** Most live allocations. */
  readonly live: number;
  /** As in `OffsetAllocatorOptions`. */
  readonly maxLooks?: number;
}

/** A strategy. */
export interface Subject {
  readonly name: string;
  /** Its source, then that of the strategy that it refers to. */
  readonly sources: readonly string[];
  readonly make: (make: Make) => Allocator;
  /** How the lines of its table of costs begin that are about requests of these kinds. */
  readonly lines: Partial<Record<Condition, string>>;
  /** Whether the functions of src/operations are measured on it, which has a table of gaps. */
  readonly hasGaps?: boolean;
  /** Whether it takes `maxLooks`. */
  readonly hasLooks?: boolean;
  /** Whether `snapshot` takes it. */
  readonly hasSnapshot?: boolean;
  /** Whether a request that fits nowhere for sure finds the last region of many. */
  readonly searches?: boolean;
  /** Whether only what was allocated last is free again at once. */
  readonly isStack?: boolean;
  /** Largest of the sizes at random; 400 by default. */
  readonly most?: number;
  /** Most frees and allocations at random in a state, where each takes long. */
  readonly turns?: number;
  /** Units of what lies between two holes; 16 by default. */
  readonly wall?: number;
  /** Units before everything else, 1 by default. */
  readonly lead?: number;
  /** Units beside those of allocations and holes, none by default. */
  readonly spare?: number;
}

const OFFSET = "src/allocators/offset_allocator.ts";

const SEARCH = "`allocate` where no region is sure to fit", AGAIN = "the same, or more";
const BIN_LINES: Subject["lines"] = {
  searched: SEARCH,
  refused: SEARCH,
  "refused again": AGAIN,
  "aligned, refused": SEARCH,
  "aligned, refused again": AGAIN,
};

/** Every strategy. */
export const subjects: readonly Subject[] = [
  {
    name: "OffsetAllocator",
    sources: [OFFSET],
    make: ({ capacity, live, maxLooks }) =>
      new OffsetAllocator(capacity, { initialAllocations: live, maxLooks }),
    lines: BIN_LINES,
    hasGaps: true,
    hasLooks: true,
    hasSnapshot: true,
    searches: true,
  },
  {
    name: "OffsetAllocator, strict",
    sources: [OFFSET],
    make: ({ capacity, live }) =>
      new OffsetAllocator(capacity, { initialAllocations: live, strict: true }),
    lines: BIN_LINES,
  },
  {
    name: "WideOffsetAllocator beyond 2^32",
    sources: ["src/allocators/wide_offset_allocator.ts", OFFSET],
    make: ({ capacity, live, maxLooks }) =>
      new WideOffsetAllocator(capacity, { initialAllocations: live, maxLooks }),
    lines: BIN_LINES,
    hasGaps: true,
    hasLooks: true,
    hasSnapshot: true,
    searches: true,
    lead: 2 ** 33 + 1,
  },
  {
    name: "TlsfAllocator",
    sources: ["src/allocators/tlsf_allocator.ts"],
    make: ({ capacity, live, maxLooks }) =>
      new TlsfAllocator(capacity, { initialAllocations: live, maxLooks }),
    lines: BIN_LINES,
    hasGaps: true,
    hasLooks: true,
    searches: true,
  },
  {
    name: "TlsfAllocator, strict",
    sources: ["src/allocators/tlsf_allocator.ts"],
    make: ({ capacity, live }) =>
      new TlsfAllocator(capacity, { initialAllocations: live, strict: true }),
    lines: BIN_LINES,
  },
  {
    name: "BestFitAllocator",
    sources: ["src/allocators/best_fit_allocator.ts"],
    make: ({ capacity, live, maxLooks }) =>
      new BestFitAllocator(capacity, { initialAllocations: live, maxLooks }),
    lines: {
      aligned: "`allocate` with one, where a region has",
      "aligned, refused": "`allocate` with one, where none has",
      "aligned, refused again": AGAIN,
    },
    hasGaps: true,
    hasLooks: true,
    searches: true,
  },
  {
    name: "BuddyAllocator",
    sources: ["src/allocators/buddy_allocator.ts"],
    make: ({ capacity }) => new BuddyAllocator(capacity),
    lines: {
      aligned: "`allocate` with a power of two",
      "aligned, refused": "`allocate` with another alignment",
      "aligned, refused again": "the same, refused again",
    },
    wall: 64,
    lead: 0,
  },
  {
    name: "SlabAllocator",
    sources: ["src/allocators/slab_allocator.ts"],
    make: ({ capacity, live }) =>
      new SlabAllocator(new OffsetAllocator(capacity, { initialAllocations: live })),
    lines: {
      aligned: "`allocate`, `free` otherwise",
      ...refusedLines("`allocate` where the parent refuses"),
    },
    wall: 64,
    lead: 0,
    spare: 10_000,
  },
  {
    name: "PageAllocator",
    sources: ["src/allocators/page_allocator.ts"],
    make: ({ capacity }) => new PageAllocator(capacity),
    lines: { ...foundLines("`allocate`, aligned or not"), ...refusedLines("the same, refused") },
    searches: true,
    most: 40,
    turns: 1000,
  },
  {
    name: "IdAllocator",
    sources: ["src/allocators/id_allocator.ts"],
    make: ({ capacity }) => new IdAllocator(capacity),
    lines: {
      ...foundLines("`allocate` of a run, or aligned"),
      ...refusedLines("the same, refused"),
    },
    searches: true,
    most: 40,
    turns: 1000,
  },
  {
    name: "LinearAllocator",
    sources: ["src/allocators/linear_allocator.ts"],
    make: ({ capacity }) => new LinearAllocator(capacity),
    lines: {},
    isStack: true,
  },
  {
    name: "SharedOffsetAllocator",
    sources: ["src/shared/shared_allocator.ts"],
    make: ({ capacity, live }) => SharedOffsetAllocator.create(capacity, { maxAllocations: live }),
    lines: {},
    searches: true,
  },
];

/** One line for every request that finds a place. */
function foundLines(line: string): Subject["lines"] {
  return { fitting: line, aligned: line, searched: line };
}

/** One line for every request that is refused. */
function refusedLines(line: string): Subject["lines"] {
  return {
    refused: line,
    "refused again": line,
    "aligned, refused": line,
    "aligned, refused again": line,
  };
}
