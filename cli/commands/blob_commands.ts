/**
 * The commands for single blobs: put, get, ls, rm, stat.
 *
 * @module
 */

import * as fs from "node:fs";
import type { BlobInfo, ByteRange, Metadata } from "../../backends/blob_store/mod.ts";
import { buffered, type Chunks, counted } from "../chunks.ts";
import { type Command, Failure, type Invocation, UsageError, wholeNumber } from "../command.ts";
import { readFile, writeFile } from "../files.ts";
import { printable } from "../../src/util/printable.ts";
import { formatBytes, formatCount, quoted } from "../format.ts";
import { refuseOwn, withStore } from "../store_access.ts";

const put: Command = {
  name: "put",
  operands: "<store> <key> <file|->",
  summary: "Put a file, or standard input, as a blob.",
  details: "The store is made if it is missing. A blob of that key is replaced.",
  options: {
    metadata: { value: "JSON", help: "what to keep with the blob, at most 4 KiB" },
  },
  examples: [
    ["blobs put photos.blobs cat.jpg ~/cat.jpg", "keeps a file under the key cat.jpg"],
    [
      `tar c src | blobs put backups.blobs src.tar - --metadata '{"by":"me"}'`,
      "keeps what a program prints, and a note with it",
    ],
  ],
  async run(invocation) {
    const { io: { stdin, signal }, operands: [path, key, from] } = invocation;
    const metadata = parseMetadata(invocation.text("metadata"));
    // Before the store is made for it.
    const file = from === "-" ? undefined : fs.statSync(from);
    if (file?.isDirectory()) throw new Failure(`${quoted(from)} is a folder; import takes those`);
    const info = await invocation.withProgress(
      file?.size ?? 0,
      (bar) =>
        withStore(path, { create: true }, async (store) => {
          if (from !== "-") refuseOwn(from, path);
          const source = from === "-" ? stdin : readFile(from);
          const bytes = counted(source, signal, (count) => bar.advance(count));
          await store.put(key, ReadableStream.from(bytes), { metadata });
          return await store.stat(key);
        }),
    );
    if (invocation.flag("json")) await invocation.printJson(info);
    return 0;
  },
};

const get: Command = {
  name: "get",
  operands: "<store> <key> [file|-]",
  summary: "Write a blob to a file, or to standard output.",
  details: "A file of that name is replaced once the blob is there as a whole.",
  options: {
    range: { value: "OFFSET[:LENGTH]", help: "only these bytes; to the end without a length" },
  },
  examples: [
    ["blobs get photos.blobs cat.jpg cat.jpg", "writes a blob to a file"],
    ["blobs get photos.blobs cat.jpg --range 0:512 | xxd", "prints its first 512 bytes"],
  ],
  async run(invocation) {
    const { io, operands: [path, key, to = "-"] } = invocation;
    const range = parseRange(invocation.text("range"));
    if (to === "-" && invocation.flag("json")) {
      throw new UsageError("--json needs standard output, where the blob goes");
    }
    await withStore(path, { readOnly: true }, async (store) => {
      const info = await store.stat(key);
      const blob = store.stream(key, { range });
      if (info === undefined || blob === undefined) throw notFound(path, key);
      await invocation.withProgress(range === undefined ? info.size : 0, async (bar) => {
        let size = 0;
        const bytes = counted(blob, io.signal, (count) => {
          size += count;
          // Bar and blob would share the terminal.
          if (to !== "-") bar.advance(count);
        });
        if (to === "-") await writeAll(invocation, bytes);
        else {
          refuseOwn(to, path);
          await writeFile(to, bytes);
        }
        if (invocation.flag("json")) await invocation.printJson({ key, file: to, bytes: size });
      });
    });
    return 0;
  },
};

