/**
 * The calls that are measured, and how each state is as before afterwards.
 *
 * @module
 */

import { type Allocator, type Move, NO_SPACE } from "../../../src/allocator.ts";
import {
  allocateAt,
  allocateMany,
  appendAt,
  applyMove,
  check,
  freeMany,
  planCompaction,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
} from "../../../src/operations/mod.ts";
import { fullOf, type FullState, HOLE, LARGER, mixedOf, placed, type State } from "./states.ts";
import type { Condition, Subject } from "./subjects.ts";

/** What is timed. */
export interface Case {
  /** Most calls of a round; 400 by default. */
  readonly calls?: number;
  /** Whether a round always has that many. */
  readonly isWhole?: boolean;
  /** Items of a call; 1 by default. */
  readonly items?: number;
  /** Done before a round. */
  readonly before?: () => void;
  /** Done before each call; its time is taken off. */
  readonly between?: () => void;
  /** The call. What it returns is used, so that nothing is optimized away. */
  readonly call: (i: number) => unknown;
  /** Done behind a round. */
  readonly after?: () => void;
}

/** The states of one strategy with so many live allocations, made when they are needed. */
export class Stage {
  readonly subject: Subject;
  readonly live: number;
  #mixed: State | undefined;
  #full: FullState | undefined;
  #bounded: FullState | undefined;

  constructor(subject: Subject, live: number) {
    this.subject = subject;
    this.live = live;
  }

  get mixed(): State {
    return this.#mixed ??= mixedOf(this.subject, this.live);
  }

  get full(): FullState {
    return this.#full ??= fullOf(this.subject, this.live);
  }

  /** The full state with a bound of 64 on what a search looks at. */
  get bounded(): FullState {
    return this.#bounded ??= fullOf(this.subject, this.live, { maxLooks: 64 });
  }
}

/** One row of a table. */
export interface Row {
  readonly name: string;
  /** The method that it is about, or the function. */
  readonly method: string;
  /** What kind of request it is. */
  readonly condition?: Condition;
  /** The file of src/operations with the function. */
  readonly operation?: string;
  /** Whether a strategy has it; all have it by default. */
  readonly has?: (subject: Subject) => boolean;
  readonly make: (stage: Stage) => Case;
}

const CALLS = 400;
/** Moves of a round. */
const MOVES = 20;
/** More than there is in one piece in a full state. */
const LARGE = 5000;

const hasGaps = ({ hasGaps = false }: Subject) => hasGaps;

/** Allocations in a mixed state, freed at the end of each round. */
function succeeding(alignment: number, most?: number): Row["make"] {
  return ({ mixed: { allocator, random }, subject }) => {
    const made: number[] = [], largest = most ?? subject.most ?? 400;
    const sizes = Array.from({ length: 997 }, () => 1 + random(largest));
    let next = 0;
    return {
      call: () => {
        if (++next === sizes.length) next = 0;
        made.push(placed(allocator.allocate(sizes[next], alignment)));
      },
      after: () => made.splice(0).reverse().forEach((handle) => allocator.free(handle)),
    };
  };
}

/** Requests that a full state refuses, after a free each or again and again. */
function refused(size: number, alignment: number, isFirst: boolean): Row["make"] {
  return ({ full }) => refusedIn(full, size, alignment, isFirst);
}

function refusedIn(state: FullState, size: number, alignment: number, isFirst: boolean): Case {
  const { allocator, forget } = state;
  const call = () => {
    if (allocator.allocate(size, alignment) !== NO_SPACE) throw new Error("Not refused");
  };
  return { call, between: isFirst ? forget : undefined };
}

/** Requests that are refused although the slab that is the last of its class was given back. */
function emptying({ subject, live }: Stage): Case {
  const inSlab = 16; // and as many holes
  let { allocator, handles } = fullOf(subject, live);
  handles.length -= handles.length % inSlab;
  const before = () => {
    if (handles.length < 2 * inSlab) ({ allocator, handles } = fullOf(subject, live));
    handles.length -= handles.length % inSlab;
    for (const handle of handles.splice(-inSlab)) allocator.free(handle);
  };
  const call = () => {
    if (allocator.allocate(2 ** 40) !== NO_SPACE) throw new Error("Not refused");
  };
  return { calls: 1, before, call };
}

/** Requests whose only regions are those that a search looks at last. */
function foundLast({ subject, live }: Stage): Case {
  let allocator: Allocator;
  return {
    calls: LARGER,
    isWhole: true,
    before: () => allocator = fullOf(subject, live, { hasLarger: true }).allocator,
    call: () => placed(allocator.allocate(HOLE + 1)),
  };
}

