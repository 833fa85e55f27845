/**
 * Packs every file below a folder into one file, and shows what becomes of its
 * space: packed, half of it deleted, filled again, compacted. What comes out is
 * compared with what went in.
 *
 * ```sh
 * deno task demo                        # this project
 * deno task demo FOLDER --seed 7        # another folder, another half of it
 * node examples/pack_folder.ts FOLDER   # Node 24.2 or newer
 * bun examples/pack_folder.ts FOLDER
 * ```
 *
 * {@linkcode packFolder} is the story, in six steps; {@linkcode pack} and
 * {@linkcode differing} show how a region is written and read, and `look` in
 * `terminal.ts` what an allocator tells about its space.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  Arena,
  check,
  compact,
  type Region,
  StorageError,
  type SyncBackingStore,
} from "@suballoc/offset-allocator";
import { SyncFileStore } from "@suballoc/offset-allocator/file";
import { type FoundFile, listFiles, messageOf, refusal, Remarks } from "./list_files.ts";
import * as terminal from "./terminal.ts";

const { formatBytes, look, plural, step } = terminal;
type Bar = terminal.ProgressBar;

/** A file in the arena: where its bytes are, and what they must give when read back. */
export interface PackedFile {
  readonly path: string;
  readonly region: Region<SyncBackingStore>;
  /** SHA-256 of the bytes that were packed. */
  readonly digest: string;
}

/** The story. Tells whether everything came back as it was packed. */
export function packFolder(
  { folder, seed, all, keep }: Options,
  open: (keep?: string) => SyncBackingStore = openStore,
): boolean {
  const remarks = new Remarks(folder);
  const found = listFiles(folder, all, remarks);
  const total = found.reduce((sum, { size }) => sum + size, 0);
  const title = terminal.bold(terminal.printable(folder));
  console.log(`${title}: ${plural(found.length, "file")}, ${formatBytes(total)}`);
  remarks.print();
  if (found.length === 0) {
    console.log("There is nothing to pack.");
    return true;
  }

  // An arena hands out regions of a store. This store is a file, empty at first: the
  // arena makes it longer where a region no longer fits.
  using arena = new Arena(open(keep), { maxByteLength: Infinity, closeStore: true });
  const states: terminal.State[] = [];

  const packed = step("1. Pack: every file becomes a region", total, (bar) => {
    const files = packAll(arena, found, remarks, bar);
    return [files, `${inWords(files)} packed`];
  });
  remarks.print();
  states.push(look("packed", arena.allocator));
  let different = compare("2. Read back and compare", packed, remarks);

  const half = shuffled(packed, seed).slice(0, Math.ceil(packed.length / 2));
  step(`3. Delete a random half (seed ${seed})`, 0, () => {
    for (const { region } of half) region.free();
    return [undefined, `${inWords(half)} deleted`];
  });
  states.push(look("half deleted", arena.allocator));

  // Largest first: the small ones still fit into what the large ones leave.
  const again = half.map(({ path, region }) => ({ path, size: region.size }))
    .toSorted((a, b) => b.size - a.size);
  const repacked = step("4. Pack it again, into the holes", bytesOf(half), (bar) => {
    const before = arena.byteLength;
    const files = packAll(arena, again, remarks, bar);
    const growth = formatBytes(arena.byteLength - before);
    return [files, `${inWords(files)} packed, the store grew by ${growth},`];
  });
  remarks.print();
  states.push(look("packed again", arena.allocator));

  step("5. Compact: regions move toward the start", 0, (bar) => {
    // In rounds, to move the bar: one call without bounds would do.
    const maxMoves = Math.ceil(arena.allocator.allocationCount / 16);
    let moves = 0, round;
    do {
      round = compact(arena, { maxMoves });
      moves += round.moves;
      bar.advance(round.bytes);
    } while (round.moves > 0);
    return [undefined, `${plural(moves, "move")}, ${formatBytes(bar.done)} copied`];
  });
  states.push(look("compacted", arena.allocator));

  const live = [...packed.filter(({ region }) => !region.freed), ...repacked];
  different += compare("6. Read back and compare", live, remarks);
  // The allocator knows, too, whether its tables agree with each other.
  check(arena.allocator);

  terminal.printReport(states);
  if (keep !== undefined) console.log(`\nThe packed file stays: ${terminal.printable(keep)}`);
  return different === 0;
}

/** Opens the store: a new file at `keep`, or one that goes when it is closed. */
function openStore(keep?: string): SyncFileStore {
  if (keep !== undefined) {
    try {
      return SyncFileStore.open(keep, { createNew: true });
    } catch (error) {
      throw new UsageError(`--keep: ${messageOf(error)}`);
    }
  }
  const folder = mkdtempSync(join(tmpdir(), "pack_folder-"));
  try {
    return SyncFileStore.open(join(folder, "packed.bin"), { createNew: true });
  } finally {
    // The name goes at once, the bytes stay until the file is closed: nothing is left
    // behind however this program ends, by Ctrl-C or worse.
    rmSync(folder, { recursive: true });
  }
}

/** One buffer for all: files are packed and compared one after another. */
const buffer = new Uint8Array(2 ** 20);

