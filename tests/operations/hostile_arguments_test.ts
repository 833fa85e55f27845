/**
 * The functions beside the strategies and arguments that do harm: of wrong types, made up, or such
 * that throw or call back into the allocator at the n-th access. After each call the state is
 * sound; after each that throws it is what it was, but for what the argument itself did.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Allocator,
  type Extent,
  type Move,
  NotAllocatedError,
  type SpanAllocator,
} from "../../src/allocator.ts";
import {
  BestFitAllocator,
  OffsetAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import type { GapTable } from "../../src/gap_table/gap_table.ts";
import { HANDLE, MASK, SLOTS, STRIDE } from "../../src/gap_table/layout.ts";
import {
  addSpans,
  allocateAt,
  allocateMany,
  allocateManyAt,
  allocationAt,
  appendAt,
  applyMove,
  check,
  freeMany,
  indexLimit,
  indexOf,
  minCapacity,
  planCompaction,
  restore,
  snapshot,
  storageReport,
  storageReportFull,
  trim,
} from "../../src/operations/mod.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { LINE_WORDS } from "../../src/shared/line.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { RecordingAllocator } from "../../src/trace/mod.ts";
import { disturb, hostile, stateOf } from "../support/hostile.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const SEEDS = [1, 2, 3];
const STEPS = share(250);

/** An allocator whose space is two spans. */
function ofSpans(): TlsfAllocator {
  const allocator = new TlsfAllocator(2000);
  allocator.addSpan(10_000, 1000);
  return allocator;
}

const makers: Readonly<Record<string, () => Allocator>> = {
  OffsetAllocator: () => new OffsetAllocator(3000),
  "OffsetAllocator with a limit": () => new OffsetAllocator(3000, { maxAllocations: 75 }),
  WideOffsetAllocator: () => new WideOffsetAllocator(3000),
  "WideOffsetAllocator beyond 2^32": () => new WideOffsetAllocator(2 ** 40),
  TlsfAllocator: () => new TlsfAllocator(3000),
  "TlsfAllocator over spans": ofSpans,
  BestFitAllocator: () => new BestFitAllocator(3000),
  TrackedAllocator: () => new TrackedAllocator(new OffsetAllocator(3000), { stacks: true }),
  RecordingAllocator: () => new RecordingAllocator(new OffsetAllocator(3000), () => {}),
};

/** The words of the table of an allocator, or of the one that it wraps. */
function wordsOf(allocator: Allocator): Int32Array {
  const { inner, table } = allocator as { inner?: Allocator; table?: Int32Array | GapTable };
  if (inner !== undefined) return wordsOf(inner);
  return table instanceof Int32Array ? table : table!.words;
}

/** Words that are where they lead as handles, those of the queue and of no slot among them. */
function selfNamed(words: Int32Array): number[] {
  const stride = words[STRIDE], mask = words[MASK], found: number[] = [];
  const end = words.length - 1 - words[SLOTS] * (stride + 1);
  for (let slot = 0; slot <= mask; slot++) {
    const word = words[end + slot * stride + HANDLE];
    if ((word & mask) === slot && word !== undefined) found.push(word);
  }
  return found;
}

/** The words of the table of a shared allocator. */
function sharedWords({ buffer }: SharedOffsetAllocator): Int32Array {
  return new Int32Array(buffer, 4 * (48 + LINE_WORDS), new Int32Array(buffer)[2]);
}

/** Handles that nobody was given, made of a word: what it may be taken for, bit by bit. */
function madeUp(word: number): number[] {
  const bits = Array.from({ length: 32 }, (_, bit) => word ^ (1 << bit));
  return [word, ~word, -word, word >>> 0, word + 0.5, word + 2 ** 32, word * 2 ** 32, ...bits];
}

/** What an argument does at its n-th access, once. */
class Trap {
  left: number;
  readonly act: () => void;

  constructor(left: number, act: () => void) {
    this.left = left;
    this.act = act;
  }

  readonly touch = (): void => {
    if (this.left-- === 0) this.act();
  };
}

/** An allocator, and what is live in it as far as every call does what it should. */
class Subject {
  readonly allocator: Allocator;
  readonly random: Random;
  live: Map<number, readonly [offset: number, size: number]> = new Map();

