/**
 * Options that nobody knows are refused, with the nearest right name first.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkOptions } from "../../src/util/check_options.ts";

const NAMES = "maxAllocations strict alignment label";

describe("checkOptions", () => {
  it("takes what is known, and nothing at all", () => {
    checkOptions(undefined, NAMES);
    checkOptions({}, NAMES);
    checkOptions({ strict: true, label: undefined }, NAMES);
  });

  for (
    const [given, nearest] of [
      ["maxAlocations", "maxAllocations"],
      ["maxallocations", "maxAllocations"],
      ["allocations", "maxAllocations"],
      ["align", "alignment"],
      ["alignement", "alignment"],
      ["lable", "label"],
      ["Strict", "strict"],
    ]
  ) {
    it(`names ${nearest} for ${given}`, () => {
      const { message } = assertThrows(() => checkOptions({ [given]: 1 }, NAMES), TypeError);
      assertEquals(message.match(/with (\w+)/)?.[1], nearest);
      assertEquals(message.endsWith(`got ${given}`), true, message);
    });
  }

  it("refuses what is no object", () => {
    const wrong = new Map<unknown, string>([
      [8, "8"],
      [null, "null"],
      ["tmp/", 'the string "tmp/"'],
      [() => 1, "a function"],
      [true, "true"],
      [[], "an object of type Array"],
      [[8], "an object of type Array"],
    ]);
    for (const [options, got] of wrong) {
      const { message } = assertThrows(() => checkOptions(options, NAMES, "room"), TypeError);
      const expected =
        "Expected room to be an object with maxAllocations, strict, alignment, label";
      assertEquals(message, `${expected}, got ${got}`);
    }
  });
});
