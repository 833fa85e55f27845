/**
 * The command `blobs`: a blob store in a file, from the shell; `blobs compare` replays traces.
 *
 * ```sh
 * blobs put photos.blobs cat.jpg ~/cat.jpg
 * blobs ls photos.blobs --long
 * blobs get photos.blobs cat.jpg > cat.jpg
 * blobs compare trace.jsonl
 * blobs --help
 * ```
 *
 * {@linkcode main} runs a command within a program.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { allCommands } from "./commands/mod.ts";
import {
  type Command,
  helpOf,
  helpOfAll,
  Invocation,
  jsonOf,
  printLine,
  PROGRAM,
  suggestion,
  usageOf,
} from "./command.ts";
import { ClosedOutput, codeOf, Failure, reasonOf, reportOf, UsageError } from "./errors.ts";
import { wouldAsk } from "../backends/file/raw/mod.ts";
import { describe } from "../src/util/check_integer.ts";
import { printable } from "../src/util/printable.ts";
import type { CommandIO } from "./io.ts";
import { VERSION } from "./version.ts";

export type { CommandIO, CommandOutput } from "./io.ts";
export { VERSION } from "./version.ts";

/**
 * Runs a command.
 *
 * @example Make a store and list its keys
 * ```ts
 * import { main } from "@suballoc/offset-allocator/cli";
 * import { mkdtemp } from "node:fs/promises";
 *
 * const store = `${await mkdtemp("/tmp/photos-")}/photos.blobs`;
 * async function* stdin() {
 *   yield new Uint8Array([0xff, 0xd8]);
 * }
 * const quiet = { write() {} };
 * await main(["put", store, "1.jpg", "-"], { stdin: stdin(), stdout: quiet, stderr: quiet });
 * await main(["ls", store]); // 0, the exit code; prints 1.jpg
 * ```
 *
 * @param args The name of the command and its arguments, as in a shell.
 * @param io Input and output; those of the process by default.
 * @returns The exit code: 0 done, 1 not found or failed, 2 called wrongly, 130 interrupted.
 * @throws {TypeError} `args` is no array of strings, or `io` lacks an output.
 */
export async function main(args: readonly string[], io: CommandIO = ofProcess()): Promise<number> {
  if (!Array.isArray(args) || args.some((arg) => typeof arg !== "string")) {
    throw new TypeError(`Expected args to be an array of strings, got ${describe(args)}`);
  }
  for (const name of ["stdout", "stderr"] as const) {
    if (typeof Object(Object(io)[name]).write === "function") continue;
    throw new TypeError(`Expected io.${name} to have write(), got ${describe(Object(io)[name])}`);
  }
  const commands = allCommands(), guarded = guardedIO(io), { stdout } = guarded;
  let command: Command | undefined;
  try {
    const [name, ...rest] = args;
    if (name === "--help" || name === "-h") return await print(stdout, helpOfAll(commands));
    if (name === "--version") return await print(stdout, VERSION);
    if (name === undefined) throw new UsageError("a command is missing");
    command = commands.find((one) => one.name === name);
    if (command === undefined) {
      const what = name.startsWith("-") ? "option" : "command";
      const known = [...commands.map(({ name }) => name), "--help", "--version"];
      throw new UsageError(`unknown ${what} ${JSON.stringify(name)}${suggestion(name, known)}`);
    }
    const invocation = new Invocation(command, rest, guarded);
    if (invocation.flag("help")) return await print(stdout, helpOf(command));
    return await command.run(invocation);
  } catch (error) {
    // What the command had to say was for a reader that has gone.
    if (error instanceof ClosedOutput && !io.signal?.aborted) return 0;
    const exitCode = await explain(error, command, io);
    const end = args.indexOf("--");
    if (args.slice(0, end < 0 ? args.length : end).includes("--json")) {
      const isEarly = io.signal?.aborted === true;
      const report = isEarly ? { name: "AbortError", message: "interrupted" } : reportOf(error);
      // Where nothing can be written, the exit code says it.
      await print(stdout, jsonOf({ error: { ...report, exitCode } })).catch(() => {});
    }
    return exitCode;
  }
}

async function print(stdout: CommandIO["stdout"], text: string): Promise<number> {
  await printLine(stdout, text);
  return 0;
}