/** Something done with a live allocation at random, which stays. */
function withOne(act: (allocator: Allocator, handle: number) => unknown): Row["make"] {
  return ({ mixed: { allocator, handles, random } }) => {
    const chosen = Array.from({ length: CALLS }, () => handles[random(handles.length)]);
    return { call: (i) => act(allocator, chosen[i]) };
  };
}

/** Something done with the whole of a state. */
function withAll(act: (allocator: Allocator) => unknown, state: "mixed" | "full"): Row["make"] {
  return (stage) => {
    const { allocator } = stage[state];
    return { call: () => act(allocator) };
  };
}

/** Allocations at random are freed, and as many made at the end of each round. */
function freeing({ mixed: { allocator, handles, random } }: Stage): Case {
  const sizes: number[] = [];
  let chosen: number[] = [];
  return {
    calls: Math.min(CALLS, handles.length >>> 2),
    isWhole: true,
    before: () => {
      chosen = takeSome(handles, random, Math.min(CALLS, handles.length >>> 2));
      for (const handle of chosen) sizes.push(allocator.size(handle));
    },
    call: (i) => allocator.free(chosen[i]),
    after: () => {
      for (const size of sizes.splice(0)) handles.push(placed(allocator.allocate(size)));
    },
  };
}

/** The same in one call. */
function freeingMany({ mixed: { allocator, handles, random } }: Stage): Case {
  const count = Math.min(CALLS, handles.length >>> 2);
  let sizes: number[] = [], chosen: number[] = [];
  return {
    calls: 1,
    items: count,
    before: () => {
      chosen = takeSome(handles, random, count);
      sizes = chosen.map((handle) => allocator.size(handle));
    },
    call: () => freeMany(allocator, chosen),
    after: () => {
      for (const size of sizes) handles.push(placed(allocator.allocate(size)));
    },
  };
}

function allocatingMany({ mixed: { allocator, random }, subject }: Stage): Case {
  const sizes = Array.from({ length: CALLS }, () => 1 + random(subject.most ?? 400));
  const handles = new Int32Array(CALLS);
  return {
    calls: 1,
    items: CALLS,
    call: () => allocateMany(allocator, sizes, handles),
    after: () => freeMany(allocator, handles),
  };
}

/** Resizes live allocations by a unit down and up again. */
function resizing({ mixed: { allocator, handles, random } }: Stage): Case {
  const chosen = takeSome([...handles], random, CALLS >>> 1);
  const many = chosen.filter((handle) => allocator.size(handle) > 1);
  const sizes = many.map((handle) => allocator.size(handle));
  return {
    calls: 2 * many.length,
    isWhole: true,
    call: (i) => {
      const at = i >>> 1;
      if (!allocator.resize(many[at], sizes[at] - 1 + (i & 1))) throw new Error("Not resized");
    },
  };
}

/** Places in ascending order in a new allocator, until all are live. */
function ascending({ subject, live }: Stage): Case {
  let allocator: Allocator;
  const { lead = 1 } = subject;
  return {
    calls: live,
    isWhole: true,
    before: () => {
      allocator = subject.make({ capacity: lead + 32 * live, live: live + 10_000 });
      if (lead > 1) placed(allocator.allocate(lead));
    },
    call: (i) => placed(allocateAt(allocator, lead + 32 * i, 16)),
  };
}

/** The first units of holes at random. */
function anywhere({ mixed: { allocator, random } }: Stage): Case {
  const all = Array.from(allocator.freeRegions(), ({ offset }) => offset), made: number[] = [];
  const places = takeSome(all, random, Math.min(100, all.length >>> 1));
  return {
    calls: places.length,
    call: (i) => made.push(placed(allocateAt(allocator, places[i], 1))),
    after: () => made.splice(0).forEach((handle) => allocator.free(handle)),
  };
}

function appending({ subject, live }: Stage): Case {
  const { lead = 1 } = subject, handles = new Int32Array(live);
  const offsets = Float64Array.from(handles, (_, i) => lead + 32 * i);
  const sizes = new Int32Array(live).fill(16);
  let allocator: Allocator;
  return {
    calls: 1,
    items: live,
    before: () => {
      allocator = subject.make({ capacity: lead + 32 * live, live: live + 10_000 });
      if (lead > 1) placed(allocator.allocate(lead));
    },
    call: () => appendAt(allocator, offsets, sizes, handles),
  };
}

/** Moves of a plan into other holes. */
function moving({ mixed, subject, live }: Stage): Case {
  let { allocator } = mixed, moves: Move[] = [];
  const plan = () => planCompaction(allocator, { maxMoves: 20 * MOVES });
  const before = () => {
    if (moves.length < MOVES) moves = plan();
    if (moves.length >= MOVES) return;
    ({ allocator } = mixedOf(subject, live)); // the holes are filled
    moves = plan();
  };
  return { calls: MOVES, isWhole: true, before, call: () => applyMove(allocator, moves.shift()!) };
}

