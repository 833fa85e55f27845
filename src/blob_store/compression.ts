/**
 * Compression as a store sees it: what codes and decodes its blobs.
 *
 * @module
 */

import type { Extra } from "./extra.ts";

/**
 * How blobs are compressed. Zstandard needs a runtime that has it: Node has it from 22.15 and 23.8
 * on, Deno and Bun too; a page has not.
 */
export type Compression = "gzip" | "zstd";

/** How a blob was coded. */
export interface Coded {
  /** The number of the codec. */
  readonly codec: number;
  /** Bytes before coding. */
  readonly plainSize: number;
}

/** A blob that was coded. */
export interface CodedBytes {
  /** Its coded form. */
  readonly bytes: Uint8Array;
  /** How it is coded. */
  readonly coded: Coded;
}

/** A coded blob, and what reads its stored bytes. */
export interface CodedSource {
  /** Its name. */
  readonly key: string;
  /** Bytes that are stored. */
  readonly size: number;
  /** How it is coded. */
  readonly extra: Extra;
  /** Reads stored bytes, checked. */
  read(offset: number, into: Uint8Array): Promise<void>;
}

/** Takes the bytes of a blob. */
export interface BlobTarget<T> {
  /** Takes bytes, which have to stay as many as they are until all are written. */
  write(bytes: Uint8Array, size?: number): Promise<void>;
  /** The whole blob, if nothing of it was written yet. */
  readonly unwritten: Uint8Array | undefined;
  /** Writes what is left. */
  finish(): Promise<T>;
}

/** What codes and decodes the blobs of a store, which calls it: `blobCodecs()`. */
export interface BlobCodecs {
  /** Throws where there is no such codec. */
  check(name: Compression): void;
  /** The coded form of a blob at hand; undefined where it saves too little, or no unit of space. */
  encode(bytes: Uint8Array, name: Compression, granule: number): Promise<CodedBytes | undefined>;
  /** Codes what is written to a target, if that saves anything. */
  encodeTo<T extends object>(
    target: BlobTarget<T>,
    name: Compression,
  ): BlobTarget<T & { readonly coded?: Coded }>;
  /** Decodes a blob: reads bytes of it from one on. */
  decode(source: CodedSource): (offset: number, into: Uint8Array) => Promise<void>;
}
