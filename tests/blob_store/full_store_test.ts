/**
 * Stores that are full again and again, however they came to be. `deno task fuzz --only "full blob
 * store"` goes on for as long as you like.
 *
 * @module
 */

import { describe, it } from "@std/testing/bdd";
import { fuzzFullStore } from "./full_store_fuzz.ts";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

describe("a store that is full", () => {
  // Seeds that found stores without room for a checkpoint, or for a delete.
  for (const seed of [3, 5, 7, 8].slice(0, share(4))) {
    it(`does everything but take more: seed ${seed}`, async () => {
      await withSeed(seed, (random) => fuzzFullStore(random, 10));
    });
  }
});
