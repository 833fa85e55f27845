/**
 * The driver under the real unstorage: what every driver of it has to do, and what this one does
 * beside that.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createStorage, prefixStorage, type Storage } from "unstorage";
import { BlobStore } from "../../src/blob_store/mod.ts";
import { unstorageDriver, type UnstorageDriverOptions } from "../../backends/unstorage/mod.ts";
import { assertEmptiable, bytesOf, keysOf, memory } from "../blob_store/helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

/** A case: it gets a storage, and the store below it. */
type Case = (storage: Storage, store: BlobStore) => Promise<void>;

const ways: Readonly<Record<string, UnstorageDriverOptions>> = {
  "as it is": {},
  "below a base": { base: "app/cache:" },
  "with slashes": { separator: "/" },
  "with slashes, below a base": { base: "app/", separator: "/" },
};

const sorted = async (keys: Promise<string[]>) => (await keys).sort();

const cases: Readonly<Record<string, Case>> = {
  "has nothing at first": async (storage) => {
    assertEquals(await storage.hasItem("a:b"), false);
    assertEquals(await storage.getItem("a:b"), null);
    assertEquals(await storage.getItemRaw("a:b"), null);
    assertEquals(await storage.getKeys(), []);
    assertEquals({ ...await storage.getMeta("a:b") }, {});
    await storage.removeItem("a:b");
  },

  "keeps what it was given, by whatever name": async (storage) => {
    await storage.setItem("a:b", "text");
    assertEquals(await storage.hasItem("a:b"), true);
    for (const name of ["a:b", "a/b", "/a/b", "a\\b", "a:b?x=1"]) {
      assertEquals(await storage.getItem(name), "text", name);
    }
    await storage.setItem("a:b", "another");
    assertEquals(await storage.getItem("a:b"), "another");
    await storage.setItem("a:b", "");
    assertEquals(await storage.hasItem("a:b"), true);
    assertEquals(await storage.getItem("a:b"), "");
  },

  "keeps what JSON can say": async (storage) => {
    class Point {
      toJSON() {
        return { x: 1 };
      }
    }
    for (
      const [value, back] of [
        [{ a: { b: [1, "2", null] } }, { a: { b: [1, "2", null] } }],
        [true, true],
        [false, false],
        [0, 0],
        [-1.5, -1.5],
        [null, null],
        [[], []],
        ["ü☃\ufeff", "ü☃\ufeff"],
        ["\ufeffx", "\ufeffx"],
        [new Point(), { x: 1 }],
      ] as const
    ) {
      await storage.setItem("value", value as never);
      assertEquals(await storage.getItem("value"), back);
    }
    class Plain {}
    await assertRejects(() => storage.setItem("value", new Plain() as never), Error, "stringify");
    await storage.setItem("value", undefined as never); // as unstorage has it: removes
    assertEquals(await storage.hasItem("value"), false);
  },

  "keeps bytes as they are": async (storage) => {
    const bytes = bytesOf(1, 100_000);
    await storage.setItemRaw("raw.bin", bytes);
    const back = await storage.getItemRaw<Uint8Array>("raw.bin");
    assert(back instanceof Uint8Array);
    assertSameBytes(back, bytes, "raw");
    for (
      const value of [
        new Uint8Array([1, 2, 3]).buffer,
        new Blob([new Uint8Array([1, 2, 3])]),
        new Response(new Uint8Array([1, 2, 3])),
        new DataView(new Uint8Array([1, 2, 3]).buffer),
      ]
    ) {
      await storage.setItemRaw("raw.bin", value);
      assertEquals([...await storage.getItemRaw("raw.bin")], [1, 2, 3]);
    }
    await storage.setItemRaw("raw.bin", "text");
    assertEquals(await storage.getItem("raw.bin"), "text");
    await assertRejects(() => storage.setItemRaw("raw.bin", { a: 1 }), TypeError, "value");
  },

  "gives the keys of a base, and to a depth": async (storage) => {
    const keys = ["a", "a:b", "a:b:c", "a:b:d", "ab:c", "e:f"];
    for (const key of keys) await storage.setItem(key, key);
    assertEquals(await sorted(storage.getKeys()), keys);
    assertEquals(await sorted(storage.getKeys("a")), ["a:b", "a:b:c", "a:b:d"]);
    assertEquals(await sorted(storage.getKeys("a:b:")), ["a:b:c", "a:b:d"]);
    assertEquals(await storage.getKeys("none"), []);
    assertEquals(await storage.getKeys(undefined, { maxDepth: 0 }), ["a"]);
    assertEquals(await sorted(storage.getKeys("", { maxDepth: 1 })), ["a", "a:b", "ab:c", "e:f"]);
    assertEquals(await sorted(storage.getKeys("a", { maxDepth: 1 })), ["a:b"]);
  },

  "sets and gets many": async (storage) => {
    const items = Array.from({ length: 300 }, (_, i) => ({ key: `n:${i}`, value: { i } }));
    await storage.setItems(items);
    const back = await storage.getItems([...items.map(({ key }) => key), "n:none"]);
    assertEquals(back, [...items, { key: "n:none", value: null as never }]);
  },

  "removes, and clears": async (storage) => {
    for (const key of ["a:1", "a:2", "b:1", "c"]) await storage.setItem(key, key);
    await storage.removeItem("a:1");
    assertEquals(await storage.getItem("a:1"), null);
    assertEquals(await sorted(storage.getKeys()), ["a:2", "b:1", "c"]);
    // unstorage itself clears only whole mounts, but hands a base on to drivers.
    await storage.getMount().driver.clear!("a:", {});
    assertEquals(await sorted(storage.getKeys()), ["b:1", "c"]);
    await storage.clear();
    await storage.clear();
    assertEquals(await storage.getKeys(), []);
    const many = Array.from({ length: 2500 }, (_, i) => ({ key: `${i}`, value: 1 }));
    await storage.setItems(many);
    await storage.clear();
    assertEquals(await storage.getKeys(), []);
  },

  "knows size and time, and what was noted": async (storage, store) => {
    const before = Date.now();
    await storage.setItem("a:b", "12345");
    const { mtime, size, etag } = await storage.getMeta("a:b", { nativeOnly: true });
    assertEquals(size, 5);
    assert(mtime instanceof Date && mtime.getTime() >= before - 1000);
    const key = (await keysOf(store)).find((key) => /a.b$/.test(key))!;
    assertEquals(etag, (await store.stat(key))!.etag);
    await storage.setMeta("a:b", { by: "Ada" });
    const meta = await storage.getMeta("a:b");
    assertEquals([meta.by, meta.size], ["Ada", 5]);
    assertEquals(await storage.getKeys(), ["a:b"], "notes are no items");
    await storage.removeItem("a:b", { removeMeta: true });
    assertEquals({ ...await storage.getMeta("a:b") }, {});
  },

  "works below a mount and a prefix": async (storage, store) => {
    const root = createStorage();
    root.mount("blobs", unstorageDriver(store, { base: "mounted/" }));
    await root.setItem("blobs:x:y", 7);
    await root.setItem("elsewhere", 8);
    assertEquals(await root.getItem("blobs:x:y"), 7);
    assertEquals(await sorted(root.getKeys()), ["blobs:x:y", "elsewhere"]);
    assertEquals(await root.getKeys("blobs:x"), ["blobs:x:y"]);
    await root.clear("blobs");
    assertEquals(await root.getKeys(), ["elsewhere"]);
    const users = prefixStorage(storage, "users");
    await users.setItem("1", "Ada");
    assertEquals(await storage.getItem("users:1"), "Ada");
    assertEquals(await users.getKeys(), ["1"]);
  },
};

