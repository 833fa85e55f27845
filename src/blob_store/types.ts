/**
 * The input and output of a blob store.
 *
 * @module
 */

import type { CancelSignal } from "../util/wait_options.ts";
import type { BlobCodecs, Compression } from "./compression.ts";

export type { Compression };

/** Metadata: anything that JSON can say, at most 4 KiB of it. */
export type Metadata =
  | string
  | number
  | boolean
  | null
  | readonly Metadata[]
  | { readonly [name: string]: Metadata };

/** Bytes at hand: a buffer, or those that a view of one covers. */
export type BlobBytes = ArrayBufferLike | ArrayBufferView;

/** A `Request` or a `Response`, by its structure. */
export interface BlobBody {
  /** The bytes; null for none. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** True if they were read: they cannot be put then. */
  readonly bodyUsed: boolean;
}

/**
 * The source of a blob. A string is kept as UTF-8; of a `Request` or a `Response` the body
 * is put. A stream of Node is an async iterable.
 */
export type BlobSource =
  | string
  | BlobBytes
  | Blob
  | BlobBody
  | ReadableStream<BlobBytes>
  | AsyncIterable<BlobBytes>;

/**
 * When a write counts as done.
 *
 * - `"commit"`: once it is durable. Writes made together share one flush.
 * - `"batch"`: a `batch()`, `flush()` or `checkpoint()` once it is durable; a single put
 *   or delete once it was handed to the backing store. The next flush makes it durable: that
 *   comes after some 8 MiB. There is no timer: call `flush()` before going idle.
 * - `"none"`: once it was handed to the backing store. `flush()`, `checkpoint()` and `close()`
 *   make it durable.
 *
 * Checkpoints and compactions, also those that the store begins, make everything durable
 * that was written before.
 *
 * In every mode a power loss leaves a state that the store was in at some moment, never half a
 * write. A crash of the process loses nothing that resolved, where the store is in a file, or in
 * a backing store whose `write` hands on what it gets. Over one that keeps writes until `flush()`
 * such a crash loses what a power loss does, and memory goes with its process.
 */
export type Durability = "commit" | "batch" | "none";

/** How a store is opened. */
export interface BlobStoreOptions {
  /**
   * Makes a store where there is none. By default a path must name a store, and an
   * empty backing store is made one.
   */
  readonly create?: boolean | undefined;
  /**
   * Refuses writes, and takes no lock. `refresh()` sees what the writer did; so does a read of a
   * blob that does not read as it was written.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Bytes per unit of space, a power of two from 16 to 65536; 64 by default. Each blob
   * wastes half of it on average. Fixed when the store is made.
   */
  readonly granule?: number | undefined;
  /** Most bytes the file may have; no limit of its own by default. */
  readonly maxByteLength?: number | undefined;
  /** When a write counts as done; `"commit"` by default. */
  readonly durability?: Durability | undefined;
  /**
   * Bytes of log after which a checkpoint is made, at least. The log is replayed when a
   * store is opened after a crash. By default 4 MiB, or twice what the index takes; once where the
   * length of the file is limited.
   */
  readonly checkpointBytes?: number | undefined;
  /**
   * The share of the file, from 0 to 1, that may be idle; 0.1 by default. Beyond it a checkpoint
   * moves blobs from the end of the file into holes, and closing moves at most twice as many bytes
   * as were written, unless that is less than the index takes. With 1 only `compact` moves blobs.
   */
  readonly compactAbove?: number | undefined;
  /**
   * Bytes of memory that pages and entries of the index and small blobs may take which the file has
   * as well; 32 MiB by default. Writes since the last checkpoint come on top.
   */
  readonly cacheBytes?: number | undefined;
  /**
   * Most snapshots of `read` that may be open at once; 16,384 by default. Beyond them `read` is
   * refused: each keeps the place of its blob.
   */
  readonly maxSnapshots?: number | undefined;
  /**
   * True if `close` also closes the backing store that was passed in; `false` by default: a store
   * is closed by who opened it, or by who is told so with `closeStore`. A file that was opened by
   * its path is always closed.
   */
  readonly closeStore?: boolean | undefined;
  /**
   * How blobs are compressed when they are put, in pieces of 64 KiB: a range is read without the
   * rest. A blob that saves less than a sixteenth, or no unit of space, is stored as it is. The
   * first 64 KiB decide for a stream, and beyond 1 MiB. Not at all by default. Blobs are read
   * whatever this says. Needs `codecs`.
   */
  readonly compress?: Compression | undefined;
  /**
   * What compresses and decompresses blobs: `blobCodecs()`. Without it `compress` is refused, and
   * so is a read of a compressed blob. A store that is opened by its path has that of its runtime.
   */
  readonly codecs?: BlobCodecs | undefined;
  /**
   * The clock: milliseconds since 1970, for the times of blobs and for those that expire. By
   * default `Date.now`.
   */
  readonly now?: (() => number) | undefined;
}

