/**
 * What takes part: the blob store and its peers, behind the same few methods.
 *
 * A commit is durable when it returns, whoever makes it: the changes are in the file and
 * the file was flushed. What else each promises differs a little. The blob store, SQLite,
 * lmdb and LevelDB survive a power loss in the middle with a state they once were in; a
 * file each can be left half written. Only the blob store checks what it reads.
 *
 * @module
 */

import process from "node:process";
import { FilePerBlob } from "./file_per_blob.ts";
import { classicLevel, lmdb } from "./native_peers.ts";
import { OurStore } from "./our_store.ts";
import { sqlite } from "./sqlite.ts";
import type { Mode, OpenStore } from "./open_store.ts";

/** One column of the comparison. */
export interface Contestant {
  readonly name: string;
  /** Opens its store in a folder, or makes one there. */
  readonly open: (folder: string, mode: Mode) => OpenStore | Promise<OpenStore>;
}

/** The name of the blob store's column. */
export const OURS = "blob store";
/** The name of the column of {@linkcode FilePerBlob}. */
export const FILES = "a file each";

/** How each makes a commit durable. */
export const SETUPS: Readonly<Record<string, string>> = {
  [OURS]: "puts made together; in bulk 256 together, durability none, then a flush",
  "sqlite": "one transaction; WAL, synchronous FULL",
  [FILES]: "write and fsync each (a tenth of them), then the folder; in bulk one sync for all",
  "lmdb": "one transaction, synced",
  "classic-level": "one batch, sync; no compression",
};

/**
 * Those that run here, the blob store first, with their code loaded.
 *
 * @param addons Where the native addons were installed: they need Node.
 */
export async function contestants(addons?: string): Promise<Contestant[]> {
  const everywhere: Contestant[] = [
    { name: OURS, open: (folder, mode) => OurStore.open(folder, mode) },
    { name: "sqlite", open: await sqlite() },
    { name: FILES, open: (folder, mode) => new FilePerBlob(folder, mode) },
  ];
  if (addons === undefined || process.versions.deno || process.versions.bun) return everywhere;
  return [
    ...everywhere,
    { name: "lmdb", open: lmdb(addons) },
    { name: "classic-level", open: classicLevel(addons) },
  ];
}
