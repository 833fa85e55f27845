/** The check of integer arguments, and the messages it gives. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkInteger } from "../../src/util/check_integer.ts";

describe("checkInteger", () => {
  it("takes integers within the bounds", () => {
    for (const value of [0, -0, 1, Number.MAX_SAFE_INTEGER]) checkInteger("n", value);
    for (const value of [-2, 0, 3]) checkInteger("n", value, -2, 3);
  });

  it("names the argument, what it expected and what it got", () => {
    const message = (value: unknown, type: new () => Error) =>
      assertThrows(() => checkInteger("size", value, 1, 9), type).message;
    const expected = "Expected size to be an integer from 1 to 9, got ";
    assertEquals(message(0, RangeError), `${expected}0`);
    assertEquals(message(-0, RangeError), `${expected}-0`);
    assertEquals(message(10, RangeError), `${expected}10`);
    assertEquals(message(1.5, RangeError), `${expected}1.5`);
    assertEquals(message(NaN, RangeError), `${expected}NaN`);
    assertEquals(message("2", TypeError), `${expected}the string "2"`);
    assertEquals(message(2n, TypeError), `${expected}the bigint 2n`);
    assertEquals(message(undefined, TypeError), `${expected}undefined`);
    assertEquals(message(null, TypeError), `${expected}null`);
    assertEquals(message(Symbol("2"), TypeError), `${expected}Symbol(2)`);
    assertEquals(message({ valueOf: () => 2 }, TypeError), `${expected}an object of type Object`);
  });
});
