/**
 * Work in a process of its own, on the same runtime.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What the process is to do: see `fresh_process_main.ts`. */
export interface Task {
  /** Opens a store and closes it, or opens it, writes and is killed. */
  readonly action: "open" | "crash";
  readonly contestant: string;
  readonly folder: string;
  readonly addons?: string;
  /** Got once the store is open. */
  readonly key: string;
  /** Of the blobs that are written before the crash. */
  readonly spread?: string;
  readonly count?: number;
  readonly write?: number;
  /** The first round fills an empty store. */
  readonly round?: number;
}

/** What it found. */
export interface TaskReport {
  /** To open the store and get one blob. */
  readonly ms: number;
  readonly indexBytes?: number;
  /** By how much the memory grew, as the runtime has it. */
  readonly heapBytes?: number;
}

/** The runtime with the arguments that let it run a script with a collector to call. */
export function thisRuntime(): string[] {
  const { execPath, versions } = process;
  if (versions.deno) return [execPath, "run", "-A", "--v8-flags=--expose-gc"];
  return versions.bun ? [execPath] : [execPath, "--expose-gc"];
}

/** The report of a process that does a task. */
export function inFreshProcess(task: Task): TaskReport {
  const script = fileURLToPath(new URL("fresh_process_main.ts", import.meta.url));
  const [command, ...args] = [...thisRuntime(), script, JSON.stringify(task)];
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  const isExpected = task.action === "crash" ? signal === "SIGKILL" : status === 0;
  if (isExpected && stdout !== "") return JSON.parse(stdout);
  const outcome = signal ?? `status ${status}`;
  throw new Error(`${task.action} of ${task.contestant} ended with ${outcome}:\n${stderr}`);
}
