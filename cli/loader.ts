/**
 * Puts files into a store under keys made of their names, small ones many at a time.
 *
 * @module
 */

import type { BatchOperation, BlobStore, Metadata } from "../backends/blob_store/mod.ts";
import { isTime, toMetadata } from "./attributes.ts";
import { type Chunks, concat, counted, joined, peek } from "./chunks.ts";
import type { Invocation } from "./command.ts";
import type { FileId } from "./files.ts";
import { quoted } from "./format.ts";
import type { Notices } from "./notices.ts";
import type { Progress } from "./progress.ts";
import { escapes, unportable } from "./safe_name.ts";
import type { Turns } from "./turns.ts";

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
  /** Prefix of every key. */
  readonly prefix: string;
  /** Leading folders that are taken off each name. */
  readonly strip: number;
  /** True if a name is left out. */
  readonly isExcluded: (name: string) => boolean;
  /** True if names are refused that Windows cannot hold. */
  readonly portable: boolean;
  /** True if times and permissions become metadata. */
  readonly attributes: boolean;
  /** True if a file whose size and metadata are those of its blob is left as it is. */
  readonly update: boolean;
  /** Files that belong to the store itself. */
  readonly own: readonly FileId[];
  /** Told of each thing left out. */
  readonly notices: Notices;
  /** The bytes of files are counted here. */
  readonly bar: Progress;
  /** Counts the work. */
  readonly turns: Turns;
  /** Ends the import early. */
  readonly signal: Invocation["io"]["signal"];
}

/** Result of an import. */
export interface ImportReport {
  /** Blobs written. */
  readonly blobs: number;
  /** Bytes in them. */
  readonly bytes: number;
  /** Files that were there already. */
  readonly unchanged: number;
}

/** A file that is put. */
export interface ImportFile {
  /** Its name, for messages. */
  readonly name: string;
  /** The key of its blob, made by {@linkcode Loader.keyOf}. */
  readonly key: string;
  /** Bytes it is said to have. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it was changed, in seconds since 1970. */
  readonly mtime: number;
}

/** Puts files into a store. */
export class Loader {
  readonly #target: ImportTarget;
  /** The names of what was put or left as it was, by key. */
  readonly #names = new Map<string, string>();
  #batch: (BatchOperation & { type: "put"; value: Uint8Array })[] = [];
  #batchBytes = 0;
  #blobs = 0;
  #bytes = 0;
  #unchanged = 0;

  /**
   * Begins with nothing.
   *
   * @param target The store, and how.
   */
  constructor(target: ImportTarget) {
    this.#target = target;
  }

  /**
   * The key of a file.
   *
   * @param name Its name, with `/` between folders.
   * @param shown The name for messages.
   * @returns `undefined` where the file is left out, which is told.
   */
  async keyOf(name: string, shown: string = name): Promise<string | undefined> {
    const { portable, notices, strip } = this.#target;
    // A key is no path: what Windows minds is minded by an export into a folder there.
    const reason = escapes(name, false) ?? (portable ? unportable(name) : undefined);
    if (reason !== undefined) return void await notices.refuse(shown, reason);
    const key = this.#plainKeyOf(name);
    if (key === undefined) {
      return void await notices.skip(shown, `it has no more than ${strip} components`);
    }
    if (encoder.encode(key).length > KEY_BYTES) {
      return void await notices.refuse(shown, `its key is longer than ${KEY_BYTES} bytes`);
    }
    // The same name twice in an archive is a newer version; without its folders it may be another.
    const other = this.#names.get(key) ?? name;
    if (other !== name) {
      return void await notices.refuse(shown, `its key is that of ${quoted(other)}`);
    }
    return key;
  }

  #plainKeyOf(name: string): string | undefined {
    const { prefix, strip } = this.#target;
    const rest = strip === 0 ? name : name.split("/").slice(strip).join("/");
    return rest === "" ? undefined : prefix + rest;
  }

  /**
   * Puts a file, now or with the next ones.
   *
   * @param file The file.
   * @param chunks Its bytes.
   */
  async add(file: ImportFile, chunks: Chunks): Promise<void> {
    const { store, bar, turns, signal } = this.#target;
    const { key, name } = file;
    const metadata = await this.#metadataOf(file);
    if (await this.#isUnchanged(file, metadata)) return;
    let size = 0;
    const bytes = counted(chunks, signal, (count) => {
      size += count;
      bar.advance(count);
    }, turns);
    const peeked = await peek(bytes, SMALL + 1);
    if (peeked.rest === undefined) {
      this.#batch.push({ type: "put", key, value: concat(peeked.head), metadata });
      this.#batchBytes += size;
      if (this.#batch.length === BATCH_FILES || this.#batchBytes >= BATCH_BYTES) {
        await this.#write();
      }
    } else {
      // A later file of the same name in an archive wins: the order is kept.
      await this.#write();
      await store.put(key, joined(peeked), { metadata });
      this.#blobs++;
      this.#bytes += size;
    }
    this.#names.set(key, name);
  }

  /**
   * Puts the bytes of a file that was put before once more.
   *
   * @param file The file; its size is that of the other one.
   * @param from The name of the other one.
   * @returns True if that was put before.
   */
  async copy(file: ImportFile, from: string): Promise<boolean> {
    const { store } = this.#target, source = this.#plainKeyOf(from);
    if (source === undefined || this.#names.get(source) !== from) return false;
    if (source === file.key) return true;
    const waiting = this.#batch.filter(({ key }) => key === source).at(-1)?.value;
    const info = waiting === undefined ? await store.stat(source) : { size: waiting.length };
    if (info === undefined) return false;
    const blob = waiting === undefined ? (await store.stream(source))! : [waiting];
    await this.add({ ...file, size: info.size }, blob);
    return true;
  }

  /** Writes what is left. */
  async finish(): Promise<ImportReport> {
    await this.#write();
    return { blobs: this.#blobs, bytes: this.#bytes, unchanged: this.#unchanged };
  }

  async #metadataOf(file: ImportFile): Promise<Metadata | undefined> {
    if (!this.#target.attributes) return undefined;
    if (!isTime(file.mtime)) {
      await this.#target.notices.note(file.name, "its time is out of range, and left out");
    }
    return toMetadata(file);
  }

  /**
   * Tells whether a file was put by an earlier import, as far as its size, time and permissions
   * tell.
   */
  async #isUnchanged(file: ImportFile, metadata: Metadata | undefined): Promise<boolean> {
    const { store, update } = this.#target, { key, name, size } = file;
    if (!update || !isTime(file.mtime) || this.#names.has(key)) return false;
    const info = await store.stat(key);
    if (info?.size !== size) return false;
    const { mode, mtime } = (info.metadata ?? {}) as { mode?: unknown; mtime?: unknown };
    const now = metadata as { mode?: unknown; mtime?: unknown };
    if (mode !== now.mode || mtime !== now.mtime) return false;
    this.#unchanged++;
    this.#names.set(key, name);
    return true;
  }

  async #write(): Promise<void> {
    if (this.#batch.length === 0) return;
    await this.#target.store.batch(this.#batch);
    this.#blobs += this.#batch.length;
    this.#bytes += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
  }
}

const encoder = new TextEncoder();
