/**
 * What a runtime can do better for a blob store than the language alone.
 *
 * @module
 */

/** CRC-32 of some bytes, going on from `seed`. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

/** What the opener of the backing store hands in with it. */
export interface RuntimeHooks {
  /**
   * A faster CRC-32 (polynomial 0xEDB88320), for pieces of 4 KiB and more; the same function for
   * every store of the process. One call in 64 is compared with our own. One that was wrong is
   * never called again, and a store that wrote with it fails with a `ChecksumError`.
   */
  readonly crc32?: Crc32;
  /** Called once, when the store is closed: closes the file, frees the lock. */
  readonly release?: () => void | Promise<void>;
}
