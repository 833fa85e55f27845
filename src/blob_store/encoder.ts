/**
 * Compressing blobs, piece by piece.
 *
 * @module
 */

import { fastCrc32 } from "../util/fast_crc32.ts";
import { setUint64 } from "./codec.ts";
import { UnsupportedCodecError } from "./blob_store_errors.ts";
import { framedLength } from "./chunks.ts";
import {
  DEFLATE,
  END_LENGTH,
  GZIP,
  gzipFooter,
  gzipHeader,
  lastBlock,
  MAX_CODED,
  PIECE_LENGTH,
  ZSTD,
} from "./pieces.ts";
import type { PieceCodec, PieceCodecs } from "./runtime_hooks.ts";
import type { Coded, CodedBytes, Compression } from "./compression.ts";
import { webDeflate } from "./web_deflate.ts";

/** A coded form is stored if it saves that share of the bytes. */
const LEAST_SAVED: number = 0.0625; // = 1 / 16

/** Takes bytes. */
export type Sink = (bytes: Uint8Array) => void | Promise<void>;

/**
 * The codec of a name.
 *
 * @throws {UnsupportedCodecError} The runtime has no such codec.
 */
export function codecFor(name: Compression, { deflate, zstd }: PieceCodecs): PieceCodec {
  const codec = name === "zstd" ? zstd : deflate ?? webDeflate();
  if (codec === undefined) throw new UnsupportedCodecError(name);
  return codec;
}

/** Codes one blob. */
export class Encoder {
  readonly #codec: PieceCodec;
  readonly #write: Sink;
  readonly #isZstd: boolean;
  #size = 0;
  #crc = 0;
  /** Bytes written, and where pieces end. */
  #length = 0;
  readonly #ends: number[] = [];
  /** The first of pieces that are whole streams: its form depends on whether there are more. */
  #held: Uint8Array | undefined;

  constructor(name: Compression, pieces: PieceCodecs, write: Sink) {
    this.#isZstd = name === "zstd";
    this.#codec = codecFor(name, pieces);
    this.#write = write;
  }

  /** Codes a piece: 64 KiB, or the last one. Gives the bytes that it takes. */
  async code(piece: Uint8Array): Promise<Uint8Array> {
    const coded = this.#codec.encode(piece);
    return coded instanceof Uint8Array ? coded : await coded;
  }

  /** Takes a piece and its coded form. */
  async add(piece: Uint8Array, coded: Uint8Array): Promise<void> {
    const isFirst = this.#ends.length === 0 && this.#held === undefined;
    this.#size += piece.length;
    if (!this.#isZstd) this.#crc = fastCrc32(piece, this.#crc);
    if (this.#isZstd || this.#codec.endsWithFlush) {
      if (isFirst && !this.#isZstd) await this.#put(gzipHeader());
      return await this.#piece(coded);
    }
    if (isFirst) {
      this.#held = coded;
      return;
    }
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await this.#piece(held);
    await this.#piece(coded);
  }

  /** Ends the blob. */
  async finish(): Promise<Coded> {
    const plainSize = this.#size, footer = () => gzipFooter(this.#crc, plainSize);
    if (this.#held !== undefined) {
      for (const part of [gzipHeader(), this.#held, footer()]) await this.#put(part);
      return { codec: GZIP, plainSize };
    }
    const isGzip = !this.#isZstd && this.#codec.endsWithFlush === true;
    if (isGzip) {
      await this.#put(lastBlock());
      await this.#put(footer());
    }
    const ends = this.#ends;
    if (ends.length > 1) {
      const bytes = new Uint8Array(ends.length * END_LENGTH);
      ends.forEach((end, i) => setUint64(bytes, i * END_LENGTH, end));
      await this.#put(bytes);
    }
    return { codec: this.#isZstd ? ZSTD : isGzip ? GZIP : DEFLATE, plainSize };
  }

  async #piece(coded: Uint8Array): Promise<void> {
    if (coded.length > MAX_CODED) {
      throw new RangeError(`Expected no piece of ${coded.length} bytes`);
    }
    await this.#put(coded);
    this.#ends.push(this.#length);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#length += bytes.length;
    const pending = this.#write(bytes);
    if (pending) await pending;
  }
}

/** Tells whether coding bytes saves enough that they are stored so. */
export function isWorth(size: number, codedSize: number): boolean {
  return codedSize <= size * (1 - LEAST_SAVED);
}

/**
 * The coded form of a blob at hand; undefined where it saves less than a sixteenth, or no unit.
 *
 * @param granule Bytes in a unit.
 */
export async function encodeBlob(
  bytes: Uint8Array,
  name: Compression,
  pieces: PieceCodecs,
  granule: number,
): Promise<CodedBytes | undefined> {
  const units = Math.ceil(framedLength(bytes.length) / granule);
  if (units < 2) return undefined;
  const parts: Uint8Array[] = [];
  const encoder = new Encoder(name, pieces, (part) => void parts.push(part));
  for (let at = 0; at < bytes.length; at += PIECE_LENGTH) {
    const piece = bytes.subarray(at, at + PIECE_LENGTH), coded = await encoder.code(piece);
    if (at === 0 && !isWorth(piece.length, coded.length)) return undefined;
    await encoder.add(piece, coded);
  }
  const coded = await encoder.finish();
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const isSmaller = Math.ceil(framedLength(length) / granule) < units;
  if (!isSmaller || !isWorth(bytes.length, length)) return undefined;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return { bytes: all, coded };
}
