/**
 * `LinearAllocator`: the contract, the fuzz, and a naive model of each way of use, which
 * says where every allocation goes.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Extent, NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import {
  LinearAllocator,
  type LinearAllocatorOptions,
  type LinearMark,
  StaleMarkError,
  withHandleBits,
} from "../../src/allocators/linear_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { refuses } from "../support/allocator_contract_options.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { linearAllocatorRuns, linearHabits } from "./linear_allocator_runs.ts";
import { DistanceModel, type HandleSource, LOADS } from "./handle_distance.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share, sharedOf } from "../support/share.ts";

/** Words of a table, with the slots of live allocations at 0, 20 and 90, and a free slot. */
interface Table {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly first: number;
  readonly live: number;
  readonly top: number;
  /** The slot that is the last of the queue. */
  readonly free: number;
}

/** Damages, each with what `check` says of it. */
const DAMAGES: readonly (readonly [message: string, damage: (table: Table) => void])[] = [
  ["is not linked both ways", ({ words, live }) => words[live + 1] = live],
  ["is not live", ({ words, live }) => words[live] = ~words[live]],
  ["a list has too many slots", ({ words }) => words[27]++],
  ["a live slot is in no list", ({ words }) => words[27]--],
  ["overlaps", ({ doubles, live }) => doubles[live / 2 + 2] = 5],
  ["overlaps", ({ doubles, live }) => doubles[live / 2 + 3] = 15],
  ["an allocation leads out of the space", ({ doubles, top }) => doubles[top / 2 + 3] = 101],
  ["the start moved", ({ doubles }) => doubles[2] = 1],
  ["the start moved", ({ doubles }) => doubles[3] = 1],
  ["a slot in the queue is not free", ({ words, free }) => words[free] = ~words[free]],
  ["a slot in the queue is not free", ({ words }) => words[words[25]] = 0],
  ["a slot in the queue is not free", ({ words }) => words[25] = 8],
  ["a slot is in the queue twice", ({ words }) => words[words[25] + 3] = words[25]],
  ["the queue is too long", ({ words }) => words[26] = words[25]],
  ["a handle names another slot", ({ words, live }) => words[live]++],
  ["a handle has too many bits", ({ words, live }) => words[live] |= 2 ** 30],
  ["a free slot is not in the queue", ({ words }) => void leaveOut(words)],
  ["the number of slots is wrong", ({ words }) => words[leaveOut(words)] = 0],
  ["the wall is too far away", ({ doubles }) => doubles[14] = 91],
  ["the ring is wrapped below an upper stack", ({ doubles, first, live }) => {
    doubles.set([20, 30], first / 2 + 2);
    doubles.set([0, 10], live / 2 + 2);
    doubles[14] = 20;
  }],
];

/** Puts what is no slot into the queue, in place of the second one, which it returns. */
function leaveOut(words: Int32Array): number {
  const slot = words[words[25] + 3];
  words[words[25] + 3] = slot + 4;
  words[slot + 4] = -1;
  words[slot + 7] = words[slot + 3];
  return slot;
}

/** The check of a table that was damaged. */
function damaged(damage: (table: Table) => void): () => void {
  const { allocator, words } = withWords(() => new LinearAllocator(100));
  const handles = [1, 2, 3].map(() => allocator.allocate(10));
  allocator.free(handles[1]);
  const top = allocator.allocateTop(10);
  allocator.check();
  const slots = [...handles, top].map((handle) => handle << 3 & words.length - 8);
  const [first, free, live] = slots, doubles = new Float64Array(words.buffer);
  damage({ words, doubles, first, free, live, top: slots[3] });
  return () => allocator.check();
}

/** What is made, and the words that it made for itself first. */
function withWords<T>(make: () => T): { allocator: T; words: Int32Array } {
  const made: Int32Array[] = [], Original = Int32Array;
  globalThis.Int32Array = new Proxy(Original, {
    construct: (target, args, newTarget) => {
      const words = Reflect.construct(target, args, newTarget) as Int32Array;
      made.push(words);
      return words;
    },
  });
  try {
    const allocator = make();
    return { allocator, words: made[0] };
  } finally {
    globalThis.Int32Array = Original;
  }
}

