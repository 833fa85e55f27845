/**
 * The test functions run what they register, in the order of `@std/testing/bdd`.
 *
 * @module
 */

import { assertEquals, unreachable } from "@std/assert";
import { afterEach, beforeAll, beforeEach, describe, it, test } from "@std/testing/bdd";

describe("bdd", () => {
  const events: string[] = [];
  beforeAll(() => void events.push("beforeAll"));
  beforeEach(() => void events.push("beforeEach"));
  afterEach(() => void events.push("afterEach"));

  it("runs hooks around a test", () => assertEquals(events.splice(0), ["beforeAll", "beforeEach"]));

  describe({
    name: "inner",
    beforeAll: async () => void events.push(await Promise.resolve("inner")),
    fn: () => {
      test("runs the outer hooks for an inner test", { ignore: false }, () => {
        assertEquals(events.filter((event) => event !== "inner"), ["afterEach", "beforeEach"]);
      });
      it({ name: "takes a definition", ignore: true, fn: () => unreachable() });
    },
  });

  it.skip("skips", () => unreachable());
  it.ignore("ignores", { fn: () => unreachable() });
  describe.skip("skips a group", () => {
    it("and what is in it", () => unreachable());
  });
});