/** Moves by a unit, of allocations at random that have a hole before them. */
function sliding({ mixed: { allocator, random } }: Stage): Case {
  let moves: Move[] = [];
  const before = () => {
    if (moves.length >= MOVES) return;
    const all: Move[] = [];
    let end = Infinity;
    for (const { handle, offset: from, size } of allocator.allocations()) {
      if (from > end) all.push({ handle, from, to: from - 1, size });
      end = from + size;
    }
    moves = takeSome(all, random, Math.min(all.length, 20 * MOVES));
  };
  return { calls: MOVES, isWhole: true, before, call: () => applyMove(allocator, moves.shift()!) };
}

function resetting({ subject, live }: Stage): Case {
  let allocator: Allocator;
  return {
    calls: 1,
    before: () => {
      const { lead = 1 } = subject;
      allocator = subject.make({ capacity: lead + 32 * live, live: live + 10_000 });
      for (let i = 0; i < live; i++) placed(allocator.allocate(i === 0 && lead > 1 ? lead : 16));
    },
    call: () => allocator.reset(),
  };
}

/** A method that only some strategies have, called without arguments or with a handle. */
function own(method: string, names: readonly string[], isOfOne: boolean, calls = CALLS): Row {
  return {
    name: method,
    method,
    has: ({ name }) => names.some((start) => name.startsWith(start)),
    make: ({ mixed: { allocator, handles } }) => {
      const { [method as "reset"]: act } = allocator as unknown as Record<
        "reset",
        (handle?: number) => unknown
      >;
      return {
        calls,
        call: (i) => act.call(allocator, isOfOne ? handles[i % handles.length] : undefined),
      };
    },
  };
}

/** Takes items at random out of a list. */
function takeSome<T>(handles: T[], random: (limit: number) => number, count: number): T[] {
  const some: T[] = [];
  for (let i = 0; i < count; i++) {
    const at = random(handles.length);
    some.push(handles[at]);
    handles[at] = handles[handles.length - 1];
    handles.pop();
  }
  return some;
}

function countOf(items: Iterable<unknown>): number {
  let count = 0;
  for (const _ of items) count++;
  return count;
}

const canGrow = ({ name }: Subject) => !/Buddy|Slab/.test(name);
const canPlace = (subject: Subject) => hasGaps(subject) || /Page|Id|Shared/.test(subject.name);