for (const [way, options] of Object.entries(ways)) {
  describe(`unstorage over a blob store, ${way}`, () => {
    for (const [name, run] of Object.entries(cases)) {
      it(name, async () => {
        await using store = await BlobStore.open(memory());
        const others = ["app", "app/cache", "zz"].filter((key) =>
          !key.startsWith(options.base ?? "-")
        );
        if (options.base !== undefined) {
          for (const key of others) await store.put(key, "not ours");
        }
        const storage = createStorage({ driver: unstorageDriver(store, options) });
        await run(storage, store);
        await storage.clear();
        await storage.dispose();
        // What is below no base of ours was not touched.
        assertEquals(await keysOf(store), options.base === undefined ? [] : others);
        await assertEmptiable(store);
      });
    }
  });
}

describe("unstorageDriver", () => {
  it("shares paths with other programs", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("photos/cats/1.txt", "meow");
    await store.put("photos/a:b", "of another program");
    const driver = unstorageDriver(store, { base: "photos/", separator: "/" });
    const storage = createStorage({ driver });
    assertEquals(await storage.getKeys(), ["cats:1.txt"]);
    assertEquals(await storage.getItem("cats:1.txt"), "meow");
    await storage.setItem("dogs:1.txt", "woof");
    assert(await store.has("photos/dogs/1.txt"));
    await storage.clear();
    assertEquals(await keysOf(store), ["photos/a:b"]);
  });

  it("sets many at once: all, or nothing", async () => {
    await using store = await BlobStore.open(memory());
    const storage = createStorage({ driver: unstorageDriver(store) });
    const { commits } = await store.stats();
    await storage.setItems(Array.from({ length: 50 }, (_, i) => ({ key: `${i}`, value: i })));
    assertEquals((await store.stats()).commits, commits + 1);
    const items = [{ key: "new", value: 1 }, { key: "x".repeat(1025), value: 2 }];
    await assertRejects(() => storage.setItems(items), RangeError);
    assertEquals(await storage.hasItem("new"), false);
  });

  it("lets items expire, after seconds", async () => {
    let now = Date.now();
    await using store = await BlobStore.open(memory(), { now: () => now });
    const storage = createStorage({ driver: unstorageDriver(store) });
    await storage.setItem("a", 1, { ttl: 10 });
    await storage.setItemRaw("b", new Uint8Array(3), { ttl: 20 });
    await storage.setItems([{ key: "c", value: 1, options: { ttl: 30 } }, { key: "d", value: 1 }], {
      ttl: 40,
    });
    await storage.setItem("e", 1);
    const { ttl } = await storage.getMeta("a");
    assert(ttl! > 9 && ttl! <= 10, `${ttl}`);
    assertEquals((await storage.getMeta("e")).ttl, undefined);
    const left: string[] = [];
    for (let i = 0; i < 5; i++) {
      left.push((await storage.getKeys()).join(""));
      now += 10_500;
    }
    assertEquals(left, ["abcde", "bcde", "cde", "de", "e"]);
    assertEquals([await storage.getItem("a"), await storage.hasItem("b")], [null, false]);
  });

  it("tells of changes, by whomever", async () => {
    await using store = await BlobStore.open(memory());
    const storage = createStorage({
      driver: unstorageDriver(store, { base: "app/", separator: "/" }),
    });
    const seen: string[] = [];
    const unwatch = await storage.watch((event, key) => seen.push(`${event} ${key}`));
    await storage.setItem("a:b", 1);
    await store.put("app/c", "by another");
    await store.put("app/x:y", "no item");
    await store.put("elsewhere", "not ours");
    await storage.removeItem("a:b");
    await store.batch([{ type: "delete", key: "app/c" }, {
      type: "put",
      key: "app/d",
      value: "1",
    }]);
    const expected = ["update a:b", "update c", "remove a:b", "remove c", "update d"];
    for (let i = 0; i < 200 && seen.length < expected.length; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(seen, expected);
    await unwatch();
    await storage.setItem("e", 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals(seen.length, expected.length);
    await storage.watch(() => {}); // ends with the store
  });

  it("closes the store only if it is told so", async () => {
    for (const closeStore of [false, true]) {
      await using store = await BlobStore.open(memory());
      const driver = unstorageDriver(store, { closeStore });
      assert(driver.getInstance() === store && driver.name === "blob-store");
      await createStorage({ driver }).dispose();
      if (closeStore) await assertRejects(() => store.has("a"), Error, "the store is closed");
      else assertEquals(await store.has("a"), false);
    }
  });

  it("takes a store that is being opened", async () => {
    const opening = BlobStore.open(memory());
    const driver = unstorageDriver(opening, { closeStore: true });
    const storage = createStorage({ driver });
    const told: string[] = [];
    await storage.watch((event, key) => void told.push(`${event} ${key}`));
    await storage.setItems([{ key: "a", value: "1" }, { key: "b", value: "2" }]);
    assertEquals(await storage.getKeys(), ["a", "b"]);
    assertEquals(await keysOf(await opening), ["a", "b"]);
    await storage.clear();
    assertEquals(told.slice(0, 2), ["update a", "update b"]);
    await storage.dispose();
    await assertRejects(async () => (await opening).has("a"), Error, "the store is closed");
    assert(driver.getInstance() === opening);
  });

  it("rejects each call where the store does not open", async () => {
    for (
      const [wrong, message] of [[Promise.reject(new Error("locked")), "locked"], [
        Promise.resolve("a.blobs"),
        'Expected store to be a blob store, got the string "a.blobs"',
      ]] as const
    ) {
      const driver = unstorageDriver(wrong as Promise<BlobStore>);
      await new Promise((resolve) => setTimeout(resolve)); // nothing is unhandled
      await assertRejects(() => driver.getItem("a"), Error, message);
      await assertRejects(() => driver.clear(), Error, message);
    }
  });

  it("refuses what makes no sense", async () => {
    await using store = await BlobStore.open(memory());
    const given: [unknown, unknown, string][] = [
      ["a.blobs", {}, "store to be a blob store"],
      [undefined, {}, "store to be a blob store"],
      [store, { base: 7 }, "base to be a string"],
      [store, { prefix: "a" }, "base"],
      [store, { separator: "-" }, 'separator to be ":" or "/"'],
      [store, { closeStore: "yes" }, "closeStore to be a boolean"],
    ];
    for (const [target, options, message] of given) {
      const make = () => unstorageDriver(target as BlobStore, options as UnstorageDriverOptions);
      assertThrows(make, TypeError, message);
    }
  });
});
