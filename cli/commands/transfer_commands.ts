/**
 * The commands for many files at once: import, export.
 *
 * @module
 */

import * as fs from "node:fs";
import { buffered, concat, counted, joined, peek } from "../chunks.ts";
import {
  type Command,
  COMPRESS,
  compressionIn,
  type Invocation,
  printLine,
  WAIT,
} from "../command.ts";
import {
  archiveEndings,
  archiveKind,
  archiveName,
  compressed,
  type Compression,
  compressionOf,
  decompressed,
  HEAD,
} from "../compression.ts";
import { ClosedOutput, Failure, naming, UsageError } from "../errors.ts";
import { exportFolder, type ExportReport, exportTar } from "../export_files.ts";
import { makeFile, readFile } from "../files.ts";
import { formatBytes, formatCount, plural, quoted } from "../format.ts";
import { ArchiveError, importFolder, importTar } from "../import_files.ts";
import type { CommandOutput } from "../io.ts";
import type { ImportReport, ImportTarget } from "../loader.ts";
import { Notices } from "../notices.ts";
import { SafeFolder } from "../safe_folder.ts";
import { parents } from "../safe_name.ts";
import { ownership, ownFiles, queueBelow, refuseOwn, withStore } from "../store_access.ts";
import { Turns } from "../turns.ts";

const importCommand: Command = {
  name: "import",
  operands: "<store> <folder|tar|->",
  summary: "Put every file below a folder, or of a tar archive.",
  details: `The keys are the paths from the folder, with /. The store is made if it is missing,
blobs of the same keys are replaced. An archive may be compressed by gzip or zstd; -
reads it from standard input. Links and devices are reported and skipped, folders
themselves are not kept. Names that would lead out of a folder, such as ../x, are
reported and refused, and make the exit code 1. What was put before a failure stays.`,
  options: {
    prefix: { value: "TEXT", help: "what every key begins with, such as photos/" },
    attributes: { help: "keep permissions and times as metadata" },
    update: { help: "only what has another size, time or permissions; keeps these, too" },
    exclude: { value: "GLOB", several: true, help: "leave out names, such as '*.tmp'; several" },
    "strip-components": { value: "N", help: "take N leading folders off each name" },
    portable: { help: "refuse names that Windows cannot hold" },
    ...COMPRESS,
    ...WAIT,
  },
  examples: [
    ["blobs import photos.blobs ~/Pictures", "puts every file of a folder"],
    ["blobs import photos.blobs ~/Pictures --update --exclude '*.tmp'", "puts what changed since"],
    ["blobs import photos.blobs old.tar.gz --prefix old/", "puts the files of an archive"],
    ["git archive HEAD | blobs import code.blobs -", "puts what a program prints"],
  ],
  async run(invocation) {
    const { io: { stdin, signal }, operands: [path, from] } = invocation;
    const update = invocation.flag("update"), turns = new Turns();
    const isExcluded = excluder(invocation.texts("exclude"));
    const strip = invocation.count("strip-components") ?? 0, waiting = invocation.waiting();
    const compress = compressionIn(invocation);
    // Before the store is made for it.
    const source = from === "-" ? undefined : naming("read", from, () => fs.statSync(from));
    if (source?.isFile()) compressionOf(firstBytes(from), from, path);
    const notices = new Notices(invocation);
    const report = await withStore(
      path,
      // Closing the store makes everything durable.
      { create: true, durability: "none", compress, ...waiting },
      (store) =>
        invocation.withProgress(0, async (bar) => {
          const target: ImportTarget = {
            store,
            prefix: invocation.text("prefix") ?? "",
            strip,
            isExcluded,
            portable: invocation.flag("portable"),
            attributes: update || invocation.flag("attributes"),
            update,
            own: ownFiles(path),
            notices,
            bar,
            turns,
            signal,
          };
          if (source?.isDirectory()) {
            const queue = queueBelow(from, path);
            const isLeftOut = (name: string) => name === queue || isExcluded(name);
            return await importFolder(from, { ...target, isExcluded: isLeftOut });
          }
          if (source !== undefined) refuseOwn(from, path);
          const chunks = source === undefined ? stdin : readFile(from);
          return await importArchive(counted(chunks, signal, () => {}, turns), from, path, target);
        }),
    );
    return await finish(invocation, invocation.io.stdout, { ...report, done: "imported" }, notices);
  },
};

/** Puts the files of an archive; an error names it. */
async function importArchive(
  chunks: AsyncGenerator<Uint8Array>,
  from: string,
  store: string,
  target: ImportTarget,
): Promise<ImportReport> {
  const peeked = await peek(chunks, HEAD), all = joined(peeked);
  const kind = compressionOf(concat(peeked.head), from, store);
  try {
    return await importTar(kind === undefined ? all : decompressed(all, kind), target);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    const { message, report: { blobs, bytes } } = error;
    const kept = blobs > 0 ? `; ${plural(blobs, "blob")}, ${formatBytes(bytes)} put before it` : "";
    throw new Failure(`Cannot read ${archiveName(from)}: ${message}${kept}`, { cause: error });
  }
}

/**
 * Makes one test of several patterns. `*` and `?` stand for anything but `/`, `**` for anything,
 * `[a-z]` for one character. A pattern without `/` is of a file or folder anywhere, one with `/`
 * of a path from the top. Files below a folder that matches are excluded with it.
 *
 * @param patterns The patterns.
 * @returns True if a name, with `/` between its folders, is excluded.
 * @throws {UsageError} A pattern is empty, or has a class that does not end.
 */