  constructor(allocator: Allocator, random: Random) {
    this.allocator = allocator;
    this.random = random;
  }

  /** Takes what is live as it is. */
  read(): void {
    this.live = new Map([...this.allocator.allocations()].map((it) => [
      it.handle,
      [it.offset, it.size],
    ]));
  }

  /** Verifies that the allocator is sound, and nothing else is live. */
  verify(what: string): void {
    check(this.allocator);
    const { live } = this, found = [...this.allocator.allocations()];
    const sizes = found.reduce((sum, { size }) => sum + size, 0);
    assertEquals(found.map(({ handle }) => handle).sort(), [...live.keys()].sort(), what);
    for (const { handle, offset, size } of found) assertEquals([offset, size], live.get(handle));
    const { capacity, freeSpace, allocationCount } = this.allocator;
    assertEquals([allocationCount, freeSpace], [live.size, capacity - sizes], what);
    const free = [...this.allocator.freeRegions()].reduce((sum, { size }) => sum + size, 0);
    assertEquals(free, freeSpace, what);
  }

  /** Any live handle. */
  any(): number {
    const handles = [...this.live.keys()];
    return handles[this.random(handles.length)] ?? 1;
  }

  /** Something that a callback may do; each notes what it did. */
  act(): () => void {
    const { allocator, random, live } = this;
    const fail = () => {
      throw new Error("trapped");
    };
    const allocate = () => {
      const handle = allocator.allocate(1 + random(9));
      if (handle >= 0) live.set(handle, [allocator.offset(handle), allocator.size(handle)]);
    };
    // Of those that are live now: some may be just being made.
    const free = () => {
      const all = [...allocator.allocations()].map(({ handle }) => handle);
      if (all.length === 0) return;
      const handle = all[random(all.length)];
      allocator.free(handle);
      live.delete(handle);
    };
    const reset = () => {
      allocator.reset();
      live.clear();
    };
    const many = () => {
      for (let i = 0; i < 100; i++) allocate();
    };
    const acts = [fail, allocate, free, reset, many];
    const act = acts[random(acts.length)], isLast = random(2) === 0;
    return () => {
      act();
      if (isLast) fail();
    };
  }
}

/** Lists of these numbers that touch a trap when they are read. */
function trappedLists(numbers: readonly number[], trap: Trap, random: Random): unknown[] {
  const { touch } = trap, count = numbers.length;
  const get = (target: object, name: PropertyKey) => {
    touch();
    return Reflect.get(target, name, target);
  };
  const withGetter = [...numbers], at = random(Math.max(1, count));
  Object.defineProperty(withGetter, at, { get: () => (touch(), numbers[at]), enumerable: true });
  const object = {
    ...numbers,
    get length() {
      touch();
      return count;
    },
  };
  const iterated = Object.assign([...numbers], {
    *[Symbol.iterator]() {
      for (const number of numbers) {
        touch();
        yield number;
      }
    },
  });
  const typed = Float64Array.from(numbers);
  const lying = Float64Array.from(numbers);
  Object.defineProperty(lying, "length", {
    get: () => (touch(), random(2) === 0 ? count : random(count + 3)),
  });
  return [
    withGetter,
    object,
    iterated,
    lying,
    new Proxy([...numbers], { get }),
    new Proxy(typed, { get }),
  ];
}

/** Places for handles that touch a trap when they are looked at or written to. */
function trappedPlaces(count: number, trap: Trap): unknown[] {
  const { touch } = trap;
  const set = (target: object, name: PropertyKey, value: unknown) => {
    touch();
    return Reflect.set(target, name, value, target);
  };
  const get = (target: object, name: PropertyKey) => {
    touch();
    return Reflect.get(target, name, target);
  };
  const getPrototypeOf = (target: object) => {
    touch();
    return Reflect.getPrototypeOf(target);
  };
  const withSetter: number[] = [];
  Object.defineProperty(withSetter, count >> 1, { set: touch, configurable: true });
  const lying = new Int32Array(count + 1);
  Object.defineProperty(lying, "length", { get: () => (touch(), count) });
  return [
    withSetter,
    lying,
    new Proxy([], { set }),
    new Proxy([], { set, get, getPrototypeOf }),
    new Proxy({}, { set, get, getPrototypeOf }),
    new Proxy(new Int32Array(count), { set, get, getPrototypeOf }),
  ];
}

