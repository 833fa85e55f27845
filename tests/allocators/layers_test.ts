/**
 * Strategies behind each other, compared with the naive model.
 *
 * @module
 */

import { describe, it } from "@std/testing/bdd";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { layeredRuns } from "./layered_runs.ts";

const STEPS = 15_100;

describe("strategies behind each other", () => {
  for (const [name, run] of Object.entries(layeredRuns)) {
    it(`do as the model does: ${name}`, () => {
      fuzzAllocator({ ...run, seed: 1, steps: STEPS, compareEvery: 25 });
    });
  }
});
