/**
 * A blob store by path: its file, its lock, the checksum of the runtime.
 *
 * @module
 */

import { chmodSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as zlib from "node:zlib";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import {
  type BackupReport,
  blobCodecs,
  BlobStore as CoreStore,
  type BlobStoreOptions,
  type Crc32,
  type Metadata,
  type PieceCodec,
  type PieceCodecs,
  type ProgressOptions,
  type RuntimeHooks,
  StoreLockedError,
} from "../../src/blob_store/mod.ts";
import { checkInteger } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { type CancelSignal, checkSignal, MAX_TIMEOUT } from "../../src/util/wait_options.ts";
import { BlobFile } from "./blob_file.ts";
import type { Lock } from "./lock.ts";
import { isStore, makeFile, pathIn, publish, refusal } from "./new_file.ts";
import { waitForLock } from "./wait_for_lock.ts";
import { deviceNumber, isUsableDevice } from "../file/raw/block_device.ts";
import { nextTurn } from "../file/raw/cursor.ts";
import { messageOf } from "../file/raw/file_io.ts";
import { codeOf } from "../file/raw/system.ts";

/** The first Deno whose `zlib.crc32` is right: those from 2.1 on were not, some only when hot. */
const FIRST_DENO: readonly number[] = [2, 5, 4];

/** The checksum of this runtime, if it has one that is right; Node has it from 20.15 on. */
export function runtimeCrc32(): Crc32 | undefined {
  const { crc32 } = zlib as { crc32?: Crc32 };
  return isRightOn(process.versions.deno) ? crc32 : undefined;
}

/**
 * Tells whether the checksum of a Deno can be right. A string that is no version counts as a later
 * one.
 *
 * @param deno Its version; undefined on other runtimes.
 */
export function isRightOn(deno: string | undefined): boolean {
  if (deno === undefined) return true;
  const parts = deno.split(/[.+-]/, 3).map(Number);
  for (let i = 0; i < FIRST_DENO.length; i++) {
    if (parts[i] !== FIRST_DENO[i]) return !(parts[i] < FIRST_DENO[i]);
  }
  return true;
}

/** Where programs of a machine keep their locks of devices. */
const LOCKS = "/run/lock";

/** Zstandard, which Node has from 22.15 and 23.8 on. */
interface Zstd {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array;
  readonly zstdDecompressSync?: (
    bytes: Uint8Array,
    options: { readonly maxOutputLength: number },
  ) => Uint8Array;
}

/** The codecs of this runtime. A piece of 64 KiB takes some ms at most, so it is done in place. */
function runtimeCodecs(): PieceCodecs {
  const { zstdCompressSync: compress, zstdDecompressSync: decompress } = zlib as Zstd;
  const zstd: PieceCodec | undefined = compress === undefined || decompress === undefined
    ? undefined
    : {
      encode: (bytes) => compress(bytes),
      decode: (bytes, length) => decompress(bytes, limit(length)),
    };
  return { deflate, zstd };
}

/** Throws where more comes out; it refuses a limit of 0. */
function limit(length: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, length) };
}

const deflate: PieceCodec = {
  endsWithFlush: true,
  encode(bytes) {
    return zlib.deflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  },
  decode: (bytes, length) => zlib.inflateRawSync(bytes, limit(length)),
};

function hooksOf(): RuntimeHooks {
  return { crc32: runtimeCrc32(), nextTurn };
}

/** How a store is opened by its path. */
export interface BlobFileOptions extends BlobStoreOptions {
  /**
   * Most milliseconds to wait while another writer has the store open, up to 2^31 - 1; 0 by
   * default. Waiters are served in order of arrival, among all processes of the machine. A caller
   * without it takes a free store, although others wait. Only of a path, and not with
   * `readOnly`, which takes no lock.
   */
  readonly waitMs?: number | undefined;
  /** An `AbortSignal`: ends the wait when it is aborted, and `open` rejects with its reason. */
  readonly signal?: CancelSignal | undefined;
}

