/**
 * A file for each blob as a contestant.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Mode, OpenStore } from "./open_store.ts";
import type { Change } from "./work.ts";

export class FilePerBlob implements OpenStore {
  readonly #folder: string;
  readonly #fd: number;
  readonly #mode: Mode;

  constructor(folder: string, mode: Mode) {
    this.#folder = join(folder, "blobs");
    mkdirSync(this.#folder, { recursive: true });
    this.#fd = openSync(this.#folder, "r");
    this.#mode = mode;
  }

  commit(changes: readonly Change[]): void {
    const isBulk = this.#mode === "bulk";
    for (const { key, value } of changes) {
      const path = this.#path(key);
      if (value === undefined) rmSync(path);
      else if (isBulk) writeFileSync(path, value);
      else writeDurably(path, value);
    }
    // One sync of the file system costs far less than one of each file.
    if (isBulk && syncAll(this.#folder)) return;
    if (isBulk) this.#syncEach(changes);
    fsyncSync(this.#fd);
  }

  #syncEach(changes: readonly Change[]): void {
    for (const { key, value } of changes) {
      if (value === undefined) continue;
      const fd = openSync(this.#path(key), "r+");
      fsyncSync(fd);
      closeSync(fd);
    }
  }

  get(key: string): Uint8Array | undefined {
    return readFileSync(this.#path(key));
  }

  sum(keys: readonly string[]): number {
    let sum = 0;
    for (const key of keys) {
      const value = readFileSync(this.#path(key));
      sum += value.length + value[0];
    }
    return sum;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** All in one folder: the slash of a key is part of the name. */
  #path(key: string): string {
    return `${this.#folder}/${key.replace("/", "%2f")}`;
  }
}

function writeDurably(path: string, value: Uint8Array): void {
  const fd = openSync(path, "w");
  writeFileSync(fd, value);
  fsyncSync(fd);
  closeSync(fd);
}

/** Whether `sync` could flush the whole file system: that of GNU and of BusyBox can. */
function syncAll(folder: string): boolean {
  try {
    execFileSync("sync", ["-f", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
