/**
 * What is measured beside the strategies: `RangeAllocator` by its free regions, `AsyncPool` by its
 * values and by those who wait.
 *
 * @module
 */

import { RangeAllocator } from "../../../src/allocators/range_allocator.ts";
import { AsyncPool } from "../../../src/pool/async_pool.ts";
import { seeded } from "../../../tests/support/random.ts";
import type { Case } from "./rows.ts";
import { placed } from "./states.ts";

/** A call of a class that is no strategy. */
export interface OtherRow {
  readonly name: string;
  /** How the line of the table of costs begins that is about it. */
  readonly line: string;
  readonly task: Case;
}

/** A class that is no strategy. */
export interface Other {
  readonly name: string;
  readonly source: string;
  /** Its rows, with so many regions, values, or callers who wait. */
  readonly rows: (count: number) => OtherRow[] | Promise<OtherRow[]>;
}

/** Units from one hole to the next; the first of them is never free. */
const PITCH = 512;
const LARGEST_HOLE = 400;
const CALLS = 400;

/** All of them. */
export const others: readonly Other[] = [
  {
    name: "RangeAllocator",
    source: "src/allocators/range_allocator.ts",
    rows: (count) => [...rangeRows(count), ...wholeRangeRows(count)],
  },
  { name: "AsyncPool", source: "src/pool/async_pool.ts", rows: poolRows },
];

/** So many holes of sizes at random, from 2 units, and a large one behind them. */
function holes(count: number): RangeAllocator {
  const ranges = new RangeAllocator((count + 1) * PITCH + 2 ** 24), random = seeded(1);
  ranges.reserve(0, (count + 1) * PITCH);
  for (let i = 0; i < count; i++) ranges.free(i * PITCH + 1, 2 + random(LARGEST_HOLE - 1));
  return ranges;
}

/** Calls of one place each; every round ends as it began. */
function rangeRows(count: number): OtherRow[] {
  const ranges = holes(count), random = seeded(2), made: [number, number][] = [];
  const undo = () => made.splice(0).reverse().forEach(([at, size]) => ranges.free(at, size));
  const places = Array.from({ length: CALLS }, () => random(count) * PITCH);
  const each = [...new Set(places)];
  const allocating = (alignment: number, most: number): Case => ({
    call: () => {
      const size = 1 + random(most);
      made.push([placed(ranges.allocate(size, alignment)), size]);
    },
    after: undo,
  });
  const refused = (between?: () => void): Case => ({
    between,
    call: () => {
      if (ranges.allocate(100, 2 ** 30) !== -1) throw new Error("Not refused");
    },
  });
  ranges.reserve(0, 1 + LARGEST_HOLE); // 0 is a multiple of everything
  const forget = () => {
    ranges.free(0, 1);
    ranges.reserve(0, 1);
  };
  const aligned = "`allocate` with one";
  return [
    { name: "allocate", line: "`allocate` without", task: allocating(1, LARGEST_HOLE) },
    { name: "allocate, alignment 4096", line: aligned, task: allocating(4096, LARGEST_HOLE) },
    {
      name: "refused, beyond every region",
      line: "`allocate` without",
      task: { call: () => ranges.allocate(2 ** 40) },
    },
    { name: "refused, none aligned", line: aligned, task: refused(forget) },
    { name: "  the same again", line: "the same, or more", task: refused() },
    {
      name: "free",
      line: "`free`",
      task: {
        calls: each.length,
        isWhole: true,
        call: (i) => ranges.free(each[i] + 450, 10),
        after: () => each.forEach((at) => ranges.reserve(at + 450, 10)),
      },
    },
    {
      name: "reserve",
      line: "`free`, `reserve`",
      task: {
        calls: each.length,
        isWhole: true,
        call: (i) => ranges.reserve(each[i] + 1, 1),
        after: () => each.forEach((at) => at > 0 && ranges.free(at + 1, 1)),
      },
    },
    {
      name: "resize",
      line: "`free`, `reserve`, `resize`",
      // Up to the next hole, by a unit of it and back.
      task: { call: (i) => ranges.resize(places[i >>> 1] + 450, 63 + (i & 1), 64 - (i & 1)) },
    },
    {
      name: "isFree",
      line: "`free`, `reserve`, `resize`, `isFree`",
      task: { call: (i) => ranges.isFree(places[i] + 1, 2) },
    },
  ];
}