/** All rows. Those that are last leave the state another one. */
export const rows: readonly Row[] = [
  { name: "allocate", method: "allocate", condition: "fitting", make: succeeding(1) },
  { name: "allocate(1)", method: "allocate", make: succeeding(1, 1) },
  ...[256, 4096].map((alignment): Row => ({
    name: `allocate, alignment ${alignment}`,
    method: "allocate",
    condition: "aligned",
    make: succeeding(alignment),
  })),
  {
    name: "allocate, found last",
    method: "allocate",
    condition: "searched",
    has: ({ searches = false }) => searches,
    make: foundLast,
  },
  ...refusedRows(LARGE, 1, "beyond every region"),
  ...refusedRows(HOLE + 1, 1, "one unit short"),
  ...refusedRows(HOLE + 1, 256, "one unit short, alignment 256"),
  ...refusedRows(HOLE, 4096, "none aligned to 4096"),
  ...[[HOLE + 1, 1, "one unit short"] as const, [HOLE, 4096, "none aligned to 4096"] as const]
    .map(([size, alignment, why]): Row => ({
      name: `refused, ${why}, maxLooks 64`,
      method: "allocate",
      condition: alignment === 1 ? "refused" : "aligned, refused",
      has: ({ hasLooks = false }) => hasLooks,
      make: ({ bounded }) => refusedIn(bounded, size, alignment, true),
    })),
  {
    name: "refused, an empty slab kept",
    method: "allocate",
    condition: "refused",
    has: ({ name }) => name === "SlabAllocator",
    make: emptying,
  },
  { name: "free", method: "free", make: freeing },
  {
    name: "offset",
    method: "offset",
    make: withOne((allocator, handle) => allocator.offset(handle)),
  },
  { name: "size", method: "size", make: withOne((allocator, handle) => allocator.size(handle)) },
  { name: "resize", method: "resize", make: resizing },
  {
    name: "resize, refused",
    method: "resize",
    make: withOne((allocator, handle) => {
      if (allocator.resize(handle, 2 ** 50)) throw new Error("Not refused");
    }),
  },
  {
    name: "grow",
    method: "grow",
    has: canGrow,
    make: ({ mixed }) => {
      const allocator = mixed.allocator as Allocator & { grow(units: number): void };
      return { calls: 20, call: () => allocator.grow(1) };
    },
  },
  {
    name: "freeSpace",
    method: "freeSpace",
    make: withAll(({ freeSpace }) => freeSpace, "mixed"),
  },
  {
    name: "allocationCount",
    method: "allocationCount",
    make: withAll(({ allocationCount }) => allocationCount, "mixed"),
  },
  {
    name: "largestFreeRegion",
    method: "largestFreeRegion",
    make: withAll((allocator) => allocator.largestFreeRegion(), "mixed"),
  },
  {
    name: "largestFreeRegion, equal ones",
    method: "largestFreeRegion",
    make: withAll((allocator) => allocator.largestFreeRegion(), "full"),
  },
  {
    name: "freeRegions",
    method: "freeRegions",
    make: withAll((allocator) => countOf(allocator.freeRegions()), "mixed"),
  },
  {
    name: "allocations",
    method: "allocations",
    make: withAll((allocator) => countOf(allocator.allocations()), "mixed"),
  },
  { name: "reset", method: "reset", make: resetting },
  own("isAllocated", ["Id"], true),
  own("blockSize", ["Buddy"], true),
  own("spans", ["Tlsf", "Buddy"], false),
  own("slabReport", ["Slab"], false),
  own("mark", ["Linear"], false),
  {
    name: "allocateTop",
    method: "allocateTop",
    has: ({ isStack = false }) => isStack,
    make: ({ mixed }) => {
      const allocator = mixed.allocator as Allocator & { allocateTop(size: number): number };
      const made: number[] = [];
      return {
        call: () => made.push(placed(allocator.allocateTop(16))),
        after: () => made.splice(0).reverse().forEach((handle) => allocator.free(handle)),
      };
    },
  },
  {
    name: "allocateAt ascending, each",
    method: "allocateAt",
    operation: "allocate_at",
    has: canPlace,
    make: ascending,
  },
  {
    name: "allocateAt at random",
    method: "allocateAt",
    operation: "allocate_at",
    has: canPlace,
    make: anywhere,
  },
  {
    name: "appendAt, each",
    method: "appendAt",
    operation: "allocate_at",
    has: hasGaps,
    make: appending,
  },
  {
    name: "allocateMany, each",
    method: "allocateMany",
    operation: "batch",
    has: hasGaps,
    make: allocatingMany,
  },
  {
    name: "freeMany, each",
    method: "freeMany",
    operation: "batch",
    has: hasGaps,
    make: freeingMany,
  },
  {
    name: "check",
    method: "check",
    operation: "check",
    make: withAll((allocator) => check(allocator), "mixed"),
  },
  {
    name: "snapshot",
    method: "snapshot",
    operation: "snapshot",
    has: ({ hasSnapshot = false }) => hasSnapshot,
    make: withAll((allocator) => snapshot(allocator), "mixed"),
  },
  {
    name: "restore",
    method: "restore",
    operation: "snapshot",
    has: ({ hasSnapshot = false }) => hasSnapshot,
    make: ({ mixed: { allocator } }) => {
      const bytes = snapshot(allocator);
      return { call: () => restore(bytes) };
    },
  },
  {
    name: "storageReport",
    method: "storageReport",
    operation: "storage_report",
    has: hasGaps,
    make: withAll((allocator) => storageReport(allocator), "mixed"),
  },
  {
    name: "storageReportFull",
    method: "storageReportFull",
    operation: "storage_report",
    has: hasGaps,
    make: withAll((allocator) => storageReportFull(allocator), "mixed"),
  },
  {
    name: "planCompaction",
    method: "planCompaction",
    operation: "compaction",
    has: ({ name }) => name === "OffsetAllocator", // seconds for a million
    make: withAll((allocator) => planCompaction(allocator), "mixed"),
  },
  {
    name: "planCompaction, 1000 looks",
    method: "planCompaction",
    operation: "compaction",
    has: hasGaps,
    make: withAll((allocator) => planCompaction(allocator, { maxLooks: 1000 }), "mixed"),
  },
  {
    name: "planCompaction, 16 moves",
    method: "planCompaction",
    operation: "compaction",
    has: hasGaps,
    make: withAll((allocator) => planCompaction(allocator, { maxMoves: 16 }), "mixed"),
  },
  {
    name: "applyMove to another hole",
    method: "applyMove",
    operation: "compaction",
    has: hasGaps,
    make: moving,
  },
  {
    name: "applyMove in the same hole",
    method: "applyMove",
    operation: "compaction",
    has: hasGaps,
    make: sliding,
  },
];

/** A request that is refused, for the first time after a free and again. */
function refusedRows(size: number, alignment: number, why: string): Row[] {
  const condition = alignment === 1 ? "refused" : "aligned, refused";
  return [
    {
      name: `refused, ${why}`,
      method: "allocate",
      condition,
      make: refused(size, alignment, true),
    },
    {
      name: "  the same again",
      method: "allocate",
      condition: `${condition} again`,
      make: refused(size, alignment, false),
    },
  ];
}
