/**
 * The way out of a store: into a folder, into an archive.
 *
 * @module
 */

import process from "node:process";
import {
  BlobChangedError,
  type BlobInfo,
  type BlobStore,
  CorruptBlobError,
} from "../backends/blob_store/mod.ts";
import { fromMetadata } from "./attributes.ts";
import { type Chunks, counted } from "./chunks.ts";
import type { Invocation } from "./command.ts";
import type { Notices } from "./notices.ts";
import type { Progress } from "./progress.ts";
import { Refusal, type SafeFolder } from "./safe_folder.ts";
import { escapes, parents, unportable } from "./safe_name.ts";
import { type TarFile, writeTar } from "./tar/write_tar.ts";
import { Turns } from "./turns.ts";

/** Larger blobs are streamed. */
const SMALL = 1_048_576; // = 2 ** 20

/** Where an export reads from, and how. */
export interface ExportSource {
  /** The store. */
  readonly store: BlobStore;
  /** Which keys are exported; it is taken off them. */
  readonly prefix: string;
  /** True if names are refused that Windows cannot hold. */
  readonly portable: boolean;
  /** True if the names are those of files on this system. */
  readonly intoFolder: boolean;
  /** Told of each thing left out. */
  readonly notices: Notices;
  /** The bytes of blobs are counted here. */
  readonly bar: Progress;
  /** Ends the export early. */
  readonly signal: Invocation["io"]["signal"];
}

/** Result of an export. */
export interface ExportReport {
  /** Blobs written. */
  blobs: number;
  /** Bytes in them. */
  bytes: number;
}

/**
 * Writes blobs as files of a folder.
 *
 * @param source The store, and what of it.
 * @param folder The folder.
 */
export async function exportFolder(
  source: ExportSource,
  folder: SafeFolder,
): Promise<ExportReport> {
  const report = { blobs: 0, bytes: 0 };
  for await (const { name, info, body } of exported(source)) {
    try {
      await folder.write(name, body, fromMetadata(info.metadata));
      report.blobs++;
      report.bytes += info.size;
    } catch (error) {
      await leaveOut(source, info, error);
    }
  }
  return report;
}

/**
 * Writes blobs as an archive.
 *
 * @param source The store, and what of it.
 * @param report Counts what was written.
 * @returns The bytes of the archive.
 */
export function exportTar(source: ExportSource, report: ExportReport): AsyncGenerator<Uint8Array> {
  return writeTar(entries(source, report));
}

async function* entries(source: ExportSource, report: ExportReport): AsyncGenerator<TarFile> {
  for await (const { name, info, body } of exported(source)) {
    let pieces: Chunks = body, { size } = info;
    if (size <= SMALL) {
      // Read first: once its header is written a blob can no longer be left out.
      try {
        const read = await collect(body);
        size = read.reduce((sum, { length }) => sum + length, 0); // it may be another one by now
        pieces = read;
      } catch (error) {
        await leaveOut(source, info, error);
        continue;
      }
    }
    const { mode = 0o644, mtime = info.time.getTime() / 1000 } = fromMetadata(info.metadata);
    yield { name, size, mode, mtime, body: pieces };
    report.blobs++;
    report.bytes += size;
  }
}

/** The message for one blob; the others are worth having. */
const OF_ONE_BLOB = [Refusal, CorruptBlobError, BlobChangedError];

/** Goes on without a blob. Other faults are thrown. */
async function leaveOut({ notices }: ExportSource, { key }: BlobInfo, error: unknown) {
  if (!(error instanceof Error && OF_ONE_BLOB.some((kind) => error instanceof kind))) throw error;
  await notices.refuse(key, error.message);
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of chunks) pieces.push(piece);
  return pieces;
}

/** A blob on its way out. */
interface Exported {
  readonly name: string;
  readonly info: BlobInfo;
  readonly body: AsyncGenerator<Uint8Array>;
}

/** The blobs whose keys can be names of files. */
async function* exported(source: ExportSource): AsyncGenerator<Exported> {
  const { store, prefix, notices, bar, signal } = source;
  const turns = new Turns();
  for await (const info of store.list({ prefix })) {
    await turns.after(0);
    signal?.throwIfAborted();
    const name = info.key.slice(prefix.length);
    const reason = unwanted(source, name) ?? await ambiguous(source, name);
    if (reason !== undefined) await notices.refuse(info.key, reason);
    else {
      const body = counted(bytesOf(store, info), signal, (count) => bar.advance(count), turns);
      yield { name, info, body };
    }
  }
}

/** Why a name is not exported: it leads elsewhere, or Windows cannot hold it. */
function unwanted({ portable, intoFolder }: ExportSource, name: string): string | undefined {
  const onWindows = intoFolder && process.platform === "win32";
  return escapes(name, onWindows) ?? (portable || onWindows ? unportable(name) : undefined);
}

/** A name cannot be that of a file and of a folder. */
async function ambiguous(
  { store, prefix }: ExportSource,
  name: string,
): Promise<string | undefined> {
  for (const folder of parents(name)) {
    if (await store.has(prefix + folder)) return `${JSON.stringify(folder)} is a blob, too`;
  }
  return undefined;
}

async function* bytesOf(store: BlobStore, { key, size }: BlobInfo): AsyncGenerator<Uint8Array> {
  const whole = size <= SMALL ? await store.get(key) : undefined;
  const chunks = whole === undefined ? await store.stream(key) : [whole];
  if (chunks === undefined) throw new Refusal("it was deleted during the export");
  yield* chunks;
}