/** Calls without a place, and those that look at everything. */
function wholeRangeRows(count: number): OtherRow[] {
  const ranges = holes(count), bytes = ranges.snapshot(), line = "the table grows";
  let clone = ranges;
  return [
    {
      name: "largestFreeRegion",
      line: "`allocate` without",
      task: { call: () => ranges.largestFreeRegion() },
    },
    {
      name: "grow and shrink",
      line: "`free`, `reserve`, `resize`, `isFree`, `grow`, `shrink`",
      task: { call: (i) => i % 2 === 0 ? ranges.grow(64) : ranges.shrink(64) },
    },
    { name: "freeSpace", line: "`capacity`", task: { call: () => ranges.freeSpace } },
    {
      name: "freeRegions",
      line,
      task: {
        call: () => {
          let regions = 0;
          for (const _ of ranges.freeRegions()) regions++;
          return regions;
        },
      },
    },
    { name: "clone", line, task: { call: () => ranges.clone() } },
    { name: "snapshot", line, task: { call: () => ranges.snapshot() } },
    { name: "check", line, task: { call: () => ranges.check() } },
    { name: "restore", line: "`restore`", task: { call: () => RangeAllocator.restore(bytes) } },
    {
      name: "reset",
      line: "`capacity`, `freeSpace`, `reset`",
      task: { calls: 1, before: () => clone = ranges.clone(), call: () => clone.reset() },
    },
  ];
}

/** Calls of a pool with so many free values, and of one for which so many wait. */
async function poolRows(count: number): Promise<OtherRow[]> {
  const line = "`acquire`, `release`", calls = Math.min(CALLS, count);
  const create = () => ({}), ignore = () => {};
  const pool = new AsyncPool({ create, max: count });
  const values = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const value of values) pool.release(value); // the last of them goes out first
  const some = values.slice(-calls);
  const busy = new AsyncPool({ create, max: 1 }), value = await busy.acquire();
  const join = (signal?: AbortSignal) => void busy.acquire({ signal }).catch(ignore);
  for (let i = 0; i < count; i++) join();
  let controllers: AbortController[] = [];
  const joinEach = () => {
    controllers = some.map(() => new AbortController());
    for (const { signal } of controllers) join(signal);
  };
  const leave = () => controllers.splice(0).forEach((controller) => controller.abort());
  return [
    {
      name: "acquire",
      line,
      task: {
        calls,
        call: () => pool.acquire(),
        after: () => {
          for (const value of some.slice(-pool.inUse)) pool.release(value);
        },
      },
    },
    {
      name: "release",
      line,
      task: {
        calls,
        isWhole: true,
        before: () => some.forEach(() => void pool.acquire()),
        call: (i) => pool.release(some[i]),
      },
    },
    {
      name: "acquire, behind all who wait",
      line,
      task: {
        calls,
        before: () => controllers = [new AbortController()],
        call: () => join(controllers[0].signal),
        after: leave,
      },
    },
    {
      name: "  one of them gives up",
      line,
      task: { calls, isWhole: true, before: joinEach, call: (i) => controllers[i].abort() },
    },
    {
      name: "release to who waits",
      line,
      task: {
        calls,
        isWhole: true,
        call: () => busy.release(value),
        after: () => some.forEach(() => join()),
      },
    },
    { name: "stats", line, task: { call: () => pool.stats() } },
    { name: "check", line: "`check`", task: { call: () => pool.check() } },
  ];
}
