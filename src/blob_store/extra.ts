/**
 * Fields that only some blobs have: a time at which they are gone, a coded form.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./codec.ts";

/** Features of a root: blobs that expire, and coded blobs. */
export const EXPIRY = 8;
export const CODECS = 16;
/** All that this code reads. */
export const KNOWN_FEATURES = 24; // = EXPIRY | CODECS

/** The greatest time that there is, as a `Date` has it, in ms. */
export const MAX_TIME = 8_640_000_000_000_000;

/** Fields that only some blobs have. */
export interface Extra {
  /** When the blob is gone, in ms; Infinity: never. */
  readonly expires: number;
  /** How it is coded; 0: it is not. */
  readonly codec: number;
  /** Its bytes before that. */
  readonly plainSize: number;
}

/** The features that a blob needs. */
export function featuresOf(extra: Extra | undefined): number {
  if (extra === undefined) return 0;
  return (extra.expires < Infinity ? EXPIRY : 0) | (extra.codec !== 0 ? CODECS : 0);
}

/** The fields together; undefined: none. */
export function extraOf(
  expires: number | undefined,
  coded?: { readonly codec: number; readonly plainSize: number },
): Extra | undefined {
  if (expires === undefined && coded === undefined) return undefined;
  return {
    expires: expires ?? Infinity,
    codec: coded?.codec ?? 0,
    plainSize: coded?.plainSize ?? 0,
  };
}

/** Most bytes of it in the index. */
export const MAX_EXTRA = 17;

/** Writes it as leaves and records have it. */
export function writeExtra(to: ByteWriter, { expires, codec, plainSize }: Extra): void {
  if (expires < Infinity) to.varint(expires);
  if (codec === 0) return;
  to.uint8(codec);
  to.varint(plainSize);
}

/**
 * Reads it; undefined where it makes no sense.
 *
 * @param features Which of the two there are.
 * @param size Bytes in the file: an empty blob is not coded.
 */
export function readExtra(from: ByteReader, features: number, size: number): Extra | undefined {
  const expires = (features & EXPIRY) !== 0 ? from.varint() : Infinity;
  const codec = (features & CODECS) !== 0 ? from.uint8() : 0;
  const plainSize = (features & CODECS) !== 0 ? from.varint() : 0;
  const isSound = isExtraSound(features, size, expires, codec, plainSize);
  return isSound ? { expires, codec, plainSize } : undefined;
}

/** Tells whether what was read of it makes sense. */
export function isExtraSound(
  features: number,
  size: number,
  expires: number,
  codec: number,
  plainSize: number,
): boolean {
  if ((features & EXPIRY) !== 0 && !(expires <= MAX_TIME)) return false;
  if ((features & CODECS) === 0) return true;
  return codec > 0 && size > 0 && plainSize > 0 && plainSize <= Number.MAX_SAFE_INTEGER;
}
