/**
 * The test files that reach no module of a runtime, which a page can run.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** What test files import; in comments and strings, too, which leaves out a file too many. */
const SPECIFIER =
  /^(?:import|export)\b[^;"]*?\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

/** What every test file imports; a page has them. */
const OF_TESTS = ["@std/assert", "@std/testing/bdd"];

/** The paths of the files, beginning with a slash. */
export function pureTests(): string[] {
  return readdirSync(join(ROOT, "tests"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("_test.ts"))
    .map((path) => `tests/${path.replace(/\\/g, "/")}`)
    .filter(isPure)
    .map((path) => `/${path}`)
    .sort();
}

function isPure(path: string): boolean {
  const reached = [path], seen = new Set(reached);
  for (const at of reached) {
    if (!existsSync(join(ROOT, at))) return false;
    for (const found of readFileSync(join(ROOT, at), "utf8").matchAll(SPECIFIER)) {
      const specifier = found.slice(1).find((name) => name !== undefined)!;
      if (OF_TESTS.includes(specifier)) continue;
      if (!specifier.startsWith(".") || !specifier.endsWith(".ts")) return false;
      const target = posix.join(posix.dirname(at), specifier);
      if (seen.has(target)) continue;
      seen.add(target);
      reached.push(target);
    }
  }
  return true;
}
