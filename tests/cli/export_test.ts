/**
 * Out of a store: what is left out is told, and nothing outside of the folder is touched,
 * whatever the keys say.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { escapes, parents, unportable } from "../../cli/safe_name.ts";
import { run, storeOf, succeed } from "./cli_helpers.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import { canLink } from "../support/symbolic_links.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";
import { bytes, entriesOf, filesIn, folderOf } from "./transfer_helpers.ts";

removeAfterwards();

const posix = process.platform === "win32" ? it.skip : it;

describe("export", () => {
  it("leaves files that exist, unless it is forced", async () => {
    const store = newPath(), to = folderOf(new Map([["a", new Uint8Array(9)]]));
    await succeed(["import", store, folderOf(new Map(["a", "b"].map((k) => [k, bytes(k)])))]);
    const { code, stdout, stderr } = await run(["export", store, to]);
    assertEquals([code, stdout], [1, "1 blob, 1 B exported, 1 file refused\n"]);
    assertEquals(
      stderr,
      'blobs: refused "a": it exists, and --force is not given\n',
    );
    assertEquals(filesIn(to), new Map([["a", new Uint8Array(9)], ["b", bytes("b")]]));
    await succeed(["export", store, to, "--force"]);
    assertEquals(filesIn(to), new Map([["a", bytes("a")], ["b", bytes("b")]]));

    const archive = join(to, "x.tar");
    await succeed(["export", store, archive]);
    const again = await run(["export", store, archive]);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "--force replaces it");
    await succeed(["export", store, archive, "--force"]);
  });

  it("refuses a key that is both a file and a folder", async () => {
    const store = newPath(), to = newPath();
    for (const key of ["a", "a-", "a/b", "a/b/c", "d/e"]) await succeed(["put", store, key, "-"]);
    const archive = await run(["export", store, "-"]);
    assertEquals([...(await entriesOf(archive.bytes)).keys()], ["a", "a-", "d/e"]);
    const folder = await run(["export", store, to]);
    assertEquals([...filesIn(to).keys()], ["a", "a-", "d/e"]);
    for (const { code, stderr } of [archive, folder]) {
      assertEquals(code, 1);
      assertStringIncludes(stderr, 'refused "a/b": "a" is a blob, too\n');
      assertStringIncludes(stderr, 'refused "a/b/c": "a" is a blob, too\n');
    }
    // A folder where a file should be, a file where a folder should be.
    const other = newPath();
    fs.mkdirSync(join(other, "a-"), { recursive: true });
    fs.writeFileSync(join(other, "d"), "");
    const { stderr } = await run(["export", store, other, "--force"]);
    assertStringIncludes(stderr, 'refused "a-": there is a folder of that name\n');
    assertStringIncludes(stderr, 'refused "d/e": d is a file, not a folder\n');
  });

  posix("keeps names that Windows cannot hold, unless it is to be portable", async () => {
    const store = newPath(), to = newPath(), strict = newPath();
    const names = ["12:00.log", "aux.c", "question?", "sub/trailing.", "a:b", "x\\y"];
    for (const key of ["good", ...names]) await succeed(["put", store, key, "-"]);
    await succeed(["export", store, to]);
    assertEquals([...filesIn(to).keys()].sort(), [...names, "good"].sort());
    const { bytes } = await run(["export", store, "-"]);
    assertEquals([...(await entriesOf(bytes)).keys()].sort(), [...names, "good"].sort());
    const { code, stderr } = await run(["export", store, strict, "--portable"]);
    assertEquals([code, [...filesIn(strict).keys()]], [1, ["good"]]);
    for (const name of names) assertStringIncludes(stderr, `refused "${name}": `);
  });

  it("goes on without a blob that is damaged", async () => {
    const store = newPath(), random = seeded(8), to = newPath();
    const contents = new Map([100, 5000, 2_000_000].map((size, i) => [
      `key ${i}`,
      randomBytes(random, size),
    ]));
    await succeed(["import", store, folderOf(contents)]);
    const file = fs.readFileSync(store);
    for (const key of ["key 1", "key 2"]) {
      file[file.indexOf(contents.get(key)!.subarray(4000, 4032))] ^= 1;
    }
    fs.writeFileSync(store, file);
    const { code, stdout, stderr } = await run(["export", store, to]);
    assertEquals([code, stdout], [1, "1 blob, 100 B exported, 2 files refused\n"]);
    assertStringIncludes(stderr, 'refused "key 1": Cannot read "key 1": ');
    assertEquals(filesIn(to), new Map([["key 0", contents.get("key 0")!]]));
    // An archive cannot take back what it has begun.
    const archive = join(newPath(), "x.tar");
    fs.mkdirSync(dirname(archive));
    const whole = await run(["export", store, archive]);
    assertEquals([whole.code, whole.stdout], [1, ""]);
    assertStringIncludes(whole.stderr, 'blobs: Cannot read "key 2": ');
    assertEquals(fs.readdirSync(dirname(archive)), []);
    const small = await run(["export", store, archive, "--prefix", "key"]);
    assertEquals(small.code, 1);
  });

  it("never replaces the store it reads", async () => {
    const folder = newPath();
    fs.mkdirSync(folder);
    const store = join(folder, "store.blobs");
    for (const key of ["store.blobs", "store.blobs.lock", "good"]) {
      await succeed(["put", store, key, "-"], { stdin: "harmful" });
    }
    const { code, stderr } = await run(["export", store, folder, "--force"]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'refused "store.blobs": it belongs to the store');
    assertEquals((await succeed(["ls", store])).stdout, "good\nstore.blobs\nstore.blobs.lock\n");
  });

  it("makes no file that would belong to the store it reads", async () => {
    const folder = newPath(), link = newPath(), store = join(folder, "store.blobs");
    fs.mkdirSync(folder);
    const note = { pid: 1, host: "elsewhere", runtime: "", since: "", exclusive: true };
    const files = ["owner", "owner.claim", "wait"], below = ["owner/x", "lock/x", "wait/1"];
    for (const names of [files, below]) {
      const keys = names.map((name) => `store.blobs.${name}`);
      for (const key of [...keys, "sub/store.blobs.owner"]) {
        await succeed(["put", store, key, "-"], { stdin: JSON.stringify(note) });
      }
      if (names === below) fs.rmSync(`${store}.lock`, { force: true });
      const { code, stdout, stderr } = await run(["export", store, folder]);
      assertEquals([code, stdout.split(",")[0]], [1, "1 blob"]);
      for (const key of keys) assertStringIncludes(stderr, `refused "${key}": `);
      fs.rmSync(join(folder, "sub"), { recursive: true });
      assertEquals(fs.readdirSync(folder).filter((name) => !/blobs(?:\.lock)?$/.test(name)), []);
      await succeed(["rm", store, ...keys]);
    }
    await succeed(["put", store, "key", "-"], { stdin: "bytes" });
    const folders = canLink() ? [folder, link] : [folder];
    if (canLink()) fs.symlinkSync(folder, link);
    for (const place of folders) {
      const { code, stderr } = await run(["get", store, "key", join(place, "store.blobs.owner")]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "belongs to the store");
    }
    assert(!fs.existsSync(`${store}.owner`));
  });

  /** A folder to export into, full of traps, and around it what must not be touched. */
  function trap(): { around: string; to: string } {
    const around = newPath(), to = join(around, "to");
    fs.mkdirSync(join(around, "outside", "sub"), { recursive: true });
    fs.mkdirSync(to);
    fs.writeFileSync(join(around, "x"), "outside");
    fs.writeFileSync(join(around, "outside", "x"), "outside");
    fs.writeFileSync(join(around, "outside", "sub", "x"), "outside");
    fs.symlinkSync("../outside", join(to, "link"));
    fs.symlinkSync(join(around, "outside"), join(to, "absolute"));
    fs.symlinkSync("..", join(to, "up"));
    fs.symlinkSync("../outside/x", join(to, "file"));
    fs.symlinkSync("../new", join(to, "dangling"));
    fs.symlinkSync(".", join(to, "self"));
    return { around, to };
  }

  const segments = [
    ...["..", ".", "", "x", "sub", "link", "absolute", "up", "file", "dangling", "self", "to"],
    ...["new", "\\", "..\\x", "C:", "C:\\x", "\0", "a\0b", "con", "x.", "x ", "~", "$HOME"],
  ];

  for (const force of [false, true]) {
    const options = force ? ["--force"] : ["--portable"];

    posix(`touches nothing outside of its folder${force ? ", forced" : ""}`, async () => {
      await withSeed(force ? 10 : 9, async (random) => {
        const { around, to } = trap();
        const outside = () => filesIn(around, (name) => name !== "to");
        const before = outside();
        const isLink = (name: string) => fs.lstatSync(join(to, name)).isSymbolicLink();
        const links = fs.readdirSync(to);

        const deep = Array.from({ length: 1500 }, () => {
          const parts = Array.from({ length: 2 + random(4) }, () => random(segments.length));
          return parts.map((index) => segments[index]).join("/");
        });
        // Absolute, to where the traps are.
        for (const name of ["x", "new", "outside/x", "outside/new"]) deep.push(`${around}/${name}`);
        const store = await storeOf(...deep);
        for (const prefix of ["", "x", "sub/"]) {
          assertEquals((await run(["export", store, to, "--prefix", prefix, ...options])).code, 1);
          assertEquals(outside(), before);
        }
        assert(fs.existsSync(join(to, "new", "x")), "what is harmless is exported");
        // Forced, a link itself gives way to the blob of its name.
        if (!force) assertEquals(links.filter(isLink), links);
        const flat = await storeOf(...segments.filter((segment) => segment !== ""));
        assertEquals((await run(["export", flat, to, ...options])).code, 1);
        assertEquals(outside(), before);
        assertEquals(links.filter(isLink), force ? [] : links);

        for (const path of [store, flat]) {
          const { bytes } = await run(["export", path, "-", ...options]);
          for (const name of (await entriesOf(bytes)).keys()) {
            assertEquals(escapes(name, false), undefined, name);
            if (!force) assertEquals(unportable(name), undefined, name);
          }
        }
      });
    });
  }

  posix("goes through no link on the way to a file, even one that stays inside", async () => {
    const store = newPath(), { around, to } = trap(), before = filesIn(around);
    const keys = ["link/new", "absolute/sub/new", "up/new", "self/new", "dangling/new", "file/new"];
    for (const key of keys) await succeed(["put", store, key, "-"]);
    const { code, stderr } = await run(["export", store, to, "--force"]);
    assertEquals([code, stderr.match(/is a symbolic link\n/g)?.length], [1, keys.length]);
    assertEquals(filesIn(around), before);
  });
});

