/**
 * Writing a store in the order in which it is read from far away.
 *
 * @module
 */

import { type BackingStore, StorageError } from "../arena/backing_store.ts";
import { describe } from "../util/check_integer.ts";
import { checkProgressOptions, checkStore } from "./arguments.ts";
import type { BlobReader } from "./blob_reader.ts";
import { BlobChangedError } from "./blob_store_errors.ts";
import { CHUNK_LENGTH, chunkSeed, framedLength } from "./chunks.ts";
import { setUint32 } from "./codec.ts";
import { checkEmpty } from "./copy_target.ts";
import { EXPIRY, extraOf } from "./extra.ts";
import { writeSuperblocks } from "./header.ts";
import { NO_PLACE } from "./key_index.ts";
import { type IndexEntry, PAGE_LENGTH } from "./leaf.ts";
import { encodeRoot, MAX_ROOT_LENGTH, type Run } from "./root.ts";
import { RunWriter } from "./run_writer.ts";
import { MAX_SEPARATOR_BYTES } from "./separators_builder.ts";
import { StoreFile } from "./store_file.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";
import { encodeText } from "./text.ts";
import type { BackupReport, BlobInfo, ProgressOptions } from "./types.ts";

/** Bytes in a unit: what a blob wastes costs no request. */
const GRANULE = 64;
/** Bytes that a reader asks for at first. */
const FIRST_LENGTH = 65_536; // = 2 ** 16
/** Most pages of an index of which it is looked whether it fits into these. */
const MAX_FIRST_PAGES = 15;
/** Bytes of the log that a writer begins with. */
const LOG_LENGTH = 4096;
/** Bytes that are written at once, and those by which the file grows. */
const PIECE = 1_048_576; // = 2 ** 20
const GROWTH = 16_777_216; // = 2 ** 24
/** Most bytes of the numbers of an entry, and of the root without its separators. */
const ENTRY_NUMBERS = 56;
const ROOT_NUMBERS = 256;
/** How often it begins again where the store was changed meanwhile. */
const MAX_ROUNDS = 16;

/** Result of a publication. */
export interface PublishReport extends BackupReport {
  /** Bytes in the file. */
  readonly fileBytes: number;
}

/**
 * Writes all blobs into an empty backing store so that they are read over HTTP by the fewest
 * requests. A reader opens it with the first 64 KiB. Then come the blobs in the order of their
 * keys, and last the index. An index that fits into the first 64 KiB, as that of 1,000 keys, is
 * there. It is a store like any other.
 *
 * The store that is read may change meanwhile: then all of it begins again, so that what is written
 * was there at one moment. O(bytes); takes 30 to 60 bytes of memory a key, and 2 MiB.
 *
 * @param from The store with the blobs.
 * @param to An empty backing store that grows. It stays open.
 * @throws {BlobChangedError} The store was changed during each of 16 attempts.
 * @throws {StorageError} `to` cannot be written.
 * @throws {TypeError} `to` holds blobs, or an argument is not valid.
 */
export async function publishBlobs(
  from: BlobReader<unknown>,
  to: BackingStore,
  options: ProgressOptions = {},
): Promise<PublishReport> {
  if (typeof Object(from).list !== "function") {
    throw new TypeError(`Expected from to be a blob store, got ${describe(from)}`);
  }
  checkStore("to", to);
  checkProgressOptions(options);
  await checkEmpty(to);
  const file = new StoreFile(to, false, {});
  for (let round = 1;; round++) {
    const contents = await listed(from);
    const target = new Target(file, contents);
    const changed = await copyAll(from, target, contents, options);
    if (changed === undefined && await isListed(from, contents)) return await target.finish();
    if (round === MAX_ROUNDS) throw new BlobChangedError(changed ?? "");
  }
}

/** The contents of a store, in short. */
interface Contents {
  readonly blobs: number;
  readonly bytes: number;
  /** Sum of all keys and etags, in their order. */
  readonly sum: number;
  /** Most bytes that the root of its index can take. */
  readonly rootRoom: number;
  /** Pages of its leaves, if they are few; else 0. */
  readonly leafPages: number;
}

