/**
 * Stores that are full again and again, however they came to be. `deno task fuzz --only "full blob
 * store"` goes on for as long as you like.
 *
 * @module
 */

import { describe, it } from "@std/testing/bdd";
import { fuzzFullStore } from "./full_store_fuzz.ts";
import { withSeed } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";

describe("a store that is full", () => {
  // Seeds that found stores without room for a checkpoint, or for a delete, and how many steps.
  const runs = [
    [3, 10],
    [5, 10],
    [7, 10],
    [8, 10],
    [33, 12],
    [60, 12],
    [94, 12],
    [1218, 12],
    [1348, 12],
    [2069, 40],
    [2102, 40],
    [2293, 40],
  ];
  for (const [seed, steps] of sharedOf(runs)) {
    it(`does everything but take more: seed ${seed}`, async () => {
      await withSeed(seed, (random) => fuzzFullStore(random, steps));
    });
  }
});
