/**
 * Why the file of a lock cannot be opened: SQLite says no more than that it cannot.
 *
 * @module
 */

import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";

/** Throws unless this process has the right to use a path so, as `accessSync` does. */
export type Access = (path: string, mode: number) => void;

/** What SQLite says: SQLITE_CANTOPEN, SQLITE_READONLY. */
const UNOPENABLE = /unable to open database file|attempt to write a readonly database/;

/**
 * Which right is missing, or what is in the way; undefined where it is something else. The file is
 * not opened: to close it again would release the lock that another thread of the process has.
 *
 * @param lock The file of the lock.
 * @param message What SQLite said.
 * @param access Who is asked for rights.
 */
export function reasonOfLock(
  lock: string,
  message: string,
  access: Access = accessSync,
): string | undefined {
  if (!UNOPENABLE.test(message)) return undefined;
  const { R_OK, W_OK, X_OK } = constants, folder = dirname(lock);
  const found = statSync(lock, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile()) {
    return `its lock, ${lock}, is ${found.isDirectory() ? "a folder" : "not a file"}`;
  }
  try {
    if (found === undefined) access(folder, W_OK | X_OK);
    else access(lock, R_OK | W_OK);
    return undefined;
  } catch (error) {
    const { code, message: words } = error as { code?: string; message: string };
    if (code === undefined || words.includes("--allow-")) return undefined; // Deno may not look
    return found === undefined
      ? `its lock, ${lock}, cannot be made: no right to write in the folder ${folder} (${code})`
      : `its lock, ${lock}, cannot be used: no right to read and write it (${code})`;
  }
}
