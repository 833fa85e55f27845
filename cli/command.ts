/**
 * The description of a command, which makes the check of its arguments and its help, and its
 * invocation.
 *
 * @module
 */

import { parseArgs, type ParseArgsConfig } from "node:util";
import { printable } from "../src/util/printable.ts";
import { ClosedOutput, UsageError } from "./errors.ts";
import type { CommandIO, CommandOutput } from "./io.ts";
import { Progress } from "./progress.ts";

/** The name of the program. */
export const PROGRAM = "blobs";

/** An option of a command. */
export interface CommandOption {
  /** Its purpose, in a few words. */
  readonly help: string;
  /** The name of its value in the help; without one the option takes no value. */
  readonly value?: string;
  /** Its name in one letter. */
  readonly short?: string;
  /** True if it may be given several times. */
  readonly several?: boolean;
}

/** A command. */
export interface Command {
  /** Its name. */
  readonly name: string;
  /** Its arguments as the help shows them: `<needed>`, `[optional]`, `<several>…`. */
  readonly operands: string;
  /** Its purpose, in one line. */
  readonly summary: string;
  /** More lines of the help. */
  readonly details?: string;
  /** Its options by name, apart from those of every command. */
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Command lines, each with its purpose. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Runs the command and resolves to the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** The options of every command. */
export const COMMON: Readonly<Record<string, CommandOption>> = {
  json: { help: "print JSON, with exact numbers" },
  help: { short: "h", help: "show this help" },
};

/** The option of every command that opens the store for writing. */
export const WAIT: Readonly<Record<string, CommandOption>> = {
  wait: { value: "SECONDS", help: "wait up to so long while another writer has the store open" },
};

/** The option of every command that puts blobs. */
export const COMPRESS: Readonly<Record<string, CommandOption>> = {
  compress: { value: "CODEC", help: "compress what that makes smaller: gzip or zstd" },
};

/**
 * How an invocation wants blobs compressed, if it does.
 *
 * @throws {UsageError} It is no such codec.
 */
export function compressionIn(invocation: Invocation): "gzip" | "zstd" | undefined {
  const text = invocation.text("compress");
  if (text === undefined || text === "gzip" || text === "zstd") return text;
  throw new UsageError(`--compress must be gzip or zstd, got ${JSON.stringify(text)}`);
}

/** Most seconds of a wait: 2^31 - 1 milliseconds. */
const MAX_WAIT = 2_147_483;

/** A command with its options and arguments. */
export class Invocation {
  /** Its input and output. */
  readonly io: CommandIO;
  /** Its arguments, as many as it takes. */
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  /**
   * Takes a command line apart.
   *
   * @param command The command.
   * @param args The arguments after its name.
   * @param io Its input and output.
   * @throws {UsageError} The command does not take these.
   */
  constructor(command: Command, args: readonly string[], io: CommandIO) {
    const options: ParseArgsConfig["options"] = {};
    for (const [name, option] of Object.entries({ ...command.options, ...COMMON })) {
      const { value, short, several = false } = option;
      options[name] = { type: value === undefined ? "boolean" : "string", multiple: several };
      if (short !== undefined) options[name].short = short;
    }
    let parsed;
    try {
      parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    } catch (error) {
      throw new UsageError(explained((error as Error).message, Object.keys(options)));
    }
    this.io = io;
    this.operands = parsed.positionals;
    this.#values = parsed.values;
    if (!this.flag("help")) checkOperands(command, this.operands);
  }

  /** Tells whether an option without a value was given. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The value of an option. */
  text(name: string): string | undefined {
    return this.#values[name] as string | undefined;
  }

  /** The values of an option that may be given several times. */
  texts(name: string): readonly string[] {
    return (this.#values[name] as readonly string[] | undefined) ?? [];
  }

  /** The value of an option that is a whole number. */
  count(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : wholeNumber(`--${name}`, text);
  }

  /**
   * For how long the opening of the store waits, and what ends that early.
   *
   * @throws {UsageError} `--wait` is no number of seconds.
   */
  waiting(): { readonly waitMs: number; readonly signal?: AbortSignal } {
    const text = this.text("wait") ?? "0", seconds = Number(text);
    if (!/^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) || seconds > MAX_WAIT) {
      const wanted = `a number of seconds up to ${MAX_WAIT}`;
      throw new UsageError(`--wait must be ${wanted}, got ${JSON.stringify(text)}`);
    }
    return { waitMs: Math.round(1000 * seconds), signal: this.io.signal };
  }

