/**
 * Blob stores by path: opening, making, locking, backing up, and what lies in the
 * folder before, meanwhile and afterwards.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { MemoryStore } from "../../backends/memory.ts";
import {
  BlobStore,
  type BlobStoreOptions,
  CorruptStoreError,
  StorageError,
  StoreLockedError,
} from "../../backends/blob_store/mod.ts";
import { lockInChild } from "./children/lock_child.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes, storageError } from "../support/store_helpers.ts";
import { withLinks } from "../support/symbolic_links.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** A folder of its own for each test, so that everything in it can be listed. */
let folder = "", path = "";
beforeEach(() => {
  folder = newPath();
  fs.mkdirSync(folder);
  path = join(folder, "x");
});

/** What lies in the folder, but for the file of the lock, which stays. */
function files(): string[] {
  return fs.readdirSync(folder).filter((name) => name !== "x.lock").sort();
}

/** Opens, does something, and closes. */
async function using<T>(
  target: string | URL | MemoryStore,
  options: BlobStoreOptions,
  body: (store: BlobStore) => T | Promise<T>,
): Promise<T> {
  const store = await BlobStore.open(target, options);
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

/** Makes a store with one blob. */
async function makeStore(): Promise<void> {
  await using(path, { create: true }, (store) => store.put("a", "one"));
}

async function textOf(store: BlobStore, key: string): Promise<string> {
  return new TextDecoder().decode(await store.get(key));
}

function causeCode(error: Error): unknown {
  return (error.cause as { code?: string } | undefined)?.code;
}

describe("a store opened by path", () => {
  it("is made where asked to, and there the next time", async () => {
    await makeStore();
    assertEquals(files(), ["x"]);
    for (const target of [path, pathToFileURL(path)]) {
      for (const options of [{}, { create: true }, { readOnly: true }]) {
        await using(target, options, async (store) => {
          assert(store instanceof BlobStore);
          assertStrictEquals(await textOf(store, "a"), "one");
          assertEquals(files(), "readOnly" in options ? ["x"] : ["x", "x.owner"]);
        });
        assertEquals(files(), ["x"]);
      }
    }
  });

  it("is refused where there is none, and nothing is made", async () => {
    for (const options of [{}, { readOnly: true }]) {
      const error = await storageError("open", () => BlobStore.open(path, options));
      assertStrictEquals(causeCode(error), "ENOENT");
      assert(error.message.includes(path), error.message);
      assertStrictEquals(error.message.includes("create: true"), !("readOnly" in options));
      const none = join(path, "in no folder");
      await storageError("open", () => BlobStore.open(none, options));
      assertEquals(fs.readdirSync(folder), []);
    }
    const none = join(path, "in no folder");
    const error = await storageError("open", () => BlobStore.open(none, { create: true }));
    assertStrictEquals(causeCode(error), "ENOENT");
  });

  it("is refused in an empty file, unless it may be made there", async () => {
    fs.writeFileSync(path, "", { mode: 0o600 });
    for (const options of [{}, { readOnly: true }]) {
      const error = await storageError("open", () => BlobStore.open(path, options));
      assert(error.message.includes("empty"), error.message);
    }
    await makeStore();
    // Windows knows only whether a file may be written.
    const mode = process.platform === "win32" ? 0o666 : 0o600;
    assertStrictEquals(fs.statSync(path).mode & 0o777, mode);
    await using(path, {}, async (store) => assertStrictEquals(await textOf(store, "a"), "one"));
  });

  it("is refused in a folder, and what is no path", async () => {
    for (const options of [{}, { create: true }, { readOnly: true }]) {
      const error = await storageError("open", () => BlobStore.open(folder, options));
      assert(error.message.includes("folder"), error.message);
      await assertRejects(() => BlobStore.open(new URL("https://localhost/x"), options), TypeError);
      for (const bad of [undefined, null, 7, {}]) {
        await assertRejects(() => BlobStore.open(bad as unknown as string, options), TypeError);
      }
    }
    assertEquals(fs.readdirSync(folder), []);
  });

  it("is refused below a file, and where there is no plain file", async () => {
    const below = join(newFile(), "x");
    for (const options of [{}, { create: true }, { readOnly: true }]) {
      const error = await storageError("open", () => BlobStore.open(below, options));
      assert(error.message.includes(below), error.message);
    }
    if (process.platform === "win32") return;
    const error = await storageError("open", () => BlobStore.open("/dev/null"));
    assert(error.message.includes("it is no file"), error.message);
  });

  it("is not made read-only", async () => {
    for (const target of [path, new MemoryStore(0, { maxByteLength: 2 ** 20 })]) {
      const both = { readOnly: true, create: true };
      await assertRejects(() => BlobStore.open(target, both), TypeError, "readOnly");
    }
    assertEquals(fs.readdirSync(folder), []);
  });

  it("is refused where an option is wrong, and nothing is left", async () => {
    const bad = { create: true, granule: 17 };
    await assertRejects(() => BlobStore.open(path, bad), RangeError);
    assertEquals(files(), []);
    await makeStore();
  });

  it("leaves a file that is no store byte for byte", async () => {
    for (const length of [1, 100, 10_000]) {
      for (const bytes of [randomBytes(seeded(1), length), new Uint8Array(length)]) {
        fs.writeFileSync(path, bytes);
        for (const options of [{}, { create: true }, { readOnly: true }]) {
          const context = `${length} bytes, ${JSON.stringify(options)}`;
          await assertRejects(() => BlobStore.open(path, options), CorruptStoreError);
          assertSameBytes(fs.readFileSync(path), bytes, context);
          assertEquals(files(), ["x"], context);
        }
      }
    }
  });

  it("is made beside what a crash left of an earlier attempt, and leaves that", async () => {
    const left = ["x.new", "x.12345678.new"], bytes = randomBytes(seeded(1), 100_000);
    for (const name of left) fs.writeFileSync(join(folder, name), bytes);
    await makeStore();
    assertEquals(files(), ["x", ...left].sort());
    for (const name of left) assertSameBytes(fs.readFileSync(join(folder, name)), bytes, name);
    await using(path, {}, (store) => store.check());
  });

  it({
    ...withLinks("is made where a symbolic link leads to"),
    async fn() {
      const link = join(folder, "link");
      fs.symlinkSync("x", link);
      await using(link, { create: true }, (store) => store.put("a", "one"));
      assert(fs.lstatSync(link).isSymbolicLink());
      await using(path, {}, async (store) => assertStrictEquals(await textOf(store, "a"), "one"));
    },
  });

  it("needs no right to write for readOnly", async () => {
    await makeStore();
    fs.rmSync(`${path}.lock`, { force: true });
    fs.chmodSync(path, 0o400);
    fs.chmodSync(folder, 0o500);
    try {
      await using(path, { readOnly: true }, async (store) => {
        assertStrictEquals(store.readOnly, true);
        assertStrictEquals(await textOf(store, "a"), "one");
        await assertRejects(() => store.put("b", "two"), StorageError, "read-only");
      });
    } finally {
      fs.chmodSync(folder, 0o700);
    }
    assertEquals(fs.readdirSync(folder), ["x"]);
  });
});

describe("a store in a file", () => {
  it("has one writer in this process, who is named to the second", async () => {
    await makeStore();
    await using(path, {}, async (store) => {
      for (const options of [{}, { create: true }]) {
        const error = await assertRejects(() => BlobStore.open(path, options), StoreLockedError);
        assertStrictEquals(error.holder?.pid, process.pid);
      }
      await store.put("b", "two");
    });
    await using(path, {}, async (store) => assertStrictEquals(await textOf(store, "b"), "two"));
  });

  it("has one writer among processes, whose crash frees it", async () => {
    await makeStore();
    const child = await lockInChild(path);
    const error = await assertRejects(() => BlobStore.open(path), StoreLockedError);
    assertEquals([error.path, error.holder?.pid], [path, child.pid]);
    await using(path, { readOnly: true }, async (store) => {
      assertStrictEquals(await textOf(store, "a"), "one");
    });
    await child.kill();
    await using(path, {}, (store) => store.put("b", "two"));
    assertEquals(files(), ["x"]);
  });

  it("is free once an opening failed", async () => {
    const bytes = randomBytes(seeded(1), 10_000);
    fs.writeFileSync(path, bytes);
    await assertRejects(() => BlobStore.open(path), CorruptStoreError);
    fs.rmSync(path);
    await makeStore();
  });

  it("is read beside its writer, who is followed by refresh", async () => {
    const large = randomBytes(seeded(1), 3 * 2 ** 20);
    await using(path, { create: true }, async (writer) => {
      await writer.put("a", "one");
      await using(path, { readOnly: true }, async (reader) => {
        assertStrictEquals(await textOf(reader, "a"), "one");
        await writer.put("b", large);
        await reader.refresh();
        assertSameBytes((await reader.get("b"))!, large, "put since");
        await writer.delete("a");
        await writer.checkpoint();
        await reader.refresh();
        assertStrictEquals(await reader.has("a"), false);
      });
    });
  });

  it("is closed with it, once", async () => {
    await makeStore();
    const store = await BlobStore.open(path);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    await assertRejects(() => store.put("b", "two"), StorageError, "closed");
    assertEquals(files(), ["x"]);
  });

  it("keeps blobs of all sizes", async () => {
    const random = seeded(2), sizes = [0, 1, 100, 5000, 2 ** 16, 2 ** 20, 5 * 2 ** 20];
    const blobs = sizes.map((size) => randomBytes(random, size));
    await using(path, { create: true }, async (store) => {
      await Promise.all(blobs.map((blob, i) => store.put(`${i}`, blob)));
      await store.check();
    });
    await using(path, {}, async (store) => {
      for (const [i, blob] of blobs.entries()) {
        assertSameBytes((await store.get(`${i}`))!, blob, `blob ${i}`);
      }
      assertEquals((await store.verify()).damaged, []);
    });
  });
});

describe("a backing store that the caller holds", () => {
  it("is left open", async () => {
    const memory = new MemoryStore(0, { maxByteLength: 2 ** 20 });
    let closes = 0;
    const store = Object.assign(memory, { close: () => void closes++ });
    await using(store, {}, (blobs) => blobs.put("a", "one"));
    assertStrictEquals(closes, 0);
    await using(store, {}, async (blobs) => assertStrictEquals(await textOf(blobs, "a"), "one"));
  });
});

describe("a backup", () => {
  it("to a path or a URL is a store of its own", async () => {
    await makeStore();
    await using(path, {}, async (store) => {
      const targets = [join(folder, "copy"), pathToFileURL(join(folder, "copy 2"))];
      for (const to of targets) {
        assertStrictEquals((await store.backup(to)).blobs, 1);
        await using(to, { readOnly: true }, async (copy) => {
          assertStrictEquals(await textOf(copy, "a"), "one");
        });
      }
      assertEquals(files(), ["copy", "copy 2", "x", "x.owner"]);
      const memory = new MemoryStore(0, { maxByteLength: 2 ** 20 });
      await store.backup(memory);
      await using(memory, {}, async (copy) => assertStrictEquals(await textOf(copy, "a"), "one"));
    });
  });

  it("never takes the place of what is there", async () => {
    await makeStore();
    const to = newFile(5);
    await using(path, {}, async (store) => {
      const error = await storageError("open", () => store.backup(to));
      assert(error.message.includes(to), error.message);
      assertStrictEquals(fs.statSync(to).size, 5);
      await storageError("open", () => store.backup(path));
      await storageError("open", () => store.backup(join(path, "in no folder")));
    });
  });

  it("says so where its file is taken away before it has its name", async () => {
    await makeStore();
    await using(path, {}, async (store) => {
      const remove = () => {
        for (const name of files()) if (name.endsWith(".new")) fs.rmSync(join(folder, name));
      };
      const copy = join(folder, "copy");
      await storageError("open", () => store.backup(copy, { onProgress: remove }));
    });
    assertEquals(files(), ["x"]);
  });

  it("that fails leaves nothing", async () => {
    await makeStore();
    const to = join(folder, "copy");
    await using(path, {}, async (store) => {
      // Somebody else makes the file meanwhile.
      const onProgress = () => fs.writeFileSync(to, "other");
      await storageError("open", () => store.backup(to, { onProgress }));
      assertStrictEquals(fs.readFileSync(to, "utf8"), "other");
      fs.rmSync(to);
      const stop = () => {
        throw new Error("stop");
      };
      await assertRejects(() => store.backup(to, { onProgress: stop }), Error, "stop");
      assertEquals(files(), ["x", "x.owner"]);
    });
  });
});