async function listed(from: BlobReader<unknown>): Promise<Contents> {
  let blobs = 0, bytes = 0, sum = 0, longest = 0, entryBytes = 0;
  // As it will be written, but for its checksums, while it is of so few pages.
  const leaves = new RunWriter(
    { uuid: new Uint8Array(16), run: 1, sequence: 1 },
    () => 0,
    () => {},
  );
  let position = FIRST_LENGTH;
  for await (const info of from.list()) {
    const key = encodeText(info.key);
    blobs++;
    bytes += info.size;
    sum = sumOf(info, sum);
    longest = Math.max(longest, key.length);
    entryBytes += key.length + ENTRY_NUMBERS + (metadataOf(info)?.length ?? 0);
    if (leaves.pages >= MAX_FIRST_PAGES) continue;
    leaves.add(entryOf(info, position, 0, 0));
    position += Math.ceil(framedLength(info.size) / GRANULE) * GRANULE;
  }
  // No leaf but the last one is less than a quarter full, as the next entry did not fit.
  const groups = Math.ceil(entryBytes / (PAGE_LENGTH / 4) / 2);
  const separators = Math.min(MAX_SEPARATOR_BYTES, groups * (longest + 4));
  const rootRoom = Math.min(MAX_ROOT_LENGTH, ROOT_NUMBERS + separators);
  const { pages } = await leaves.finish();
  return { blobs, bytes, sum, rootRoom, leafPages: pages < MAX_FIRST_PAGES ? pages : 0 };
}

/** The entry of a blob in the index. */
function entryOf(
  info: BlobInfo<unknown>,
  position: number,
  seed: number,
  crc: number,
): IndexEntry {
  const key = encodeText(info.key), { size } = info;
  return {
    key,
    keyLength: key.length,
    size,
    unit: size === 0 ? NO_PLACE : (position - HEADER_LENGTH) / GRANULE,
    parts: [],
    seed,
    crc,
    time: info.time.getTime(),
    extra: extraOf(info.expires?.getTime()),
    metadata: metadataOf(info),
  };
}

/** Metadata as it lies in a leaf. */
function metadataOf({ metadata }: BlobInfo<unknown>): Uint8Array | undefined {
  return metadata === undefined ? undefined : encodeText(JSON.stringify(metadata));
}

/** FNV-1a over key and etag of a blob, which go on from those before. */
function sumOf({ key, etag }: BlobInfo<unknown>, sum: number): number {
  const text = `${key}\0${etag}`;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return sum;
}

/** Tells whether a store holds the same still. */
async function isListed(from: BlobReader<unknown>, contents: Contents): Promise<boolean> {
  const now = await listed(from);
  return now.blobs === contents.blobs && now.bytes === contents.bytes && now.sum === contents.sum;
}

/** Copies all blobs. Gives the key of one that was changed meanwhile. */
async function copyAll(
  from: BlobReader<unknown>,
  target: Target,
  { bytes }: Contents,
  { onProgress }: ProgressOptions,
): Promise<string | undefined> {
  let done = 0, told = 0;
  for await (const info of from.list()) {
    const blob = await from.read(info.key);
    if (blob?.info.etag !== info.etag) {
      blob?.close();
      return info.key;
    }
    const { size } = info;
    await target.add(info, size <= PIECE ? [await blob.bytes()] : blob.stream());
    done += size;
    if (done - told < PIECE) continue;
    onProgress?.(Math.min(done, bytes), bytes);
    told = done;
  }
  onProgress?.(bytes, bytes);
  return undefined;
}

/** The file that is written, from its start to its end. */
class Target {
  readonly #file: StoreFile;
  readonly #id: Uint8Array = crypto.getRandomValues(new Uint8Array(16));
  readonly #salt: number = crypto.getRandomValues(new Uint32Array(1))[0];
  /** Goes up with each blob: no place of this file has the checksum of another one. */
  #seed: number = crypto.getRandomValues(new Uint32Array(1))[0];
  readonly #rootUnit: number = LOG_LENGTH / GRANULE;
  readonly #rootRoom: number;
  /** Where the leaves may go before the blobs, and how many bytes. */
  readonly #leafStart: number;
  readonly #leafRoom: number;
  /** Where in the file the next byte goes; what is gathered ends there. */
  #position: number;
  readonly #piece: Uint8Array = new Uint8Array(PIECE);
  #gathered = 0;
  #blobs = 0;
  #features = 0;
  #bytes = 0;
  readonly #leaves: Uint8Array[] = [];
  readonly #run: RunWriter;

  constructor(file: StoreFile, { rootRoom, leafPages }: Contents) {
    this.#file = file;
    this.#rootRoom = rootRoom;
    this.#position = HEADER_LENGTH + LOG_LENGTH + Math.ceil(rootRoom / GRANULE) * GRANULE;
    this.#leafStart = Math.ceil(this.#position / PAGE_LENGTH) * PAGE_LENGTH;
    const leafEnd = this.#leafStart + leafPages * PAGE_LENGTH, isFirst = leafEnd <= FIRST_LENGTH;
    this.#leafRoom = isFirst ? leafEnd - this.#leafStart : 0;
    if (isFirst) this.#position = leafEnd;
    const place = { uuid: this.#id, run: 1, sequence: 1 };
    this.#run = new RunWriter(
      place,
      file.crc32,
      (_, pages) => void this.#leaves.push(pages.slice()),
    );
  }

