/**
 * The commands for single blobs: put, get, ls, rm, stat.
 *
 * @module
 */

import * as fs from "node:fs";
import type { BlobInfo, ByteRange, Metadata } from "../../backends/blob_store/mod.ts";
import { buffered, type Chunks, counted } from "../chunks.ts";
import {
  type Command,
  COMPRESS,
  compressionIn,
  type Invocation,
  jsonOf,
  WAIT,
  wholeNumber,
} from "../command.ts";
import { ClosedOutput, Failure, naming, UsageError } from "../errors.ts";
import { readFile, writeFile } from "../files.ts";
import { printable } from "../../src/util/printable.ts";
import { formatBytes, formatCount, plural, quoted } from "../format.ts";
import { refuseOwn, withStore } from "../store_access.ts";

const put: Command = {
  name: "put",
  operands: "<store> <key> <file|->",
  summary: "Put a file, or standard input, as a blob.",
  details: "The store is made if it is missing. A blob of that key is replaced.",
  options: {
    metadata: { value: "JSON", help: "what to keep with the blob, at most 4 KiB" },
    ...COMPRESS,
    expires: { value: "WHEN", help: "when it is gone: in 30s, 15m, 12h or 7d, or at a date" },
    ...WAIT,
  },
  examples: [
    ["blobs put photos.blobs cat.jpg ~/cat.jpg", "keeps a file under the key cat.jpg"],
    [
      `tar c src | blobs put backups.blobs src.tar - --metadata '{"by":"me"}'`,
      "keeps what a program prints, and a note with it",
    ],
    ["blobs put cache.blobs page page.html --compress gzip --expires 7d", "keeps it for a week"],
  ],
  async run(invocation) {
    const { io: { stdin, signal }, operands: [path, key, from] } = invocation;
    const metadata = parseMetadata(invocation.text("metadata"));
    const compress = compressionIn(invocation), expires = parseExpires(invocation.text("expires"));
    const options = { create: true, ...invocation.waiting() };
    // Before the store is made for it.
    checkKey(key);
    const file = from === "-" ? undefined : naming("read", from, () => fs.statSync(from));
    if (file?.isDirectory()) throw new Failure(`${quoted(from)} is a folder; import takes those`);
    const info = await invocation.withProgress(
      file?.size ?? 0,
      (bar) =>
        withStore(path, options, async (store) => {
          if (from !== "-") refuseOwn(from, path);
          const source = from === "-" ? stdin : readFile(from);
          const bytes = counted(source, signal, (count) => bar.advance(count));
          return await store.put(key, bytes, { metadata, compress, expires });
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
      const blob = await store.stream(key, { range });
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

/** Lines of `ls`: how a blob is shown, and what ends it. */
interface Listing {
  readonly show: (info: BlobInfo) => string;
  readonly end: string;
}

/** How `ls` shows blobs. */
function listingOf(invocation: Invocation): Listing {
  const { io: { stdout } } = invocation;
  const isNull = invocation.flag("null");
  if (invocation.flag("json")) {
    if (isNull) throw new UsageError("--null is for keys, and --json prints objects");
    return { show: jsonOf, end: "\n" };
  }
  const isRaw = isNull || stdout.columns === undefined;
  const isLong = invocation.flag("long");
  const show = (info: BlobInfo) => {
    const key = isRaw ? info.key : printable(info.key);
    if (!isLong) return key;
    return `${formatBytes(info.size).padStart(8)}  ${info.time.toISOString()}  ${key}`;
  };
  return { show, end: isNull ? "\0" : "\n" };
}

const ls: Command = {
  name: "ls",
  operands: "<store> [prefix]",
  summary: "List the keys, in the order of their bytes.",
  details: "With --json it prints one object per line and blob.",
  options: {
    long: { short: "l", help: "show sizes and times, too" },
    after: { value: "KEY", help: "only keys behind this one, in the order of the list" },
    limit: { value: "N", help: "at most so many" },
    reverse: { short: "r", help: "list the last key first" },
    null: { short: "0", help: "end each key with NUL, for xargs -0: a key may hold a newline" },
  },
  examples: [
    ["blobs ls photos.blobs 2026/ -l", "lists the blobs whose keys begin with 2026/"],
    ["blobs ls photos.blobs -r --limit 10", "lists the ten greatest keys"],
    ["blobs ls photos.blobs --json | jq -r .size", "prints the size of every blob"],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path, prefix] } = invocation;
    const after = invocation.text("after"), limit = invocation.count("limit");
    const reverse = invocation.flag("reverse");
    const { show, end } = listingOf(invocation);
    let code = 0;
    await withStore(path, { readOnly: true }, async (store) => {
      const lines = async function* () {
        const encoder = new TextEncoder();
        for await (const info of store.list({ prefix, after, limit, reverse })) {
          // Its reader would take it for two keys.
          if (end === "\0" && info.key.includes("\0")) {
            await invocation.warn(`left out ${quoted(info.key)}: it holds a NUL`);
            code = 1;
          } else yield encoder.encode(show(info) + end);
        }
      };
      await writeAll(invocation, counted(lines(), signal, () => {})).catch((error) => {
        if (!(error instanceof ClosedOutput)) throw error;
      });
    });
    return code;
  },
};

const rm: Command = {
  name: "rm",
  operands: "<store> [key]…",
  summary: "Delete blobs, all at once.",
  details: `Keys that are not there are reported and make the exit code 1; the others go.
--prefix asks first on a terminal, and needs --yes elsewhere.`,
  options: {
    prefix: { value: "TEXT", help: "delete every blob whose key begins so" },
    yes: { short: "y", help: "do not ask" },
    ...WAIT,
  },
  examples: [
    ["blobs rm photos.blobs cat.jpg dog.jpg", "deletes two blobs"],
    ["blobs rm photos.blobs --prefix tmp/ --yes", "deletes all whose keys begin with tmp/"],
    [
      "blobs ls photos.blobs -0 | grep -z '\\.bak$' | xargs -0 blobs rm photos.blobs --",
      "deletes all whose keys end with .bak",
    ],
  ],
  async run(invocation) {
    const [path, ...keys] = invocation.operands;
    const prefix = invocation.text("prefix");
    if (prefix !== undefined) return await removePrefix(invocation, prefix);
    if (keys.length === 0) throw new UsageError("<key>… or --prefix is missing");
    const deleted: string[] = [], missing: string[] = [];
    await withStore(path, invocation.waiting(), async (store) => {
      for (const key of new Set(keys)) (await store.has(key) ? deleted : missing).push(key);
      await store.batch(deleted.map((key) => ({ type: "delete", key })));
    });
    for (const key of missing) await invocation.warn(notFound(path, key).message);
    if (invocation.flag("json")) await invocation.printJson({ deleted, missing });
    return missing.length === 0 ? 0 : 1;
  },
};

/** Deletes the blobs whose keys begin with a prefix, once that is meant. */
async function removePrefix(invocation: Invocation, prefix: string): Promise<number> {
  const [path, ...keys] = invocation.operands;
  if (keys.length > 0) throw new UsageError("--prefix takes no keys beside it");
  // As `--prefix "$FOLDER"` is where the variable is not set.
  if (prefix === "") throw new UsageError("--prefix must not be empty: it would select every blob");
  const deleted: string[] = [];
  await withStore(path, invocation.waiting(), async (store) => {
    for await (const { key } of store.list({ prefix })) deleted.push(key);
    const what = `${plural(deleted.length, "blob")} of ${quoted(path)}`;
    if (deleted.length > 0 && !invocation.flag("yes")) {
      const isMeant = await invocation.confirm(`delete ${what} that begin with ${quoted(prefix)}?`);
      if (isMeant === undefined) throw new UsageError(`--prefix deletes ${what}: add --yes`);
      if (!isMeant) throw new Failure("nothing was deleted");
    }
    await store.batch(deleted.map((key) => ({ type: "delete", key })));
  });
  if (invocation.flag("json")) await invocation.printJson({ deleted, missing: [] });
  else await invocation.print(`${plural(deleted.length, "blob")} deleted`);
  return 0;
}

const stat: Command = {
  name: "stat",
  operands: "<store> <key>",
  summary: "Show size, time, metadata, etag and what else is known of a blob.",
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
      if (info.encoding !== undefined) {
        const stored = info.storedSize ?? 0;
        await invocation.print(
          `stored    ${formatBytes(stored)} (${formatCount(stored)} bytes), ${info.encoding}`,
        );
      }
      await invocation.print(`time      ${info.time.toISOString()}`);
      if (info.expires !== undefined) {
        await invocation.print(`expires   ${info.expires.toISOString()}`);
      }
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
  let metadata: Metadata;
  try {
    metadata = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--metadata must be JSON: ${(error as Error).message}`);
  }
  const json = JSON.stringify(metadata), { length } = new TextEncoder().encode(json);
  if (jsonOf(metadata) !== json) {
    throw new UsageError("--metadata must be well-formed text, got half a surrogate pair");
  }
  if (length > MAX_METADATA) {
    throw new Failure(`Expected metadata of at most ${MAX_METADATA} bytes as JSON, got ${length}`);
  }
  return metadata;
}

/** Milliseconds of the units of a duration. */
const DURATIONS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** When a blob is gone, in ms. */
function parseExpires(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit] = text.match(/^(\d{1,9})([smhd])$/) ?? [];
  const time = unit === undefined ? Date.parse(text) : Date.now() + Number(count) * DURATIONS[unit];
  if (time >= 0) return time;
  throw new UsageError(`--expires must be as 30s, 15m, 12h, 7d or a date, got ${quoted(text)}`);
}

/** Most bytes of metadata, and of a key. */
const MAX_METADATA = 4096, MAX_KEY = 1024;

/** Throws for a key that no store takes. */
function checkKey(key: string): void {
  const { length } = new TextEncoder().encode(key);
  if (length > 0 && length <= MAX_KEY) return;
  throw new Failure(`Expected a key of 1 to ${MAX_KEY} bytes, got one of ${length}`);
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
