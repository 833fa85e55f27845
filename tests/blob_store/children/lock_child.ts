/**
 * Child processes that hold a lock, in the runtime the tests run in.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LockHolder } from "../../../src/blob_store/blob_store_errors.ts";

/** The module of a child that writes a note a little later. */
export const NOTE_WRITER: string = fileURLToPath(new URL("note_writer.ts", import.meta.url));

/** What came of the child's attempt. */
export interface Answer {
  readonly held?: true;
  /** The error as text. */
  readonly error?: string;
  /** Whom a StoreLockedError named; null for nobody. */
  readonly holder?: LockHolder | null;
}

/** A child that holds a lock, or failed to get it. */
export interface LockChild {
  readonly pid: number;
  readonly answer: Answer;
  /** What it wrote to its standard error so far. */
  readonly complaints: () => string;
  /** Has it release the lock and end. */
  readonly end: () => Promise<void>;
  /** Kills it, with no chance to clean up. */
  readonly kill: () => Promise<void>;
}

/** The module that a child runs. */
export const HOLDER: string = fileURLToPath(new URL("lock_holder.ts", import.meta.url));
/** The arguments of this runtime before a module. */
export const before: readonly string[] = "deno" in process.versions ? ["run", "-A", "--quiet"] : [];

/** Starts a process that takes the lock of `path`. */
export async function lockInChild(path: string, ...mode: string[]): Promise<LockChild> {
  const child = spawn(process.execPath, [...before, HOLDER, path, ...mode]);
  let complaints = "";
  child.stderr.on("data", (text) => complaints += text);
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    exited.then(() => Promise.reject(new Error(`The child ended: ${complaints}`))),
  ]);
  return {
    pid: child.pid!,
    answer: JSON.parse(line),
    complaints: () => complaints,
    end: () => stop(child, exited, () => child.stdin.end()),
    // Not child.kill(): on Deno it ends the standard input first, and the child with it.
    kill: () => stop(child, exited, () => process.kill(child.pid!, "SIGKILL")),
  };
}

async function stop(child: ChildProcess, exited: Promise<unknown>, act: () => void): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) act();
  await exited;
}