allocatorContract("LinearAllocator", {
  ...linearHabits,
  make: (capacity) => new LinearAllocator(capacity),
  emptyApart: "made so",
  skip: {
    allocateAt: "the place is always behind the newest allocation",
    addSpan: "one span",
    snapshot: "OffsetAllocator is the one whose state is kept",
    compaction: "what lies in the middle is soon freed, or this is the wrong strategy",
  },
});

/** How often each step is taken. */
interface Use {
  readonly allocate: number;
  readonly allocateTop?: number;
  readonly freeNewest?: number;
  readonly freeOldest?: number;
  readonly freeAny?: number;
  readonly mark?: number;
  readonly resetTo?: number;
  readonly resize?: number;
  readonly grow?: number;
  readonly reset?: number;
}

const USES: Readonly<Record<string, Use>> = {
  "a bump allocator": { allocate: 60, resize: 2, reset: 1 },
  "a stack": { allocate: 50, freeNewest: 48, resize: 5 },
  "a stack with marks": { allocate: 60, freeNewest: 15, mark: 10, resetTo: 10, resize: 5 },
  "a ring": { allocate: 50, freeOldest: 48, resize: 5 },
  "a ring that is freed from both ends": { allocate: 50, freeOldest: 30, freeNewest: 20 },
  "two stacks": { allocate: 30, allocateTop: 30, freeNewest: 58, resize: 5 },
  "two stacks with marks": { allocate: 40, allocateTop: 40, freeNewest: 10, mark: 9, resetTo: 9 },
  "all at once": {
    allocate: 40,
    allocateTop: 8,
    freeNewest: 15,
    freeOldest: 20,
    freeAny: 20,
    mark: 5,
    resetTo: 2,
    resize: 15,
    grow: 1,
    reset: 1,
  },
};

