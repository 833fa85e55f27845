/**
 * The runtimes that the npm package is for, each brought by `npx`.
 *
 * @module
 */

import { run } from "./emit.ts";

/** A runtime of the package. */
export interface Runtime {
  readonly name: string;
  /** The program that runs a module, with what comes before the module's path. */
  readonly command: readonly string[];
}

/** The oldest Node that the package promises, those in use, the newest, and Bun. */
export const runtimes: readonly Runtime[] = [
  node("20.20.2"),
  node("22.23.3"),
  node("24.21.0"),
  node("26.10.0"),
  { name: "bun", command: ["npx", "-y", "bun@1.4.5", "run"] },
];

function node(version: string): Runtime {
  return { name: `node ${version}`, command: ["npx", "-y", "-p", `node@${version}`, "--", "node"] };
}

/** Runs a command of a runtime in a folder; throws with its output, if it fails. */
export function runIn(
  folder: string,
  command: readonly string[],
  args: readonly string[],
): Promise<string> {
  const [program, ...first] = command;
  return run(program, [...first, ...args], folder, { npm_config_update_notifier: "false" });
}
