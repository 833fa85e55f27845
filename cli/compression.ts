/**
 * Compressed archives: what is read and written, and what to pipe the others through.
 *
 * @module
 */

import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { type Chunks, concat } from "./chunks.ts";
import { PROGRAM } from "./command.ts";
import { Failure } from "./errors.ts";
import { quoted } from "./format.ts";

/** How an archive is compressed. */
export type Compression = "gzip" | "zstd";

/** Compressed bytes that are damaged or cut off. */
export class CompressionError extends Error {
  /** The name of the class. */
  override readonly name: string = "CompressionError";
  /** The fault, as it reads after a colon. */
  readonly reason: string;

  /**
   * Makes the error.
   *
   * @param kind How the bytes are compressed.
   * @param cause The error of the decompressor.
   */
  constructor(kind: Compression, cause: Error) {
    const reason = `its ${kind} data is damaged or cut off: ${cause.message}`;
    super(reason, { cause });
    this.reason = reason;
  }
}

/** Zstandard, which Node has from 22.15 on. */
interface Zstd {
  readonly createZstdCompress?: () => Transform;
  readonly createZstdDecompress?: () => Transform;
}

/** Bytes that are compressed or decompressed at once: a thousand times as many may come out. */
const STEP = 16_384;

/** Bytes that name a format, at most. */
export const HEAD = 10;

/** Formats: how they begin, their names, what decompresses them. */
const FORMATS = [
  ["\x1f\x8b", "compressed by gzip", "gzip -dc"],
  ["\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc"],
  ["\xfd7zXZ\0", "compressed by xz", "xz -dc"],
  ["BZh91AY&SY", "compressed by bzip2", "bzip2 -dc"], // a tar archive may begin with BZh
  ["\x04\x22\x4d\x18", "compressed by lz4", "lz4 -dc"],
  ["LZIP\x01", "compressed by lzip", "lzip -dc"],
  ["\x1f\x9d", "compressed by compress", "gzip -dc"],
  ["PK\x03\x04", "a zip archive", undefined],
  ["PK\x05\x06", "an empty zip archive", undefined],
  ["7z\xbc\xaf\x27\x1c", "a 7z archive", undefined],
  ["Rar!\x1a\x07", "a rar archive", undefined],
] as const;

/**
 * Tells how bytes are compressed.
 *
 * @param head The first {@linkcode HEAD} of them.
 * @param from Where they come from: a file, or `-`.
 * @param store The store that they go to.
 * @returns `undefined` where they are not.
 * @throws {Failure} They are of a format that is not read here.
 */
export function compressionOf(
  head: Uint8Array,
  from: string,
  store: string,
): Compression | undefined {
  const text = String.fromCharCode(...head.subarray(0, HEAD));
  const [, name, unpack] = FORMATS.find(([magic]) => text.startsWith(magic)) ?? [];
  if (name === undefined) return undefined;
  if (name === "compressed by gzip") return "gzip";
  if (name === "compressed by zstd" && (zlib as Zstd).createZstdDecompress) return "zstd";
  const file = from === "-" ? "FILE" : quoted(from);
  const advice = unpack === undefined
    ? "unpack it and import the folder"
    : `unpack it on the way, as in: ${unpack} ${file} | ${PROGRAM} import ${quoted(store)} -`;
  throw new Failure(`Cannot read ${archiveName(from)}: it is ${name}; ${advice}`);
}

/**
 * An archive as a message names it.
 *
 * @param from Where it comes from: a file, or `-`.
 */
export function archiveName(from: string): string {
  return `the archive ${from === "-" ? "on standard input" : quoted(from)}`;
}

/** Names of compressed archives: how they end, and what compresses them. */
const ENDINGS = [
  [/\.(?:tar\.zst|tzst)$/i, "zstd"],
  [/\.(?:tar\.xz|txz)$/i, "xz"],
  [/\.(?:tar\.bz2|tbz2?)$/i, "bzip2"],
  [/\.(?:tar\.lz4)$/i, "lz4"],
  [/\.(?:tar\.lz|tlz)$/i, "lzip"],
  [/\.(?:tar\.Z|taz)$/i, "compress"],
  [/\.(?:zip|7z|rar|jar)$/i, undefined],
] as const;

