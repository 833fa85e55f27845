/**
 * Giving a file its name, on Windows in spite of those who look at it.
 *
 * @module
 */

import { renameSync } from "node:fs";
import process from "node:process";
import { codeOf, sleepSync } from "./system.ts";

/** What Windows says while a virus scanner or an indexer has the file or its target open. */
const HELD = ["EPERM", "EACCES", "EBUSY"];
/** How long (ms) is waited between attempts, 1.3 s in all. */
const PAUSES = [10, 20, 40, 80, 150, 300, 700];

/** The system, as far as a rename needs it. */
export interface RenameSystem {
  /** Whether others can hold up a rename by having the file open. */
  readonly isWindows: boolean;
  /** Renames a file, and replaces what has that name. */
  rename(from: string, to: string): void;
  /** Holds up this thread for some milliseconds. */
  sleep(milliseconds: number): void;
}

/**
 * Renames a file, and replaces what has that name. On Windows it tries again for some 1.3 s where
 * somebody has one of them open.
 *
 * @throws What the system said at last.
 */
export function renameFile(from: string, to: string, system: RenameSystem = ofProcess()): void {
  for (let attempt = 0;; attempt++) {
    try {
      return system.rename(from, to);
    } catch (error) {
      const code = codeOf(error);
      const mayPass = system.isWindows && code !== undefined && HELD.includes(code);
      if (!mayPass || attempt === PAUSES.length) throw error;
      system.sleep(PAUSES[attempt]);
    }
  }
}

function ofProcess(): RenameSystem {
  return {
    isWindows: process.platform === "win32",
    rename: renameSync,
    sleep: sleepSync,
  };
}
