/**
 * Writing tar archives as a stream of bytes: POSIX ustar, with pax records where that
 * cannot hold a name, a size or a time.
 *
 * @module
 */

import type { Chunks } from "../chunks.ts";
import { BLOCK, checksum, MAGIC, padding } from "./tar.ts";

/** Bound of a size or a time in octal digits. */
const OCTAL_LIMIT = 8_589_934_592; // = 8 ** 11

const encoder = new TextEncoder();

/** A file for an archive. */
export interface TarFile {
  /** Its name, which is written as it is. */
  readonly name: string;
  /** Bytes in it. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it was changed, in seconds since 1970; fractions are dropped. */
  readonly mtime: number;
  /** Its bytes, exactly `size` of them. */
  readonly body: Chunks;
}

/**
 * Writes an archive.
 *
 * @param files Its files.
 * @returns The bytes of the archive.
 * @throws {RangeError} Where a body has another size than was said.
 */
export async function* writeTar(
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const file of files) {
    yield* headers(file, count++);
    let size = 0;
    for await (const piece of file.body) {
      size += piece.length;
      if (size > file.size) break;
      yield piece;
    }
    if (size !== file.size) {
      const got = size > file.size ? "more" : size;
      throw new RangeError(
        `Cannot archive ${JSON.stringify(file.name)}: expected ${file.size} bytes, got ${got}`,
      );
    }
    yield new Uint8Array(padding(size));
  }
  yield new Uint8Array(2 * BLOCK);
}

/** The header of a file, behind one of pax records where ustar cannot say it all. */
function* headers(file: TarFile, serial: number): Generator<Uint8Array> {
  const records: string[] = [];
  // A program that knows no pax must not take a part of a name for a name.
  let name = file.name;
  if (!/^[ -~]{1,100}$/.test(name)) {
    records.push(paxRecord("path", name));
    name = `long-name-${serial}`;
  }
  let { size } = file;
  if (size >= OCTAL_LIMIT) {
    records.push(paxRecord("size", String(size)));
    size = 0;
  }
  let mtime = Math.floor(file.mtime);
  if (mtime < 0 || mtime >= OCTAL_LIMIT) {
    records.push(paxRecord("mtime", String(mtime)));
    mtime = 0;
  }
  if (records.length > 0) {
    const bytes = encoder.encode(records.join(""));
    yield header("x", `pax-records-${serial}`, bytes.length, 0o644, mtime);
    yield bytes;
    yield new Uint8Array(padding(bytes.length));
  }
  yield header("0", name, size, file.mode & 0o7777, mtime);
}

function header(flag: string, name: string, size: number, mode: number, mtime: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => encoder.encodeInto(text, block.subarray(at));
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, octal(mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size, 11));
  put(136, octal(mtime, 11));
  put(156, flag);
  put(257, `${MAGIC}00`);
  put(148, `${octal(checksum(block), 6)}\0 `);
  return block;
}

/** One record, whose length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}
