/** Wrong arguments of plain JavaScript: each is refused by its name, and nothing changes. */

import * as operations from "../../src/operations/mod.ts";
import { applyMove, planCompaction } from "../../src/operations/mod.ts";
import { allocateMany, check, freeMany, snapshot } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocator, Move } from "../../src/allocator.ts";
import { strategies } from "../../cli/compare/strategies.ts";
import { MAX_SLOTS } from "../../src/allocators/handle_table.ts";
import {
  BestFitAllocator,
  BuddyAllocator,
  IdAllocator,
  LinearAllocator,
  OffsetAllocator,
  PageAllocator,
  SlabAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";

/** A class as plain JavaScript sees it. */
type Loose = new (...args: unknown[]) => Allocator;

interface Case {
  readonly make: Loose;
  /** What stands for the capacity. */
  readonly space?: () => unknown;
  /** Every option, as its message names them. */
  readonly options: string;
  /** Options of wrong types and out of range, with what the message says. */
  readonly wrong: readonly (readonly [options: unknown, error: string])[];
}

const COUNTS = (name: string, max: number, min = 1): Case["wrong"] => [
  [{ [name]: "2" }, `TypeError: Expected ${name} to be an integer from ${min} to ${max}, got the`],
  [{ [name]: min - 1 }, `RangeError: Expected ${name} to be an integer from ${min} to ${max}, got`],
  [{ [name]: null }, `TypeError: Expected ${name} to be an integer`],
];

const STRICT: Case["wrong"] = [
  [{ strict: "no" }, 'TypeError: Expected strict to be a boolean, got the string "no"'],
  [{ strict: 1 }, "TypeError: Expected strict to be a boolean, got 1"],
];

const cases: readonly Case[] = [
  ...[OffsetAllocator as Loose, WideOffsetAllocator as Loose].map((make): Case => ({
    make,
    options: "maxAllocations, initialAllocations, strict, maxLooks",
    wrong: [
      ...COUNTS("maxAllocations", 2 ** 26 - 2 ** 22),
      ...COUNTS("initialAllocations", 2 ** 26 - 2 ** 22, 0),
      ...COUNTS("maxLooks", 2 ** 31 - 1),
      ...STRICT,
    ],
  })),
  {
    make: BestFitAllocator as Loose,
    options: "maxAllocations, initialAllocations, maxLooks",
    wrong: [
      ...COUNTS("maxAllocations", 2 ** 26 - 2 ** 22),
      ...COUNTS("initialAllocations", 2 ** 26 - 2 ** 22, 0),
      ...COUNTS("maxLooks", 2 ** 31 - 1),
    ],
  },
  {
    make: TlsfAllocator as Loose,
    options: "initialAllocations, strict, maxLooks",
    wrong: [
      ...COUNTS("initialAllocations", 2 ** 26 - 2 ** 22, 0),
      ...COUNTS("maxLooks", 2 ** 31 - 1),
      ...STRICT,
    ],
  },
  {
    make: BuddyAllocator as Loose,
    options: "minBlock, maxAllocations",
    wrong: [
      ...COUNTS("minBlock", 2 ** 52),
      ...COUNTS("maxAllocations", MAX_SLOTS),
      [{ minBlock: 3 }, "RangeError: Expected minBlock to be a power of two, got 3"],
      [{ minBlock: 256 }, "RangeError: Expected minBlock to be at most the capacity 100, got 256"],
    ],
  },
  {
    make: SlabAllocator as Loose,
    space: () => new OffsetAllocator(100),
    options: "classes, slotsPerSlab, keepEmpty, maxAllocations",
    wrong: [
      ...COUNTS("slotsPerSlab", 32),
      ...COUNTS("keepEmpty", 2 ** 30, 0),
      ...COUNTS("maxAllocations", MAX_SLOTS),
      [{ classes: 8 }, "TypeError: Expected classes to be an array, got 8"],
      [{ classes: null }, "TypeError: Expected classes to be an array, got null"],
      [
        { classes: [] },
        "RangeError: Expected classes.length to be an integer from 1 to 255, got 0",
      ],
      [
        { classes: [8, 8] },
        "RangeError: Expected classes[1] to be an integer from 9 to 65536, got 8",
      ],
    ],
  },
  {
    make: PageAllocator as Loose,
    options: "maxAllocations",
    wrong: COUNTS("maxAllocations", MAX_SLOTS),
  },
  {
    make: IdAllocator as Loose,
    options: "order",
    wrong: [
      [{ order: "newest" }, 'TypeError: Expected order to be "lowest" or "next", got the string'],
      [{ order: null }, 'TypeError: Expected order to be "lowest" or "next", got null'],
    ],
  },
  {
    make: LinearAllocator as Loose,
    options: "maxAllocations",
    wrong: COUNTS("maxAllocations", MAX_SLOTS),
  },
];

describe("arguments of a constructor", () => {
  it("are looked at in every strategy", () => {
    const names = cases.map(({ make }) => make.name).filter((name) => !name.startsWith("Wide"));
    assertEquals(names, strategies.map(({ name }) => name));
  });

  for (const { make, space = () => 100, options, wrong } of cases) {
    it(`of ${make.name} are named where they are wrong`, () => {
      for (const value of [null, 7, "strict", true, () => {}]) {
        const error = throwsAny(() => new make(space(), value));
        assertStringIncludes(
          error,
          `TypeError: Expected options to be an object with ${options}, `,
        );
      }
      const known = options.split(", ");
      for (const name of known) {
        // One letter too many; the nearest name comes first.
        const error = throwsAny(() => new make(space(), { [`${name}s`]: 1 }));
        assertStringIncludes(error, `TypeError: Expected options to be an object with ${name}`);
        assert(error.endsWith(`, got ${name}s`), error);
      }
      for (const [value, message] of wrong) {
        const error = throwsAny(() => new make(space(), value));
        assert(error.startsWith(message), `${error}\ninstead of ${message}`);
      }
      for (const value of [undefined, {}, Object.fromEntries(known.map((name) => [name]))]) {
        check(new make(space(), value));
      }
    });

    it(`of ${make.name} have a space`, () => {
      const name = space() === 100 ? "capacity" : "parent";
      for (const value of [undefined, null, "100", {}, [], true]) {
        const error = throwsAny(() => new make(value));
        assertStringIncludes(error, `TypeError: Expected ${name} to be an`);
      }
    });
  }

  it("leave a BuddyAllocator of no units the size of its blocks", () => {
    const allocator = new BuddyAllocator(0, { minBlock: 256 });
    allocator.addSpan(0, 1024);
    assertEquals(allocator.freeSpace, 1024);
  });
});

describe("arguments of several allocations at once", () => {
  const full = () => {
    const allocator = new OffsetAllocator(100),
      handles = [10, 20].map((n) => allocator.allocate(n));
    return { allocator, handles };
  };
  const loose = operations as unknown as Record<string, (...args: unknown[]) => unknown>;
  const calls: readonly (readonly [name: string, args: unknown[], error: string])[] = [
    ["allocateMany", [], "TypeError: Expected sizes to be an array, got undefined"],
    ["allocateMany", [5, []], "TypeError: Expected sizes to be an array, got 5"],
    ["allocateMany", ["5", []], 'TypeError: Expected sizes to be an array, got the string "5"'],
    [
      "allocateMany",
      [{}, []],
      "TypeError: Expected sizes to be an array, got an object of type Ob",
    ],
    ["allocateMany", [{ length: -1 }, []], "RangeError: Expected sizes.length to be an integer"],
    ["allocateMany", [[1, 2]], "TypeError: Expected handles to be an array, got undefined"],
    ["allocateMany", [[1, 2], 3], "TypeError: Expected handles to be an array, got 3"],
    ["allocateMany", [[1, "2"], []], "TypeError: Expected sizes[1] to be an integer"],
    [
      "allocateMany",
      [[1, 2], new Int32Array(1)],
      "RangeError: Expected handles to have room for 2, got a length of 1",
    ],
    ["freeMany", [], "TypeError: Expected handles to be an array, got undefined"],
    ["freeMany", [7], "TypeError: Expected handles to be an array, got 7"],
    ["appendAt", [], "TypeError: Expected offsets to be an array, got undefined"],
    ["appendAt", [[50]], "TypeError: Expected sizes to be an array, got undefined"],
    ["appendAt", [[50], [1]], "TypeError: Expected handles to be an array, got undefined"],
    ["appendAt", [[50, 60], [1], []], "TypeError: Expected sizes[1] to be an integer"],
    ["appendAt", [[50, -1], [1, 1], []], "RangeError: Expected offsets[1] to be an integer"],
    [
      "appendAt",
      [[50, 60], [1, 1], new Int32Array(1)],
      "RangeError: Expected handles to have room for 2, got a length of 1",
    ],
  ];
  for (const [name, args, message] of calls) {
    it(`are named where they are wrong: ${name}(${JSON.stringify(args).slice(1, -1)})`, () => {
      const { allocator, handles } = full(), before = snapshot(allocator);
      const error = throwsAny(() => loose[name](allocator, ...args));
      assert(error.startsWith(message), `${error}\ninstead of ${message}`);
      assertEquals(snapshot(allocator), before);
      freeMany(allocator, handles);
      assertEquals(allocator.freeSpace, 100);
    });
  }

  it("may be what looks like an array", () => {
    const allocator = new OffsetAllocator(100), handles: Record<number, number> = {};
    assertEquals(allocateMany(allocator, { length: 2, 0: 10, 1: 20 }, handles), 2);
    freeMany(allocator, { length: 2, ...handles });
    assertEquals(allocator.allocationCount, 0);
  });
});

describe("arguments of a compaction", () => {
  for (const make of [OffsetAllocator, BestFitAllocator, TlsfAllocator]) {
    const filled = () => {
      const allocator = new make(100), first = allocator.allocate(10);
      allocator.allocate(20);
      allocator.free(first);
      return allocator;
    };

    it(`are named where they are wrong: ${make.name}`, () => {
      const allocator = filled();
      const names = "maxMoves, maxUnits, maxLooks, alignmentOf, from, overlap";
      for (
        const [options, message] of [
          [null, `Expected options to be an object with ${names}, got null`],
          [5, `Expected options to be an object with ${names}, got 5`],
          [{ maxMove: 5 }, `Expected options to be an object with ${names}, got maxMove`],
          [{ maxMoves: "5" }, "Expected maxMoves to be an integer"],
          [{ maxUnits: null }, "Expected maxUnits to be an integer"],
          [{ alignmentOf: 16 }, "Expected alignmentOf to be a function, got 16"],
          [{ maxLooks: "5" }, "Expected maxLooks to be an integer from 1"],
          [{ from: 5 }, "Expected from to be next of a plan for this allocator, got 5"],
          [
            { from: planCompaction(filled()).next },
            "Expected from to be next of a plan for this allocator, got an object",
          ],
          [{ overlap: "no" }, 'Expected overlap to be a boolean, got the string "no"'],
        ] as const
      ) {
        assertThrows(() => planCompaction(allocator, options as object), TypeError, message);
      }
      for (
        const [move, message] of [
          [undefined, "Expected move to be one of a plan, got undefined"],
          [null, "Expected move to be one of a plan, got null"],
          [0, "Expected move to be one of a plan, got 0"],
          [{}, "Expected move.to to be an integer from 0 to 9007199254740991, got undefined"],
        ] as const
      ) {
        assertThrows(() => applyMove(allocator, move as Move), TypeError, message);
      }
      assertEquals(Array.from(allocator.allocations(), ({ offset }) => offset), [10]);
    });
  }

  it("are looked at where moves cannot overlap, too", () => {
    const allocator = new TlsfAllocator(100);
    allocator.addSpan(200, 100);
    const plan = (options: unknown) => planCompaction(allocator, options as object);
    assertThrows(() => plan(null), TypeError, "Expected options to be an object");
  });
});

/** The error that a call throws, as `name: message`. */
function throwsAny(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return String(error);
  }
  throw new Error("Expected an error, got none");
}
