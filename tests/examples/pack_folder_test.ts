/**
 * The example that packs a folder: as a command, and that its comparison can fail.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Arena, MemoryStore } from "@suballoc/offset-allocator";
import { SyncFileStore } from "@suballoc/offset-allocator/file";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { differing, pack, packFolder } from "../../examples/pack_folder.ts";
import { formatBytes, formatMap } from "../../examples/terminal.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/pack_folder.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

const scratch = mkdtempSync(join(tmpdir(), "pack_folder_test-"));
/** Where the command makes its temporary file. */
const temporary = join(scratch, "tmp");
const folder = join(scratch, "folder");
const MEDIUM = 3_000_001;
/** What is in the folder, by path. */
const contents = new Map<string, Uint8Array>();

/** Bytes that differ from file to file. */
function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);
}

/** Runs the command on this runtime, without a terminal. */
function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, TMPDIR: temporary, TMP: temporary, TEMP: temporary };
  const command = [...RUN, SCRIPT, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** Runs an action and gives what it printed. */
function printed(action: () => void): string {
  const { log } = console, lines: string[] = [];
  console.log = (line: string) => lines.push(line);
  try {
    action();
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

beforeAll(() => {
  contents.set("empty", bytes(0, 0)).set("deep/er/empty too", bytes(0, 0));
  contents.set("medium.bin", bytes(MEDIUM, 1)).set("exactly 1 MiB", bytes(2 ** 20, 2));
  contents.set("two words/ünï ☃.txt", bytes(100, 3)).set("-dash", bytes(7, 4));
  contents.set("node_modules/other/file", bytes(10, 5));
  for (let i = 0; i < 300; i++) contents.set(`small/${i % 7}/${i}`, bytes(i * 13, i));
  mkdirSync(temporary);
  for (const [path, data] of contents) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), data);
  }
  symlinkSync("medium.bin", join(folder, "a link"));
});

afterAll(() => rmSync(scratch, { recursive: true }));