/** Packs one file into a region of its size. */
export function pack(arena: Arena<SyncBackingStore>, path: string, bar?: Bar): PackedFile {
  const file = openSync(path, "r");
  try {
    const region = arena.allocate(fstatSync(file).size, { label: path });
    if (region === undefined) throw new Error(`There is no space left for ${path}`);
    try {
      return { path, region, digest: fill(region, file, bar) };
    } catch (error) {
      region.free();
      throw error;
    }
  } finally {
    closeSync(file);
  }
}

/** Copies a file into a region, a piece at a time: it may be larger than memory. */
function fill(region: Region<SyncBackingStore>, file: number, bar?: Bar): string {
  const hash = createHash("sha256");
  let at = 0;
  while (at < region.size) {
    const count = readSync(file, buffer, 0, Math.min(buffer.length, region.size - at), at);
    // Somebody cut the file short: the region gives back what it does not need.
    if (count === 0) region.resize(at);
    const piece = buffer.subarray(0, count);
    hash.update(piece);
    region.write(piece, at);
    at += count;
    bar?.advance(count);
  }
  return hash.digest("hex");
}

/** Reads regions back and gives the files whose bytes are not those that were packed. */
export function differing(files: Iterable<PackedFile>, bar?: Bar): PackedFile[] {
  const different: PackedFile[] = [];
  for (const file of files) {
    const { region, digest } = file;
    const hash = createHash("sha256");
    for (let at = 0; at < region.size; at += buffer.length) {
      const piece = buffer.subarray(0, region.size - at);
      region.readInto(piece, at);
      hash.update(piece);
      bar?.advance(piece.length);
    }
    if (hash.digest("hex") !== digest) different.push(file);
  }
  return different;
}

/** Packs files in turn and skips those that cannot be read; a failing store ends it all. */
function packAll(
  arena: Arena<SyncBackingStore>,
  files: readonly FoundFile[],
  remarks: Remarks,
  bar: Bar,
): PackedFile[] {
  const packed: PackedFile[] = [];
  for (const { path, size } of files) {
    try {
      const file = pack(arena, path, bar);
      if (file.region.size !== size) remarks.add("packed with another size than first seen", path);
      packed.push(file);
    } catch (error) {
      remarks.add(`skipped (${refusal(error)})`, path);
    }
  }
  return packed;
}

/** The step that reads everything back. Gives the number of files that differ, and names them. */
function compare(title: string, files: readonly PackedFile[], remarks: Remarks): number {
  const different = step(title, bytesOf(files), (bar) => {
    const different = differing(files, bar);
    const verdict = different.length === 0 ? "all as packed," : `${different.length} DIFFERENT`;
    return [different, `${inWords(files)} compared, ${verdict}`];
  });
  for (const { path } of different) console.log(`  DIFFERENT: ${remarks.nameOf(path)}`);
  return different.length;
}

function bytesOf(files: readonly PackedFile[]): number {
  return files.reduce((sum, { region }) => sum + region.size, 0);
}

function inWords(files: readonly PackedFile[]): string {
  return `${plural(files.length, "file")} of ${formatBytes(bytesOf(files))}`;
}

/** The items in an order that depends on the seed alone (Fisher-Yates, mulberry32). */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const result = [...items];
  let state = seed;
  for (let i = result.length - 1; i > 0; i--) {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    const j = Math.floor(((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32 * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

const HELP = `Packs every file below a folder into one file, reads each back, deletes a random
half, packs it again into the holes, compacts, and compares everything once more.

Usage: pack_folder.ts [options] [folder]

  folder        What to pack, by default this project; it is only read.
  --seed N      Which half is deleted: 0 to 4294967295, 1 by default.
  --all         Packs also the contents of folders called .git and node_modules.
  --keep PATH   Packs into a new file at PATH, and leaves it there. By default the
                file is a temporary one (in TMPDIR, where that is set). Either needs
                as much space on its disk as the folder.
  --help        Shows this text.

Exit status: 0 all is well, 1 a file came back different or the storage failed,
2 wrong usage.

Examples:
  npx -y deno@2.9.6 task demo
  npx -y deno@2.9.6 task demo ~/Pictures --seed 7
  node examples/pack_folder.ts --keep packed.bin docs`;

/** The command was called in a way that cannot work. */
class UsageError extends Error {}

/** What the command is asked for. */
export interface Options {
  readonly folder: string;
  readonly seed: number;
  readonly all: boolean;
  readonly keep?: string;
}

/** The options in the arguments, or `undefined` where help is asked for. */
function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: { type: "string", default: "1" },
        all: { type: "boolean", default: false },
        keep: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return undefined;
    if (positionals.length > 1) throw new Error(`one folder at a time, not ${positionals.length}`);
    const seed = Number(values.seed);
    if (!/^\d+$/.test(values.seed) || seed >= 2 ** 32) {
      throw new Error(`--seed is an integer from 0 to ${2 ** 32 - 1}, not ${values.seed}`);
    }
    const [folder = fileURLToPath(new URL("..", import.meta.url))] = positionals;
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is not a folder`);
    return { folder: realpathSync(folder), seed, all: values.all, keep: values.keep };
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** The command. Gives its exit status. */
function main(args: string[]): number {
  try {
    const options = readOptions(args);
    if (options === undefined) {
      console.log(HELP);
      return 0;
    }
    return packFolder(options) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof StorageError)) throw error;
    console.error(`pack_folder: ${messageOf(error)}`);
    if (error instanceof StorageError) return 1;
    console.error("--help shows the usage");
    return 2;
  }
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
