/**
 * Whether tests can make symbolic links. Windows lets who has that right, and Wine 8 says that it
 * made one and makes none.
 *
 * @module
 */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let known: boolean | undefined;

/** Whether this system makes a symbolic link where it says so. */
export function canLink(): boolean {
  return known ??= tryLink();
}

/** The name of a test that needs symbolic links. */
export function withLinks(name: string): { name: string; ignore: boolean } {
  const ignore = !canLink();
  return { name: ignore ? `${name} (skipped: no symbolic links can be made)` : name, ignore };
}

function tryLink(): boolean {
  const folder = fs.mkdtempSync(join(tmpdir(), "suballoc-link-")), link = join(folder, "link");
  try {
    fs.symlinkSync("target", link);
    return fs.lstatSync(link).isSymbolicLink();
  } catch {
    return false;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
