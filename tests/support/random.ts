/** Seeded randomness for the tests: that of the contract suite of the package. */

export { type Random, randomBytes, seeded, withSeed } from "../../src/testing/random.ts";
