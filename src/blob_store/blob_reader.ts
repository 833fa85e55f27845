/**
 * Readers of blobs: a store, or anything else that has blobs by their keys.
 *
 * @module
 */

import type {
  BlobInfo,
  ByteRange,
  GetOptions,
  ListOptions,
  Metadata,
  ReadOptions,
} from "./types.ts";

/** Named blobs that are read. Every `BlobStore` is one. */
export interface BlobReader<Meta = Metadata> {
  /** The bytes of a blob, or of a part of it; undefined if there is no such blob. */
  get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** The info of a blob and its bytes, of one version; undefined if there is none. */
  read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined>;
  /** Tells whether there is a blob with this key. */
  has(key: string): Promise<boolean>;
  /** The info of a blob; undefined if there is none. */
  stat(key: string): Promise<BlobInfo<Meta> | undefined>;
  /** The blobs in the order of their keys, by their bytes of UTF-8. */
  list(options?: ListOptions): AsyncGenerator<BlobInfo<Meta>, void, void>;
  /** A blob, or a part of it, as a stream; undefined if there is no such blob. */
  stream(
    key: string,
    options?: GetOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>;
  /** Sees what a writer elsewhere did. */
  refresh(): Promise<void>;
  /** Refuses further use. */
  close(): Promise<void>;
}

/**
 * One version of a blob: what is known of it, and its bytes, whatever happens to its key.
 *
 * It is open until it is closed, or until it was read. A stream of it that ends or is cancelled
 * closes it, unless another one is still read. So do `bytes()` without a range, `arrayBuffer()`,
 * `text()` and `json()`. A read of a closed snapshot is refused. An open one keeps its place in the
 * file, and a store has a limited number of them: close what you do not read.
 */
export interface BlobSnapshot<Meta = Metadata> {
  /** The info of the blob. */
  readonly info: BlobInfo<Meta>;
  /**
   * The bytes, or a part of them, as a stream that reads only as it is read.
   *
   * @throws {RangeError} The range begins behind the end of the blob.
   */
  stream(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * The content coding of `encodedStream`. Undefined: the blob is not compressed, or its stored
   * bytes are no stream that every client reads (Zstandard beyond 64 KiB).
   */
  readonly encoding: "gzip" | "zstd" | undefined;
  /** Bytes of `encodedStream`. */
  readonly encodedSize: number;
  /**
   * The stored bytes of a compressed blob: what an HTTP server sends with `Content-Encoding`. The
   * etag is that of the plain bytes: give this form another one.
   *
   * @throws {TypeError} `encoding` is undefined.
   */
  encodedStream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** The bytes in a buffer of their own. With a range the snapshot stays open. */
  bytes(range?: ByteRange): Promise<Uint8Array<ArrayBuffer>>;
  /** The bytes as an `ArrayBuffer`. */
  arrayBuffer(): Promise<ArrayBuffer>;
  /** The bytes as text, of UTF-8. */
  text(): Promise<string>;
  /** The bytes parsed as JSON. */
  json(): Promise<unknown>;
  /** Lets go of the place. Streams that are read end with an error. Closing again does nothing. */
  close(): void;
  /** Closes the snapshot. */
  [Symbol.dispose](): void;
}
