/**
 * Test files, compiled, on a Node for another processor or system, which an emulator runs on this
 * one. A file at a time, in the emulated process: it cannot start others.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../../package/emit.ts";
import { end } from "./programs.ts";

/** Longest that a file may take, in seconds. */
const FILE_LIMIT = 900;

/** How many lines of a file that failed are shown. */
const SHOWN = 60;

/** What an emulator runs. */
export interface Emulated {
  /** The program that runs a module. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The files, by their paths below `tests/` without `_test.js`. */
  readonly files: readonly string[];
  /** Tests that cannot pass there, and why; each has to fail, else it is told. */
  readonly failing?: Readonly<Record<string, string>>;
}

/** The files in folders of `tests/`, by their paths without `_test.js`. */
export function filesOf(suite: string, folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    filesBelow(join(suite, "tests", folder))
      .filter((path) => path.endsWith("_test.js"))
      .map((path) => `${folder}/${path.replace(/_test\.js$/, "")}`)
  );
}

/**
 * Runs files; returns how many tests passed.
 *
 * @param suite The folder of the compiled suite.
 * @throws {Error} A test failed that is not among those that cannot pass, or a file ended early.
 */
export async function runEmulated(suite: string, emulated: Emulated): Promise<string> {
  const { command, env, files, failing = {} } = emulated;
  const left = [...files], problems: string[] = [], unpassable = new Set<string>();
  let passed = 0;
  await Promise.all([1, 2].map(async () => {
    for (let file; (file = left.shift()) !== undefined;) {
      const path = join("tests", `${file}_test.js`);
      if (!existsSync(join(suite, path))) {
        problems.push(`${path} is not there`);
        continue;
      }
      const args = ["--test-reporter=tap", path];
      const { code, printed } = await end([...command, ...args], {
        cwd: suite,
        env,
        limit: FILE_LIMIT,
      });
      const count = Number(printed.match(/^# pass (\d+)/m)?.[1] ?? 0);
      passed += count;
      const failed = failedTests(printed);
      for (const name of failed) if (Object.hasOwn(failing, name)) unpassable.add(name);
      const isKnown = failed.length > 0 && failed.every((name) => Object.hasOwn(failing, name));
      console.log(`  ${file}: ${count} passed, ${failed.length} failed`);
      if (code === 0 && count > 0 || isKnown) continue;
      const lines = printed.split("\n");
      problems.push(
        [`${file}: ended with ${code ?? "a signal"}`, ...lines.slice(-SHOWN)].join("\n"),
      );
    }
  }));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const rest = unpassable.size > 0 ? `, ${unpassable.size} that cannot pass there did not` : "";
  return `${passed} tests in ${files.length} files${rest}`;
}

/** The names of the tests that failed, not of the groups around them. */
function failedTests(tap: string): string[] {
  const found: string[] = [], lines = tap.split("\n");
  for (const [i, line] of lines.entries()) {
    const [, name] = line.match(/^\s*not ok \d+ - (.*)$/) ?? [];
    const detail = lines.slice(i, i + 12).join("\n");
    if (name !== undefined && !/failureType: 'subtestsFailed'/.test(detail)) found.push(name);
  }
  return found;
}
