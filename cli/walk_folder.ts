/**
 * The files below a folder.
 *
 * @module
 */

import * as fs from "node:fs";
import { join } from "node:path";
import { isNotPermitted } from "./errors.ts";

/** A name below a folder, what is there, or why that is not known. */
export interface Found {
  /** The path from the folder, with `/`. */
  readonly name: string;
  /** `"file"`, another kind, or why it cannot be read. */
  readonly kind: string | Error;
}

/**
 * The character of a system for bytes in a name that are no UTF-8; a name may also hold it rightly.
 */
const REPLACEMENT = "\ufffd";

/**
 * Finds what is below a folder and is no folder, in order. Links are not followed.
 *
 * @param root The folder.
 * @param isExcluded True if a path is left out, with what is below it.
 */
export function walk(root: string, isExcluded: (name: string) => boolean): Generator<Found> {
  return below(root, "", isExcluded);
}

function* below(
  root: string,
  folder: string,
  isExcluded: (name: string) => boolean,
): Generator<Found> {
  let entries;
  try {
    entries = fs.readdirSync(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (folder === "") throw error;
    return yield { name: folder, kind: error as Error };
  }
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  let before: string | undefined;
  for (const entry of entries) {
    const name = folder + entry.name;
    if (isExcluded(name)) continue;
    let kind: string | Error = entry.isFile() ? "file" : "folder";
    if (entry.name.includes(REPLACEMENT)) {
      // Of names that read alike one at most is written like that. It alone can be opened.
      kind = entry.name === before ? notUtf8() : kindOf(join(root, name));
    } else if (kind !== "file" && !entry.isDirectory()) kind = kindOf(join(root, name));
    before = entry.name;
    if (kind === "folder") yield* below(root, `${name}/`, isExcluded);
    else yield { name, kind };
  }
}

function notUtf8(): Error {
  return new Error("its name is not UTF-8");
}

/** The kind of an entry. Deno's entries of a folder do not say of all kinds. */
function kindOf(path: string): string | Error {
  try {
    const stats = fs.lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) {
      return path.includes(REPLACEMENT) ? notUtf8() : new Error("it is gone");
    }
    if (stats.isFile()) return "file";
    if (stats.isDirectory()) return "folder";
    if (stats.isSymbolicLink()) return "symbolic link";
    if (stats.isFIFO()) return "named pipe";
    return stats.isSocket() ? "socket" : "device";
  } catch (error) {
    return error as Error;
  }
}

/**
 * Why a file cannot be read, as it reads after a colon.
 *
 * @param error The error of the system.
 */
export function unreadable(error: Error): string {
  if (isNotPermitted(error)) return error.message;
  const { code } = error as { code?: string };
  return code === "ENOENT" ? "it is gone" : code ?? error.message;
}