  /** Prints a line of the result. A reader that has gone changes no exit code. */
  async print(line: string): Promise<void> {
    await printLine(this.io.stdout, line);
  }

  /** Prints the result as JSON. */
  async printJson(value: unknown): Promise<void> {
    await this.print(jsonOf(value));
  }

  /**
   * Asks a person at the terminal.
   *
   * @param question The question; yes or no answers it.
   * @returns True if the answer was yes; `undefined` where nobody can be asked.
   */
  async confirm(question: string): Promise<boolean | undefined> {
    const { stdin, stderr, interactive } = this.io;
    if (!interactive) return undefined;
    await stderr.write(`${PROGRAM}: ${printable(question)} [y/N] `);
    const decoder = new TextDecoder();
    let answer = "";
    for await (const chunk of stdin) {
      answer += decoder.decode(chunk, { stream: true });
      if (answer.includes("\n")) break;
    }
    return /^\s*y(?:es)?\s*$/i.test(answer.split("\n")[0]);
  }

  /** Prints a message that is not part of the result, such as the reason of a failure. */
  async warn(message: string): Promise<void> {
    const { stderr } = this.io;
    // Where a progress bar may stand.
    const start = stderr.styled ? "\r\x1b[K" : "";
    await stderr.write(`${start}${PROGRAM}: ${printable(message)}\n`);
  }

  /** Shows a progress bar during long work. */
  async withProgress<T>(total: number, work: (bar: Progress) => Promise<T>): Promise<T> {
    const bar = new Progress(this.io.stderr, total);
    try {
      return await work(bar);
    } finally {
      bar.finish();
    }
  }
}

/**
 * Prints a line where nobody may read on.
 *
 * @param output Where it goes.
 * @param line The line.
 */
export async function printLine(output: CommandOutput, line: string): Promise<void> {
  try {
    await output.write(`${line}\n`);
  } catch (error) {
    if (!(error instanceof ClosedOutput)) throw error;
  }
}

/**
 * A value as JSON that every parser takes: half a surrogate pair, which metadata may hold, becomes
 * U+FFFD.
 *
 * @param value The value.
 */
export function jsonOf(value: unknown): string {
  // JSON.stringify escapes those halves and no others.
  return JSON.stringify(value).replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, "$1\\ufffd");
}

/** The fault of a command line, in one sentence. */
function explained(message: string, options: readonly string[]): string {
  const [, ambiguous] = message.match(/^Option '(?:-\w, )?(--[\w-]+).*' argument is ambiguous/) ??
    [];
  if (ambiguous !== undefined) {
    return `${ambiguous}: a value that begins with - is given as ${ambiguous}=-…`;
  }
  // What follows the first sentence is advice of several lines.
  const [sentence] = message.split(/\.(?:\s|$)|\n/);
  const [, unknown] = sentence.match(/^Unknown option '(.*)'/) ?? [];
  const known = options.map((name) => `--${name}`);
  return sentence + (unknown === undefined ? "" : suggestion(unknown, known));
}

/**
 * Reads a whole number.
 *
 * @param what Its name in the error.
 * @param text The digits.
 * @throws {UsageError} `text` is no whole number.
 */
export function wholeNumber(what: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`${what} must be a whole number, got ${JSON.stringify(text)}`);
}

/** Names of other programs, and the ones here. */
const SYNONYMS: Readonly<Record<string, string>> = {
  "-V": "--version",
  "-v": "--version",
  add: "put",
  cat: "get",
  cp: "backup",
  del: "rm",
  delete: "rm",
  dir: "ls",
  extract: "export",
  fsck: "check",
  help: "--help",
  info: "stat",
  list: "ls",
  read: "get",
  remove: "rm",
  set: "put",
  show: "stat",
  vacuum: "compact",
  verify: "check",
  version: "--version",
  write: "put",
};

