/**
 * Reading coded blobs: only the pieces that a range is in.
 *
 * @module
 */

import { CorruptBlobError, UnsupportedCodecError } from "./blob_store_errors.ts";
import { getUint64 } from "./codec.ts";
import type { CodedSource } from "./compression.ts";
import {
  codecName,
  DEFLATE,
  END_LENGTH,
  endsLength,
  GZIP,
  GZIP_HEADER,
  GZIP_TRAILER,
  isGzipHeader,
  lastBlock,
  MAX_CODED,
  PIECE_LENGTH,
  piecesOf,
  ZSTD,
} from "./pieces.ts";
import type { PieceCodec, PieceCodecs } from "./runtime_hooks.ts";
import { webDeflate } from "./web_deflate.ts";

/** Pieces that are read at once. */
const PIECES_AT_ONCE = 16;
/** Ends that are read at once: those of 64 MiB. */
const ENDS_AT_ONCE = 1024;

/** Reads a coded blob. */
export class CodedReader {
  readonly #source: CodedSource;
  readonly #codecs: PieceCodecs;
  readonly #pieces: number;
  /** Where the bytes of the pieces end. */
  readonly #end: number;
  /** Where the first piece begins. */
  readonly #start: number;
  /** Some of the ends, from one piece on. */
  #ends: Uint8Array | undefined;
  #firstEnd = 0;

  constructor(source: CodedSource, codecs: PieceCodecs = {}) {
    const { extra: { codec, plainSize }, size } = source, isGzip = codec === GZIP;
    this.#source = source;
    this.#codecs = codecs;
    this.#pieces = piecesOf(plainSize);
    this.#start = isGzip ? GZIP_HEADER : 0;
    const trailer = !isGzip ? 0 : this.#pieces > 1 ? GZIP_TRAILER : GZIP_TRAILER - 2;
    this.#end = size - endsLength(plainSize) - trailer;
  }

  /**
   * Reads bytes `[offset, offset + into.length)` of the blob before coding.
   *
   * @throws {CorruptBlobError} The stored bytes are not those written, or cannot be decoded.
   * @throws {UnsupportedCodecError} The runtime has no such codec.
   */
  async read(offset: number, into: Uint8Array): Promise<void> {
    if (into.length === 0) return;
    const codec = this.#codec(), end = offset + into.length;
    this.#checkRoom();
    const last = Math.ceil(end / PIECE_LENGTH);
    for (let piece = Math.floor(offset / PIECE_LENGTH); piece < last;) {
      const next = Math.min(last, piece + PIECES_AT_ONCE);
      const starts: number[] = [];
      for (let i = piece; i <= next; i++) starts.push(await this.#startOf(i));
      const base = piece === 0 ? 0 : starts[0]; // with the header
      const coded = new Uint8Array(starts[next - piece] - base);
      await this.#source.read(base, coded);
      if (piece === 0) this.#checkHeader(coded);
      for (let i = piece; i < next; i++) {
        const from = starts[i - piece] - base, to = starts[i - piece + 1] - base;
        const bytes = await this.#decode(codec, i, coded.subarray(from, to));
        const start = i * PIECE_LENGTH;
        const a = Math.max(0, offset - start), b = Math.min(bytes.length, end - start);
        into.set(bytes.subarray(a, b), start + a - offset);
      }
      piece = next;
    }
  }

  #codec(): PieceCodec {
    const { key, extra: { codec } } = this.#source, codecs = this.#codecs;
    let found: PieceCodec | undefined;
    if (codec === ZSTD) found = codecs.zstd;
    else if (codec === GZIP || codec === DEFLATE) found = codecs.deflate ?? webDeflate();
    if (found === undefined) throw new UnsupportedCodecError(codecName(codec), key);
    return found;
  }

  /** Throws where a blob is said to have more pieces than it has room for. */
  #checkRoom(): void {
    const room = this.#end - this.#start, isOnly = this.#pieces === 1;
    if (room < this.#pieces || (isOnly && room > MAX_CODED)) {
      throw this.#damage(0, this.#source.extra.plainSize);
    }
  }

  #checkHeader(coded: Uint8Array): void {
    if (this.#source.extra.codec === GZIP && !isGzipHeader(coded)) throw this.#damageOf(0);
  }

  /** Where a piece begins; that of the one behind the last is where they end. */
  async #startOf(piece: number): Promise<number> {
    if (piece === 0) return this.#start;
    const count = this.#pieces;
    if (count === 1) return this.#end;
    const before = await this.#endOf(piece - 2), end = await this.#endOf(piece - 1);
    const isLast = piece === count;
    const isSound = end > before && end - before <= MAX_CODED && end <= this.#end &&
      (!isLast || end === this.#end);
    if (!isSound) throw this.#damageOf(piece - 1);
    return end;
  }

  /** Where a piece ends, as it is stored. */
  async #endOf(piece: number): Promise<number> {
    if (piece < 0) return this.#start;
    const at = (piece - this.#firstEnd) * END_LENGTH;
    if (this.#ends !== undefined && at >= 0 && at < this.#ends.length) {
      return getUint64(this.#ends, at);
    }
    const first = Math.max(0, piece - 1), count = Math.min(ENDS_AT_ONCE, this.#pieces - first);
    const ends = new Uint8Array(count * END_LENGTH);
    const table = this.#source.size - this.#pieces * END_LENGTH;
    await this.#source.read(table + first * END_LENGTH, ends);
    this.#ends = ends;
    this.#firstEnd = first;
    return getUint64(ends, (piece - first) * END_LENGTH);
  }

  async #decode(codec: PieceCodec, piece: number, coded: Uint8Array): Promise<Uint8Array> {
    const start = piece * PIECE_LENGTH, { extra } = this.#source;
    const length = Math.min(PIECE_LENGTH, extra.plainSize - start);
    let bytes = coded;
    if (extra.codec === GZIP && this.#pieces > 1) { // none of its blocks is the last one
      bytes = new Uint8Array(coded.length + 2);
      bytes.set(coded);
      bytes.set(lastBlock(), coded.length);
    }
    try {
      const decoded = await codec.decode(bytes, length);
      if (decoded.length === length) return decoded;
    } catch {
      // It is damage, whatever the codec says of it.
    }
    throw this.#damage(start, length);
  }

  #damageOf(piece: number): CorruptBlobError {
    const start = piece * PIECE_LENGTH;
    return this.#damage(start, Math.min(PIECE_LENGTH, this.#source.extra.plainSize - start));
  }

  #damage(offset: number, length: number): CorruptBlobError {
    return new CorruptBlobError(this.#source.key, offset, length);
  }
}