  /** Writes a blob behind the one before; its key is behind the one before. */
  async add(
    info: BlobInfo<unknown>,
    pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { size } = info;
    const seed = this.#seed = (this.#seed + 1) >>> 0, { checksums } = this.#file;
    const start = this.#position;
    const chunk = new Uint8Array(Math.min(size, CHUNK_LENGTH) + 4);
    let filled = 0, left = size, count = 0, crc = seed;
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length;) {
        const length = Math.min(CHUNK_LENGTH, left),
          part = piece.subarray(at, at + length - filled);
        chunk.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < length) continue;
        crc = checksums.of(chunk.subarray(0, length), chunkSeed(seed, count++));
        left -= length;
        setUint32(chunk, length, crc);
        await this.#append(chunk.subarray(0, left > 0 ? length + 4 : length));
        filled = 0;
      }
    }
    await this.#fill(GRANULE);
    const pending = this.#run.add(entryOf(info, start, seed, crc));
    if (pending) await pending;
    if (info.expires !== undefined) this.#features |= EXPIRY;
    this.#blobs++;
    this.#bytes += size;
  }

  /** Writes index and header, durably. */
  async finish(): Promise<PublishReport> {
    const { entries, pages, groupPages, separators } = await this.#run.finish();
    const length = pages * PAGE_LENGTH, start = await this.#writeLeaves(length), file = this.#file;
    const byteLength = this.#position, end = (byteLength - HEADER_LENGTH) / GRANULE;
    const extent = { unit: (start - HEADER_LENGTH) / GRANULE, units: length / GRANULE };
    const run: Run = {
      id: 1,
      sequence: 1,
      entries,
      pages,
      groupPages,
      extents: [extent],
      separators,
    };
    const features = this.#features;
    const totals = { features, blobs: this.#blobs, blobBytes: this.#bytes, end, nextRun: 2 };
    const root = entries > 0 ? encodeRoot({ ...totals, runs: [run] }) : new Uint8Array(0);
    if (root.length > this.#rootRoom) throw new RangeError("Expected a root of fewer bytes");
    const rootPart: Part = { unit: this.#rootUnit, units: Math.ceil(root.length / GRANULE) };
    await file.zero(HEADER_LENGTH, LOG_LENGTH);
    await file.write(HEADER_LENGTH + LOG_LENGTH, root);
    await file.resize(byteLength);
    await file.flush();
    await writeSuperblocks(file, {
      granule: GRANULE,
      generation: 1,
      uuid: this.#id,
      salt: this.#salt,
      rootChecksum: file.crc32(root, this.#salt),
      rootLength: root.length,
      root: entries > 0 ? [rootPart] : [],
      checkpoints: 1,
      segments: [{ unit: 0, units: LOG_LENGTH / GRANULE, sequence: 2 }],
    });
    return { blobs: this.#blobs, bytes: this.#bytes, fileBytes: byteLength };
  }

  /** Writes the leaves before the blobs, where they fit, or behind them; tells where they begin. */
  async #writeLeaves(length: number): Promise<number> {
    const isFirst = length <= this.#leafRoom;
    if (!isFirst) await this.#fill(PAGE_LENGTH);
    const start = isFirst ? this.#leafStart : this.#position;
    if (isFirst) {
      await this.#flushPiece();
      let at = start;
      for (const leaves of this.#leaves) {
        await this.#file.write(at, leaves);
        at += leaves.length;
      }
    } else {
      for (const leaves of this.#leaves) await this.#append(leaves);
      await this.#flushPiece();
    }
    return start;
  }

  /** Writes zeros up to a multiple of some bytes. */
  async #fill(step: number): Promise<void> {
    await this.#append(new Uint8Array((step - this.#position % step) % step));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + PIECE - this.#gathered);
      this.#piece.set(part, this.#gathered);
      this.#gathered += part.length;
      this.#position += part.length;
      at += part.length;
      if (this.#gathered === PIECE) await this.#flushPiece();
    }
  }

  async #flushPiece(): Promise<void> {
    const file = this.#file, position = this.#position - this.#gathered;
    if (file.byteLength < this.#position) {
      const least = Math.max(
        this.#position,
        Math.min(file.byteLength + GROWTH, file.maxByteLength),
      );
      if (file.maxByteLength < this.#position) {
        throw new StorageError("resize", 0, this.#position, "the store may not grow so far");
      }
      await file.resize(least);
    }
    const pending = file.write(position, this.#piece.subarray(0, this.#gathered));
    if (pending) await pending;
    this.#gathered = 0;
  }
}
