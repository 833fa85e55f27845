/**
 * Functions that a runtime can do better for a blob store than the language alone.
 *
 * @module
 */

/** CRC-32 of some bytes, going on from `seed`. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

/** Compresses pieces of up to 64 KiB. */
export interface PieceCodec {
  /** Compresses bytes. */
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Decompresses what `encode` gave; of blocks that end with a flush, with an empty last block
   * behind them. Throws, or rejects, where that is damaged or gives more than `length` bytes.
   */
  decode(bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Of deflate: whether `encode` gives blocks that end with a sync flush, none of them the last
   * one, so that they can be joined; by default it gives a whole stream.
   */
  readonly endsWithFlush?: boolean;
}

/** Codecs of pieces. */
export interface PieceCodecs {
  /** Deflate (RFC 1951, without a header); by default that of `CompressionStream`. */
  readonly deflate?: PieceCodec;
  /** Zstandard, a frame each piece; by default there is none. */
  readonly zstd?: PieceCodec;
}

/** Functions that the opener of the backing store hands in with it. */
export interface RuntimeHooks {
  /**
   * A faster CRC-32 (polynomial 0xEDB88320), for pieces of 4 KiB and more; the same function for
   * every store of the process. One call in 64 is compared with our own. One that was wrong is
   * never called again, and a store that wrote with it fails with a `ChecksumError`.
   */
  readonly crc32?: Crc32;
  /** Resolves once timers had a turn: awaited calls that end at once would starve them. */
  readonly nextTurn?: () => Promise<void>;
  /** Called once, when the store is closed: closes the file, frees the lock. */
  readonly release?: () => void | Promise<void>;
}