/** How a call is cancelled. */
export interface ReadOptions {
  /**
   * An `AbortSignal`: where it is aborted, the call rejects with its reason. So does what is read
   * later of a stream or a snapshot that the call returned.
   */
  readonly signal?: CancelSignal | undefined;
}

/** How a batch is cancelled. */
export interface BatchOptions {
  /**
   * An `AbortSignal`: where it is aborted before the commit begins, the call rejects with its
   * reason and changes nothing. A commit that has begun completes.
   */
  readonly signal?: CancelSignal | undefined;
}

/** Options of a put: metadata, conditions, and more. */
export interface PutOptions<Meta = Metadata> extends BatchOptions {
  /** Anything JSON can say, in at most 4 KiB. */
  readonly metadata?: Meta | undefined;
  /**
   * When the blob is gone, as a `Date` or in milliseconds since 1970: from then on it is as if it
   * had been deleted. Its space is free after a `sweep()`, or once a checkpoint has come by.
   */
  readonly expires?: Date | number | undefined;
  /** How it is compressed; as the store says by default, `false` for not at all. */
  readonly compress?: Compression | false | undefined;
  /** Puts only in place of the blob that has this etag. */
  readonly ifMatch?: string | undefined;
  /** `"*"`: puts only where there is no blob with this key. */
  readonly ifNoneMatch?: "*" | undefined;
}

/** When a blob is deleted. */
export interface DeleteOptions extends BatchOptions {
  /** Deletes only the blob that has this etag. */
  readonly ifMatch?: string | undefined;
}

/** When a blob is renamed or copied. */
export interface CopyOptions extends BatchOptions {
  /** Takes only the blob that has this etag, of the key `from`. */
  readonly ifMatch?: string | undefined;
  /** `"*"`: only where there is no blob with the key `to`. */
  readonly ifNoneMatch?: "*" | undefined;
}

/** A part of a blob. */
export interface ByteRange {
  /** First byte, at most the size of the blob. */
  readonly offset: number;
  /** Most bytes; to the end by default, and cut off there. */
  readonly length?: number | undefined;
}

/** Which part of a blob is read. */
export interface GetOptions extends ReadOptions {
  /** The part; the whole blob by default. */
  readonly range?: ByteRange | undefined;
}

/** The info of a blob in a store. */
export interface BlobInfo<Meta = Metadata> {
  /** Its name. */
  readonly key: string;
  /** Bytes in it. */
  readonly size: number;
  /** When it was put. */
  readonly time: Date;
  /** The metadata given with it, if any. */
  readonly metadata: Meta | undefined;
  /**
   * Names this very content: another put gives another one, a rename or a copy keeps it. Fits an
   * HTTP ETag.
   */
  readonly etag: string;
  /** When the blob is gone; absent: never. */
  readonly expires?: Date;
  /** How it is compressed, as `"gzip"`; absent: it is not. */
  readonly encoding?: string;
  /** Bytes that are stored of a compressed blob. */
  readonly storedSize?: number;
}