describe("a name", () => {
  it("escapes or does not", () => {
    const escaping = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "./a",
      "a/.",
      "a/..",
      "../a",
      "a/../b",
    ];
    escaping.push("a\0", "\0");
    for (const name of escaping) assert(escapes(name, false) !== undefined, JSON.stringify(name));
    const onWindows = ["C:", "c:a", "C:\\a", "a\\b", "\\\\host\\share"];
    for (const name of [...escaping, ...onWindows]) assert(escapes(name, true) !== undefined, name);
    for (const name of onWindows) {
      assertEquals(escapes(name, false), undefined, name);
      assert(unportable(name) !== undefined, name);
    }
    const inside = [
      "a",
      "a/b",
      "...",
      "..a",
      "a..",
      ".a",
      " ",
      "~",
      "-",
      "ab:c",
      "12:00",
      "ü",
      "\n",
    ];
    for (const name of inside) {
      assertEquals([escapes(name, true), escapes(name, false)], [undefined, undefined], name);
    }
  });

  it("is one that Windows can hold or is not", () => {
    const odd = ["con", "CON", "a/nul/b", "aux.c", "com1", "LPT9.txt", "com¹", "prn ", "nul .txt"];
    odd.push(
      "a.",
      "a ",
      "a./b",
      "ab:c",
      "a?",
      "a*",
      'a"',
      "a<",
      "a>",
      "a|",
      "\n",
      "a\x1fb",
      "conout$",
    );
    for (const name of odd) assert(unportable(name) !== undefined, JSON.stringify(name));
    const fine = ["a", "a.b", "a b", ".a", "console", "com", "com10", "auxiliary.c", "nul1", "ü"];
    for (const name of fine) assertEquals(unportable(name), undefined, JSON.stringify(name));
  });

  it("lies in folders", () => {
    assertEquals([...parents("a/b/c")], ["a", "a/b"]);
    assertEquals([...parents("a")], []);
  });
});
