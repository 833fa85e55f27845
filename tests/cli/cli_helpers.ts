/**
 * Running the command: within the test, or as a process of its own.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { type CommandOutput, main } from "../../cli/mod.ts";
import { concat } from "../../cli/chunks.ts";
import { newPath } from "../support/temporary_files.ts";

/** What a command did. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly bytes: Uint8Array;
  readonly stderr: string;
}

/** What a command runs in. */
export interface Surroundings {
  readonly stdin?: Iterable<Uint8Array> | AsyncIterable<Uint8Array> | string;
  /** Columns of the terminal; by default there is none. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** Whether a person answers. */
  readonly interactive?: boolean;
  /** Bytes of standard output that are read before its reader goes. */
  readonly readsUpTo?: number;
}

/** Runs the command in this process. */
export async function run(
  args: readonly string[],
  { stdin = [], columns, signal, interactive, readsUpTo }: Surroundings = {},
): Promise<Outcome> {
  const [stdout, out] = collector(columns, readsUpTo), [stderr, err] = collector(columns);
  const input = typeof stdin === "string" ? [new TextEncoder().encode(stdin)] : stdin;
  async function* chunks() {
    yield* input;
  }
  const code = await main(args, { stdin: chunks(), stdout, stderr, signal, interactive });
  const text = (parts: Uint8Array[]) => new TextDecoder().decode(concat(parts));
  return { code, stdout: text(out), bytes: concat(out), stderr: text(err) };
}

/** Runs the command and expects it to succeed without a word on standard error. */
export async function succeed(
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Outcome> {
  const outcome = await run(args, surroundings);
  assertEquals([outcome.code, outcome.stderr], [0, ""], args.join(" "));
  return outcome;
}

function collector(
  columns: number | undefined,
  readsUpTo = Infinity,
): [output: CommandOutput, parts: Uint8Array[]] {
  const parts: Uint8Array[] = [];
  const write = (data: string | Uint8Array) => {
    if (parts.reduce((sum, { length }) => sum + length, 0) >= readsUpTo) {
      throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    }
    // A copy: the buffer may be used again.
    parts.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
  };
  return [{ columns, styled: columns !== undefined, write }, parts];
}

/** The command line that runs the command on this runtime. */
export const CLI: readonly string[] = [
  process.execPath,
  ...process.versions.deno === undefined
    ? [fileURLToPath(new URL("./run_command.ts", import.meta.url))]
    : ["run", "-A", fileURLToPath(new URL("../../cli/mod.ts", import.meta.url))],
];

/** Runs the command as a process. */
export function spawn(args: readonly string[], input?: Uint8Array): Outcome {
  const [program, ...rest] = CLI;
  const { status, stdout, stderr } = spawnSync(program, [...rest, ...args], {
    input,
    maxBuffer: 2 ** 27,
  });
  return {
    code: status,
    stdout: String(stdout),
    bytes: new Uint8Array(stdout),
    stderr: String(stderr),
  };
}

/** A new store with the blobs that are named, each holding its own name. */
export async function storeOf(...keys: string[]): Promise<string> {
  const path = newPath();
  const store = await BlobStore.open(path, { create: true, durability: "none" });
  for (const key of keys) await store.put(key, key);
  await store.close();
  return path;
}