/** Which blobs are listed. */
export interface ListOptions {
  /** Only keys that begin so. */
  readonly prefix?: string | undefined;
  /**
   * Only keys behind this one in the direction of the listing: greater ones, or with `reverse`
   * lesser ones. The key itself is left out, and need not be in the store.
   */
  readonly after?: string | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
  /** In descending order of the keys; by default false. */
  readonly reverse?: boolean | undefined;
}

/** One step of a batch. */
export type BatchOperation<Meta = Metadata> =
  | {
    readonly type: "put";
    readonly key: string;
    readonly value: BlobSource;
    readonly metadata?: Meta | undefined;
    readonly expires?: Date | number | undefined;
    readonly compress?: Compression | false | undefined;
    readonly ifMatch?: string | undefined;
    readonly ifNoneMatch?: "*" | undefined;
  }
  | { readonly type: "delete"; readonly key: string; readonly ifMatch?: string | undefined }
  | {
    readonly type: "rename";
    readonly from: string;
    readonly to: string;
    readonly ifMatch?: string | undefined;
    readonly ifNoneMatch?: "*" | undefined;
  }
  | {
    readonly type: "copy";
    readonly from: string;
    readonly to: string;
    readonly ifMatch?: string | undefined;
    readonly ifNoneMatch?: "*" | undefined;
  };

/** A change of a blob. */
export type BlobChange<Meta = Metadata> =
  /** It was put, in place of the one with this key if there was one. */
  | { readonly type: "put"; readonly info: BlobInfo<Meta> }
  /** It was deleted. */
  | { readonly type: "delete"; readonly key: string }
  /** Changes are missing here: what was known of the blobs may be wrong. List them again. */
  | { readonly type: "missed" };

/** Options of a watch. */
export interface WatchOptions {
  /** Only keys that begin so. */
  readonly prefix?: string | undefined;
  /** An `AbortSignal`: where it is aborted, the iteration rejects with its reason. */
  readonly signal?: CancelSignal | undefined;
  /**
   * Milliseconds from one look for changes to the next in a read-only store, 1000 by default. A
   * look reads the header and 32 bytes of the log, and on a change what `refresh` reads.
   */
  readonly pollMs?: number | undefined;
  /** Changes that wait to be asked for, at most; beyond them all are dropped, and missed. */
  readonly maxQueued?: number | undefined;
}

/** Result of a compaction. */
export interface CompactionReport {
  /** Blobs that were moved. */
  readonly movedBlobs: number;
  /** Bytes that were copied for it. */
  readonly movedBytes: number;
  /** By how much the file became shorter. */
  readonly releasedBytes: number;
  /** True if another call with the same options would move nothing. */
  readonly done: boolean;
}

/** Bounds of one call of `compact`. */
export interface BlobCompactionOptions extends ProgressOptions {
  /**
   * Most bytes to move; no limit by default. Less than twice what lies behind the first hole leaves
   * blobs in place that are longer than the hole before them, and that hole.
   */
  readonly maxBytes?: number | undefined;
}

/** A blob that does not read as it was written. */
export interface DamagedBlob {
  /** Its key. */
  readonly key: string;
  /** Where in the blob the damaged piece begins. */
  readonly offset: number;
  /** Bytes in that piece: at most 64 KiB are checked as one. */
  readonly length: number;
}

/** Result of a verification. */
export interface VerifyReport {
  /** Blobs read. */
  readonly blobs: number;
  /** Bytes read, without their checksums. */
  readonly bytes: number;
  /** Blobs that did not come back as they were written. */
  readonly damaged: readonly DamagedBlob[];
  /**
   * How many of the two headers are damaged. One does no harm yet, as the other one
   * serves. Opening the store for writing mends it, and so does a checkpoint.
   */
  readonly damagedHeaders: number;
  /** Ranges of keys whose page of the index is damaged: those of them that there were are lost. */
  readonly damagedIndex: readonly DamagedKeys[];
}

