/**
 * Taking what is whole out of a store that is damaged.
 *
 * @module
 */

import { type BackingStore, StorageError } from "../arena/backing_store.ts";
import { checkProgressOptions, checkStore } from "./arguments.ts";
import { compareBytes } from "./leaf.ts";
import { CorruptBlobError, CorruptStoreError } from "./blob_store_errors.ts";
import {
  causeOf,
  checkEmpty,
  CopyTarget,
  type OldBlob,
  oldBlobOf,
  Unreadable,
} from "./copy_target.ts";
import { keyOf, takeAll } from "./entries.ts";
import { storeIn } from "./found_blobs.ts";
import { framedAt } from "./found_places.ts";
import { slotsOf } from "./header.ts";
import { openStore } from "./open_store.ts";
import { readFramed } from "./read_blob.ts";
import { readAnyway, scanFile } from "./scan_file.ts";
import { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, type Superblock } from "./superblock.ts";
import { encodeText } from "./text.ts";
import type { DamagedKeys, LostBlob, ProgressOptions, SalvageReport } from "./types.ts";

/**
 * Copies every whole blob out of a damaged store, even one that does not open. Where the header,
 * the root of the index or the log is damaged, or the file is cut off, it searches the whole file
 * for pages of the index and commits of the log. It takes the newest version of each blob whose
 * bytes fit their checksums. The damaged store is only read, and should have no writer.
 *
 * O(bytes in the file). In memory is what is known of each blob, and 1 MiB of their bytes.
 *
 * @param from The damaged store.
 * @param to An empty backing store. It holds a sound store afterwards, and stays open.
 * @returns The blobs copied, those lost, and those that may be missing.
 * @throws {CorruptStoreError} There is nothing of a blob store, or it is of a later version of the
 * format.
 * @throws {StorageError} `to` cannot be written.
 * @throws {TypeError} `to` holds blobs, or an argument is not valid.
 */
export async function salvageBlobs(
  from: BackingStore,
  to: BackingStore,
  options: ProgressOptions = {},
): Promise<SalvageReport> {
  checkStore("from", from);
  checkStore("to", to);
  checkProgressOptions(options);
  options.signal?.throwIfAborted();
  if (from === to) throw new TypeError("Expected another backing store to copy to, got the same");
  await checkEmpty(to);
  const file = new StoreFile(from, true, {});
  await file.reload();
  const header = new Uint8Array(HEADER_LENGTH);
  await readAnyway(file, 0, header.subarray(0, file.byteLength));
  let found = await open(from);
  if (found === undefined) found = await search(file, header, options);
  else if (found.damagedIndex.length > 0) {
    addOld(found, await search(file, header, options));
  }
  return await copy(file, found, to, options);
}

/** The blobs found, and the way they were found. */
interface Found {
  readonly granule: number;
  readonly blobs: Map<string, Candidate>;
  readonly damagedIndex: readonly DamagedKeys[];
  readonly missingCommits: number;
  readonly usedHeader: boolean;
}

/** A blob, as it may be copied. */
interface Candidate {
  /** The newest first. */
  readonly versions: readonly OldBlob[];
  readonly isMaybeOld: boolean;
}

/**
 * The facts that a store tells when it opens; undefined where it does not open.
 *
 * @throws {CorruptStoreError} It is of a later version of the format.
 */
async function open(from: BackingStore): Promise<Found | undefined> {
  const blobs = new Map<string, Candidate>(), damagedIndex: DamagedKeys[] = [];
  try {
    const opened = await openStore(from, { readOnly: true }), { space } = opened.state;
    const walk = opened.walk({
      onDamage: ({ after, before }) => damagedIndex.push({ after, before }),
    });
    await takeAll(walk, () => {
      const { entry } = walk;
      blobs.set(keyOf(entry), { versions: [oldBlobOf(space, entry)], isMaybeOld: false });
    });
    const { granule } = space;
    return { granule, blobs, damagedIndex, missingCommits: 0, usedHeader: true };
  } catch (error) {
    if (error instanceof StorageError) return undefined;
    const isDamage = error instanceof CorruptStoreError && !error.message.includes(" version ");
    if (!isDamage) throw error;
    return undefined;
  }
}

