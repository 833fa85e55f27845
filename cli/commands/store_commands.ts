/**
 * The commands for a store as a whole: check, compact, map, stats, backup, publish,
 * salvage.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join, parse } from "node:path";
import {
  type CompactionReport,
  CorruptStoreError,
  type DamagedKeys,
  type FileRegion,
  publishBlobs,
  salvageBlobs,
} from "../../backends/blob_store/mod.ts";
import { type Command, WAIT } from "../command.ts";
import { type ErrorReport, reportOf } from "../errors.ts";
import { formatBytes, formatCount, plural, quoted } from "../format.ts";
import { drawFileMap } from "../file_map.ts";
import { checkThere, refuseOwn, withStore } from "../store_access.ts";

/** Advice for a damaged store. */
function nextStep(path: string): string {
  return `blobs salvage ${quoted(path)} <new file> copies what is whole: see the guide, "Salvage"`;
}

/** Which keys of the index are damaged. */
function rangeIn({ after, before }: DamagedKeys): string {
  const bounds = [
    ...(after === undefined ? [] : [`after ${quoted(after)}`]),
    ...(before === undefined ? [] : [`before ${quoted(before)}`]),
  ];
  return `DAMAGED index: ${bounds.length === 0 ? "all keys" : `keys ${bounds.join(" and ")}`}`;
}

const check: Command = {
  name: "check",
  operands: "<store>",
  summary: "Read everything and report what is damaged.",
  details: "The exit code is 1 if anything is, or if the store does not open. It may be in use.",
  examples: [
    ["blobs check photos.blobs", "reads every blob and compares checksums"],
    ["blobs check photos.blobs --json | jq -r '.damaged[].key'", "prints damaged keys"],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path] } = invocation;
    const { error, ...report } = await withStore(path, { readOnly: true }, async (store) => {
      let error: ErrorReport | undefined;
      try {
        await store.check({ signal });
      } catch (found) {
        error = reportOf(found);
      }
      const report = await invocation.withProgress(
        0,
        (bar) => store.verify({ signal, onProgress: (done, total) => bar.show(done, total) }),
      );
      return { ...report, error };
    }).catch((error) => {
      // A later version has to read what is of one.
      const isDamage = error instanceof CorruptStoreError && !error.message.includes(" version ");
      if (isDamage) error.message += `; ${nextStep(path)}`;
      throw error;
    });
    const isDamaged = error !== undefined || report.damaged.length > 0 ||
      report.damagedIndex.length > 0;
    const ok = !isDamaged && report.damagedHeaders === 0;
    if (invocation.flag("json")) await invocation.printJson({ ok, error, ...report });
    else {
      if (report.damagedHeaders > 0) {
        await invocation.print("DAMAGED header: one of two; the other one serves");
      }
      if (error !== undefined) await invocation.print(`DAMAGED structure: ${error.message}`);
      for (const keys of report.damagedIndex) await invocation.print(rangeIn(keys));
      for (const { key, offset, length } of report.damaged) {
        await invocation.print(`DAMAGED ${quoted(key)}: ${length} bytes at offset ${offset}`);
      }
      const read = `${plural(report.blobs, "blob")}, ${formatBytes(report.bytes)}`;
      await invocation.print(ok ? `${read}: all as written` : `${read} read`);
      if (isDamaged) await invocation.print(`Next: ${nextStep(path)}`);
    }
    return ok ? 0 : 1;
  },
};

const compact: Command = {
  name: "compact",
  operands: "<store>",
  summary: "Move blobs together and release the space between them.",
  details: "What has expired is deleted first.",
  options: { "max-bytes": { value: "N", help: "move at most so many bytes" }, ...WAIT },
  examples: [
    ["blobs compact photos.blobs", "makes the file as short as it can be"],
    ["blobs compact photos.blobs --max-bytes 100000000", "moves at most 100 MB for it"],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path] } = invocation;
    let left = invocation.count("max-bytes") ?? Infinity;
    let movedBlobs = 0, movedBytes = 0, releasedBytes = 0, done = false;
    // The store compacts only when it is asked to.
    await withStore(
      path,
      { compactAbove: 1, ...invocation.waiting() },
      (store) =>
        invocation.withProgress(0, async (bar) => {
          const { fileBytes } = await store.stats();
          await store.sweep({ signal });
          let call: CompactionReport;
          do {
            const before = movedBytes;
            const onProgress = (moved: number, total: number) =>
              bar.show(before + moved, before + total);
            call = await store.compact({ maxBytes: left, signal, onProgress });
            left -= call.movedBytes;
            movedBlobs += call.movedBlobs;
            movedBytes += call.movedBytes;
            done = call.done;
            // A call that moved nothing has no room for the next blob.
          } while (!done && left > 0 && call.movedBlobs > 0);
          // The file may have grown on the way.
          releasedBytes = Math.max(0, fileBytes - (await store.stats()).fileBytes);
        }),
    );
    const report: CompactionReport = { movedBlobs, movedBytes, releasedBytes, done };
    if (invocation.flag("json")) await invocation.printJson(report);
    else {
      await invocation.print(
        `${formatBytes(releasedBytes)} released; ` +
          `${plural(movedBlobs, "blob")} moved, ${formatBytes(movedBytes)}` +
          (done ? "" : "; more can be moved"),
      );
    }
    return 0;
  },
};

