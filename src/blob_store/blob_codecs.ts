/**
 * Compression of the blobs of a store, for who needs it.
 *
 * @module
 */

import { CodedReader } from "./coded_reader.ts";
import type { BlobCodecs, BlobTarget, Coded } from "./compression.ts";
import { codecFor, encodeBlob, Encoder, isWorth } from "./encoder.ts";
import { PIECE_LENGTH } from "./pieces.ts";
import type { PieceCodecs } from "./runtime_hooks.ts";

/**
 * The option `codecs` of `BlobStore.open`: gzip by the `CompressionStream` of the runtime, unless
 * something better is given, and Zstandard where it is given. A store that compresses nothing and
 * has no compressed blobs need not have it.
 *
 * @param pieces Codecs of pieces of up to 64 KiB.
 */
export function blobCodecs(pieces: PieceCodecs = {}): BlobCodecs {
  return {
    check: (name) => void codecFor(name, pieces),
    encode: (bytes, name, granule) => encodeBlob(bytes, name, pieces, granule),
    encodeTo: (target, name) =>
      new CodingWriter(target, new Encoder(name, pieces, (bytes) => target.write(bytes))),
    decode(source) {
      const reader = new CodedReader(source, pieces);
      return (offset, into) => reader.read(offset, into);
    },
  };
}

/** Puts bytes into pieces, codes them, and hands them on, if that saves anything. */
class CodingWriter<T extends object> implements BlobTarget<T & { readonly coded?: Coded }> {
  readonly #target: BlobTarget<T>;
  readonly #encoder: Encoder;
  readonly #piece = new Uint8Array(PIECE_LENGTH);
  #length = 0;
  /** True if blobs like it are coded: the first piece says so. */
  #isCoded: boolean | undefined;

  constructor(target: BlobTarget<T>, encoder: Encoder) {
    this.#target = target;
    this.#encoder = encoder;
  }

  async write(bytes: Uint8Array, size: number = bytes.length): Promise<void> {
    for (let done = 0; done < size;) {
      if (this.#length === PIECE_LENGTH) await this.#endPiece();
      if (this.#isCoded === false) {
        return await this.#target.write(bytes.subarray(done), size - done);
      }
      const room = PIECE_LENGTH - this.#length;
      const part = bytes.subarray(done, Math.min(done + room, size));
      if (part.byteLength === 0) throw new TypeError("The bytes of value went while it was put");
      this.#piece.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
    }
  }

  get unwritten(): Uint8Array | undefined {
    return this.#isCoded === undefined ? this.#piece.subarray(0, this.#length) : undefined;
  }

  async finish(): Promise<T & { readonly coded?: Coded }> {
    if (this.#length > 0) await this.#endPiece();
    const coded = this.#isCoded ? await this.#encoder.finish() : undefined;
    return { ...await this.#target.finish(), coded };
  }

  async #endPiece(): Promise<void> {
    const piece = this.#piece.subarray(0, this.#length), coded = await this.#encoder.code(piece);
    this.#isCoded ??= isWorth(piece.length, coded.length);
    if (this.#isCoded) await this.#encoder.add(piece, coded);
    else await this.#target.write(piece);
    this.#length = 0;
  }
}
