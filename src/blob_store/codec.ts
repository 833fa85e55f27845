/**
 * Numbers as bytes: fixed ones in little-endian order, and variable-length ones of
 * seven bits a byte, lowest first (LEB128), up to 2^53 - 1.
 *
 * @module
 */

/** Writes at the end of a buffer that grows. */
export class ByteWriter {
  /** The bytes written, and room behind them. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes written. */
  length = 0;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity);
  }

  /** The bytes written; valid until the next write. */
  written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for so many bytes, and gives where they go. */
  skip(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const before = this.bytes;
      this.bytes = new Uint8Array(Math.max(this.length, 2 * before.length));
      this.bytes.set(before.subarray(0, at));
    }
    return at;
  }

  uint8(value: number): void {
    const at = this.skip(1);
    this.bytes[at] = value;
  }

  uint32(value: number): void {
    const at = this.skip(4);
    setUint32(this.bytes, at, value);
  }

  uint64(value: number): void {
    const at = this.skip(8);
    setUint64(this.bytes, at, value);
  }

  /** An integer from 0 to 2^53 - 1. */
  varint(value: number): void {
    let at = this.skip(8);
    const B = this.bytes;
    for (; value > 0x7fffffff; value = Math.floor(value / 128)) B[at++] = (value % 128) | 0x80;
    for (; value > 0x7f; value >>>= 7) B[at++] = (value & 0x7f) | 0x80;
    B[at++] = value;
    this.length = at;
  }

  copy(bytes: Uint8Array): void {
    const at = this.skip(bytes.length);
    this.bytes.set(bytes, at);
  }
}

/**
 * Reads from a buffer. Beyond its end everything is zero and `at` goes on: whoever
 * reads looks at `isBeyond` once a record is through.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Where the next read begins. */
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  /** True if more was read than there is. */
  get isBeyond(): boolean {
    return this.at > this.bytes.length;
  }

  uint8(): number {
    return this.bytes[this.at++] ?? 0;
  }

  uint32(): number {
    const at = this.at;
    this.at = at + 4;
    return getUint32(this.bytes, at);
  }

  uint64(): number {
    const at = this.at;
    this.at = at + 8;
    return getUint64(this.bytes, at);
  }

  varint(): number {
    const B = this.bytes;
    let byte = B[this.at++];
    if (byte < 0x80) return byte;
    let value = byte & 0x7f, scale = 128;
    do {
      byte = B[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte > 0x7f && scale < 2 ** 56);
    return value;
  }

  /** The next bytes where they lie; fewer at the end. */
  view(length: number): Uint8Array {
    const at = this.at;
    this.at = at + length;
    return this.bytes.subarray(at, at + length);
  }
}

export function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function getUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** An integer up to 2^53 - 1 in eight bytes. */
export function setUint64(bytes: Uint8Array, at: number, value: number): void {
  setUint32(bytes, at, value);
  setUint32(bytes, at + 4, Math.floor(value / 2 ** 32));
}

/** Eight bytes as a number; beyond 2^53 - 1 it is not exact, and no valid one. */
export function getUint64(bytes: Uint8Array, at: number): number {
  return getUint32(bytes, at) + getUint32(bytes, at + 4) * 2 ** 32;
}
