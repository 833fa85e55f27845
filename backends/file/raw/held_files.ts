/**
 * Calls on files that Windows refuses while somebody looks at them.
 *
 * @module
 */

import { renameSync, rmSync } from "node:fs";
import process from "node:process";
import { codeOf, sleepSync } from "./system.ts";

/**
 * Error codes of Windows while a virus scanner or an indexer has a file open, and of a name that
 * goes once the last who has it open closes it.
 */
const HELD = ["EPERM", "EACCES", "EBUSY"];
/** How long (ms) is waited between attempts, 1.3 s in all. */
const PAUSES = [10, 20, 40, 80, 150, 300, 700];

/** The system, as far as files that are held need it. */
export interface HeldSystem {
  /** True if others can hold up a call by having the file open. */
  readonly isWindows: boolean;
  /** Holds up this thread for some milliseconds. */
  sleep(milliseconds: number): void;
}

/**
 * Makes a call on files. On Windows it tries again for some 1.3 s where somebody has one of them
 * open.
 *
 * @returns The result of the call.
 * @throws The last error of the system.
 */
export function whileHeld<T>(call: () => T, system: HeldSystem = ofProcess()): T {
  for (let attempt = 0;; attempt++) {
    try {
      return call();
    } catch (error) {
      const code = codeOf(error);
      const mayPass = system.isWindows && code !== undefined && HELD.includes(code);
      if (!mayPass || attempt === PAUSES.length) throw error;
      system.sleep(PAUSES[attempt]);
    }
  }
}

/** Renames a file, and replaces what has that name; as {@linkcode whileHeld}. */
export function renameFile(from: string, to: string): void {
  whileHeld(() => renameSync(from, to));
}

/**
 * Removes a file that is of no use after a failure, which is told and not that of the removal. A
 * file that cannot be removed stays.
 */
export function discardFile(path: string): void {
  try {
    whileHeld(() => rmSync(path, { force: true }));
  } catch {
    // What went wrong first is what matters.
  }
}

function ofProcess(): HeldSystem {
  return { isWindows: process.platform === "win32", sleep: sleepSync };
}
