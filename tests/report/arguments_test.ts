/** Wrong arguments of the reports, of plain JavaScript: each is refused by its name. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import {
  drawMap,
  formatLeaks,
  report,
  reportJson,
  reportSvg,
  TrackedAllocator,
} from "../../src/report/mod.ts";

type Call = (...args: unknown[]) => unknown;

const allocator = new OffsetAllocator(100);

const REPORTS: readonly [name: string, call: Call][] = [
  ["report", report as Call],
  ["reportJson", reportJson as Call],
  ["reportSvg", reportSvg as Call],
  ["drawMap", drawMap as Call],
];

const tracked = (...args: unknown[]) =>
  new (TrackedAllocator as new (...args: unknown[]) => unknown)(...args);

describe("arguments of a report", () => {
  for (const [name, call] of REPORTS) {
    it(`name the allocator: ${name}`, () => {
      for (
        const [value, got] of [
          [undefined, "undefined"],
          [null, "null"],
          [100, "100"],
          [{}, "an object of type Object"],
          [OffsetAllocator, "a function"],
        ] as const
      ) {
        const message = `Expected allocator to be an allocator, got ${got}`;
        assertEquals(assertThrows(() => call(value), TypeError).message, message);
      }
    });
  }

  for (
    const [name, call, known, wrong] of [
      ["reportJson", reportJson as Call, "regions, labels", [
        [{ regions: "yes" }, 'Expected regions to be a boolean, got the string "yes"'],
        [{ labels: "mesh" }, 'Expected labels to be a function, got the string "mesh"'],
      ]],
      ["reportSvg", reportSvg as Call, "width, title, labels", [
        [{ width: "960" }, "Expected width to be an integer from 320 to 10000, got the string"],
        [{ title: 5 }, "Expected title to be a string, got 5"],
        [{ labels: {} }, "Expected labels to be a function, got an object of type Object"],
      ]],
      ["drawMap", drawMap as Call, "width, height, colour, labels", [
        [{ height: null }, "Expected height to be an integer from 1 to 1000, got null"],
        [{ colour: "red" }, 'Expected colour to be a boolean, got the string "red"'],
        [{ labels: [] }, "Expected labels to be a function, got an object of type Array"],
        [{ color: true }, "Expected options to be an object with colour"],
      ]],
      ["new TrackedAllocator", tracked, "stacks", [
        [{ stacks: 1 }, "Expected stacks to be a boolean, got 1"],
      ]],
    ] as const
  ) {
    it(`name the option: ${name}`, () => {
      for (const value of [null, true, 80]) {
        const message = `Expected options to be an object with ${known}, got ${value}`;
        assertThrows(() => call(allocator, value), TypeError, message);
      }
      assertThrows(() => call(allocator, { lables: 1 }), TypeError, ", got lables");
      for (const [options, message] of wrong) {
        assertThrows(() => call(allocator, options), TypeError, message);
      }
      for (
        const options of [undefined, {}, Object.fromEntries(known.split(", ").map((n) => [n]))]
      ) {
        call(allocator, options);
      }
    });
  }

  it("name what is wrapped", () => {
    assertThrows(() => tracked(), TypeError, "Expected inner to be an allocator, got undefined");
    assertThrows(() => tracked(100), TypeError, "Expected inner to be an allocator, got 100");
  });

  it("name the leaks and their option", () => {
    const format = formatLeaks as Call;
    assertThrows(() => format(), TypeError, "Expected leaks to be an array, got undefined");
    assertThrows(
      () => format(allocator),
      TypeError,
      "Expected leaks to be an array, got an object",
    );
    assertThrows(
      () => format([], 5),
      TypeError,
      "Expected options to be an object with most, got 5",
    );
    assertThrows(() => format([], { most: "5" }), TypeError, "Expected most to be an integer");
    assertThrows(() => format([], { most: -1 }), RangeError, "Expected most to be an integer");
    assertEquals(format([], { most: Infinity }), "No allocation is live");
  });
});