const map: Command = {
  name: "map",
  operands: "<store>",
  summary: "Draw which parts of the file hold what.",
  details: "With --json it prints the regions, without gaps.",
  examples: [
    ["blobs map photos.blobs", "draws blobs, log, index and free space"],
    [
      `blobs map photos.blobs --json | jq 'map(select(.kind == "free"))'`,
      "prints the free regions",
    ],
  ],
  async run(invocation) {
    const { io: { stdout }, operands: [path] } = invocation;
    const regions = await withStore(path, { readOnly: true }, async (store) => {
      const all: FileRegion[] = [];
      for await (const region of store.regions()) all.push(region);
      return all;
    });
    if (invocation.flag("json")) await invocation.printJson(regions);
    else {
      for (const line of drawFileMap(regions, stdout.columns ?? 74, stdout.styled ?? false)) {
        await invocation.print(line);
      }
    }
    return 0;
  },
};

const stats: Command = {
  name: "stats",
  operands: "<store>",
  summary: "Show figures of the store.",
  examples: [
    ["blobs stats photos.blobs", "shows how many blobs there are and what they take"],
    ["blobs stats photos.blobs --json | jq .freeBytes", "prints one figure, exactly"],
  ],
  async run(invocation) {
    const [path] = invocation.operands;
    const figures = await withStore(path, { readOnly: true }, (store) => store.stats());
    if (invocation.flag("json")) {
      // JSON has no Infinity.
      const limit = figures.maxByteLength;
      const maxByteLength = Number.isFinite(limit) ? limit : null;
      await invocation.printJson({ ...figures, maxByteLength });
      return 0;
    }
    const bytes = (count: number) => Number.isFinite(count) ? formatBytes(count) : "no limit";
    const rows = [
      ["blobs", formatCount(figures.blobs)],
      ["bytes in them", bytes(figures.blobBytes)],
      ["file", bytes(figures.fileBytes)],
      ["most it may have", bytes(figures.maxByteLength)],
      ["free", bytes(figures.freeBytes)],
      ["largest free region", bytes(figures.largestFreeBytes)],
      ["log", bytes(figures.logBytes)],
      ["checkpoint", bytes(figures.checkpointBytes)],
      ["index in memory", bytes(figures.indexBytes)],
      ["granule", bytes(figures.granule)],
      ["commits", formatCount(figures.commits)],
      ["checkpoints", formatCount(figures.checkpoints)],
    ];
    for (const [name, figure] of rows) {
      await invocation.print(`${name.padEnd(19)}  ${figure.padStart(9)}`);
    }
    return 0;
  },
};

const backup: Command = {
  name: "backup",
  operands: "<store> <file>",
  summary: "Copy the store into a new file, without its free space.",
  details: "The file must not exist. It is there as a whole or not at all, and holds the store\n" +
    "as it was at one moment, even if a program changes the store during the copy.",
  examples: [
    ["blobs backup photos.blobs photos-2026.blobs", "copies a store that may be in use"],
    ["blobs backup photos.blobs /mnt/photos.blobs --json", "prints what was copied as JSON"],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path, file] } = invocation;
    const report = await withStore(
      path,
      { readOnly: true },
      (store) =>
        invocation.withProgress(0, async (bar) => {
          const onProgress = (done: number, total: number) => bar.show(done, total);
          return await store.backup(file, { onProgress, signal });
        }),
    );
    if (invocation.flag("json")) await invocation.printJson(report);
    else {
      const copied = `${plural(report.blobs, "blob")}, ${formatBytes(report.bytes)}`;
      await invocation.print(`${copied} copied to ${quoted(file)}`);
    }
    return 0;
  },
};

