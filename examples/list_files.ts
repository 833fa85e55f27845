/**
 * The files below a folder, and remarks about those that could not be taken as they
 * are: nothing is left out silently.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { formatCount, printable } from "./terminal.ts";

/** A file in the folder, and its size when it was found. */
export interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** Folders full of what other tools made. */
const FOREIGN = [".git", "node_modules"];

/** The files below a folder in the order of their names; what is left out becomes a remark. */
export function listFiles(folder: string, all: boolean, remarks: Remarks): FoundFile[] {
  const files: FoundFile[] = [];
  const visit = (path: string) => {
    try {
      const stat = lstatSync(path);
      if (stat.isFile()) files.push({ path, size: stat.size });
      else if (stat.isSymbolicLink()) remarks.add("skipped (symbolic link)", path);
      else if (!stat.isDirectory()) remarks.add("skipped (neither file nor folder)", path);
      else if (!all && path !== folder && FOREIGN.includes(basename(path))) {
        remarks.add("skipped (--all packs it too)", path);
      } else for (const name of readdirSync(path).sort()) visit(join(path, name));
    } catch (error) {
      remarks.add(`skipped (${refusal(error)})`, path);
    }
  };
  visit(folder);
  return files;
}

/** What there is to say about single files, gathered, as it may concern many. */
export class Remarks {
  readonly #folder: string;
  readonly #paths = new Map<string, string[]>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What a path is called in the output. */
  nameOf(path: string): string {
    return printable(relative(this.#folder, path) || path);
  }

  add(remark: string, path: string): void {
    const paths = this.#paths.get(remark);
    if (paths === undefined) this.#paths.set(remark, [path]);
    else paths.push(path);
  }

  /** Prints one line per remark and forgets them. */
  print(): void {
    for (const [remark, paths] of this.#paths) {
      const names = paths.slice(0, 3).map((path) => this.nameOf(path));
      if (paths.length > 3) names.push("...");
      console.log(`  ${formatCount(paths.length)} ${remark}: ${names.join(", ")}`);
    }
    this.#paths.clear();
  }
}

/** What the system says of a file it refuses; any other error is thrown on. */
export function refusal(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) throw error;
  // As in "EACCES: permission denied, open 'secret.txt'".
  return /^E[A-Z0-9]+: ([^,]+)/.exec(messageOf(error))?.[1] ?? code;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
