/**
 * Arguments of plain JavaScript that do harm: every public call of the strategies with handle
 * tables refuses them, asks them for nothing, and changes nothing.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocator } from "../../src/allocator.ts";
import {
  BuddyAllocator,
  LinearAllocator,
  type LinearMark,
  OffsetAllocator,
  PageAllocator,
  SlabAllocator,
  StaleMarkError,
} from "../../src/allocators/mod.ts";
import { type Random, withSeed } from "../support/random.ts";

/** An allocator as plain JavaScript sees it. */
type Loose = Allocator & Record<string, (...args: unknown[]) => unknown>;

interface Case {
  readonly make: () => Allocator;
  /** The public calls, by what each argument is. */
  readonly calls: Readonly<Record<string, readonly ("size" | "alignment" | "handle" | "mark")[]>>;
}

const COMMON = {
  allocate: ["size", "alignment"],
  free: ["handle"],
  offset: ["handle"],
  size: ["handle"],
  resize: ["handle", "size"],
} as const;

const cases: Readonly<Record<string, Case>> = {
  PageAllocator: {
    make: () => new PageAllocator(300),
    calls: { ...COMMON, allocateAt: ["size", "size"], grow: ["size"] },
  },
  BuddyAllocator: {
    make: () => new BuddyAllocator(300, { minBlock: 2 }),
    calls: { ...COMMON, blockSize: ["handle"], addSpan: ["size", "size"] },
  },
  SlabAllocator: {
    make: () => new SlabAllocator(new OffsetAllocator(300), { classes: [2, 8], slotsPerSlab: 4 }),
    calls: COMMON,
  },
  LinearAllocator: {
    make: () => new LinearAllocator(300),
    calls: { ...COMMON, allocateTop: ["size", "alignment"], grow: ["size"], resetTo: ["mark"] },
  },
};

/** Everything that an allocator shows. */
function stateOf(allocator: Allocator): unknown {
  const loose = allocator as Loose;
  const { capacity, freeSpace, allocationCount } = allocator;
  return {
    counts: [capacity, freeSpace, allocationCount, allocator.largestFreeRegion()],
    live: [...allocator.allocations()],
    free: [...allocator.freeRegions()],
    spans: "spans" in loose ? [...loose.spans() as Iterable<unknown>] : [],
    slabs: "slabReport" in loose ? loose.slabReport() : [],
  };
}

/** Values that are wrong in every place; `touch` is what they do when they are asked. */
function hostile(touch: () => unknown): unknown[] {
  const fail = () => {
    touch();
    throw new Error("asked");
  };
  const wrong = [NaN, Infinity, -Infinity, -1.5, 0.5, 2 ** 53, -(2 ** 53), 1e300, -(2 ** 31)];
  return [
    ...wrong,
    ...["1", "", "NaN", null, true, 1n, Symbol("1"), [1], [], {}, () => 1, new Date(0)],
    { valueOf: touch },
    { valueOf: fail, toString: fail },
    { [Symbol.toPrimitive]: touch },
    Object.create(null),
    Object.defineProperty({}, "constructor", { get: fail }),
    new Proxy({}, { get: fail, has: fail, ownKeys: fail }),
    new Number(1),
  ];
}