describe("LinearAllocator", () => {
  for (const [name, run] of Object.entries(linearAllocatorRuns)) {
    it(`does as the model does, ${name}`, () => {
      for (let seed = 1; seed <= 3; seed++) fuzzAllocator({ ...run, seed, steps: 4000 });
    });
  }

  for (const [name, use] of Object.entries(USES)) {
    it(`gives the places that the naive model gives, as ${name}`, async () => {
      for (let seed = 1; seed <= 4; seed++) {
        await withSeed(seed, (random) => {
          const pair = new Pair([200, 60, 1000, 7][seed - 1], random);
          for (let step = 0; step < share(2500); step++) pair.step(use);
          pair.finish();
        });
      }
    });
  }

  it("refuses bad options", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 25]) {
      assertThrows(() => new LinearAllocator(8, { maxAllocations }), RangeError, "maxAllocations");
    }
  });

  it("refuses bad arguments at the top as at the bottom", () => {
    const allocator = new LinearAllocator(64);
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      refuses(allocator, [RangeError], () => allocator.allocateTop(bad));
      refuses(allocator, [RangeError], () => allocator.allocateTop(1, bad));
    }
    refuses(allocator, [RangeError], () => allocator.allocateTop(1, 0));
    refuses(allocator, [TypeError], () => allocator.allocateTop("1" as unknown as number));
    assertEquals(allocator.allocateTop(65), NO_SPACE);
    assertEquals(allocator.allocateTop(Number.MAX_SAFE_INTEGER), NO_SPACE);
  });

  it("never shows a -0", () => {
    const allocator = new LinearAllocator(-0);
    const handles = [allocator.allocate(-0), allocator.allocateTop(-0)];
    const shown = handles.flatMap((handle) => [allocator.offset(handle), allocator.size(handle)]);
    assertEquals([...shown, allocator.capacity].map((value) => Object.is(value, 0)), [
      true,
      true,
      true,
      true,
      true,
    ]);
    assert(allocator.resize(handles[0], -0));
    assert(Object.is(allocator.size(handles[0]), 0));
  });

  it("goes round, and tells full from empty", () => {
    const ring = new LinearAllocator(30);
    const [a, b] = [ring.allocate(10), ring.allocate(15)];
    assertEquals(ring.allocate(10), NO_SPACE); // 5 at the end, nothing at the start
    ring.free(a);
    assertEquals([...ring.freeRegions()], [{ offset: 0, size: 10 }, { offset: 25, size: 5 }]);
    const c = ring.allocate(10);
    assertEquals(ring.offset(c), 0);
    assertEquals([ring.freeSpace, ring.allocate(1)], [0, NO_SPACE]);
    assertEquals(ring.allocateTop(1), NO_SPACE); // the 5 at the end are padding
    assertEquals([...ring.allocations()].map(({ handle }) => handle), [c, b]);
    ring.free(b);
    assertEquals([...ring.freeRegions()], [{ offset: 10, size: 20 }]);
  });

  it("does not go round below an upper stack", () => {
    const allocator = new LinearAllocator(30), [a, b] = [10, 10].map((n) => allocator.allocate(n));
    const top = allocator.allocateTop(8, 4);
    assertEquals(allocator.offset(top), 20);
    allocator.free(a);
    assertEquals([allocator.freeSpace, allocator.allocate(1)], [0, NO_SPACE]);
    allocator.free(top);
    assertEquals(allocator.freeSpace, 20);
    assertEquals(allocator.offset(allocator.allocate(11 - 1)), 20);
    assertEquals(allocator.offset(allocator.allocate(10)), 0);
    allocator.free(b);
  });

  it("keeps what it knows while its tables grow, at the bottom and at the top", () => {
    for (const first of ["allocate", "allocateTop"] as const) {
      const allocator = new LinearAllocator(1000), handles: number[] = [];
      for (let i = 0; i < 250; i++) {
        handles.push(allocator[first](1));
        allocator.check();
      }
      const other = first === "allocate" ? "allocateTop" : "allocate";
      while (allocator.freeSpace > 0) handles.push(allocator[other](1));
      allocator.check();
      assertEquals([handles.length, allocator[first](1), allocator[other](1)], [1000, -1, -1]);
      assertEquals(new Set(handles.map((handle) => allocator.offset(handle))).size, 1000);
    }
  });

  for (const [name, load] of sharedOf(Object.entries(LOADS))) {
    it(`lets no handle come back soon: ${name}`, async () => {
      for (const maxAllocations of [2014, 2040, 2041, 1018, 200, 59, 1]) {
        await withSeed(maxAllocations, (random) => {
          const allocator = ofFewHandles({ maxAllocations });
          const model = new DistanceModel(sourceOf(allocator), BITS);
          load(model, maxAllocations, 200_000, random);
          allocator.check();
          assertEquals(allocator.allocationCount, model.live.length);
          assert(model.returned > 10_000, `only ${model.returned} came back`);
          assert(model.least >= 2 ** 20 * PART, `${model.least} with ${maxAllocations}`);
        });
      }
    });

    it(`lets no handle come back before 10^8 others while it can grow: ${name}`, async () => {
      for (const live of [3, 50, 200, 800]) {
        await withSeed(live, (random) => {
          const allocator = ofFewHandles({ maxAllocations: 2014 });
          const model = new DistanceModel(sourceOf(allocator), BITS);
          load(model, live, 200_000, random);
          allocator.check();
          assert(model.returned > 10_000, `only ${model.returned} came back`);
          assert(model.least >= 1e8 * PART, `${model.least} with up to ${live}`);
        });
      }
    });
  }

  it("refuses what names no live allocation", () => {
    const allocator = new LinearAllocator(10), handle = allocator.allocate(1);
    const near = [0, -0, 1, 2, 3, -1, -2, -3, -4, -handle, ~handle, handle + 0.5, handle + 64];
    const far = [NaN, Infinity, 2 ** 31, 2 ** 32 + handle, 2 ** 53];
    const others = [`${handle}`, [handle], { valueOf: () => handle }, null, undefined, 1n];
    for (const other of [...near, ...far, ...others] as number[]) {
      assertThrows(() => allocator.free(other), NotAllocatedError);
      assertThrows(() => allocator.offset(other), NotAllocatedError);
    }
    allocator.free(handle);
    for (let other = -200; other < 200; other++) {
      assertThrows(() => allocator.free(other), NotAllocatedError);
    }
    allocator.check();
  });

  it("has room for exactly as many as it may have", () => {
    for (const maxAllocations of [1, 3, 59, 60, 61, 1000, 1018, 1019]) {
      const allocator = new LinearAllocator(10, { maxAllocations });
      for (let round = 0; round < 3; round++) {
        const handles = Array.from({ length: maxAllocations }, () => allocator.allocate(0));
        assertEquals(new Set(handles).size, maxAllocations);
        assert(!handles.includes(NO_SPACE));
        assertEquals([allocator.allocate(0), allocator.allocateTop(0)], [NO_SPACE, NO_SPACE]);
        allocator.check();
        for (const handle of handles) allocator.free(handle);
      }
    }
  });

  it("finds damage of its slots", () => {
    damaged(({ words, live }) => words[live] |= words[30] & ~63)(); // the last handle of all
    for (const [message, damage] of DAMAGES) assertThrows(damaged(damage), Error, message);
  });

  it("finds a wall that is too far away once it has wrapped", () => {
    const { allocator, words } = withWords(() => new LinearAllocator(100));
    const handles = Array.from({ length: 10 }, () => allocator.allocate(10));
    for (const handle of handles.slice(0, 2)) allocator.free(handle);
    assertEquals(allocator.offset(allocator.allocate(10)), 0);
    allocator.check();
    new Float64Array(words.buffer)[14] = 21;
    assertThrows(() => allocator.check(), Error, "the wall is too far away");
  });

  it("refuses a stale mark, and changes nothing", () => {
    const allocator = new LinearAllocator(100), other = new LinearAllocator(100);
    const atStart = allocator.mark(), a = allocator.allocate(10), onA = allocator.mark();
    const top = allocator.allocateTop(10), onBoth = allocator.mark();
    allocator.allocate(5);
    other.allocate(10);
    for (const mark of [other.mark(), undefined, 0, {}] as LinearMark[]) {
      refuses(allocator, [StaleMarkError], () => allocator.resetTo(mark));
    }
    allocator.free(top);
    refuses(allocator, [StaleMarkError], () => allocator.resetTo(onBoth));
    allocator.resetTo(onA);
    allocator.resetTo(onA);
    assertEquals(allocator.allocationCount, 1);
    allocator.free(a);
    allocator.allocate(10);
    const error = refuses(allocator, [StaleMarkError], () => allocator.resetTo(onA));
    assertEquals(
      error.message,
      "Cannot go back to the mark: the allocation that was newest then was freed",
    );
    allocator.resetTo(atStart);
    assertEquals(allocator.freeSpace, 100);
  });
});

