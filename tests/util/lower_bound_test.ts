/** A binary search finds what a linear one finds. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lowerBound } from "../../src/util/mod.ts";
import { seeded } from "../support/random.ts";

describe("lowerBound", () => {
  it("is the first index that is not before, or the count", () => {
    const random = seeded(1);
    for (let round = 0; round < 500; round++) {
      const values = Array.from({ length: random(20) }, () => random(30)).sort((a, b) => a - b);
      const sought = random(32), first = values.findIndex((value) => value >= sought);
      const found = lowerBound(values.length, (i) => values[i] < sought);
      assertEquals(found, first < 0 ? values.length : first, `${sought} in ${values}`);
    }
  });
});
