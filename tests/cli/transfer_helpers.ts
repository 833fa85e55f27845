/**
 * Folders, stores and archives with known contents.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { readTar } from "../../cli/tar/read_tar.ts";
import type { TarFile } from "../../cli/tar/write_tar.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { bytesOf } from "./tar_helpers.ts";
import { newPath } from "../support/temporary_files.ts";

/** Bytes by name. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** Files of all sizes, some of which share a batch. */
export function sampleContents(): Contents {
  const random = seeded(11), contents = new Map<string, Uint8Array>();
  for (let i = 0; i < 600; i++) {
    contents.set(`many/${i % 7}/${i}`, randomBytes(random, random(100)));
  }
  contents.set("empty", new Uint8Array(0)).set("ünï ☃/🙂", randomBytes(random, 70_000));
  contents.set(`${"long/".repeat(30)}${"x".repeat(200)}`, randomBytes(random, 10));
  for (const size of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1]) {
    contents.set(`large/${size}`, randomBytes(random, size));
  }
  const total = 4_520_000;
  const size = [...contents.values()].reduce((sum, { length }) => sum + length, 0);
  return sorted(contents.set("the rest", randomBytes(random, total - size)));
}

/** In the order of a store. */
function sorted(contents: Contents): Contents {
  return new Map([...contents].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

export function folderOf(contents: Contents): string {
  const folder = newPath();
  fs.mkdirSync(folder);
  for (const [name, bytes] of contents) {
    fs.mkdirSync(dirname(join(folder, name)), { recursive: true });
    fs.writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

/** What is below a folder: the bytes of files, the targets of links, in order. */
export function filesIn(folder: string, take: (name: string) => boolean = () => true): Contents {
  const found = new Map<string, Uint8Array>();
  const visit = (path: string) => {
    for (const entry of fs.readdirSync(join(folder, path), { withFileTypes: true })) {
      const name = path + entry.name;
      if (!take(name)) continue;
      if (entry.isDirectory()) visit(`${name}/`);
      else if (entry.isSymbolicLink()) found.set(name, bytes(fs.readlinkSync(join(folder, name))));
      else found.set(name, new Uint8Array(fs.readFileSync(join(folder, name))));
    }
  };
  visit("");
  return sorted(found);
}

export async function blobsOf(path: string): Promise<Contents> {
  const blobs = new Map<string, Uint8Array>();
  const store = await BlobStore.open(path, { readOnly: true });
  for await (const { key } of store.list()) blobs.set(key, (await store.get(key))!);
  await store.close();
  return blobs;
}

export async function entriesOf(archive: Uint8Array): Promise<Contents> {
  const entries = new Map<string, Uint8Array>();
  for await (const { name, body } of readTar(inPieces(archive))) {
    entries.set(name, await bytesOf(body));
  }
  return entries;
}

export function tarFile(name: string, bytes: Uint8Array): TarFile {
  return { name, size: bytes.length, mode: 0o644, mtime: 1e9, body: [bytes] };
}

export function tarFiles(contents: Contents): TarFile[] {
  return [...contents].map(([name, bytes]) => tarFile(name, bytes));
}

export async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.slice(at, at + 10_007);
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