/** Headers that a server has to send with a published file, as `blobs publish` prints them. */
function headersFor(isUnique: boolean): Record<string, string> {
  const age = isUnique ? "public, max-age=31536000, immutable" : "public, max-age=60";
  return {
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
    "Cache-Control": `${age}, no-transform`,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Range, ETag",
  };
}

/** A name that no other file has: `photos.blobs` becomes `photos.1f3a09c2.blobs`. */
function uniqueName(file: string): string {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  const digits = number.toString(16).padStart(8, "0"), { dir, name, ext } = parse(file);
  return join(dir, `${name}.${digits}${ext}`);
}

const publish: Command = {
  name: "publish",
  operands: "<store> <file>",
  summary: "Write a file that is read over HTTP by the fewest requests.",
  details:
    `The file has the blobs in the order of their keys, and what opens it in its first 64 KiB.
It replaces one that was published before, at once and as a whole; no other file, and no
store that programs write. It says what the server has to send with it. The store may be
in use. How pages read the file is in the guide "Reading over HTTP".`,
  options: {
    unique: { help: "put eight random digits into the name, so that it may be cached forever" },
  },
  examples: [
    ["blobs publish photos.blobs site/photos.blobs", "writes or replaces a file for a server"],
    [
      "blobs publish photos.blobs site/photos.blobs --unique --json | jq -r .file",
      "prints its name",
    ],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path, given] } = invocation;
    const isUnique = invocation.flag("unique"), file = isUnique ? uniqueName(given) : given;
    const report = await withStore(path, { readOnly: true }, (store) => {
      if (existsSync(file)) refuseOwn(file, path);
      return invocation.withProgress(0, async (bar) => {
        const onProgress = (done: number, total: number) => {
          signal?.throwIfAborted();
          bar.show(done, total);
        };
        return await publishBlobs(store, file, { onProgress });
      });
    });
    const headers = headersFor(isUnique);
    if (invocation.flag("json")) await invocation.printJson({ file, ...report, headers });
    else {
      const { blobs, bytes, fileBytes } = report;
      const published = `${plural(blobs, "blob")}, ${formatBytes(bytes)}`;
      await invocation.print(
        `${published} published as ${quoted(file)} of ${formatBytes(fileBytes)}`,
      );
      await invocation.print("The server has to send with it:");
      for (const [name, value] of Object.entries(headers)) {
        await invocation.print(`  ${name}: ${value}`);
      }
    }
    return 0;
  },
};

const salvage: Command = {
  name: "salvage",
  operands: "<store> <file>",
  summary: "Copy what is whole out of a damaged store into a new file.",
  details: `The damaged store is only read, and need not open: where its header, index or log is
damaged, or its end is missing, the whole file is searched. The new file must not exist.
The exit code is 1 if anything is lost, or may be. Close the store in all programs first.`,
  examples: [
    ["blobs salvage bad.blobs good.blobs", "copies what is whole, and says what is lost"],
    ["blobs salvage bad.blobs good.blobs --json | jq -r '.lost[].key'", "prints lost keys"],
  ],
  async run(invocation) {
    const { io: { signal }, operands: [path, file] } = invocation;
    checkThere(path);
    const report = await invocation.withProgress(0, async (bar) => {
      const onProgress = (done: number, total: number) => bar.show(done, total);
      return await salvageBlobs(path, file, { onProgress, signal });
    });
    const { blobs, bytes, lost, maybeOld, damagedIndex, missingCommits, usedHeader } = report;
    const ok = lost.length + maybeOld.length + damagedIndex.length + missingCommits === 0;
    if (invocation.flag("json")) await invocation.printJson({ ok, ...report });
    else {
      if (!usedHeader) await invocation.print("DAMAGED header: the file was searched without it");
      for (const keys of damagedIndex) await invocation.print(rangeIn(keys));
      if (missingCommits > 0) {
        await invocation.print(`DAMAGED log: ${plural(missingCommits, "commit")} missing`);
      }
      for (const { key, reason } of lost) await invocation.print(`LOST ${quoted(key)}: ${reason}`);
      for (const key of maybeOld) {
        await invocation.print(`OLD ${quoted(key)}: it may have been replaced or deleted since`);
      }
      const copied = `${plural(blobs, "blob")}, ${formatBytes(bytes)}`;
      await invocation.print(
        `${copied} copied to ${quoted(file)}` + (ok ? "" : `; ${formatCount(lost.length)} lost`),
      );
    }
    return ok ? 0 : 1;
  },
};

/** The commands for a store as a whole. */
export const storeCommands: readonly Command[] = [
  check,
  compact,
  map,
  stats,
  backup,
  publish,
  salvage,
];