/** Bits of a handle where handles have to come back soon: 2^14 times as soon as with 30. */
const BITS = 16;
const PART = 2 ** (BITS - 30);

function ofFewHandles(options: LinearAllocatorOptions): LinearAllocator {
  return withHandleBits(BITS, () => new LinearAllocator(10, options));
}

function sourceOf(allocator: LinearAllocator): HandleSource {
  let calls = 0;
  return {
    take: () => {
      const handle = ++calls % 3 === 0 ? allocator.allocateTop(0) : allocator.allocate(0);
      return handle === NO_SPACE ? 0 : handle;
    },
    free: (handle) => allocator.free(handle),
    isLive: (handle) => {
      try {
        return allocator.size(handle) === 0;
      } catch {
        return false;
      }
    },
  };
}

/** A live allocation of the model. */
interface Entry {
  readonly handle: number;
  readonly start: number;
  end: number;
}

/** An allocator and its naive model: three arrays, the oldest first. */
class Pair {
  readonly #allocator: LinearAllocator;
  readonly #random: Random;
  #capacity: number;
  #lower: Entry[] = [];
  #upper: Entry[] = [];
  /** Those that were made without units: all at 0. */
  #empty: Entry[] = [];
  readonly #marks: { mark: LinearMark; newest: (Entry | undefined)[] }[] = [];