/** Keys that are lost, as their page of the index is damaged. */
export interface DamagedKeys {
  /** All of them are greater, by their bytes of UTF-8; undefined: there is no such bound. */
  readonly after: string | undefined;
  /** All of them are less. */
  readonly before: string | undefined;
}

/** Result of a backup. */
export interface BackupReport {
  /** Blobs copied. */
  readonly blobs: number;
  /** Bytes in them. */
  readonly bytes: number;
}

/** A blob that could not be salvaged. */
export interface LostBlob {
  /** Its key. */
  readonly key: string;
  /** Why, as it reads after a colon. */
  readonly reason: string;
}

/** Result of a salvage: the blobs copied, and those that could not be. */
export interface SalvageReport extends BackupReport {
  /** Blobs that are known by their keys, and whose bytes are damaged. */
  readonly lost: readonly LostBlob[];
  /**
   * Keys of blobs that were copied as they once were: what was newer of them is damaged. They may
   * have been replaced since, or deleted.
   */
  readonly maybeOld: readonly string[];
  /** Ranges of keys whose page of the index is damaged: only the `maybeOld` were found there. */
  readonly damagedIndex: readonly DamagedKeys[];
  /**
   * Commits of the log that are damaged although later ones were found. Any blob may be as it was
   * before one of them. The last commits of a store that was not closed may be missing untold.
   */
  readonly missingCommits: number;
  /** True if the header was of use. Without one, less is certain. */
  readonly usedHeader: boolean;
}

/** Progress of long work. */
export interface ProgressOptions {
  /** Called now and then with the bytes done so far and those in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /**
   * An `AbortSignal`: where it is aborted, the work ends at its next step, and rejects with the
   * reason. The store goes on.
   */
  readonly signal?: CancelSignal | undefined;
}

/** How far a sweep goes. */
export interface SweepOptions extends Pick<ProgressOptions, "signal"> {
  /**
   * Most blobs to delete; by default all whose time has come. With a limit, a sweep goes on where
   * the last one stopped.
   */
  readonly limit?: number | undefined;
}

/** Result of a sweep. */
export interface SweepReport {
  /** Blobs that it deleted, whose time had come. */
  readonly blobs: number;
  /** Bytes that they took, as they were stored. */
  readonly bytes: number;
  /** True if it came to the last key. */
  readonly done: boolean;
}

/** The kind of a range of the file. */
export type FileRegionKind = "header" | "blob" | "log" | "index" | "free";

/** A range of the file and what it holds. */
export interface FileRegion {
  /** First byte. */
  readonly offset: number;
  /** Bytes in it. */
  readonly length: number;
  /** Its kind; a blob that is still read counts until the read ends. */
  readonly kind: FileRegionKind;
}

/** Figures of a store. */
export interface BlobStoreStats {
  /** Blobs in it; those whose time has come count until a sweep deletes them. */
  readonly blobs: number;
  /** Bytes in the blobs, as they are stored. */
  readonly blobBytes: number;
  /** Bytes in the file. */
  readonly fileBytes: number;
  /** Bytes of the file that nothing uses. */
  readonly freeBytes: number;
  /** Bytes in the largest free range of the file. */
  readonly largestFreeBytes: number;
  /** Bytes the log takes. */
  readonly logBytes: number;
  /** Bytes of the file that the index takes. */
  readonly checkpointBytes: number;
  /** Bytes of memory the index takes, and small blobs that were read. */
  readonly indexBytes: number;
  /** Bytes per unit of space. */
  readonly granule: number;
  /** Most bytes the file may have; Infinity without a limit. */
  readonly maxByteLength: number;
  /** Commits since the store was made. */
  readonly commits: number;
  /** Checkpoints since the store was made. */
  readonly checkpoints: number;
}
