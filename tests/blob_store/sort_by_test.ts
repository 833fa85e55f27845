/**
 * Sorting by value, compared with the sort of the language.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { sortBy } from "../../src/blob_store/sort_by.ts";
import { seeded } from "../support/random.ts";

describe("sortBy", () => {
  for (const most of [2, 1000, 2 ** 16, 2 ** 32, 2 ** 53]) {
    for (const count of [0, 1, 2, 100, 5000, 20_000]) {
      it(`sorts ${count} of up to ${most}, in order, nearly and not at all`, () => {
        const random = seeded(count + most);
        const large = () => Math.min(random(2 ** 21) * 2 ** 32 + random(2 ** 32), most - 1) % most;
        const value = Float64Array.from(
          { length: count },
          most > 2 ** 32 ? large : () => random(most),
        );
        for (const swaps of [0, 3, count]) {
          const numbers = Uint32Array.from(value.keys()).sort((a, b) => value[a] - value[b]);
          for (let i = 0; i < swaps && count > 0; i++) {
            const a = random(count), b = random(count);
            [numbers[a], numbers[b]] = [numbers[b], numbers[a]];
          }
          const sorted = sortBy(numbers.slice(), value);
          assertEquals(new Set(sorted).size, count);
          assertEquals(
            Array.from(sorted, (i) => value[i]),
            Array.from(value).sort((a, b) => a - b),
          );
        }
      });
    }
  }
});
