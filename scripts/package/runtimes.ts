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
  /** The program that runs tests, with what comes before their paths. */
  readonly test: readonly string[];
}

const BUN = ["npx", "-y", "bun@1.4.5"];

/** The Node that runs scripts: it takes TypeScript as it is. */
export const NODE: readonly string[] = nodeOf("24.21.0");

/** The oldest Node that the package promises, those in use, the newest, and Bun. */
export const runtimes: readonly Runtime[] = [
  node("20.20.2"),
  node("22.23.3"),
  node("24.21.0"),
  node("26.10.0"),
  { name: "bun", command: [...BUN, "run"], test: [...BUN, "test", "--timeout", "60000"] },
];

/** The program of a Node. */
export function nodeOf(version: string): string[] {
  return ["npx", "-y", "-p", `node@${version}`, "--", "node"];
}

function node(version: string): Runtime {
  const command = nodeOf(version);
  return { name: `node ${version}`, command, test: [...command, "--test", "--test-reporter=spec"] };
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
