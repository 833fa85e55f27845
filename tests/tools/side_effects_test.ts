import { assertEquals, assertMatch } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { stop } from "esbuild";
import config from "../../deno.json" with { type: "json" };
import { sideEffectsOf } from "../../scripts/package/side_effects.ts";

/** Entries that are programs: nobody bundles them. */
const PROGRAMS = ["./cli"];

/** Modules that do something, each in a way that was found here once. */
const PLANTED = [
  "export class A { static { globalThis.a = A; } }",
  `import * as layout from "./src/gap_table/layout.ts"; const { PREV } = layout; export { PREV };`,
  "export const TABLE = new Int32Array(8);",
  "export const TABLE = [1, 2].map((i) => i + 1);",
  "const clz32 = Math.clz32; export { clz32 };",
  "export const MOST = 2 ** 30;",
  "export class A { static readonly all = new Array(8).fill(0); }",
  "await 0;",
];

describe("a module that is only imported", () => {
  afterAll(() => stop()); // else its process goes on

  for (const [entry, path] of Object.entries(config.exports)) {
    if (PROGRAMS.includes(entry)) continue;
    it(`does nothing: ${entry}`, async () => {
      assertEquals(await sideEffectsOf(`import "${path}";`), "");
    });
  }

  for (const code of PLANTED) {
    it(`is found where it does something: ${code}`, async () => {
      assertMatch(await sideEffectsOf(code), /./);
    });
  }
});
