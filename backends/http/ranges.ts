/**
 * The range that a request asks for: RFC 9110, section 14.
 *
 * @module
 */

/** Bytes of a blob, from the first on. */
export interface Part {
  /** The first byte. */
  readonly offset: number;
  /** How many. */
  readonly length: number;
}

/**
 * The part of `size` bytes that a Range header asks for; undefined for all of them, and null for
 * one that lies behind the end (416).
 *
 * All is sent where several ranges are asked for, and where the header is of another unit or makes
 * no sense. A server may do so, and needs no multipart bodies then.
 */
export function partOf(header: string | null, size: number): Part | undefined | null {
  const [, first, last] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "") ?? [];
  if (!first && !last) return undefined;
  if (!first) {
    const length = Math.min(Number(last), size);
    // Of an empty blob the last bytes are all that there is.
    return Number(last) === 0 ? null : size === 0 ? undefined : { offset: size - length, length };
  }
  const offset = Number(first), end = last ? Math.min(Number(last) + 1, size) : size;
  if (last && Number(last) < offset) return undefined;
  return offset < size ? { offset, length: end - offset } : null;
}