/** Places that cannot take so many handles, at least one. */
function badPlaces(count: number): unknown[] {
  const frozen = Object.freeze([]), sealed = Object.seal([]);
  const short = [new Int32Array(count - 1), new Float64Array(count - 1), new Uint32Array(0)];
  const narrow = [Uint8Array, Int8Array, Int16Array, Uint16Array, Float32Array, Uint8ClampedArray];
  return [
    ...[frozen, sealed, Object.freeze({}), Object.freeze(new Array(count).fill(0))],
    ...short,
    ...narrow.map((Narrow) => new Narrow(count)),
    new BigInt64Array(count),
    new DataView(new ArrayBuffer(8 * count)),
    ...[1, "ab", null, undefined, true, 1n, Symbol("a"), () => {}],
  ];
}

/** What is no list of numbers, or one with a value that is wrong wherever it is. */
function badLists(good: readonly number[], random: Random): unknown[] {
  const at = random(good.length + 1), wrong = hostile(() => 1);
  const value = wrong[random(wrong.length)];
  const with_ = (value: unknown) => [...good.slice(0, at), value, ...good.slice(at)];
  const sparse = with_(1);
  delete sparse[at];
  const noLists = wrong.filter((it) => !Array.isArray(it));
  return [
    with_(value),
    with_(undefined),
    sparse,
    { ...Object.assign({}, good), length: good.length + 1 },
    ...[{ length: -1 }, { length: 1.5 }, { length: "1" }, { length: 1n }, { length: NaN }],
    Float64Array.from(with_(NaN) as number[]),
    Float64Array.from(with_(-1) as number[]),
    BigInt64Array.from([1n]),
    noLists[random(noLists.length)],
  ];
}

/** Calls, and reads what is live where it did not throw; says whether it did. */
function attempt(subject: Subject, call: () => void, what: string): boolean {
  let isThrown = false;
  try {
    call();
  } catch {
    isThrown = true;
  }
  if (!isThrown) {
    check(subject.allocator);
    subject.read();
  }
  subject.verify(what);
  return isThrown;
}

/** Some moves, allocations and sizes to work with. */
function sizesOf(random: Random): number[] {
  return Array.from({ length: 1 + random(8) }, () => random(12));
}

/** Where allocations may be appended: offsets and sizes. */
function placesBehind(allocator: Allocator, random: Random): [number[], number[]] {
  let end = [...allocator.freeRegions()].at(-1)?.offset ?? 0;
  const offsets: number[] = [], sizes = sizesOf(random);
  for (const size of sizes) {
    offsets.push(end += random(3));
    end += size;
  }
  return [offsets, sizes];
}

/** Fills an allocator a bit, or makes holes. */
function prepare(subject: Subject): void {
  const { allocator, random } = subject;
  if (random(20) === 0) {
    allocator.reset();
    subject.live.clear();
  }
  disturb(allocator, [...subject.live.keys()], [], random);
  subject.read();
}

function pick<T>(values: readonly T[], random: Random): T {
  return values[random(values.length)];
}

/** Runs a body for each allocator and seed, many steps each. */
function forAll(body: (subject: Subject, step: number) => void): Promise<void>[] {
  return Object.entries(makers).flatMap(([name, make]) =>
    SEEDS.map((seed) =>
      withSeed(seed, (random) => {
        const subject = new Subject(make(), random);
        for (let step = 0; step < STEPS; step++) {
          prepare(subject);
          try {
            body(subject, step);
          } catch (cause) {
            throw new Error(`${name}, step ${step}: ${(cause as Error).message}`, { cause });
          }
        }
      })
    )
  );
}

