/**
 * Files that exist as long as the tests of one test file run.
 *
 * @module
 */

import { afterAll } from "@std/testing/bdd";
import * as fs from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

let made: string | undefined;

/** Where the files are; made when it is asked for. Bun runs all test files in one process. */
export function folder(): string {
  return made ??= fs.mkdtempSync(join(tmpdir(), "suballoc-"));
}

const releases: (() => unknown)[] = [];

/** Closes and removes everything, after the tests of the file that calls it. */
export function removeAfterwards(): void {
  afterAll(async () => {
    for (const release of releases.splice(0)) await release();
    if (made !== undefined) fs.rmSync(made, { recursive: true });
    made = undefined;
  });
}

/** Has something closed in the end. */
export function closeAfterwards(release: () => unknown): void {
  releases.push(release);
}

let files = 0;

/** A path where nothing is. */
export function newPath(): string {
  return join(folder(), `${files++}`);
}

/** A new file of zeros. */
export function newFile(byteLength: number = 0): string {
  const path = newPath();
  fs.writeFileSync(path, "");
  fs.truncateSync(path, byteLength);
  return path;
}

/** A descriptor of a new file. */
export function newDescriptor(byteLength: number): number {
  const fd = fs.openSync(newFile(byteLength), "r+");
  closeAfterwards(() => fs.closeSync(fd));
  return fd;
}

/** A FileHandle of a new file. */
export async function newHandle(byteLength: number): Promise<FileHandle> {
  const handle = await open(newFile(byteLength), "r+");
  closeAfterwards(() => handle.close());
  return handle;
}
