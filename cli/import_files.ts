/**
 * The way into a store: from a folder, from an archive.
 *
 * @module
 */

import * as fs from "node:fs";
import { join } from "node:path";
import type { BatchOperation, BlobStore } from "../backends/blob_store/mod.ts";
import { toMetadata } from "./attributes.ts";
import { type Chunks, concat, counted, joined, peek } from "./chunks.ts";
import type { Invocation } from "./command.ts";
import { isSame, openFile, readOpenFile } from "./files.ts";
import type { Notices } from "./notices.ts";
import type { Progress } from "./progress.ts";
import { readTar, type TarEntry } from "./tar/read_tar.ts";
import { escapes } from "./safe_name.ts";

/** Larger files are streamed, smaller ones share a batch. */
const SMALL = 1_048_576; // = 2 ** 20
/** Files and bytes from which on a batch is written. */
const BATCH_FILES = 256, BATCH_BYTES = 2 ** 22;
/** Most bytes of a key. */
const KEY_BYTES = 1024;

/** Where an import writes to, and how. */
export interface ImportTarget {
  /** The store. */
  readonly store: BlobStore;
  /** What every key begins with. */
  readonly prefix: string;
  /** Whether times and permissions become metadata. */
  readonly attributes: boolean;
  /** Files that belong to the store itself. */
  readonly own: readonly fs.Stats[];
  /** What is left out is told here. */
  readonly notices: Notices;
  /** The bytes of files are counted here. */
  readonly bar: Progress;
  /** Ends the import early. */
  readonly signal: Invocation["io"]["signal"];
}

/** What an import wrote. */
export interface ImportReport {
  /** Blobs written. */
  readonly blobs: number;
  /** Bytes in them. */
  readonly bytes: number;
}

/**
 * Puts every file below a folder into a store. Links are not followed.
 *
 * @param folder The folder.
 * @param target The store, and how.
 */
export async function importFolder(folder: string, target: ImportTarget): Promise<ImportReport> {
  const { notices, own } = target;
  const loader = new Loader(target);
  for (const { name, kind } of walk(folder, "")) {
    if (kind !== "file") {
      if (kind instanceof Error) await notices.refuse(name, unreadable(name, kind));
      else await notices.skip(name, `it is a ${kind}`);
      continue;
    }
    const reason = escapes(name);
    if (reason !== undefined) {
      await notices.refuse(name, reason);
      continue;
    }
    const path = join(folder, name);
    let file;
    try {
      // Not even opened: to close it could release the lock on the store.
      if (own.some((stats) => isSame(stats, fs.lstatSync(path)))) {
        await notices.skip(name, "it belongs to the store");
        continue;
      }
      file = openFile(path);
    } catch (error) {
      await notices.refuse(name, unreadable(name, error as Error));
      continue;
    }
    try {
      const { size, mode, mtimeMs } = file.stats;
      if (!file.stats.isFile()) await notices.refuse(name, "it was exchanged");
      else await loader.add({ name, mode, mtime: mtimeMs / 1000 }, readOpenFile(file.fd, size));
    } finally {
      fs.closeSync(file.fd);
    }
  }
  return await loader.finish();
}

/**
 * Puts every file of an archive into a store. Links are reported, folders are not kept.
 *
 * @param chunks The bytes of the archive.
 * @param target The store, and how.
 */
export async function importTar(
  chunks: AsyncIterable<Uint8Array>,
  target: ImportTarget,
): Promise<ImportReport> {
  const { notices } = target;
  const loader = new Loader(target);
  for await (const entry of readTar(chunks)) {
    if (entry.type === "folder") continue;
    // An archive of a folder names its files from there: ./a/b.
    const name = entry.name.replace(/^(?:\.\/)+/, "");
    const reason = entry.wellNamed ? escapes(name) : "its name is not UTF-8";
    if (reason !== undefined) await notices.refuse(entry.name, reason);
    else if (entry.type === "file") await loader.add({ ...entry, name }, entry.body);
    else await omit(entry, notices);
  }
  return await loader.finish();
}

/** Tells of an entry that is no plain file. */
async function omit({ name, type }: TarEntry, notices: Notices): Promise<void> {
  // These were files with bytes of their own.
  if (type === "hard link" || type === "sparse file" || type === "unknown") {
    const kind = type === "unknown" ? "of an unknown kind" : `a ${type}`;
    await notices.refuse(name, `it is ${kind} (unpack the archive and import the folder)`);
  } else await notices.skip(name, `it is a ${type}`);
}

/** A name below a folder, what is there, or why that is not known. */
interface Found {
  readonly name: string;
  readonly kind: string | Error;
}

/** What is below a folder and is no folder. */
function* walk(root: string, folder: string): Generator<Found> {
  let entries;
  try {
    entries = fs.readdirSync(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (folder === "") throw error;
    return yield { name: folder, kind: error as Error };
  }
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    const name = folder + entry.name;
    if (entry.isDirectory()) yield* walk(root, `${name}/`);
    else yield { name, kind: entry.isFile() ? "file" : kindOf(join(root, name)) };
  }
}

/** What is there, apart from files and folders. Deno's entries of a folder do not say. */
function kindOf(path: string): string | Error {
  try {
    const stats = fs.lstatSync(path);
    if (stats.isSymbolicLink()) return "symbolic link";
    if (stats.isFIFO()) return "named pipe";
    return stats.isSocket() ? "socket" : "device";
  } catch (error) {
    return error as Error;
  }
}

/** Why a file cannot be read. */
function unreadable(name: string, error: Error): string {
  const { code } = error as { code?: string };
  if (code !== "ENOENT") return code ?? error.message;
  return name.includes("\ufffd") ? "its name is not UTF-8" : "it is gone";
}

/** Puts files into a store, small ones many at a time. */
class Loader {
  readonly #target: ImportTarget;
  #batch: BatchOperation[] = [];
  #batchBytes = 0;
  #blobs = 0;
  #bytes = 0;

  constructor(target: ImportTarget) {
    this.#target = target;
  }

  /** Puts a file, now or with the next ones. */
  async add(file: { name: string; mode: number; mtime: number }, chunks: Chunks): Promise<void> {
    const { store, prefix, attributes, notices, bar, signal } = this.#target;
    const key = prefix + file.name;
    if (encoder.encode(key).length > KEY_BYTES) {
      return await notices.refuse(file.name, `its key is longer than ${KEY_BYTES} bytes`);
    }
    signal?.throwIfAborted();
    const metadata = attributes ? toMetadata(file) : undefined;
    const bytes = counted(chunks, signal, (count) => {
      this.#bytes += count;
      bar.advance(count);
    });
    const peeked = await peek(bytes, SMALL + 1);
    if (peeked.rest === undefined) {
      const value = concat(peeked.head);
      this.#batch.push({ type: "put", key, value, metadata });
      this.#batchBytes += value.length;
      if (this.#batch.length === BATCH_FILES || this.#batchBytes >= BATCH_BYTES) {
        await this.#write();
      }
    } else {
      // A later file of the same name in an archive wins: the order is kept.
      await this.#write();
      await store.put(key, ReadableStream.from(joined(peeked)), { metadata });
      this.#blobs++;
    }
  }

  /** Writes what is left. */
  async finish(): Promise<ImportReport> {
    await this.#write();
    return { blobs: this.#blobs, bytes: this.#bytes };
  }

  async #write(): Promise<void> {
    if (this.#batch.length === 0) return;
    await this.#target.store.batch(this.#batch);
    this.#blobs += this.#batch.length;
    this.#batch = [];
    this.#batchBytes = 0;
  }
}

const encoder = new TextEncoder();