describe("hostile arguments of the functions beside the strategies", () => {
  it("of wrong types change nothing", async () => {
    await Promise.all(forAll((subject) => {
      const { allocator, random } = subject, before = stateOf(allocator);
      const wrong = hostile(() => 1), value = pick(wrong, random) as number;
      const good = sizesOf(random), [offsets, sizes] = placesBehind(allocator, random);
      const move = { handle: subject.any(), from: 9, to: 1, size: 1 };
      const list = pick(badLists(good, random), random) as number[];
      const placeOf = (count: number) => pick(badPlaces(count), random) as number[];
      const key = pick(Object.keys(move), random);
      const option = pick(["maxMoves", "maxUnits", "alignmentOf", "overlap", "wrong"], random);
      // Without an end or a function that gives one, these are right.
      const isRight = option === "alignmentOf" && typeof value === "function" ||
        option.startsWith("max") && value === Infinity ||
        option === "overlap" && typeof value === "boolean";
      const calls: Record<string, () => void> = {
        allocateAt: () => allocateAt(allocator, value, 1),
        "allocateAt, size": () => allocateAt(allocator, 1, value),
        allocateMany: () => allocateMany(allocator, list, []),
        "allocateMany, handles": () => {
          const count = allocateMany(allocator, good, placeOf(good.length));
          if (count === 0) throw new Error("there is no room for any");
        },
        "appendAt, offsets": () => appendAt(allocator, list, [...good, 1], []),
        "appendAt, sizes": () =>
          appendAt(allocator, [...good, 1].map((_, i) => 5000 + i), list, []),
        "appendAt, handles": () => {
          const count = appendAt(allocator, offsets, sizes, placeOf(sizes.length));
          if (count === 0) throw new Error("there is no room for any");
        },
        "allocateManyAt, offsets": () => allocateManyAt(allocator, list, [...good, 1], []),
        "allocateManyAt, sizes": () =>
          allocateManyAt(allocator, [...good, 1].map((_, i) => 5000 + i), list, []),
        "allocateManyAt, handles": () => {
          const done = allocateManyAt(allocator, offsets, sizes, placeOf(sizes.length));
          if (!done) throw new Error("there is no room for all");
        },
        allocationAt: () => allocationAt(allocator, value),
        addSpans: () => addSpans(allocator as SpanAllocator, [value as unknown as Extent]),
        freeMany: () => freeMany(allocator, [...subject.live.keys(), value]),
        "freeMany, list": () => freeMany(allocator, list.length === undefined ? list : [value]),
        applyMove: () => applyMove(allocator, { ...move, [key]: value }),
        "applyMove, no move": () => applyMove(allocator, value as unknown as Move),
        planCompaction: () => {
          if (!isRight) planCompaction(allocator, { [option]: value });
          else throw new Error("no call");
        },
        restore: () => restore(value as unknown as Uint8Array),
        minCapacity: () => minCapacity(value),
      };
      for (const [name, call] of Object.entries(calls)) {
        // Nothing is behind the last place that fits, of which appendAt() knows before it looks.
        assertThrows(call, Error, undefined, name);
        assertEquals(stateOf(allocator), before, name);
      }
      subject.verify("wrong types");
    }));
  });

  it("as an allocator are refused", () => {
    const calls: ((allocator: Allocator) => unknown)[] = [
      (allocator) => allocateAt(allocator, 0, 1),
      (allocator) => allocateMany(allocator, [1], []),
      (allocator) => appendAt(allocator, [0], [1], []),
      (allocator) => applyMove(allocator, { handle: 1, from: 1, to: 0, size: 1 }),
      (allocator) => freeMany(allocator, []),
      (allocator) => allocateManyAt(allocator, [0], [1], []),
      (allocator) => allocationAt(allocator, 0),
      (allocator) => addSpans(allocator as SpanAllocator, []),
      (allocator) => indexOf(allocator, 1),
      ...[check, indexLimit, planCompaction, snapshot, storageReport, storageReportFull, trim],
    ];
    for (const value of [...hostile(() => 1), undefined]) {
      for (const call of calls) assertThrows(() => call(value as Allocator));
    }
  });

  it("take -0 for 0", () => {
    for (const make of Object.values(makers)) {
      const allocator = make();
      allocateAt(allocator, -0, -0);
      const handles: number[] = [];
      assertEquals(allocateMany(allocator, [-0, 5], handles), 2);
      const { offset } = [...allocator.freeRegions()].at(-1)!;
      assertEquals(appendAt(allocator, [offset + 50, offset + 60], [-0, 1], []), 2);
      allocator.free(handles[1]);
      for (const move of planCompaction(allocator)) {
        applyMove(allocator, { ...move, to: move.to === 0 ? -0 : move.to });
      }
      for (const { offset, size } of allocator.allocations()) {
        assert(!Object.is(offset, -0) && !Object.is(size, -0));
      }
      assertThrows(() => freeMany(allocator, [-0]), NotAllocatedError);
      assert(Object.is(minCapacity(-0), 0));
      check(allocator);
    }
  });

  it("that call back leave a sound state: sizes, offsets and handles that are read", async () => {
    let thrown = 0, done = 0;
    await Promise.all(forAll((subject) => {
      const { allocator, random } = subject, good = sizesOf(random);
      const [offsets, sizes] = placesBehind(allocator, random);
      const trap = () => new Trap(random(12), subject.act());
      const lists = (numbers: readonly number[]) =>
        pick(trappedLists(numbers, trap(), random), random) as number[];
      const handles = [...subject.live.keys()].filter(() => random(2) === 0);
      const calls = [
        () => allocateMany(allocator, lists(good), []),
        () => appendAt(allocator, lists(offsets), sizes, []),
        () => appendAt(allocator, Float64Array.from(offsets), lists(sizes), []),
        () => freeMany(allocator, lists(handles)),
        () => allocateManyAt(allocator, lists(offsets), lists(sizes), []),
      ];
      const call = random(calls.length);
      attempt(subject, calls[call], `call ${call}`) ? thrown++ : done++;
    }));
    assert(thrown > share(500) && done > share(500), `${thrown} thrown, ${done} done`);
  });

  it("that call back leave a sound state: places for handles", async () => {
    let thrown = 0, done = 0;
    await Promise.all(forAll((subject) => {
      const { allocator, random } = subject, good = sizesOf(random);
      const [offsets, sizes] = placesBehind(allocator, random);
      const act = subject.act(),
        typed = Float64Array.from(good),
        starts = Float64Array.from(offsets);
      const units = Float64Array.from(sizes);
      // What was looked at already becomes something else, too.
      const trap = new Trap(random(6), () => {
        for (const list of [typed, starts, units]) list.fill(pick([1e9, -5, NaN, 2 ** 60], random));
        act();
      });
      const places = trappedPlaces(good.length, trap);
      const calls = [
        () => allocateMany(allocator, typed, pick(places, random) as number[]),
        () => appendAt(allocator, starts, units, pick(places, random) as number[]),
      ];
      const call = random(calls.length);
      attempt(subject, calls[call], `call ${call}`) ? thrown++ : done++;
    }));
    assert(thrown > share(500) && done > share(500), `${thrown} thrown, ${done} done`);
  });

  it("that call back leave a sound state: moves and options", async () => {
    let thrown = 0, done = 0;
    await Promise.all(forAll((subject) => {
      const { allocator, random } = subject, trap = new Trap(random(8), subject.act());
      const get = (target: object, name: PropertyKey) => {
        trap.touch();
        return Reflect.get(target, name, target);
      };
      const move = planCompaction(allocator)[0] ?? { handle: 1, from: 1, to: 0, size: 1 };
      const options = { maxMoves: 5, maxUnits: 50, overlap: false };
      const alignmentOf = () => (trap.touch(), 1 + random(3));
      const calls = [
        () => applyMove(allocator, new Proxy<Move>(move, { get })),
        () => planCompaction(allocator, new Proxy(options, { get })),
        () => planCompaction(allocator, { alignmentOf }),
      ];
      const call = random(calls.length);
      attempt(subject, calls[call], `call ${call}`) ? thrown++ : done++;
    }));
    assert(thrown > share(300) && done > share(300), `${thrown} thrown, ${done} done`);
  });

  it("that are handles made up of the words of the table are refused", async () => {
    const shared = SharedOffsetAllocator.create(3000, { maxAllocations: 75 });
    const cached = SharedOffsetAllocator.create(3000, {
      maxAllocations: 75,
      cache: { maxBlockSize: 16 },
    });
    const state = (allocator: SharedOffsetAllocator) => new Int32Array(allocator.buffer);
    const subjects: [string, Allocator, () => Int32Array][] = [
      ["SharedOffsetAllocator", shared, () => state(shared)],
      ["SharedOffsetAllocator with a cache", cached, () => state(cached)],
      ...Object.entries(makers).map(([name, make]): [string, Allocator, () => Int32Array] => {
        const allocator = make();
        return [name, allocator, () => wordsOf(allocator)];
      }),
    ];
    await withSeed(7, (random) => {
      for (const [name, allocator, words] of subjects) {
        const live: number[] = [], freed: number[] = [];
        for (let step = 0; step < 400; step++) disturb(allocator, live, freed, random);
        const before = stateOf(allocator), known = new Set(live), all = Int32Array.from(words());
        // Every slot that the mask leads to, also where the table ends before; and every word.
        const slots = Array.from({ length: 256 }, (_, slot) => slot | random(2 ** 21) * 256);
        const others = [1, 63, 64, 2 ** 30, 2 ** 31, -1, -(2 ** 31), 2 ** 32, 2 ** 53, NaN, -0];
        const picked = [...all].filter((word, i) => word !== 0 || i % 7 === 0);
        for (const word of [...slots, ...others, ...picked, ...freed]) {
          for (const handle of madeUp(word)) {
            if (known.has(handle)) continue;
            assertThrows(() => allocator.free(handle), NotAllocatedError, undefined, name);
          }
          if (known.has(word)) continue;
          assertThrows(() => allocator.offset(word), NotAllocatedError);
          assertThrows(() => allocator.size(word), NotAllocatedError);
          assertThrows(() => allocator.resize(word, 1), NotAllocatedError);
          if (allocator instanceof SharedOffsetAllocator) continue;
          assertThrows(() => freeMany(allocator, [live[0], word]), NotAllocatedError);
          assertThrows(() => applyMove(allocator, { handle: word, from: 5, to: 0, size: 1 }));
        }
        assertEquals(stateOf(allocator), before, name);
        check(allocator);
      }
    });
  });

  it("that are words where these lead as handles are refused", async () => {
    const limit = { maxAllocations: 75 }, tlsf = new TlsfAllocator(1000);
    // The wall is in the slot that a handle and minus the handle lead to.
    const first = Array.from({ length: 31 }, () => tlsf.allocate(1));
    tlsf.addSpan(5000, 1000);
    freeMany(tlsf, first);
    const plain = SharedOffsetAllocator.create(3000, limit);
    const cached = SharedOffsetAllocator.create(3000, { ...limit, cache: { maxBlockSize: 16 } });
    const subjects: (readonly [Allocator, () => Int32Array])[] = [
      new OffsetAllocator(3000, limit),
      new WideOffsetAllocator(3000, limit),
      new BestFitAllocator(3000, limit),
      tlsf,
    ].map((allocator) => [allocator, () => wordsOf(allocator)]);
    for (const allocator of [plain, cached]) {
      subjects.push([allocator, () => sharedWords(allocator)]);
    }
    await withSeed(11, (random) => {
      for (const [allocator, words] of subjects) {
        const live: number[] = [], freed: number[] = [], tried = new Set<number>();
        for (let step = 0; step < 2000; step++) {
          disturb(allocator, live, freed, random);
          for (const word of selfNamed(words())) {
            if (word > 0) continue;
            tried.add(word);
            for (const call of ["free", "offset", "size"] as const) {
              assertThrows(() => allocator[call](word), NotAllocatedError);
            }
            assertThrows(() => allocator.resize(word, 1), NotAllocatedError);
            if (!(allocator instanceof SharedOffsetAllocator)) {
              assertThrows(() => freeMany(allocator, [word]), NotAllocatedError);
            }
          }
        }
        check(allocator);
        assertEquals(allocator.allocationCount, live.length);
        assert(tried.size > 0, `none in a ${allocator.constructor.name}`);
      }
    });
  });

  it("as options of a constructor are read once", () => {
    const values: Record<string, unknown> = { maxAllocations: 9, strict: false, maxLooks: 4 };
    let asked = 0;
    const options = new Proxy(values, {
      get: (target, name) => {
        if (name !== "constructor") asked++;
        return Reflect.get(target, name);
      },
    });
    const allocator = new OffsetAllocator(100, options);
    assertEquals(asked, 4);
    for (let i = 0; i < 9; i++) assert(allocator.allocate(1) >= 0);
    assertEquals(allocator.allocate(1), -1);
    const fails = {
      get strict(): boolean {
        throw new Error("asked");
      },
    };
    assertThrows(() => new TlsfAllocator(100, fails), Error, "asked");
    assertThrows(() => new OffsetAllocator(100, fails), Error, "asked");
  });
});
