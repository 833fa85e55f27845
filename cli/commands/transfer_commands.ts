/**
 * The commands for many files at once: import, export.
 *
 * @module
 */

import * as fs from "node:fs";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { buffered, concat, counted, joined, peek } from "../chunks.ts";
import { type Command, Failure, type Invocation, PROGRAM, UsageError } from "../command.ts";
import { exportFolder, type ExportReport, exportTar } from "../export_files.ts";
import { makeFile, readFile } from "../files.ts";
import { formatBytes, plural, quoted } from "../format.ts";
import { importFolder, importTar } from "../import_files.ts";
import type { CommandOutput } from "../io.ts";
import { Notices } from "../notices.ts";
import { SafeFolder } from "../safe_folder.ts";
import { ownFiles, refuseOwn, withStore } from "../store_access.ts";

const importCommand: Command = {
  name: "import",
  operands: "<store> <folder|tar|->",
  summary: "Put every file below a folder, or of a tar archive.",
  details: `The keys are the paths from the folder, with /. The store is made if it is missing,
blobs of the same keys are replaced. An archive may be compressed by gzip; - reads it
from standard input. Links and devices are reported and skipped, folders themselves
are not kept. Names that would lead out of a folder, such as ../x, are reported and
refused, and make the exit code 1. What was put before a failure stays.`,
  options: {
    prefix: { value: "TEXT", help: "what every key begins with, such as photos/" },
    attributes: { help: "keep permissions and times as metadata" },
  },
  examples: [
    ["blobs import photos.blobs ~/Pictures", "puts every file of a folder"],
    ["blobs import photos.blobs old.tar.gz --prefix old/", "puts the files of an archive"],
    ["git archive HEAD | blobs import code.blobs -", "puts what a program prints"],
  ],
  async run(invocation) {
    const { io: { stdin, signal }, operands: [path, from] } = invocation;
    // Before the store is made for it.
    const source = from === "-" ? undefined : fs.statSync(from);
    if (source?.isFile()) refuseFormat(firstBytes(from));
    const notices = new Notices(invocation);
    const report = await withStore(
      path,
      // Closing the store makes everything durable.
      { create: true, durability: "none" },
      (store) =>
        invocation.withProgress(0, async (bar) => {
          const target = {
            store,
            prefix: invocation.text("prefix") ?? "",
            attributes: invocation.flag("attributes"),
            own: ownFiles(path),
            notices,
            bar,
            signal,
          };
          if (source?.isDirectory()) return await importFolder(from, target);
          if (source !== undefined) refuseOwn(from, path);
          const bytes = counted(source === undefined ? stdin : readFile(from), signal, () => {});
          return await importTar(decompressed(bytes), target);
        }),
    );
    return await finish(invocation, invocation.io.stdout, { ...report, done: "imported" }, notices);
  },
};

const exportCommand: Command = {
  name: "export",
  operands: "<store> <folder|tar|->",
  summary: "Write every blob as a file of a folder, or into a tar archive.",
  details: `A name that ends in .tar, .tar.gz or .tgz is that of an archive, unless it is a folder;
- writes an archive to standard output. Permissions and times that were imported
with --attributes are set. Keys that would lead out of the folder, such as ../x, that
are both a file and a folder, or that Windows cannot hold, are reported and refused,
and so are files that exist; the others are written, and the exit code is 1.`,
  options: {
    prefix: { value: "TEXT", help: "only keys that begin so; it is taken off them" },
    force: { help: "replace files that exist" },
    "any-name": { help: "export names that Windows cannot hold, too" },
  },
  examples: [
    ["blobs export photos.blobs restored", "writes every blob as a file"],
    ["blobs export photos.blobs 2026.tar.gz --prefix 2026/", "makes an archive of some"],
    ["blobs export photos.blobs - | ssh host tar x", "sends them elsewhere"],
  ],
  async run(invocation) {
    const { io: { stdout, stderr, signal }, operands: [path, to] } = invocation;
    const prefix = invocation.text("prefix") ?? "", force = invocation.flag("force");
    if (to === "-" && invocation.flag("json")) {
      throw new UsageError("--json needs standard output, where the archive goes");
    }
    if (to === "-" && stdout.columns !== undefined) {
      throw new UsageError("standard output is a terminal, which shows no archive");
    }
    const kind = to === "-" ? "archive" : kindOf(to, force);
    const notices = new Notices(invocation);
    const report = await withStore(path, { readOnly: true }, (store) =>
      // Nobody knows how much a prefix selects.
      invocation.withProgress(prefix === "" ? store.stats().blobBytes : 0, async (bar) => {
        const anyName = invocation.flag("any-name");
        const source = { store, prefix, anyName, notices, bar, signal };
        if (kind === "folder") {
          return await exportFolder(source, new SafeFolder(to, { force, spared: ownFiles(path) }));
        }
        const report: ExportReport = { blobs: 0, bytes: 0 };
        const archive = buffered(exportTar(source, report));
        if (to === "-") { for await (const piece of archive) await stdout.write(piece); }
        else {
          refuseOwn(to, path);
          await makeFile(to, /gz$/i.test(to) ? piped(archive, createGzip()) : archive);
        }
        return report;
      }));
    const output = to === "-" ? stderr : stdout;
    return await finish(invocation, output, { ...report, done: "exported" }, notices);
  },
};