/** Results of a search of the whole file. */
async function search(
  file: StoreFile,
  header: Uint8Array,
  { onProgress, signal }: ProgressOptions,
): Promise<Found> {
  const slots = slotsOf(header, file).filter((slot): slot is Superblock =>
    typeof slot !== "string"
  );
  slots.sort((a, b) => b.generation - a.generation);
  const findings = await scanFile(file, (done) => {
    signal?.throwIfAborted();
    onProgress?.(done, file.byteLength);
  });
  const { granule, blobs: all, damagedIndex, missingCommits } = await storeIn(
    file,
    findings,
    slots,
  );
  const blobs = new Map<string, Candidate>();
  for (const [key, { versions, isMaybeOld }] of all) {
    const old = versions.map((version) => {
      const { metadata, time, extra } = version;
      return { framed: framedAt(version, granule), metadata, time, extra };
    });
    blobs.set(key, { versions: old, isMaybeOld });
  }
  return { granule, blobs, damagedIndex, missingCommits, usedHeader: slots.length > 0 };
}

/** Adds what a search found of keys whose leaf is damaged. */
function addOld({ blobs, damagedIndex }: Found, searched: Found): void {
  const ranges = damagedIndex.map(({ after, before }) => ({
    after: encodeText(after ?? ""),
    before: before === undefined ? undefined : encodeText(before),
  }));
  for (const [key, { versions }] of searched.blobs) {
    const bytes = encodeText(key);
    const isInRange = ranges.some(({ after, before }) =>
      compareBytes(after, bytes) < 0 && (before === undefined || compareBytes(bytes, before) < 0)
    );
    if (isInRange && !blobs.has(key)) blobs.set(key, { versions, isMaybeOld: true });
  }
}

/** Copies the newest version of each blob that is whole. */
async function copy(
  file: StoreFile,
  { granule, blobs, damagedIndex, missingCommits, usedHeader }: Found,
  to: BackingStore,
  { onProgress, signal }: ProgressOptions,
): Promise<SalvageReport> {
  const target = await CopyTarget.open(to, granule);
  const lost: LostBlob[] = [], maybeOld: string[] = [];
  let done = 0, total = 0;
  for (const { versions } of blobs.values()) total += versions[0].framed.size;
  try {
    for (const [key, { versions, isMaybeOld }] of blobs) {
      const [newest] = versions;
      const { whole, reason } = await copyNewest(file, target, key, versions, signal);
      if (whole === undefined) lost.push({ key, reason });
      else if (isMaybeOld || whole !== newest) maybeOld.push(key);
      done += newest.framed.size;
      if (!target.isFull) continue;
      await target.settle();
      onProgress?.(done, total);
    }
    await target.settle();
    await target.pack(signal);
    onProgress?.(done, total);
    const { blobs: count, bytes } = await target.report();
    await target.close();
    return { blobs: count, bytes, lost, maybeOld, damagedIndex, missingCommits, usedHeader };
  } catch (error) {
    await target.discard();
    throw error;
  }
}

/** Copies the first version that is whole; `reason` says why the newest one is not. */
async function copyNewest(
  file: StoreFile,
  target: CopyTarget,
  key: string,
  versions: readonly OldBlob[],
  signal: ProgressOptions["signal"],
): Promise<{ whole: OldBlob | undefined; reason: string }> {
  let reason = "";
  for (const version of versions) {
    const { framed } = version;
    try {
      await target.put(
        encodeText(key),
        version,
        (offset, into) => readFramed({ file }, () => key, framed, offset, into),
        signal,
      );
      return { whole: version, reason };
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (reason === "") reason = reasonOf(causeOf(error));
    }
  }
  return { whole: undefined, reason };
}

/** Why a blob could not be read. */
function reasonOf(cause: unknown): string {
  if (cause instanceof CorruptBlobError) {
    return `${cause.length} bytes at offset ${cause.offset} are not what was written`;
  }
  if (cause instanceof StorageError) return cause.message;
  throw cause;
}