/** {@linkcode CoreStore.openWith}, handed to the functions of this file. */
type OpenWith = (
  store: BackingStore,
  options: BlobStoreOptions,
  hooks: RuntimeHooks,
) => Promise<OpenedStore>;

/** A store that was opened and belongs to no {@linkcode BlobStore} yet. */
interface OpenedStore {
  close(): Promise<void>;
}

/**
 * Named blobs in a file, or in any backing store.
 *
 * A file has one writer at a time, in whatever process or runtime: another one gets a
 * {@linkcode StoreLockedError} that says who it is. Beside the file `x` is `x.lock`, an
 * empty file that stays there, and while a writer has the store open `x.owner`, which
 * names it. Those of a block device are in `/run/lock`, and there is no file beside it. The lock of
 * a crashed process is free at once. With `waitMs` an opener waits for the
 * writer. Any number of readers may have the store open with `readOnly`, which takes no lock and
 * writes nothing.
 */
export class BlobStore<Meta = Metadata> extends CoreStore<Meta> {
  /**
   * Opens a store.
   *
   * A file is opened as it is, and never overwritten. With `create` a missing or empty one
   * is made a store, under another name that ends with `.new` until it is complete: a crash
   * leaves either nothing or an empty store. A block device must begin with 8 KiB of zeros for
   * that, and is made a store in place. Closing the store closes its file. A backing store is
   * flushed then and stays open, unless `closeStore` is true.
   *
   * @param target A path, a `file:` URL or a backing store.
   * @throws {StorageError} There is no such file, it cannot be opened, or it is a folder.
   * @throws {StoreLockedError} Another writer has it open, still after `waitMs`.
   * @throws {CorruptStoreError} It is no blob store, or is damaged beyond its blobs.
   * @throws {TypeError | RangeError} An option is not what it must be.
   */
  static override async open<Meta = Metadata>(
    target: string | URL | BackingStore,
    options: BlobFileOptions = {},
  ): Promise<BlobStore<Meta>> {
    super.checkOptions(options, " waitMs signal");
    const { waitMs = 0, signal, codecs = blobCodecs(runtimeCodecs()), ...rest } = options;
    const isPath = !isStore(target), others = { ...rest, codecs };
    checkInteger("waitMs", waitMs, 0, MAX_TIMEOUT);
    checkSignal(signal);
    if (waitMs > 0 && (options.readOnly || !isPath)) {
      const got = isPath ? "readOnly, which takes no lock" : "a backing store, which has no lock";
      throw new TypeError(`Expected waitMs with a path that is opened for writing, got ${got}`);
    }
    const path = isPath ? pathIn("target", target) : undefined;
    signal?.throwIfAborted();
    const opened = path === undefined
      ? await super.openWith(target as BackingStore, others, hooksOf())
      : await openPath(path, others, super.openWith, (path) => waitForLock(path, waitMs, signal));
    return new BlobStore<Meta>(opened);
  }

  /**
   * Copies every blob, as of now, into a store of its own, packed.
   *
   * A file gets its name once it is complete and durable. Until then it is beside it
   * under a name that ends with `.new`, which is removed where the backup fails.
   *
   * @param to A path or `file:` URL where nothing is, or an empty backing store.
   * @throws {StorageError} There is something, or it cannot be written.
   */
  override async backup(
    to: string | URL | BackingStore,
    options: ProgressOptions = {},
  ): Promise<BackupReport> {
    if (isStore(to)) return await super.backup(to, options);
    checkOptions(options, "onProgress signal");
    checkType("onProgress", options.onProgress, "function");
    checkSignal(options.signal);
    options.signal?.throwIfAborted();
    return await makeFile(pathIn("to", to), (file) => super.backup(file, options));
  }
}