/** The commands for many files at once. */
export const transferCommands: readonly Command[] = [importCommand, exportCommand];

/** Whether an export goes into a folder or an archive. */
function kindOf(to: string, force: boolean): "folder" | "archive" {
  const found = fs.statSync(to, { throwIfNoEntry: false });
  if (found?.isDirectory()) return "folder";
  const isArchive = /\.(?:tar|tar\.gz|tgz)$/i.test(to);
  if (found === undefined) return isArchive ? "archive" : "folder";
  if (!isArchive) {
    throw new Failure(`${quoted(to)} is a file; archives end in .tar, .tar.gz or .tgz`);
  }
  if (!force) throw new Failure(`${quoted(to)} exists; --force replaces it`);
  return "archive";
}

/** Says what was done, and gives the exit code. */
async function finish(
  invocation: Invocation,
  output: CommandOutput,
  { done, ...report }: ExportReport & { done: string },
  notices: Notices,
): Promise<number> {
  const { refused, skipped } = notices;
  if (invocation.flag("json")) await invocation.printJson({ ...report, refused, skipped });
  else {
    const blobs = `${plural(report.blobs, "blob")}, ${formatBytes(report.bytes)}`;
    await output.write(`${blobs} ${done}${notices.summary()}\n`);
  }
  return refused.length === 0 ? 0 : 1;
}

/** The bytes of an archive, whether or not they are compressed by gzip. */
async function* decompressed(chunks: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const peeked = await peek(chunks, HEAD);
  const all = joined(peeked), head = concat(peeked.head);
  refuseFormat(head);
  yield* head[0] === 0x1f && head[1] === 0x8b ? piped(all, createGunzip()) : all;
}

/** Bytes that name the format of an archive, at most. */
const HEAD = 10;

/** Formats that are not read: how they begin, their names, and what to do instead. */
const FORMATS = [
  ["\xfd7zXZ\0", "compressed by xz", "xz -dc"],
  ["\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc"],
  ["BZh91AY&SY", "compressed by bzip2", "bzip2 -dc"], // a tar archive may begin with BZh
  ["PK\x03\x04", "a zip archive", undefined],
  ["7z\xbc\xaf\x27\x1c", "a 7z archive", undefined],
] as const;

/** Throws where an archive begins as one of another format. */
function refuseFormat(head: Uint8Array): void {
  const text = String.fromCharCode(...head.subarray(0, HEAD));
  const [, name, unpack] = FORMATS.find(([magic]) => text.startsWith(magic)) ?? [];
  if (name === undefined) return;
  const advice = unpack === undefined
    ? "unpack it and import the folder"
    : `unpack it on the way, as in: ${unpack} FILE | ${PROGRAM} import STORE -`;
  throw new Failure(`Cannot read the archive: it is ${name}; ${advice}`);
}

/** The first bytes of a file, before a store is made for it. */
function firstBytes(path: string): Uint8Array {
  const fd = fs.openSync(path, "r"), bytes = new Uint8Array(HEAD);
  try {
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, HEAD, 0));
  } finally {
    fs.closeSync(fd);
  }
}

/** The bytes after a transformation. */
async function* piped(
  chunks: AsyncIterable<Uint8Array>,
  through: Duplex,
): AsyncGenerator<Uint8Array> {
  const fed = pipeline(chunks, through);
  // What fails there fails here, too.
  fed.catch(() => {});
  try {
    yield* through;
  } finally {
    through.destroy();
  }
  await fed;
}