describe("hostile arguments", () => {
  for (const [name, { make, calls }] of Object.entries(cases)) {
    it(`change nothing: ${name}`, async () => {
      for (const seed of [1, 2, 3]) {
        await withSeed(seed, (random) => {
          const allocator = make() as Loose, live: number[] = [], freed: number[] = [];
          for (let step = 0; step < 150; step++) {
            disturb(allocator, live, freed, random);
            const before = stateOf(allocator);
            for (const [call, kinds] of Object.entries(calls)) {
              for (let at = 0; at < kinds.length; at++) {
                const values = hostile(() => 1), value = values[random(values.length)];
                const args = kinds.map((kind) => good(kind, allocator, live, random));
                args[at] = value;
                if (args[0] === undefined) continue;
                assertThrows(() => allocator[call](...args));
                assertEquals(stateOf(allocator), before, `${call}, argument ${at}`);
              }
            }
            const stale = freed[random(freed.length)] ?? -1;
            for (const call of ["free", "offset", "size"]) {
              assertThrows(() => allocator[call](stale));
            }
            assertThrows(() => allocator.resize(stale, 1));
            assertEquals(stateOf(allocator), before);
            allocator.check();
          }
        });
      }
    });

    it(`are not asked for a number: ${name}`, () => {
      const allocator = make() as Loose, handle = allocator.allocate(3);
      const before = stateOf(allocator);
      let asked = 0;
      const values: unknown[] = [
        { valueOf: () => (asked++, allocator.free(handle), handle) },
        { [Symbol.toPrimitive]: () => (asked++, allocator.free(handle), handle) },
      ];
      for (const value of values) {
        for (const [call, kinds] of Object.entries(calls)) {
          for (let at = 0; at < kinds.length; at++) {
            const args: unknown[] = kinds.map((kind) => kind === "handle" ? handle : 1);
            args[at] = value;
            assertThrows(() => allocator[call](...args));
          }
        }
      }
      assertEquals(asked, 0);
      assertEquals(stateOf(allocator), before);
    });
  }

  it("as a mark free nothing: one of the other list, one that frees, one that throws", () => {
    const allocator = new LinearAllocator(100);
    const low = allocator.allocate(5), next = allocator.allocate(5), top = allocator.allocateTop(5);
    const before = stateOf(allocator), none = { lower: -1, upper: -1 };
    const marks: unknown[] = [
      { allocator, ...none, lower: top },
      { allocator, ...none, upper: low },
      { allocator, lower: top, upper: low },
      { allocator, lower: "1", upper: -1 },
      { allocator },
      { allocator, lower: 0, upper: 0 },
      { allocator, lower: { valueOf: () => low }, upper: top },
    ];
    for (const mark of marks) {
      assertThrows(() => allocator.resetTo(mark as LinearMark), StaleMarkError);
      assertEquals(stateOf(allocator), before);
    }
    const throws = {
      allocator,
      lower: low,
      get upper(): number {
        throw new Error("asked");
      },
    };
    assertThrows(() => allocator.resetTo(throws), Error, "asked");
    assertEquals(stateOf(allocator), before);
    const frees = {
      allocator,
      lower: next,
      get upper(): number {
        allocator.free(next);
        return top;
      },
    };
    assertThrows(() => allocator.resetTo(frees), StaleMarkError);
    allocator.check();
    assertEquals(allocator.allocationCount, 2);
  });

  it("as classes are looked at once", () => {
    let asked = 0;
    const classes = [4, 8];
    Object.defineProperty(classes, 1, { get: () => asked++ === 0 ? 8 : 1.5, enumerable: true });
    const allocator = new SlabAllocator(new OffsetAllocator(1000), { classes });
    assertEquals(asked, 1);
    assertEquals(allocator.slabReport().map(({ size }) => size), [4, 8]);
    assert(allocator.allocate(7) >= 0);
    allocator.check();
  });
});

/** A few calls as they should be. */
function disturb(allocator: Allocator, live: number[], freed: number[], random: Random): void {
  for (let i = 0; i < 3; i++) {
    if (random(2) === 0 && live.length > 0) {
      const [handle] = live.splice(random(live.length), 1);
      allocator.free(handle);
      freed.push(handle);
    } else {
      const handle = allocator.allocate(random(20), 1 + random(3));
      if (handle >= 0) live.push(handle);
    }
  }
}

/** An argument that is right in its place; no handle where none is live. */
function good(kind: string, allocator: Allocator, live: number[], random: Random): unknown {
  if (kind === "handle") return live[random(live.length)];
  if (kind === "mark") return (allocator as LinearAllocator).mark();
  return 1 + random(5);
}
