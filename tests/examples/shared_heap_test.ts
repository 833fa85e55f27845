/**
 * The example of a heap for four workers, as a program of the runtime; `deno task test:npm` has it
 * in a page.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../../examples/shared_heap/main.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

it("shared_heap passes regions between four workers, and loses none", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT], {
    encoding: "utf8",
  });
  const expected = "4 workers passed on 1600 regions: 0 wrong, 0 left\n";
  assertEquals([status, stdout], [0, expected], stderr);
  assertEquals(/Error|MaxListeners/.test(stderr), false, stderr);
});
