/**
 * Reading tar archives from a stream of bytes: POSIX ustar and what came before it, pax
 * records, the long names of GNU tar. Memory use does not depend on the archive.
 *
 * @module
 */

import { concat } from "../chunks.ts";
import { BLOCK, checksum, MAGIC, padding } from "./tar.ts";

/** Most bytes of names and attributes before one entry; real ones have a few hundred. */
const MAX_EXTENSION = 1_048_576; // = 2 ** 20

/** An archive that is damaged, cut off, or none. */
export class TarError extends Error {
  /** The name of the class. */
  override readonly name: string = "TarError";
  /** The fault and its place, as it reads after a colon. */
  readonly reason: string;

  /**
   * Makes the error for a place.
   *
   * @param reason The fault, as it reads after a colon.
   * @param offset The byte of the archive where that was met.
   */
  constructor(reason: string, offset: number) {
    const place = `${reason} (at byte ${offset})`;
    super(`Cannot read the archive: ${place}`);
    this.reason = place;
  }
}

/** The kind of an entry; the bytes of a sparse file are in a form of its own. */
export type TarEntryType =
  | "file"
  | "folder"
  | "symbolic link"
  | "hard link"
  | "device"
  | "named pipe"
  | "label"
  | "sparse file"
  | "unknown";