/**
 * Names what was meant, as it ends a message: `: did you mean ls?`.
 *
 * @param given The name that is not known.
 * @param known The names that are.
 * @returns Nothing where no name is near.
 */
export function suggestion(given: string, known: readonly string[]): string {
  const synonym = Object.entries(SYNONYMS).find(([name]) => name === given)?.[1];
  let nearest = synonym !== undefined && known.includes(synonym) ? synonym : undefined;
  let least = Math.max(1, Math.floor(given.replace(/^-+/, "").length / 3)) + 1;
  if (nearest === undefined) {
    for (const name of known) {
      const distance = distanceOf(given.toLowerCase(), name.toLowerCase());
      if (distance < least) [nearest, least] = [name, distance];
    }
  }
  return nearest === undefined ? "" : `: did you mean ${nearest}?`;
}

/**
 * Letters to put in, leave out, replace, or exchange with the next one; one at most where a name
 * was not written out.
 */
function distanceOf(given: string, name: string): number {
  if (/^(?:--)?\w{2}/.test(given) && name.startsWith(given)) return given === name ? 0 : 1;
  let before: number[] = [], row = Array.from({ length: name.length + 1 }, (_, i) => i);
  for (let i = 1; i <= given.length; i++) {
    const next = [i];
    for (let j = 1; j <= name.length; j++) {
      const replaced = row[j - 1] + (given[i - 1] === name[j - 1] ? 0 : 1);
      next[j] = Math.min(replaced, row[j] + 1, next[j - 1] + 1);
      const isExchanged = i > 1 && j > 1 && given[i - 1] === name[j - 2] &&
        given[i - 2] === name[j - 1];
      if (isExchanged) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[name.length];
}

function checkOperands(command: Command, given: readonly string[]): void {
  const wanted = command.operands.split(" ");
  const least = wanted.filter((operand) => operand.startsWith("<")).length;
  const most = command.operands.endsWith("…") ? Infinity : wanted.length;
  if (given.length < least) throw new UsageError(`${wanted[given.length]} is missing`);
  if (given.length > most) {
    throw new UsageError(`unexpected argument ${JSON.stringify(given[most])}`);
  }
}

/** The line that says how a command is called. */
export function usageOf(command: Command): string {
  return `Usage: ${PROGRAM} ${command.name} ${command.operands} [options]`;
}

/** The help of one command. */
export function helpOf(command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON })
    .map(([name, { short, value, help }]) => {
      const names = `--${name}${short === undefined ? "" : `, -${short}`}`;
      return [value === undefined ? names : `${names} ${value}`, help] as const;
    });
  return [
    usageOf(command),
    [command.summary, ...command.details === undefined ? [] : [command.details]].join("\n\n"),
    `Options:\n${columns(options)}`,
    `Examples:\n${examples(command.examples)}`,
  ].join("\n\n");
}

/** The help of the program. */
export function helpOfAll(commands: readonly Command[]): string {
  return [
    `Usage: ${PROGRAM} <command> <store> … [options]`,
    "Keeps named blobs in one file, the store. The program is called offset-allocator, too.",
    `Commands:\n${
      columns(commands.map(({ name, operands, summary }) => [`${name} ${operands}`, summary]))
    }`,
    `Options:\n${
      columns([
        ["--help, -h", "show this help, or that of a command"],
        ["--version", "show the version"],
      ])
    }`,
    `Exit codes:\n${
      columns([
        ["0", "done"],
        ["1", "not found, or failed"],
        ["2", "called with arguments it does not take"],
        ["130", "interrupted"],
      ])
    }`,
    `Examples:\n${examples(commands.flatMap((command) => command.examples.slice(0, 1)))}`,
  ].join("\n\n");
}

function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

function examples(lines: Command["examples"]): string {
  return lines.map(([line, purpose]) => `  ${line}\n      ${purpose}`).join("\n");
}
