/**
 * No operation of `OffsetAllocator` makes garbage: V8 collects none during 10 million of them.
 *
 * @module
 */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./children/make_garbage.ts", import.meta.url));
const OPERATIONS = 10_000_000;
const isV8 = !("bun" in process.versions);

/** How many collections V8 tells of in a run with so many operations. */
function collections(operations: number, ...args: string[]): number {
  const before = "deno" in process.versions
    ? ["run", "-A", "--v8-flags=--trace-gc", SCRIPT]
    : ["--trace-gc", SCRIPT];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...before, String(operations), ...args],
    { encoding: "utf8" },
  );
  assert(status === 0, stderr);
  return stdout.match(/Scavenge|Mark-Compact|Minor/g)?.length ?? 0;
}

describe("OffsetAllocator", () => {
  it({
    name: isV8 ? "makes no garbage" : "makes no garbage (skipped: only V8 tells)",
    ignore: !isV8,
    fn: () => {
      const none = collections(0), garbage = collections(OPERATIONS, "control") - none;
      assert(garbage >= 10, `the test sees no garbage: ${garbage} collections more`);
      // The engine has some garbage of its own: what it compiles, and when, varies.
      const more = collections(OPERATIONS) - none;
      assert(more <= garbage / 5, `${more} collections more, ${garbage} with an object each`);
    },
  });
});