/** Opens the store in a file, for writing once the lock is had. */
async function openPath(
  path: string,
  options: BlobStoreOptions,
  openWith: OpenWith,
  lockFile: (path: string) => Promise<Lock>,
): Promise<OpenedStore> {
  const { create = false, readOnly = false } = options;
  if (isDevice(path)) return await openDevice(path, options, openWith, lockFile);
  checkFile(path, create, readOnly);
  if (readOnly) return await openFile(path, { ...options, create: false }, openWith);
  const lock = await lockFile(path);
  try {
    // Before the lock was ours, another writer can have made it, or removed it.
    if (checkFile(lock.path, create, readOnly)) await makeStore(lock.path, options, openWith);
    return await openFile(lock.path, { ...options, create: false }, openWith, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Tells whether a path leads to a block device that can hold a store. */
function isDevice(path: string): boolean {
  try {
    return isUsableDevice(statSync(path));
  } catch {
    return false; // `checkFile` says why
  }
}

/**
 * Opens the store on a block device. Nothing is written beside it: its lock is in a folder of the
 * machine, for the sake of Deno, which cannot open a device alone.
 */
async function openDevice(
  path: string,
  options: BlobStoreOptions,
  openWith: OpenWith,
  lockFile: (path: string) => Promise<Lock>,
): Promise<OpenedStore> {
  const { create = false, readOnly = false } = options;
  if (readOnly) return await openFile(path, { ...options, create: false }, openWith);
  const folder = statSync(LOCKS, { throwIfNoEntry: false })?.isDirectory() ? LOCKS : tmpdir();
  const number = deviceNumber(statSync(path)).replace(":", "-");
  let lock: Lock | undefined;
  try {
    lock = await lockFile(join(folder, `suballoc-block-device-${number}`));
    return await openFile(path, { ...options, create }, openWith, lock);
  } catch (error) {
    lock?.release();
    if (error instanceof StoreLockedError) {
      throw new StoreLockedError(path, error.holder, error.waitedMs);
    }
    const { cause } = error as { cause?: unknown };
    if (codeOf(cause) === "EBUSY") throw new StoreLockedError(path);
    throw error;
  }
}

/** Opens the store in a file that is there. */
async function openFile(
  path: string,
  options: BlobStoreOptions,
  openWith: OpenWith,
  lock?: Lock,
): Promise<OpenedStore> {
  const file = BlobFile.open(path, { readOnly: options.readOnly });
  const release = async () => {
    try {
      await file.close();
    } finally {
      lock?.release();
    }
  };
  try {
    const hooks = { ...hooksOf(), release };
    return await openWith(file, { ...options, closeStore: false }, hooks);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Makes an empty store where there is no file, or an empty one. */
async function makeStore(
  path: string,
  options: BlobStoreOptions,
  openWith: OpenWith,
): Promise<void> {
  await publish(path, async (file, temporary) => {
    const making = { ...options, create: true, closeStore: false };
    await (await openWith(file, making, hooksOf())).close();
    const before = statSync(path, { throwIfNoEntry: false });
    if (before) chmodSync(temporary, before.mode);
  });
}

/** Throws unless a store can be opened at a path; gives whether it must be made first. */
function checkFile(path: string, create: boolean, readOnly: boolean): boolean {
  const hint = readOnly ? "" : ", pass create: true to make a store";
  let size: number;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) {
      throw refusal(stat.isDirectory() ? "it is a folder" : "it is no file", path);
    }
    if (!readOnly && stat.nlink > 1) {
      const reason = `it has ${stat.nlink} names (hard links), each with a lock of its own`;
      throw refusal(reason, path);
    }
    size = stat.size;
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    if ((cause as { code?: string }).code !== "ENOENT") {
      throw refusal(messageOf(cause), path, cause);
    }
    if (!create) throw refusal(`there is no such file${hint}`, path, cause);
    return true;
  }
  if (size === 0 && !create) throw refusal(`the file is empty${hint}`, path);
  return size === 0;
}
