/**
 * Checks what users read: that every export has a docstring, by `deno doc --lint`, and that guides
 * and docstrings are not hard to read, by `deno task prose`.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };

/** Both, as arguments of `deno`. */
const CHECKS: readonly (readonly string[])[] = [
  ["doc", "--lint", "--quiet", ...Object.values(config.exports)],
  ["run", "-A", "scripts/docs/prose.ts"],
];

let failed = false;
for (const args of CHECKS) {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: new URL("../..", import.meta.url),
    // `deno doc --lint` prints the whole documentation; its findings go to stderr.
    stdout: args[0] === "doc" ? "null" : "inherit",
    stderr: "inherit",
  }).output();
  failed ||= !success;
}
Deno.exit(failed ? 1 : 0);
