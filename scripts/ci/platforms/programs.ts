/**
 * Programs that parts start: with a limit of time, without what `npx` put into the environment for
 * this process, and with what npm cannot have told from what fails.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { ROOT } from "../../package/emit.ts";
import { CannotBeHad } from "./parts.ts";

/** How npm says that a package is not there, not for this machine, or cannot be reached. */
const NOT_HAD = new RegExp(
  "npm (?:error|ERR!) code (E404|ETARGET|ENOVERSIONS|EBADPLATFORM|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|" +
    "ECONNREFUSED|ECONNRESET|ENETUNREACH|E403|E5\\d\\d)",
);

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Longest that it may take, in seconds. */
  readonly limit?: number;
}

/** How a program ended. */
export interface Ended {
  /** 0 where all is well; `undefined` where it was killed. */
  readonly code: number | undefined;
  /** What it wrote to stdout and stderr. */
  readonly printed: string;
}

/** Runs a program to its end, however that is. */
export function end(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { cwd = ROOT, env = {}, limit = 300 } = options, [program, ...args] = command;
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...Object.fromEntries(ours), npm_config_update_notifier: "false", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // npx starts others, which are to end with it
    });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => printed += text);
    }
    const timer = setTimeout(() => {
      printed += `\nended after ${limit} s`;
      process.kill(-child.pid!, "SIGKILL");
    }, limit * 1000);
    child.on("error", (error) => printed += error.message);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, printed });
    });
  });
}

/**
 * Runs a program; returns what it printed.
 *
 * @throws {Error} It failed, with what it printed.
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, printed } = await end(command, options);
  if (code === 0) return printed;
  throw new Error(`${command.join(" ")} ended with ${code ?? "a signal"}\n${printed}`);
}

/**
 * Runs what brings a package of npm.
 *
 * @param name What is brought, for messages.
 * @returns What was printed.
 * @throws {CannotBeHad} npm has no such package, not for this machine, or cannot be reached.
 */
export async function bring(
  command: readonly string[],
  name: string,
  options: RunOptions = {},
): Promise<string> {
  const { code, printed } = await end(command, options);
  if (code === 0) return printed;
  const [, reason] = printed.match(NOT_HAD) ?? [];
  if (reason !== undefined) throw new CannotBeHad(`npm gives no ${name} (${reason})`);
  throw new Error(`${command.join(" ")} ended with ${code ?? "a signal"}\n${printed}`);
}
