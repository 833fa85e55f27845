/** The benchmark of growth finds what the documentation says of every call. */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { promiseOf } from "../../scripts/bench/growth/measure.ts";
import { others } from "../../scripts/bench/growth/others.ts";
import { costOfFunction, Promises } from "../../scripts/bench/growth/promises.ts";
import { rows } from "../../scripts/bench/growth/rows.ts";
import { subjects } from "../../scripts/bench/growth/subjects.ts";

describe("the documentation says what a call costs", () => {
  for (const subject of subjects) {
    it(`${subject.name}: each that is measured`, () => {
      const promises = new Promises(subject.sources), silent: string[] = [];
      for (const row of rows) {
        if (row.has !== undefined && !row.has(subject)) continue;
        if (promiseOf(row, subject, promises) === "") silent.push(row.name);
      }
      // The two batches cost what their single calls do.
      const unexpected = silent.filter((name) => !/^(?:allocate|free)Many/.test(name));
      assert(unexpected.length === 0, unexpected.join("\n"));
    });
  }

  for (const { name, source, rows } of others) {
    it(`${name}: each that is measured`, async () => {
      const promises = new Promises([source]);
      for (const { line, name } of await rows(20)) {
        assert(/\bO\(/.test(promises.at(line)), `${name}: ${line}`);
      }
    });
  }

  it("a line with a condition is not taken for one without", () => {
    const wide = ["wide_offset_allocator.ts", "offset_allocator.ts"]
      .map((name) => `src/allocators/${name}`);
    assert(new Promises(wide).of("grow") === "O(1)");
  });

  it("of a function, it ends with the sentence", () => {
    const cost = costOfFunction("src/operations/allocate_at.ts", "allocateAt");
    assert(cost === "O(allocations), O(1) in ascending order", cost);
  });
});