/** The same input and output, where a reader that has gone has an error of its own. */
function guardedIO(io: CommandIO): CommandIO {
  const { stdin, stdout, stderr, interactive, signal } = io;
  const write = async (data: string | Uint8Array) => {
    try {
      await stdout.write(data);
    } catch (cause) {
      if (codeOf(cause) !== "EPIPE") {
        throw new Failure(`Cannot write standard output: ${reasonOf(cause)}`, { cause });
      }
      throw new ClosedOutput("nobody reads standard output", { cause });
    }
  };
  const { columns, styled } = stdout;
  return { stdin, stdout: { columns, styled, write }, stderr, interactive, signal };
}

/** Prints why a command failed, and returns the exit code. */
async function explain(
  error: unknown,
  command: Command | undefined,
  { stderr, signal }: CommandIO,
): Promise<number> {
  if (signal?.aborted) return typeof signal.reason === "number" ? signal.reason : 130;
  const message = error instanceof Error ? error.message : String(error);
  await stderr.write(`${PROGRAM}: ${printable(message)}\n`);
  if (!(error instanceof UsageError)) return 1;
  const short = `Usage: ${PROGRAM} <command> <store> …`;
  const usage = command === undefined ? short : usageOf(command);
  const name = command === undefined ? "" : `${command.name} `;
  await stderr.write(`${usage}\nTry: ${PROGRAM} ${name}--help\n`);
  return 2;
}

/** The process's own input and output; a signal ends long work early. */
function ofProcess(signal?: AbortSignal): CommandIO {
  const stderr = outputOf(process.stderr);
  return {
    // Only touched where it is read.
    stdin: {
      [Symbol.asyncIterator]() {
        // Node and Deno take a folder for an empty input.
        if (isFolder(0)) throw new Failure("standard input is a folder");
        const { stdin } = process;
        signal?.addEventListener("abort", () => stdin.destroy(new Error("interrupted")));
        return stdin[Symbol.asyncIterator]();
      },
    },
    stdout: outputOf(process.stdout),
    // What cannot be said must not end the work.
    stderr: { ...stderr, write: (data) => stderr.write(data).catch(() => {}) },
    interactive: stderr.columns !== undefined && isatty(0),
    signal,
  };
}

function outputOf(stream: typeof process.stdout | typeof process.stderr) {
  // The callback of a write has the error, too.
  if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  const isTerminal = Boolean(stream.isTTY);
  let failure: unknown;
  return {
    columns: isTerminal ? stream.columns || 80 : undefined,
    styled: isTerminal && takesColours(),
    write: async (data: string | Uint8Array) => {
      // After a failure, which it throws at once, Deno answers no more.
      if (failure !== undefined) throw failure;
      try {
        await new Promise<void>((resolve, reject) => {
          stream.write(data, (error) => error ? reject(error) : resolve());
        });
      } catch (error) {
        throw failure = error;
      }
    },
  };
}

/** Tells whether a descriptor is a folder, as far as that can be told. */
function isFolder(fd: number): boolean {
  try {
    return fstatSync(fd).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Tells whether the environment has nothing against colours; Deno may not permit to look, and is
 * not to ask for it.
 */
function takesColours(): boolean {
  const asks = ["NO_COLOR", "TERM"].some((variable) => wouldAsk({ name: "env", variable }));
  if (asks) return false;
  try {
    const { NO_COLOR, TERM } = process.env;
    return !NO_COLOR && TERM !== "dumb";
  } catch {
    return false;
  }
}

/** Exit codes of the signals that ask a program to end: 128 and the number of the signal. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs the command of this process, by its arguments, and ends the process with the exit code. The
 * `bin` of the npm package calls it.
 */
export async function run(): Promise<void> {
  const controller = new AbortController();
  const stop = (signal: keyof typeof SIGNALS) => {
    // Whoever asks twice does not want to wait.
    if (controller.signal.aborted) process.exit(SIGNALS[signal]);
    controller.abort(SIGNALS[signal]);
  };
  const signals = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];
  for (const signal of signals) process.on(signal, stop);
  const exitCode = await main(process.argv.slice(2), ofProcess(controller.signal));
  // Every write was waited for. A pipe that is read no more would keep the process alive.
  process.exit(exitCode);
}

/**
 * Tells whether Deno was started with this module: it takes the entry from JSR and has no `bin`.
 */
function isProgram(): boolean {
  // `Deno.mainModule` may be the specifier "jsr:...", not this URL. Destructured, `main` is no
  // member of `import.meta`, which emitters rewrite. Compiled or bundled modules have other names.
  const { main, url } = import.meta as { readonly main?: boolean; readonly url: string };
  return main === true && url.endsWith("/cli/mod.ts");
}

if (isProgram()) void run();
