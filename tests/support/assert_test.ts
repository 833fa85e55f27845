/**
 * The assertions the tests rely on do fail. Written against the names of
 * `@std/assert` alone: it holds for the real package, too.
 *
 * @module
 */

import * as std from "@std/assert";
import { it } from "@std/testing/bdd";
import { rejects, strictEqual, throws } from "node:assert/strict";

const error = new RangeError("out of range");
const raise = () => {
  throw error;
};

/** What holds and what does not, by the name of the assertion. */
const cases: Record<string, { holds: () => void; fails: (() => void)[] }> = {
  assert: { holds: () => std.assert(1), fails: [() => std.assert("")] },
  assertFalse: { holds: () => std.assertFalse(0), fails: [() => std.assertFalse({})] },
  assertExists: {
    holds: () => std.assertExists(0),
    fails: [() => std.assertExists(null), () => std.assertExists(undefined)],
  },
  assertEquals: {
    holds: () => std.assertEquals({ a: [1, new Uint8Array([2])] }, { a: [1, new Uint8Array([2])] }),
    fails: [
      () => std.assertEquals([1, 2], [2, 1]),
      () => std.assertEquals<object>({ a: undefined }, {}),
      () => std.assertEquals<unknown>(1, "1"),
      () => std.assertEquals<unknown>(new Uint8Array(1), new Int8Array(1)),
      () => std.assertEquals(new Map([[1, 2]]), new Map([[1, 3]])),
    ],
  },
  assertNotEquals: {
    holds: () => std.assertNotEquals([1], [2]),
    fails: [() => std.assertNotEquals([1], [1])],
  },
  assertStrictEquals: {
    holds: () => std.assertStrictEquals(NaN, NaN),
    fails: [() => std.assertStrictEquals([1], [1]), () => std.assertStrictEquals(0, -0)],
  },
  assertNotStrictEquals: {
    holds: () => std.assertNotStrictEquals([1], [1]),
    fails: [() => std.assertNotStrictEquals(1, 1)],
  },
  assertAlmostEquals: {
    holds: () => std.assertAlmostEquals(0.1 + 0.2, 0.3),
    fails: [() => std.assertAlmostEquals(1, 1.1), () => std.assertAlmostEquals(1, NaN)],
  },
  assertGreater: {
    holds: () => std.assertGreater(2, 1),
    fails: [() => std.assertGreater(1, 1), () => std.assertGreater(NaN, 1)],
  },
  assertGreaterOrEqual: {
    holds: () => std.assertGreaterOrEqual(1, 1),
    fails: [() => std.assertGreaterOrEqual(0, 1)],
  },
  assertLess: { holds: () => std.assertLess(1, 2), fails: [() => std.assertLess(1, 1)] },
  assertLessOrEqual: {
    holds: () => std.assertLessOrEqual(1, 1),
    fails: [() => std.assertLessOrEqual(2, 1)],
  },
  assertMatch: {
    holds: () => std.assertMatch("abc", /b/),
    fails: [() => std.assertMatch("abc", /^b/)],
  },
  assertNotMatch: {
    holds: () => std.assertNotMatch("abc", /^b/),
    fails: [() => std.assertNotMatch("abc", /b/)],
  },
  assertStringIncludes: {
    holds: () => std.assertStringIncludes("abc", "b"),
    fails: [() => std.assertStringIncludes("abc", "x")],
  },
  assertArrayIncludes: {
    holds: () => std.assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]),
    fails: [() => std.assertArrayIncludes([1, 2], [2, 3])],
  },
  assertObjectMatch: {
    holds: () => std.assertObjectMatch({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 1 }, d: [1] }),
    fails: [
      () => std.assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }),
      () => std.assertObjectMatch({ a: 1 }, { b: 1 }),
    ],
  },
  assertInstanceOf: {
    holds: () => std.assertInstanceOf(error, RangeError),
    fails: [() => std.assertInstanceOf(error, TypeError)],
  },
  assertNotInstanceOf: {
    holds: () => std.assertNotInstanceOf(error, TypeError),
    fails: [() => std.assertNotInstanceOf(error, RangeError)],
  },
  assertIsError: {
    holds: () => std.assertIsError(error, RangeError, /range$/),
    fails: [() => std.assertIsError("out of range"), () => std.assertIsError(error, TypeError)],
  },
  assertThrows: {
    holds: () => strictEqual(std.assertThrows(raise, RangeError, "range"), error),
    fails: [
      () => std.assertThrows(() => {}),
      () => std.assertThrows(raise, TypeError),
      () => std.assertThrows(raise, RangeError, "elsewhere"),
    ],
  },
  fail: { holds: () => {}, fails: [() => std.fail("so")] },
  unreachable: { holds: () => {}, fails: [() => std.unreachable()] },
};

for (const [name, { holds, fails }] of Object.entries(cases)) {
  it(name, () => {
    holds();
    for (const fail of fails) throws(fail, std.AssertionError);
  });
}

it("assertRejects", async () => {
  // deno-lint-ignore require-await
  const reject = async () => raise();
  strictEqual(await std.assertRejects(reject, RangeError, "range"), error);
  await rejects(std.assertRejects(() => Promise.resolve()), std.AssertionError);
  await rejects(std.assertRejects(reject, TypeError), std.AssertionError);
  await rejects(std.assertRejects(reject, RangeError, "elsewhere"), std.AssertionError);
  await rejects(std.assertRejects(raise), std.AssertionError);
});
