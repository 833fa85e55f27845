/**
 * The format of tar archives: a row of 512-byte blocks, namely a header, the bytes of the
 * file filled up to a whole block, the next header; two blocks of zeros end it.
 *
 * @module
 */

/** Bytes of a block. */
export const BLOCK = 512;

/**
 * Names the format of a header, in its six bytes from 257 on. GNU tar, which has no
 * prefix where POSIX has one, writes no NUL.
 */
export const MAGIC = "ustar\0";

/**
 * The sum of the bytes of a header, its own field counted as spaces.
 *
 * @param block The header.
 */
export function checksum(block: Uint8Array | Int8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i];
  return sum;
}

/**
 * Bytes from the end of a body to the end of its block.
 *
 * @param size Bytes of the body.
 */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}
