/**
 * Archives for the tests: of samples, with changed headers, read to the end.
 *
 * @module
 */

import { concat } from "../../cli/chunks.ts";
import { readTar, type TarEntry } from "../../cli/tar/read_tar.ts";
import { type TarFile, writeTar } from "../../cli/tar/write_tar.ts";
import { randomBytes, seeded } from "../support/random.ts";

const BLOCK = 512;

/** An entry that was read to its end. */
export type Read = Omit<TarEntry, "body"> & { bytes: Uint8Array };

/** A file for an archive, with its bytes at hand. */
export type Sample = TarFile & { bytes: Uint8Array };

/** Files whose names and sizes are at every border. */
export function sampleFiles(): Sample[] {
  const random = seeded(6);
  const names = [
    ["empty", 0],
    ["one", 1],
    ["block", BLOCK],
    ["block and one", BLOCK + 1],
    ["ünï/☃ 🙂", 10],
    [`${"a".repeat(99)}/`.repeat(5) + "b".repeat(200), 11],
    ["n".repeat(100), 12],
    ["n".repeat(101), 13],
    ["é".repeat(60), 0],
    [" leading and trailing ", 3],
    ["--option", 4],
    ["line\nbreak", 5],
    ["large", 200_003],
  ] as const;
  return names.map(([name, size], i) => ({
    ...sample(name, randomBytes(random, size)),
    mode: i % 2 ? 0o644 : 0o750,
    mtime: 1e9 + i + (i % 3) / 4,
  }));
}

export function sample(name: string, bytes: Uint8Array): Sample {
  return { name, size: bytes.length, mode: 0o644, mtime: 1e9, body: [bytes], bytes };
}

/** What of an entry must be that of the file. */
export function comparable({ name, size, mode, mtime, bytes }: Omit<Read, "type" | "wellNamed">) {
  return { name, size, mode, mtime: Math.floor(mtime), bytes };
}

/** An archive of one file whose header was changed, and its checksum made right again. */
export async function changed(
  change: (header: Uint8Array) => void,
  signed = false,
): Promise<Uint8Array> {
  const archive = await bytesOf(writeTar([sample("name", new Uint8Array(3))]));
  const header = archive.subarray(0, BLOCK);
  change(header);
  const sum = checksum(signed ? new Int8Array(header) : header);
  header.set(ascii(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return archive;
}

function checksum(header: Uint8Array | Int8Array): number {
  return [...header].reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

/** An archive of one file behind an extension. */
export async function extended(flag: string, bytes: Uint8Array): Promise<Uint8Array> {
  const file = await bytesOf(writeTar([sample("name", new Uint8Array(3))]));
  const header = file.slice(0, BLOCK);
  header.set(ascii(`${bytes.length.toString(8).padStart(11, "0")}\0`), 124);
  header.set(ascii(flag), 156);
  header.set(ascii(`${checksum(header).toString(8).padStart(6, "0")}\0 `), 148);
  return concat([header, bytes, new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK), file]);
}

export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes in pieces of given lengths, none of which is read twice. */
export async function* pieces(bytes: Uint8Array, length: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, at + length());
    at += piece.length;
    yield piece;
  }
}

export async function readAll(
  chunks: AsyncIterable<Uint8Array>,
  read: Read[] = [],
): Promise<Read[]> {
  for await (const { body, ...entry } of readTar(chunks)) {
    read.push({ ...entry, bytes: await bytesOf(body) });
  }
  return read;
}

/** The first entry, whose bytes may be missing. */
export async function firstHeader(archive: Uint8Array): Promise<TarEntry> {
  for await (const entry of readTar(pieces(archive, () => 512))) return entry;
  throw new Error("no entry");
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part);
  return concat(parts);
}