function excluder(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const tests = patterns.map(expressionOf);
  const matches = (name: string) => tests.some((test) => test.test(name));
  return (name) => {
    if (matches(name)) return true;
    for (const folder of parents(name)) if (matches(folder)) return true;
    return false;
  };
}

/** A pattern as a regular expression of a whole name. */
function expressionOf(pattern: string): RegExp {
  const path = pattern.replace(/^\/|\/+$/g, "");
  if (path === "") {
    throw new UsageError(`--exclude must be a pattern, got ${JSON.stringify(pattern)}`);
  }
  const body = path.replace(/\*\*\/|\*+|\?|\[!?\]?[^\]]*\]|[^]/gu, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "*") return "[^/]*";
    if (part.startsWith("*")) return ".*";
    if (part === "?") return "[^/]";
    if (part.length > 2 && part.startsWith("[")) {
      const [, not, members] = part.match(/^\[(!?)([^]*)\]$/)!;
      return `(?!/)[${not ? "^" : ""}${members.replace(/[\\[\]^&]/g, "\\$&")}]`;
    }
    return part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  });
  const isAnywhere = !pattern.replace(/\/+$/, "").includes("/");
  try {
    return new RegExp(`^${isAnywhere ? "(?:.*/)?" : ""}${body}$`, "su");
  } catch {
    throw new UsageError(`--exclude must be a pattern, got ${JSON.stringify(pattern)}`);
  }
}

/** The first bytes of a file, before a store is made for it. */
function firstBytes(path: string): Uint8Array {
  return naming("read", path, () => {
    const fd = fs.openSync(path, "r"), bytes = new Uint8Array(HEAD);
    try {
      return bytes.subarray(0, fs.readSync(fd, bytes, 0, HEAD, 0));
    } finally {
      fs.closeSync(fd);
    }
  });
}

const exportCommand: Command = {
  name: "export",
  operands: "<store> <folder|tar|->",
  summary: "Write every blob as a file of a folder, or into a tar archive.",
  details: `A name that ends in .tar, .tar.gz, .tgz or, where the runtime has zstd, .tar.zst is that
of an archive, unless it is a folder; - writes an archive to standard output.
Permissions and times that were imported with --attributes are set. Keys that would
lead out of the folder, such as ../x, or that are both a file and a folder are reported
and refused, and so are files that exist; the others are written, and the exit code is 1.`,
  options: {
    prefix: { value: "TEXT", help: "only keys that begin so; it is taken off them" },
    force: { help: "replace files that exist" },
    portable: { help: "refuse names that Windows cannot hold" },
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
    const kind = to === "-" ? "none" : kindOf(to, path, force);
    const notices = new Notices(invocation);
    let isRead = true;
    const report = await withStore(path, { readOnly: true }, async (store) => {
      // Nobody knows how much a prefix selects.
      const total = prefix === "" ? (await store.stats()).blobBytes : 0;
      return await invocation.withProgress(total, async (bar) => {
        const portable = invocation.flag("portable"), intoFolder = kind === "folder";
        const source = { store, prefix, portable, intoFolder, notices, bar, signal };
        if (kind === "folder") {
          return await exportFolder(
            source,
            new SafeFolder(to, { force, isSpared: ownership(path) }),
          );
        }
        const report: ExportReport = { blobs: 0, bytes: 0 };
        const archive = buffered(exportTar(source, report));
        if (to === "-") isRead = await writeOut(stdout, archive);
        else {
          refuseOwn(to, path);
          await makeFile(to, kind === "none" ? archive : compressed(archive, kind));
        }
        return report;
      });
    });
    if (!isRead) return notices.refused.length === 0 ? 0 : 1;
    const output = to === "-" ? stderr : stdout;
    return await finish(invocation, output, { ...report, done: "exported" }, notices);
  },
};

/** The commands for many files at once. */
export const transferCommands: readonly Command[] = [importCommand, exportCommand];

/** Writes an archive to standard output; whether somebody read all of it. */
async function writeOut(
  stdout: CommandOutput,
  archive: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  try {
    for await (const piece of archive) await stdout.write(piece);
    return true;
  } catch (error) {
    if (!(error instanceof ClosedOutput)) throw error;
    return false;
  }
}

/** Tells whether an export goes into a folder or an archive, and how that is compressed. */
function kindOf(to: string, store: string, force: boolean): "folder" | "none" | Compression {
  const found = naming("write", to, () => fs.statSync(to, { throwIfNoEntry: false }));
  if (found?.isDirectory()) return "folder";
  const kind = archiveKind(to, store);
  if (found === undefined) return kind ?? "folder";
  if (kind === undefined) {
    throw new Failure(`${quoted(to)} is a file; archives end in ${archiveEndings()}`);
  }
  if (!force) throw new Failure(`${quoted(to)} exists; --force replaces it`);
  return kind;
}

/** Says what was done, and gives the exit code. */
async function finish(
  invocation: Invocation,
  output: CommandOutput,
  { done, ...report }: ExportReport & { unchanged?: number; done: string },
  notices: Notices,
): Promise<number> {
  const { refused, skipped, notes } = notices;
  if (invocation.flag("json")) await invocation.printJson({ ...report, refused, skipped, notes });
  else {
    const blobs = `${plural(report.blobs, "blob")}, ${formatBytes(report.bytes)}`;
    const unchanged = report.unchanged ? `, ${formatCount(report.unchanged)} unchanged` : "";
    await printLine(output, `${blobs} ${done}${unchanged}${notices.summary()}`);
  }
  return refused.length === 0 ? 0 : 1;
}
