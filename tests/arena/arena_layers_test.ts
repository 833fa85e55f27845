/**
 * Arenas over every strategy, alone and behind others, against a model.
 *
 * @module
 */

import { describe, it } from "@std/testing/bdd";
import { share } from "../support/share.ts";
import { arenaStrategies, fuzzArena } from "./arena_layers.ts";

const STEPS = share(6000);

describe("Arena over strategies behind each other", () => {
  for (const name of arenaStrategies) {
    it(`keeps every byte: ${name}`, () => fuzzArena(name, 1, STEPS));
  }
});