  constructor(capacity: number, random: Random) {
    this.#allocator = new LinearAllocator(capacity);
    this.#capacity = capacity;
    this.#random = random;
  }

  step(use: Use): void {
    const steps: Record<keyof Use, () => void> = {
      allocate: () => this.#allocate(false),
      allocateTop: () => this.#allocate(true),
      freeNewest: () => this.#free(this.#list().at(-1)),
      freeOldest: () => this.#free(this.#lower[0]),
      freeAny: () => this.#free(this.#any()),
      mark: () => this.#mark(),
      resetTo: () => this.#resetTo(),
      resize: () => this.#resize(this.#random(2) === 0 ? this.#any() : this.#list().at(-1)),
      grow: () => this.#grow(this.#random(20)),
      reset: () => this.#reset(),
    };
    const names = Object.keys(steps) as (keyof Use)[];
    let pick = this.#random(names.reduce((sum, name) => sum + (use[name] ?? 0), 0));
    steps[names.find((name) => (pick -= use[name] ?? 0) < 0)!]();
    this.#compare();
  }

  /** Free all, allocate everything. */
  finish(): void {
    while (this.#lower.length + this.#upper.length + this.#empty.length > 0) {
      this.#free(this.#any());
      this.#compare();
    }
    assertEquals(this.#allocator.freeSpace, this.#capacity);
    assert(this.#allocator.allocate(this.#capacity) !== NO_SPACE);
    assertEquals(this.#allocator.freeSpace, 0);
  }

  #allocate(atTop: boolean): void {
    const limit = [1, 6, 20, 60, this.#capacity + 2][this.#random(5)];
    const size = this.#random(limit), alignment = [1, 1, 1, 2, 5, 12, 64][this.#random(7)];
    const place = atTop ? this.#placeAtTop(size, alignment) : this.#place(size, alignment);
    const start = size === 0 ? 0 : place;
    const handle = atTop
      ? this.#allocator.allocateTop(size, alignment)
      : this.#allocator.allocate(size, alignment);
    if (start === undefined) return assertEquals(handle, NO_SPACE);
    assert(handle !== NO_SPACE, `${size} units at ${start} are refused`);
    assertEquals(this.#allocator.offset(handle), start);
    const list = size === 0 ? this.#empty : atTop ? this.#upper : this.#lower;
    list.push({ handle, start, end: start + size });
  }

  /** The lowest start that is aligned, from the top up and then from 0 on. */
  #place(size: number, alignment: number): number | undefined {
    for (
      const [from, to] of this.#wrapped() ? [this.#behind()] : [this.#behind(), this.#before()]
    ) {
      for (let start = from; start + size <= to; start++) {
        if (start % alignment === 0) return start;
      }
    }
    return undefined;
  }

  #placeAtTop(size: number, alignment: number): number | undefined {
    if (this.#wrapped()) return undefined;
    const [from, to] = this.#behind();
    for (let start = to - size; start >= from; start--) if (start % alignment === 0) return start;
    return undefined;
  }

  #wrapped(): boolean {
    return this.#lower.some(({ start }, i) => i > 0 && start < this.#lower[i - 1].start);
  }

  /** The free units behind the newest lower one, from and to. */
  #behind(): [number, number] {
    const roof = Math.min(this.#capacity, ...this.#upper.map(({ start }) => start));
    return [this.#lower.at(-1)?.end ?? 0, this.#wrapped() ? this.#lower[0].start : roof];
  }

  /** The free units before the oldest one, where it may go round; none: from 0 to -1. */
  #before(): [number, number] {
    const first = this.#lower[0]?.start ?? 0;
    return [0, this.#upper.length > 0 || this.#wrapped() || first === 0 ? -1 : first];
  }

  #list(): Entry[] {
    return this.#random(2) === 0 && this.#upper.length > 0 || this.#lower.length === 0
      ? this.#upper
      : this.#lower;
  }

  #any(): Entry | undefined {
    const all = [...this.#lower, ...this.#upper, ...this.#empty];
    return all[this.#random(all.length)];
  }

  #free(entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.#allocator.free(entry.handle);
    this.#lower = this.#lower.filter((other) => other !== entry);
    this.#upper = this.#upper.filter((other) => other !== entry);
    this.#empty = this.#empty.filter((other) => other !== entry);
    assertThrows(() => this.#allocator.free(entry.handle), NotAllocatedError);
  }

  #mark(): void {
    const mark = this.#allocator.mark();
    const newest = [this.#lower, this.#upper, this.#empty].map((list) => list.at(-1));
    this.#marks.push({ mark, newest });
    if (this.#marks.length > 8) this.#marks.shift();
  }

  #resetTo(): void {
    const chosen = this.#marks[this.#random(this.#marks.length)];
    if (chosen === undefined) return;
    const { mark, newest } = chosen, lists = [this.#lower, this.#upper, this.#empty];
    if (newest.some((end, i) => end !== undefined && !lists[i].includes(end))) {
      assertThrows(() => this.#allocator.resetTo(mark), StaleMarkError);
      return;
    }
    this.#allocator.resetTo(mark);
    newest.forEach((end, i) => lists[i].length = end === undefined ? 0 : lists[i].indexOf(end) + 1);
  }

  #resize(entry: Entry | undefined): void {
    if (entry === undefined) return;
    const size = this.#random([4, 30, this.#capacity + 2][this.#random(3)]);
    const all = this.#inOrder(), next = all[all.indexOf(entry) + 1];
    const fits = this.#empty.includes(entry)
      ? size === 0
      : entry.start + size <= Math.max(entry.end, next?.start ?? this.#capacity);
    assertEquals(this.#allocator.resize(entry.handle, size), fits);
    if (fits) entry.end = entry.start + size;
  }

  #grow(additional: number): void {
    if (this.#capacity > 1500) return;
    this.#allocator.grow(additional);
    this.#capacity += additional;
  }

  #reset(): void {
    this.#allocator.reset();
    this.#lower = [];
    this.#upper = [];
    this.#empty = [];
  }

  /** By address; where that is equal, by what the order of the lists says. */
  #inOrder(): Entry[] {
    return [...this.#empty, ...this.#lower, ...[...this.#upper].reverse()]
      .map((entry, i) => ({ entry, i }))
      .sort((a, b) => a.entry.start - b.entry.start || a.i - b.i)
      .map(({ entry }) => entry);
  }

  #compare(): void {
    const allocator = this.#allocator;
    allocator.check();
    const regions: Extent[] = [this.#before(), this.#behind()]
      .map(([from, to]) => ({ offset: from, size: to - from }))
      .filter(({ size }) => size > 0);
    assertEquals([...allocator.freeRegions()], regions);
    assertEquals(allocator.freeSpace, regions.reduce((sum, { size }) => sum + size, 0));
    assertEquals(allocator.largestFreeRegion(), Math.max(0, ...regions.map(({ size }) => size)));
    assertEquals(allocator.capacity, this.#capacity);
    const { length } = this.#inOrder();
    assertEquals(allocator.allocationCount, length);
    assertEquals(
      [...allocator.allocations()],
      this.#inOrder().map(({ handle, start, end }) => ({
        handle,
        offset: start,
        size: end - start,
      })),
    );
  }
}