/**
 * Tells from its name whether a file is to be an archive.
 *
 * @param name The name.
 * @param store The store that is exported.
 * @returns How it is compressed; `undefined` where it is no archive.
 * @throws {Failure} It is named as one that is not written here.
 */
export function archiveKind(name: string, store: string): Compression | "none" | undefined {
  if (/\.tar$/i.test(name)) return "none";
  if (/\.(?:tar\.gz|tgz)$/i.test(name)) return "gzip";
  const ending = ENDINGS.find(([pattern]) => pattern.test(name));
  if (ending === undefined) return undefined;
  const [, program] = ending;
  if (program === "zstd" && (zlib as Zstd).createZstdCompress) return "zstd";
  const advice = program === undefined
    ? "export a folder, and pack that"
    : `as in: ${PROGRAM} export ${quoted(store)} - | ${program} > ${quoted(name)}`;
  throw new Failure(`Cannot write ${quoted(name)}: archives are ${archiveEndings()}; ${advice}`);
}

/** How the names of archives end that this runtime writes. */
export function archiveEndings(): string {
  return (zlib as Zstd).createZstdCompress
    ? ".tar, .tar.gz, .tgz or .tar.zst"
    : ".tar, .tar.gz or .tgz";
}

/**
 * Compresses bytes.
 *
 * @param chunks The bytes.
 * @param kind How.
 */
export function compressed(chunks: Chunks, kind: Compression): AsyncGenerator<Uint8Array> {
  const { createGzip, createZstdCompress } = zlib as typeof zlib & Zstd;
  return through(chunks, kind === "gzip" ? createGzip() : createZstdCompress!(), kind);
}

/**
 * Decompresses bytes. Bytes before damage are given as far as they can be read.
 *
 * @param chunks The bytes.
 * @param kind How they are compressed.
 * @throws {CompressionError} They are damaged or cut off.
 */
export function decompressed(chunks: Chunks, kind: Compression): AsyncGenerator<Uint8Array> {
  const { createGunzip, createZstdDecompress } = zlib as typeof zlib & Zstd;
  return through(chunks, kind === "gzip" ? createGunzip() : createZstdDecompress!(), kind);
}

/** Bytes at the end that go in few at a time, and those that go in singly. */
const TAIL = 16_384, TAIL_STEP = 16, LAST = 64;

/**
 * Pieces for a transformation. The output of a damaged piece is lost: at the end, where
 * the checksum is and junk may follow, the pieces are small.
 */
async function* steps(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    const bytes = held.length === 0 ? chunk : concat([held, chunk]);
    let at = 0;
    for (; bytes.length - at > TAIL + STEP; at += STEP) yield bytes.subarray(at, at + STEP);
    held = bytes.slice(at);
  }
  for (let at = 0; at < held.length;) {
    const left = held.length - at;
    const size = left <= LAST ? 1 : Math.min(left - LAST, left > TAIL ? STEP : TAIL_STEP);
    yield held.subarray(at, at + size);
    at += size;
  }
}

/**
 * The bytes after a transformation. A pipeline would drop what waits in it when the transformation
 * fails.
 */
async function* through(
  chunks: Chunks,
  transform: Transform,
  kind: Compression,
): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [], failure: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    transform.on("data", (piece) => ready.push(piece));
    transform.once("end", resolve);
    transform.once("close", resolve);
    transform.on("error", (error) => {
      failure ??= error;
      resolve();
    });
  });
  const take = () => ready.splice(0);
  try {
    for await (const piece of steps(chunks)) {
      const written = new Promise<void>((resolve) => transform.write(piece, () => resolve()));
      await Promise.race([written, ended]);
      yield* take();
      if (failure !== undefined) break;
    }
    transform.end();
    await ended;
    yield* take();
    if (failure !== undefined) throw new CompressionError(kind, failure);
  } finally {
    ready = [];
    transform.destroy();
  }
}