/** An entry of an archive. */
export interface TarEntry {
  /** The name as it stands there, that is: any string. */
  readonly name: string;
  /** True if the name is UTF-8. If not, `name` only resembles it. */
  readonly wellNamed: boolean;
  /** Its kind. */
  readonly type: TarEntryType;
  /** Bytes in it. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it was changed, in seconds since 1970; NaN where that cannot be read. */
  readonly mtime: number;
  /** The name that a link leads to, as it stands there; `undefined` where it is not UTF-8. */
  readonly linkName?: string;
  /** Its bytes, until the next entry is asked for. Unread bytes are skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads an archive.
 *
 * @param chunks The bytes of the archive.
 * @returns Its entries, in order.
 * @throws {TarError} Where it is no archive, is damaged or ends early. Entries given
 *   before that was right.
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = new Source(chunks);
  try {
    for (;;) {
      const entry = await readHeaders(source);
      if (entry === undefined) return;
      let left = entry.size;
      const body = async function* () {
        while (left > 0) {
          const piece = await source.some(left);
          left -= piece.length;
          yield piece;
        }
      };
      yield { ...entry, body: body() };
      while (left > 0) left -= (await source.some(left)).length;
      await source.skip(padding(entry.size));
    }
  } finally {
    await source.close();
  }
}

/** The headers before one entry; `undefined` at the end of the archive. */
async function readHeaders(source: Source): Promise<Omit<TarEntry, "body"> | undefined> {
  const long: LongNames = {};
  let records: Records = new Map(), extended = false;
  for (;;) {
    const at = source.offset;
    const block = await source.block();
    if (block === undefined) {
      throw new TarError(
        at === 0 ? "it is empty" : "it has no end marker, so it was probably cut off",
        at,
      );
    }
    if (block.every((byte) => byte === 0)) {
      if (extended) throw new TarError("it ends where an entry has begun", at);
      await readEnd(source);
      return undefined;
    }
    const header = parseHeader(block, at);
    switch (header.flag) {
      case "x":
      case "g": {
        const parsed = parseRecords(await source.extension(header.size), at);
        if (header.flag === "x") records = parsed;
        else refuseGlobals(parsed, at);
        break;
      }
      case "L":
        long.name = untilZero(await source.extension(header.size));
        break;
      case "K":
        long.linkName = untilZero(await source.extension(header.size));
        break;
      default:
        if (header.flag === "S") await skipSparseMap(source, block);
        return describe(header, records, long, at);
    }
    extended = header.flag !== "g";
  }
}

/** Names that GNU tar writes before an entry where they do not fit into its header. */
interface LongNames {
  name?: Uint8Array;
  linkName?: Uint8Array;
}

/** Puts together what the header and the extensions before it say. */
function describe(
  header: Header,
  records: Records,
  long: LongNames,
  at: number,
): Omit<TarEntry, "body"> {
  // A sparse file stands under another name, for programs that know of none.
  const realName = records.get("GNU.sparse.name") ?? records.get("path");
  const [name, wellNamed] = decode(realName ?? long.name ?? header.name);
  const link = decode(records.get("linkpath") ?? long.linkName ?? header.linkName);
  const sizeRecord = records.get("size");
  const size = sizeRecord === undefined ? header.size : decimal(sizeRecord, at);
  const mtimeRecord = records.get("mtime");
  const mtime = mtimeRecord === undefined ? header.mtime : Number(decode(mtimeRecord)[0]);
  let type = TYPES[header.flag] ?? "unknown";
  // Before there were folders, a file was one if its name said so.
  if (type === "file" && size === 0 && name.endsWith("/")) type = "folder";
  if ([...records.keys()].some((key) => key.startsWith("GNU.sparse."))) type = "sparse file";
  // What a size means for these differs from program to program; bytes they never have.
  const bodiless = /[1-6]/.test(header.flag);
  const linkName = link[1] ? link[0] : undefined;
  return { name, wellNamed, type, size: bodiless ? 0 : size, mode: header.mode, mtime, linkName };
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "5": "folder",
  "D": "folder", // of an incremental archive, with a list of what is in it
  "1": "hard link",
  "2": "symbolic link",
  "3": "device",
  "4": "device",
  "6": "named pipe",
  "V": "label",
  "S": "sparse file",
};

/** The fields of a header that matter here. */
interface Header {
  readonly flag: string;
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
}

function parseHeader(block: Uint8Array, at: number): Header {
  const stated = parseInt(ascii(untilZero(block.subarray(148, 156))), 8);
  // Some old programs summed the bytes as signed ones.
  if (stated !== checksum(block) && stated !== checksum(new Int8Array(block))) {
    throw new TarError(
      at === 0 ? "it is no tar archive" : "a header is damaged: its checksum is wrong",
      at,
    );
  }
  let name = untilZero(block.subarray(0, 100));
  if (ascii(block.subarray(257, 263)) === MAGIC && block[345] !== 0) {
    name = concat([untilZero(block.subarray(345, 500)), Uint8Array.of(SLASH), name]);
  }
  const size = number(block, 124, 12, "size", at);
  if (size < 0) throw new TarError(`a size is negative: ${size}`, at);
  const mode = number(block, 100, 8, "mode", at) & 0o7777;
  return {
    flag: ascii(block.subarray(156, 157)),
    name,
    linkName: untilZero(block.subarray(157, 257)),
    size,
    mode,
    mtime: time(block, at),
  };
}

/** A time, which may be before 1970; NaN where there is none that makes sense. */
function time(block: Uint8Array, at: number): number {
  const [, sign, digits] = ascii(untilZero(block.subarray(136, 148))).trim()
    .match(/^(-?)([0-7]+)$/) ?? [];
  if (digits !== undefined) return (sign ? -1 : 1) * parseInt(digits, 8);
  try {
    return number(block, 136, 12, "time", at);
  } catch {
    return NaN; // it tells nothing of the bytes of the file
  }
}

/** A number in octal digits, or, where the first bit is set, as a big-endian integer. */
function number(block: Uint8Array, from: number, length: number, what: string, at: number): number {
  const field = block.subarray(from, from + length);
  if (field[0] < 0x80) {
    const digits = ascii(untilZero(field)).trim();
    if (!/^[0-7]*$/.test(digits)) {
      throw new TarError(
        `the ${what} of a header is no octal number: ${JSON.stringify(digits)}`,
        at,
      );
    }
    return parseInt(digits || "0", 8);
  }
  // Two's complement, without the bit that marks it.
  let value = field[0] & 0x40 ? field[0] - 0x100 : field[0] & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw new TarError(`the ${what} of a header is too large`, at);
  return value;
}

/** pax records: what they say by what they say it of. */
type Records = Map<string, Uint8Array>;

/** Takes apart records, each `LENGTH KEY=VALUE\n`, where LENGTH counts all of it. */
function parseRecords(bytes: Uint8Array, at: number): Records {
  const records: Records = new Map();
  for (let start = 0, end; start < bytes.length; start = end) {
    const space = bytes.indexOf(SPACE, start), equals = bytes.indexOf(EQUALS, space + 1);
    end = start + decimal(bytes.subarray(start, Math.max(start, space)), at);
    if (end > bytes.length || bytes[end - 1] !== NEWLINE || equals < 0 || equals >= end - 1) {
      throw new TarError("a pax record is damaged", at);
    }
    const key = decode(bytes.subarray(space + 1, equals))[0];
    const value = bytes.subarray(equals + 1, end - 1);
    // An empty value takes back what an earlier record said.
    if (value.length > 0) records.set(key, value);
    else records.delete(key);
  }
  return records;
}

/** Records for all entries may say what they like, except what would change what is read. */
function refuseGlobals(records: Records, at: number): void {
  for (const key of records.keys()) {
    if (/^(path|size|GNU\.sparse\..*)$/.test(key)) {
      throw new TarError(`one ${key} for all entries is not supported`, at);
    }
  }
}

/** Further blocks of the map of an old GNU sparse file, which its size does not count. */
async function skipSparseMap(source: Source, header: Uint8Array): Promise<void> {
  for (let more = header[482]; more !== 0;) {
    const block = await source.block();
    if (block === undefined) throw source.cutOff();
    more = block[504];
  }
}

/** Reads on behind the first block of zeros, to where nothing but zeros may follow. */
async function readEnd(source: Source): Promise<void> {
  for (let at = source.offset, block; (block = await source.last()); at = source.offset) {
    if (block.some((byte) => byte !== 0)) {
      throw new TarError("something follows its end marker; join archives with tar -A", at);
    }
  }
}

const EMPTY = new Uint8Array(0);
const NEWLINE = 0x0a, SPACE = 0x20, SLASH = 0x2f, EQUALS = 0x3d;

/** Bytes of an archive in pieces as they are needed. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = EMPTY;
  /** Bytes handed out. */
  offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`. */
  async some(most: number): Promise<Uint8Array> {
    const piece = await this.#next(most);
    if (piece === undefined) throw this.cutOff();
    return piece;
  }

  /** The next block; `undefined` at the end. */
  async block(): Promise<Uint8Array | undefined> {
    const first = await this.#next(BLOCK);
    return first === undefined || first.length === BLOCK
      ? first
      : concat([first, await this.#restOf(first)]);
  }

  /** The rest of a block; a beginning without it is a text, or the like. */
  async #restOf(first: Uint8Array): Promise<Uint8Array> {
    const isFirst = this.offset === first.length;
    try {
      return await this.#exactly(BLOCK - first.length);
    } catch (error) {
      if (!isFirst || !(error instanceof TarError)) throw error;
      throw new TarError(`it is no tar archive: it ends after ${this.offset} bytes`, 0);
    }
  }

  /** The rest of the next block; `undefined` at the end. */
  last(): Promise<Uint8Array | undefined> {
    return this.#next(BLOCK);
  }

  /** The bytes of an extension, which must fit in memory. */
  async extension(size: number): Promise<Uint8Array> {
    if (size > MAX_EXTENSION) {
      throw new TarError(`names and attributes of ${size} bytes are too long`, this.offset);
    }
    const bytes = await this.#exactly(size);
    await this.skip(padding(size));
    return bytes;
  }

  /** Passes over bytes. */
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.some(left)).length;
  }

  /** Tells where the bytes come from that no more are needed. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** The error of an archive that ends here. */
  cutOff(): TarError {
    return new TarError("it was cut off", this.offset);
  }

  async #exactly(size: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let left = size; left > 0;) {
      const piece = await this.some(left);
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? pieces[0] : concat(pieces);
  }

  async #next(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    this.offset += piece.length;
    return piece;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text, and whether the bytes were UTF-8. */
function decode(bytes: Uint8Array): [text: string, wellFormed: boolean] {
  try {
    return [strict.decode(bytes), true];
  } catch {
    return [lenient.decode(bytes), false];
  }
}

/** Each byte as the character with that number. */
function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** A count in decimal digits. */
function decimal(bytes: Uint8Array, at: number): number {
  const digits = ascii(bytes.subarray(0, 20));
  const value = Number(digits);
  if (!/^\d+$/.test(digits) || !Number.isSafeInteger(value)) {
    throw new TarError(`a pax record has no count: ${JSON.stringify(digits)}`, at);
  }
  return value;
}

/** The bytes before the first zero. */
function untilZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