const ls: Command = {
  name: "ls",
  operands: "<store> [prefix]",
  summary: "List the keys, in the order of their bytes.",
  details: "With --json it prints one object per line and blob.",
  options: {
    long: { short: "l", help: "show sizes and times, too" },
    after: { value: "KEY", help: "only keys behind this one" },
    limit: { value: "N", help: "at most so many" },
  },
  examples: [
    ["blobs ls photos.blobs 2026/ -l", "lists the blobs whose keys begin with 2026/"],
    ["blobs ls photos.blobs --json | jq -r .size", "prints the size of every blob"],
  ],
  async run(invocation) {
    const { io: { stdout, signal }, operands: [path, prefix] } = invocation;
    const after = invocation.text("after"), limit = invocation.count("limit");
    const show = invocation.flag("json")
      ? (info: BlobInfo) => JSON.stringify(info)
      : (info: BlobInfo) => {
        const key = stdout.columns === undefined ? info.key : printable(info.key);
        if (!invocation.flag("long")) return key;
        return `${formatBytes(info.size).padStart(8)}  ${info.time.toISOString()}  ${key}`;
      };
    await withStore(path, { readOnly: true }, async (store) => {
      const lines = async function* () {
        const encoder = new TextEncoder();
        for await (const info of store.list({ prefix, after, limit })) {
          yield encoder.encode(`${show(info)}\n`);
        }
      };
      await writeAll(invocation, counted(lines(), signal, () => {}));
    });
    return 0;
  },
};

const rm: Command = {
  name: "rm",
  operands: "<store> <key>…",
  summary: "Delete blobs, all at once.",
  details: "Keys that are not there are reported and make the exit code 1; the others go.",
  examples: [
    ["blobs rm photos.blobs cat.jpg dog.jpg", "deletes two blobs"],
    [
      "blobs ls photos.blobs tmp/ | xargs -d '\\n' blobs rm photos.blobs --",
      "deletes every blob whose key begins with tmp/",
    ],
  ],
  async run(invocation) {
    const [path, ...keys] = invocation.operands;
    const deleted: string[] = [], missing: string[] = [];
    await withStore(path, {}, async (store) => {
      for (const key of new Set(keys)) (await store.has(key) ? deleted : missing).push(key);
      await store.batch(deleted.map((key) => ({ type: "delete", key })));
    });
    for (const key of missing) await invocation.warn(notFound(path, key).message);
    if (invocation.flag("json")) await invocation.printJson({ deleted, missing });
    return missing.length === 0 ? 0 : 1;
  },
};

const stat: Command = {
  name: "stat",
  operands: "<store> <key>",
  summary: "Show size, time, metadata and etag of a blob.",
  examples: [
    ["blobs stat photos.blobs cat.jpg", "shows one blob"],
    ["blobs stat photos.blobs cat.jpg --json | jq .metadata", "prints its metadata"],
  ],
  async run(invocation) {
    const [path, key] = invocation.operands;
    const info = await withStore(path, { readOnly: true }, (store) => store.stat(key));
    if (info === undefined) throw notFound(path, key);
    if (invocation.flag("json")) await invocation.printJson(info);
    else {
      await invocation.print(`key       ${printable(info.key)}`);
      await invocation.print(
        `size      ${formatBytes(info.size)} (${formatCount(info.size)} bytes)`,
      );
      await invocation.print(`time      ${info.time.toISOString()}`);
      await invocation.print(`etag      ${info.etag}`);
      if (info.metadata !== undefined) {
        await invocation.print(`metadata  ${printable(JSON.stringify(info.metadata))}`);
      }
    }
    return 0;
  },
};

/** The commands for single blobs. */
export const blobCommands: readonly Command[] = [put, get, ls, rm, stat];

function notFound(path: string, key: string): Failure {
  return new Failure(`${quoted(path)} has no blob ${quoted(key)}`);
}

async function writeAll({ io: { stdout } }: Invocation, chunks: Chunks): Promise<void> {
  for await (const piece of buffered(chunks)) await stdout.write(piece);
}

function parseMetadata(text: string | undefined): Metadata | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--metadata must be JSON: ${(error as Error).message}`);
  }
}

function parseRange(text: string | undefined): ByteRange | undefined {
  if (text === undefined) return undefined;
  const [offset, length, ...more] = text.split(":");
  if (more.length > 0) throw new UsageError(`--range must be OFFSET[:LENGTH], got ${quoted(text)}`);
  return {
    offset: wholeNumber("--range: the offset", offset),
    length: length === undefined ? undefined : wholeNumber("--range: the length", length),
  };
}
