/**
 * Arguments of plain JavaScript that do harm: every public call of the strategies with handle
 * tables refuses them, asks them for nothing, and changes nothing.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocator } from "../../src/allocator.ts";
import {
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  type LinearMark,
  OffsetAllocator,
  PageAllocator,
  SlabAllocator,
  StaleMarkError,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import { check } from "../../src/operations/mod.ts";
import { TrackedAllocator } from "../../src/report/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { RecordingAllocator } from "../../src/trace/mod.ts";
import { disturb, hostile, type Loose, stateOf } from "../support/hostile.ts";
import { type Random, withSeed } from "../support/random.ts";

interface Case {
  readonly make: () => Allocator;
  /** The public calls, by what each argument is. */
  readonly calls: Readonly<Record<string, readonly ("size" | "alignment" | "handle" | "mark")[]>>;
  /** The least size; 0 by default. */
  readonly least?: number;
}

const COMMON = {
  allocate: ["size", "alignment"],
  free: ["handle"],
  offset: ["handle"],
  size: ["handle"],
  resize: ["handle", "size"],
} as const;

const GROWABLE = { ...COMMON, grow: ["size"], shrink: ["size"] } as const;
const SHARED = {
  ...COMMON,
  allocateAt: ["size", "size"],
  grow: ["size"],
  growTo: ["size"],
} as const;

/** An allocator whose space is two spans. */
function ofSpans(): TlsfAllocator {
  const allocator = new TlsfAllocator(200);
  allocator.addSpan(1000, 100);
  return allocator;
}

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
  OffsetAllocator: { make: () => new OffsetAllocator(300), calls: GROWABLE },
  "OffsetAllocator, fixed and strict": {
    make: () => new OffsetAllocator(300, { maxAllocations: 40, strict: true }),
    calls: GROWABLE,
  },
  WideOffsetAllocator: { make: () => new WideOffsetAllocator(300), calls: GROWABLE },
  "WideOffsetAllocator beyond 2^32": {
    make: () => new WideOffsetAllocator(2 ** 40),
    calls: GROWABLE,
  },
  TlsfAllocator: {
    make: () => new TlsfAllocator(300),
    calls: { ...GROWABLE, addSpan: ["size", "size"] },
  },
  "TlsfAllocator over spans": { make: ofSpans, calls: { ...GROWABLE, addSpan: ["size", "size"] } },
  BestFitAllocator: { make: () => new BestFitAllocator(300), calls: GROWABLE },
  SharedOffsetAllocator: { make: () => SharedOffsetAllocator.create(300), calls: SHARED },
  "SharedOffsetAllocator with a cache": {
    make: () => SharedOffsetAllocator.create(3000, { cache: { maxBlockSize: 16 } }),
    calls: SHARED,
  },
  IdAllocator: {
    make: () => new IdAllocator(300),
    calls: { ...COMMON, allocateAt: ["size", "size"], isAllocated: ["size"], grow: ["size"] },
    least: 1,
  },
  TrackedAllocator: {
    make: () => new TrackedAllocator(new OffsetAllocator(300), { stacks: true }),
    calls: GROWABLE,
  },
  RecordingAllocator: {
    make: () => new RecordingAllocator(new OffsetAllocator(300), () => {}),
    calls: GROWABLE,
  },
};

describe("hostile arguments", () => {
  for (const [name, { make, calls, least }] of Object.entries(cases)) {
    it(`change nothing: ${name}`, async () => {
      for (const seed of [1, 2, 3]) {
        await withSeed(seed, (random) => {
          const allocator = make() as Loose, live: number[] = [], freed: number[] = [];
          for (let step = 0; step < 150; step++) {
            disturb(allocator, live, freed, random, least);
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
            // An id that was freed may be live again.
            const any = freed[random(freed.length)] ?? -1, stale = live.includes(any) ? -1 : any;
            for (const call of ["free", "offset", "size"]) {
              assertThrows(() => allocator[call](stale));
            }
            assertThrows(() => allocator.resize(stale, 1));
            assertEquals(stateOf(allocator), before);
            check(allocator);
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
    const before = stateOf(allocator), none = { lower: -1, upper: -1, empty: -1 };
    const marks: unknown[] = [
      { allocator, ...none, lower: top },
      { allocator, ...none, upper: low },
      { allocator, ...none, empty: low },
      { allocator, lower: top, upper: low, empty: -1 },
      { allocator, ...none, lower: "1" },
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
      empty: -1,
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
      empty: -1,
    };
    assertThrows(() => allocator.resetTo(frees), StaleMarkError);
    check(allocator);
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
    check(allocator);
  });
});

/** An argument that is right in its place; no handle where none is live. */
function good(kind: string, allocator: Allocator, live: number[], random: Random): unknown {
  if (kind === "handle") return live[random(live.length)];
  if (kind === "mark") return (allocator as LinearAllocator).mark();
  return 1 + random(5);
}
