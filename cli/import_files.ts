/**
 * The way into a store: from a folder, from an archive.
 *
 * @module
 */

import * as fs from "node:fs";
import { basename, join } from "node:path";
import { CompressionError } from "./compression.ts";
import { naming } from "./errors.ts";
import { idOf, isSame, isTemporary, type OpenFile, openFile, readOpenFile } from "./files.ts";
import { type ImportReport, type ImportTarget, Loader } from "./loader.ts";
import { normalised } from "./safe_name.ts";
import { readTar, type TarEntry, TarError } from "./tar/read_tar.ts";
import { unreadable, walk } from "./walk_folder.ts";

/**
 * Puts every file below a folder into a store. Links are not followed.
 *
 * @param folder The folder.
 * @param target The store, and how.
 */
export async function importFolder(folder: string, target: ImportTarget): Promise<ImportReport> {
  const { notices, turns, signal } = target;
  const loader = new Loader(target);
  const entries = walk(folder, target.isExcluded);
  for (;;) {
    await turns.after(0);
    signal?.throwIfAborted();
    const { done, value } = naming("read", folder, () => entries.next());
    if (done) return await loader.finish();
    const { name, kind } = value;
    if (kind instanceof Error) await notices.refuse(name, unreadable(kind));
    else if (kind !== "file") await notices.skip(name, `it is a ${kind}`);
    else if (isTemporary(basename(name))) await notices.skip(name, "a killed command left it");
    else {
      const key = await loader.keyOf(name);
      if (key !== undefined) await importFile(join(folder, name), name, key, loader, target);
    }
  }
}

/** Puts one file of a folder. */
async function importFile(
  path: string,
  name: string,
  key: string,
  loader: Loader,
  { notices, own }: ImportTarget,
): Promise<void> {
  let file: OpenFile;
  try {
    // Not even opened: to close it could release the lock on the store.
    const id = idOf(path);
    if (id !== undefined && own.some((other) => isSame(other, id))) {
      return await notices.skip(name, "it belongs to the store");
    }
    file = openFile(path);
  } catch (error) {
    return await notices.refuse(name, unreadable(error as Error));
  }
  let failure: Error | undefined, grew = false;
  function* bytes(size: number) {
    try {
      yield* readOpenFile(file.fd, size, () => grew = true);
    } catch (error) {
      failure = error as Error;
      throw error;
    }
  }
  try {
    const { size, mode, mtimeMs } = file.stats;
    if (!file.stats.isFile()) return await notices.refuse(name, "it was exchanged");
    await loader.add({ key, name, size, mode, mtime: mtimeMs / 1000 }, bytes(size));
    if (grew) await notices.note(name, `it grew: put as it was when it was opened`);
  } catch (error) {
    if (failure === undefined) throw error;
    await notices.refuse(name, unreadable(failure));
  } finally {
    fs.closeSync(file.fd);
  }
}

/** An archive cannot be read to its end. */
export class ArchiveError extends Error {
  /** The name of the class. */
  override readonly name: string = "ArchiveError";
  /** Figures of the files put before that. */
  readonly report: ImportReport;

  /**
   * Makes the error.
   *
   * @param reason The fault, as it reads after a colon.
   * @param report Figures of the files put before that.
   * @param cause Where it was met.
   */
  constructor(reason: string, report: ImportReport, cause: Error) {
    super(reason, { cause });
    this.report = report;
  }
}

/**
 * Puts every file of an archive into a store. Symbolic links are reported, folders are not kept; a
 * hard link becomes a copy.
 *
 * @param chunks The bytes of the archive.
 * @param target The store, and how.
 * @throws {ArchiveError} The archive is damaged; what was read whole before that was put.
 */
export async function importTar(
  chunks: AsyncIterable<Uint8Array>,
  target: ImportTarget,
): Promise<ImportReport> {
  const loader = new Loader(target);
  try {
    for await (const entry of readTar(chunks)) {
      await target.turns.after(0);
      target.signal?.throwIfAborted();
      await importEntry(entry, loader, target);
    }
  } catch (error) {
    if (!(error instanceof TarError || error instanceof CompressionError)) throw error;
    throw new ArchiveError(error.reason, await loader.finish(), error);
  }
  return await loader.finish();
}

async function importEntry(entry: TarEntry, loader: Loader, target: ImportTarget): Promise<void> {
  const { notices } = target, { type } = entry;
  if (type === "folder") return;
  if (!entry.wellNamed) return await notices.refuse(entry.name, "its name is not UTF-8");
  const name = normalised(entry.name);
  if (target.isExcluded(name)) return;
  const key = await loader.keyOf(name, entry.name);
  if (key === undefined) return;
  if (type === "file") return await loader.add({ ...entry, name, key }, entry.body);
  if (type === "hard link" && entry.linkName !== undefined) {
    const from = normalised(entry.linkName);
    if (await loader.copy({ ...entry, name, key }, from)) return;
    return await notices.refuse(
      name,
      `it is a hard link to ${JSON.stringify(from)}, not put before`,
    );
  }
  // These were files with bytes of their own.
  if (type === "hard link" || type === "sparse file" || type === "unknown") {
    const kind = type === "unknown" ? "of an unknown kind" : `a ${type}`;
    await notices.refuse(name, `it is ${kind} (unpack the archive and import the folder)`);
  } else await notices.skip(name, `it is a ${type}`);
}