describe("pack_folder, the command", () => {
  it("packs, deletes, packs again, compacts, and all is as it was", () => {
    const { status, stdout, stderr } = run(folder);
    assertEquals([status, stderr], [0, ""]);
    const total = contents.size - 1;
    const half = Math.ceil(total / 2);
    for (
      const line of [
        `${folder}: ${total} files, `,
        "1 skipped (--all packs it too): node_modules",
        "1 skipped (symbolic link): a link",
        `${total} files of 4.63 MB packed in `,
        `${total} files of 4.63 MB compared, all as packed, in `,
        `${half} files of `,
        " deleted in ",
        " packed, the store grew by ",
        "compacted",
      ]
    ) assertStringIncludes(stdout, line);
    // The last line of the report: one free region, no fragmentation. Three files are empty.
    const report = /^compacted .* 303 .* 1 .*0\.0 %$/m;
    assert(report.test(stdout), stdout);
    assert(!stdout.includes("\x1b"), "an escape sequence, and no terminal");
    assertEquals(readdirSync(temporary), [], "a temporary file is left");
  });

  it("--seed chooses the half, --all packs everything, --keep leaves the file", () => {
    const kept = join(scratch, "kept.bin");
    const { status, stdout } = run("--seed", "7", "--all", `--keep=${kept}`, folder);
    assertEquals(status, 0);
    assertStringIncludes(stdout, "Delete a random half (seed 7)");
    assertStringIncludes(stdout, `${folder}: ${contents.size} files, `);
    assertStringIncludes(stdout, "compared, all as packed, in ");
    const store = readFileSync(kept);
    for (const [path, data] of contents) {
      assert(store.includes(Buffer.from(data)), `${path} is not in the file`);
    }

    const again = run("--keep", kept, folder);
    assertEquals(again.status, 2, "it was not asked to overwrite a file");
    assertStringIncludes(again.stderr, kept);
    assertEquals(readFileSync(kept).length, store.length);
  });

  it("is content with next to nothing", () => {
    const nothing = join(scratch, "nothing");
    mkdirSync(nothing);
    const empty = run(nothing);
    assertEquals([empty.status, empty.stderr], [0, ""]);
    assertStringIncludes(empty.stdout, "There is nothing to pack.");

    writeFileSync(join(nothing, "of 0 bytes"), "");
    const single = run(nothing);
    assertEquals([single.status, single.stderr], [0, ""]);
    assertStringIncludes(single.stdout, "1 file of 0 B compared, all as packed");
  });

  it("refuses wrong usage with 2, and shows its help", () => {
    for (
      const [args, message] of [
        [[join(scratch, "not there")], "not there"],
        [[join(folder, "medium.bin")], "is not a folder"],
        [[folder, scratch], "one folder at a time"],
        [["--seed", "x", folder], "--seed is an integer"],
        [["--bogus"], "--bogus"],
      ] as const
    ) {
      const { status, stdout, stderr } = run(...args);
      assertEquals([status, stdout], [2, ""], stderr);
      assertStringIncludes(stderr, message);
      assertStringIncludes(stderr, "--help");
    }
    const help = run("--help");
    assertEquals([help.status, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "Usage:");
  });
});

describe("pack_folder, its comparison", () => {
  it("names the file of which a byte was flipped in the store", () => {
    using store = SyncFileStore.open(join(scratch, "store.bin"), { create: true });
    const arena = new Arena(store, { maxByteLength: 2 ** 24 });
    const names = ["-dash", "medium.bin", "empty", "exactly 1 MiB"];
    const files = names.map((name) => pack(arena, join(folder, name)));
    assertEquals(differing(files), []);
    for (const file of files) {
      const { offset, size } = file.region;
      if (size === 0) continue;
      for (const place of [offset, offset + size - 1]) {
        const byte = new Uint8Array(1);
        store.read(place, byte);
        store.write(place, byte.map((value) => value ^ 1));
        assertEquals(differing(files), [file]);
        store.write(place, byte);
      }
    }
    assertEquals(differing(files), []);
  });

  it("fails the whole story over a store that loses a bit", () => {
    class Forgetful extends MemoryStore {
      override write(offset: number, data: Uint8Array): void {
        super.write(offset, data);
        if (data.length !== MEDIUM % 2 ** 20) return;
        super.write(offset, Uint8Array.of(data[0] ^ 0x80));
      }
    }
    const open = (Store: typeof MemoryStore) => () => new Store(0, { maxByteLength: 2 ** 24 });
    const options = { folder, seed: 1, all: false };
    const good = printed(() => assert(packFolder(options, open(MemoryStore))));
    assert(!good.includes("DIFFERENT"), good);
    const bad = printed(() => assert(!packFolder(options, open(Forgetful))));
    assertStringIncludes(bad, "306 files of 4.63 MB compared, 1 DIFFERENT in ");
    assertStringIncludes(bad, "  DIFFERENT: medium.bin");
  });

  it("packs what is left of a file that became shorter meanwhile", () => {
    const path = join(scratch, "shrinking");
    writeFileSync(path, bytes(2 ** 21, 9));
    const store = new MemoryStore(0, { maxByteLength: 2 ** 24 });
    const arena = new Arena(store, { maxByteLength: 2 ** 24 });
    const write = store.write.bind(store);
    store.write = (offset, data) => {
      truncateSync(path, 1_500_000);
      write(offset, data);
    };
    const file = pack(arena, path);
    assertEquals(file.region.size, 1_500_000);
    assertEquals(differing([file]), []);
    assertEquals(arena.byteLength - arena.freeBytes, 1_500_000);
  });

  it("gives the space back when a file cannot be read", () => {
    const store = new MemoryStore(0, { maxByteLength: 2 ** 20 });
    const arena = new Arena(store, { maxByteLength: 2 ** 20 });
    // A folder can be opened and not read, but on Windows it reads as an empty file.
    const unreadable = process.platform === "win32" ? [] : [folder];
    for (const path of [join(scratch, "not there"), ...unreadable]) {
      let error: unknown;
      try {
        pack(arena, path);
      } catch (thrown) {
        error = thrown;
      }
      assert(error instanceof Error, path);
    }
    assertEquals(arena.allocator.allocationCount, 0);
  });
});

describe("the map of a space", () => {
  /** The cells of a map, without offsets and legend. */
  const cells = (capacity: number, free: { offset: number; size: number }[]) =>
    formatMap(capacity, free).split("\n").slice(0, -1)
      // deno-lint-ignore no-control-regex
      .map((line) => line.replace(/\x1b\[\d+m/g, "").slice("999.9 kB  ".length)).join("");

  it("draws a byte as a cell where there are few", () => {
    assertEquals(cells(5, []), "█████");
    assertEquals(cells(5, [{ offset: 0, size: 1 }, { offset: 3, size: 2 }]), "·██··");
    assertEquals(cells(3, [{ offset: 0, size: 3 }]), "···");
    assertStringIncludes(formatMap(0, []), "0 B");
  });

  it("draws a cell full or free only where every byte is", () => {
    const capacity = 10 ** 12;
    const whole = cells(capacity, []);
    assertEquals(whole, "█".repeat(whole.length));
    for (const offset of [0, 1, 123_456_789_012, capacity - 1]) {
      const index = Math.floor(offset / capacity * whole.length);
      const hole = cells(capacity, [{ offset, size: 1 }]);
      assertEquals(hole, whole.slice(0, index) + "▓" + whole.slice(index + 1));
      const free = [{ offset: 0, size: offset }, { offset: offset + 1, size: capacity }]
        .map(({ offset, size }) => ({ offset, size: Math.min(size, capacity - offset) }));
      const single = cells(capacity, free);
      assertEquals(
        single,
        "·".repeat(index) + "░" + "·".repeat(whole.length - index - 1),
      );
    }
  });

  it("names sizes with three digits", () => {
    const sizes = [0, 999, 999.6, 1000, 1499, 999_499, 999_500, 45_600_000, 2 ** 53];
    const names = [
      "0 B",
      "999 B",
      "1 kB",
      "1 kB",
      "1.5 kB",
      "999 kB",
      "1 MB",
      "45.6 MB",
      "9.01 PB",
    ];
    assertEquals(sizes.map(formatBytes), names);
  });
});
