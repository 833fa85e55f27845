/**
 * OpfsStore and BlobStore over the origin private file system: the real one in a browser, one in
 * memory elsewhere.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import {
  type OpfsFileHandle,
  type OpfsFolder,
  rootFolder,
  type SyncAccessHandleLike,
} from "../../backends/opfs/browser_files.ts";
import {
  BlobStore,
  CorruptStoreError,
  OpfsStore,
  StorageError,
  StoreLockedError,
} from "../../backends/opfs/mod.ts";
import { Arena } from "../../src/arena/arena.ts";
import { storeContract } from "../support/store_contract.ts";
import { storageError } from "../support/store_helpers.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { installOpfs, isBrowser } from "./fake_opfs.ts";

if (!isBrowser) installOpfs();

let paths = 0;

/** A path where nothing is. */
function newPath(): string {
  return `opfs-test-${paths++}`;
}

/** A new file of zeros. */
async function newFile(byteLength = 0): Promise<string> {
  const path = newPath();
  using store = await OpfsStore.open(path, { create: true });
  store.resize(byteLength);
  return path;
}

/** The handle of a file, which is made if there is none. */
async function handleOf(path: string): Promise<OpfsFileHandle> {
  return await (await rootFolder()).getFileHandle(path, { create: true });
}

async function namesIn(folder: OpfsFolder): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names.sort();
}

const features = { copyWithin: "Arena copies", view: "it is no memory", async: "it is sync" };

storeContract("OpfsStore by path", {
  make: async (byteLength) => await OpfsStore.open(await newFile(byteLength)),
  skip: features,
});

storeContract("OpfsStore by handle", {
  make: async (byteLength) => await OpfsStore.open(await handleOf(await newFile(byteLength))),
  skip: features,
});

describe("OpfsStore.open", () => {
  it("makes a file and the folders on the way only with create", async () => {
    const folder = newPath(), path = `${folder}/a/b.bin`;
    const error = await storageError("open", () => OpfsStore.open(path));
    assert(error.message.includes(`there is no such file`), error.message);
    assert(error.message.includes(path), error.message);
    assertEquals((await namesIn(await rootFolder())).includes(folder), false);
    {
      using store = await OpfsStore.open(path, { create: true });
      store.resize(3);
      store.write(0, new Uint8Array([1, 2, 3]));
    }
    using store = await OpfsStore.open(`/${path}`, { create: true });
    assertStrictEquals(store.byteLength, 3);
    const beside = await storageError(
      "open",
      () => OpfsStore.open(`${folder}/a`, { create: true }),
    );
    assert(beside.message.includes("folder"), beside.message);
    const below = `${path}/c`;
    const inFile = await storageError("open", () => OpfsStore.open(below, { create: true }));
    assert(inFile.message.includes("folder"), inFile.message);
  });

  it("empties a file with truncate", async () => {
    using store = await OpfsStore.open(await newFile(100), { truncate: true });
    assertStrictEquals(store.byteLength, 0);
  });

  it("refuses what is no path and no handle, and unknown options", async () => {
    for (const bad of ["", "/", "a//b", "a/", "..", "a/../b", "./a", undefined, null, 7, {}]) {
      await assertRejects(() => OpfsStore.open(bad as string, { create: true }), TypeError);
    }
    await assertRejects(
      () => OpfsStore.open(Promise.resolve() as unknown as string),
      TypeError,
      "await it",
    );
    const options = [
      { creat: true },
      { create: 1 },
      { readOnly: true, create: true },
      { readOnly: true, truncate: true },
      { waitMs: "1" },
      { signal: {} },
    ];
    for (const bad of options) {
      await assertRejects(() => OpfsStore.open(newPath(), bad as object), TypeError);
    }
    await assertRejects(() => OpfsStore.open(newPath(), { waitMs: -1 }), RangeError);
    assertThrows(() => new (OpfsStore as unknown as new () => OpfsStore)(), TypeError, "open");
  });

  it("reads only what was opened read-only", async () => {
    const path = await newFile(10);
    using store = await OpfsStore.open(path, { readOnly: true });
    store.read(0, new Uint8Array(10));
    await storageError("write", () => store.write(0, new Uint8Array(1)));
    await storageError("resize", () => store.resize(1));
    store.flush();
  });

  it("waits for a handle that is being closed, and no longer than it may", async () => {
    const path = await newFile(10), first = await OpfsStore.open(path);
    const error = await assertRejects(
      () => OpfsStore.open(path, { waitMs: 0 }),
      StoreLockedError,
    );
    assertEquals([error.path, error.holder], [path, undefined]);
    const later = await assertRejects(
      () => OpfsStore.open(path, { waitMs: 60 }),
      StoreLockedError,
    );
    assert(later.waitedMs >= 60 && later.waitedMs < 2000, `${later.waitedMs}`);
    const controller = new AbortController();
    const waiting = OpfsStore.open(path, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assertRejects(() => waiting, Error, "enough");
    const second = OpfsStore.open(path);
    setTimeout(() => first.close(), 30);
    (await second).close();
  });

  it("says that a page has no such handles", async () => {
    const handle = await handleOf(await newFile());
    const ofPage = {
      kind: "file",
      name: handle.name,
      getFile: () => handle.getFile(),
    } as const;
    if (isBrowser) return; // a browser takes only handles of its own
    const root = await rootFolder();
    root.resolve = () => Promise.resolve([handle.name]);
    root.getFileHandle = () => Promise.resolve(ofPage);
    const error = await assertRejects(() => OpfsStore.open(ofPage), TypeError);
    assert(error.message.includes("dedicated worker"), error.message);
    installOpfs();
  });
});

describe("OpfsStore.from", () => {
  it("takes an open handle, which stays its owner's", async () => {
    const handle = await (await handleOf(await newFile(10))).createSyncAccessHandle!();
    const store = OpfsStore.from(handle);
    store.write(3, new Uint8Array([5]));
    store.close();
    await storageError("read", () => store.read(0, new Uint8Array(1)));
    assertStrictEquals(handle.getSize(), 10);
    handle.close();
    const error = await storageError("open", () => OpfsStore.from(handle));
    assert(error.message.includes("the handle is closed"), error.message);
  });

  it("refuses what is none", () => {
    for (const bad of [undefined, null, "a", {}, new Uint8Array(1)]) {
      assertThrows(() => OpfsStore.from(bad as unknown as SyncAccessHandleLike), TypeError);
    }
  });

  it("sees with reload what its owner did", async () => {
    const handle = await (await handleOf(await newFile(10))).createSyncAccessHandle!();
    using store = OpfsStore.from(handle);
    handle.truncate(20);
    assertStrictEquals(store.byteLength, 10);
    store.reload();
    assertStrictEquals(store.byteLength, 20);
    handle.close();
  });
});

describe("an arena over an OpfsStore", () => {
  it("grows the file and keeps what its regions hold", async () => {
    const path = newPath(), data = randomBytes(seeded(1), 50_000);
    let offset = 0;
    {
      const store = await OpfsStore.open(path, { create: true });
      using arena = new Arena(store, { maxByteLength: Infinity, closeStore: true });
      const regions = Array.from({ length: 20 }, () => arena.allocateFrom(data)!);
      for (let i = 0; i < 20; i += 2) regions[i].free();
      offset = regions[1].offset;
      arena.flush();
    }
    using store = await OpfsStore.open(path);
    assert(store.byteLength >= 1_000_000);
    const into = new Uint8Array(data.length);
    store.read(offset, into);
    assertEquals(into, data);
  });
});

describe("BlobStore.open in the private file system", () => {
  it("makes a store whole, and leaves no other file", async () => {
    const folder = newPath(), path = `${folder}/photos.blobs`;
    const missing = await storageError("open", () => BlobStore.open(path));
    assert(missing.message.includes("there is no such file"), missing.message);
    {
      await using blobs = await BlobStore.open(path, { create: true });
      await blobs.put("a", "first");
    }
    const inside = await (await rootFolder()).getDirectoryHandle(folder);
    assertEquals(await namesIn(inside), ["photos.blobs"]);
    await using again = await BlobStore.open(path);
    assertEquals(new TextDecoder().decode(await again.get("a")), "first");
  });

  it("makes one of an empty file by its handle, and opens it by it", async () => {
    const path = newPath(), handle = await handleOf(path);
    const error = await storageError("open", () => BlobStore.open(handle));
    assert(error.message.includes("the file is empty, pass create: true"), error.message);
    {
      await using blobs = await BlobStore.open(handle, { create: true });
      await blobs.put("a", new Uint8Array(100_000));
    }
    await using blobs = await BlobStore.open(await handleOf(path));
    assertStrictEquals((await blobs.stat("a"))?.size, 100_000);
  });

  it("removes what a crash left of the making, and nobody else's file", async () => {
    const folder = newPath(), root = await rootFolder();
    const inside = await root.getDirectoryHandle(folder, { create: true });
    const others = ["p.new", "p.12345678.newer", "q.12345678.new", "p.1234567z.new"];
    for (const name of ["p.12345678.new", "p.0a0b0c0d.new", ...others]) {
      await inside.getFileHandle(name, { create: true });
    }
    await (await BlobStore.open(`${folder}/p`, { create: true })).close();
    assertEquals(await namesIn(inside), ["p", ...others].sort());
  });

  it("takes no file that is something else", async () => {
    await assertRejects(async () => BlobStore.open(await newFile(10)), CorruptStoreError);
    // Its lock is free again.
    const path = await newFile(100);
    await assertRejects(() => BlobStore.open(path, { create: true }), CorruptStoreError);
    (await OpfsStore.open(path, { waitMs: 0 })).close();
  });

  it("has one writer, and those who wait are served in order", async () => {
    const path = newPath(), first = await BlobStore.open(path, { create: true });
    await first.put("a", "1");
    const error = await assertRejects(() => BlobStore.open(path, { waitMs: 0 }), StoreLockedError);
    assertEquals([error.path, error.waitedMs < 1000], [path, true]);
    const later = await assertRejects(() => BlobStore.open(path, { waitMs: 50 }), StoreLockedError);
    assert(later.waitedMs >= 50, `${later.waitedMs}`);
    await assertRejects(
      () => BlobStore.open(path, { readOnly: true, waitMs: 0 }),
      StoreLockedError,
    );
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      await using blobs = await BlobStore.open(path, { waitMs: 20_000 });
      order.push(n);
      await blobs.put(`${n}`, "x");
    });
    const controller = new AbortController();
    const start = performance.now();
    const aborted = BlobStore.open(path, { signal: controller.signal, waitMs: 20_000 });
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, Error, "enough");
    const another = new AbortController();
    setTimeout(() => another.abort(new Error("later")), 20);
    const inLine = BlobStore.open(path, { signal: another.signal, waitMs: 20_000 });
    await assertRejects(() => inLine, Error, "later");
    assert(performance.now() - start < 5_000);
    await first.close();
    await Promise.all(waiting);
    assertEquals(order, [1, 2, 3]);
  });

  it("waits for a bare handle as well, and frees its place in the queue", async () => {
    const path = newPath();
    await (await BlobStore.open(path, { create: true })).close();
    const bare = await OpfsStore.open(path);
    await assertRejects(() => BlobStore.open(path, { waitMs: 30 }), StoreLockedError);
    setTimeout(() => bare.close(), 30);
    await (await BlobStore.open(path)).close();
  });

  it("two that make the same store make one", async () => {
    const path = newPath();
    await Promise.all([1, 2, 3, 4].map(async (n) => {
      await using blobs = await BlobStore.open(path, { create: true, waitMs: 20_000 });
      await blobs.put(`${n}`, "x");
    }));
    await using blobs = await BlobStore.open(path, { readOnly: true });
    assertStrictEquals((await blobs.stats()).blobs, 4);
    await assertRejects(() => blobs.put("a", "b"), StorageError);
  });

  it("refuses options that make no sense", async () => {
    await assertRejects(() => BlobStore.open(newPath(), { creat: true } as object), TypeError);
    await assertRejects(() => BlobStore.open(newPath(), { waitMs: 0.5 }), RangeError);
    await assertRejects(
      () => BlobStore.open(newPath(), { signal: {} } as object),
      TypeError,
      "AbortSignal",
    );
    const memory = new MemoryStore(0, { maxByteLength: 2 ** 20 });
    await assertRejects(() => BlobStore.open(memory, { waitMs: 1 }), TypeError, "waitMs");
    const handle = await (await handleOf(await newFile(10))).createSyncAccessHandle!();
    await assertRejects(
      () => BlobStore.open(handle as unknown as string),
      TypeError,
      "OpfsStore.from",
    );
    handle.close();
    await (await BlobStore.open(memory)).close();
  });
});

describe("a backup into the private file system", () => {
  it("is complete once it has its name, and never over another file", async () => {
    const path = newPath(), to = newPath(), third = newPath();
    await using blobs = await BlobStore.open(path, { create: true });
    const data = randomBytes(seeded(2), 300_000);
    for (let i = 0; i < 5; i++) await blobs.put(`${i}`, data);
    assertEquals(await blobs.backup(to), { blobs: 5, bytes: 1_500_000 });
    const there = await storageError("open", () => blobs.backup(to));
    assert(there.message.includes("the file is there already"), there.message);
    await storageError("open", async () => blobs.backup(await handleOf(to)));
    await blobs.backup(await handleOf(third));
    for (const copy of [to, third]) {
      await using opened = await BlobStore.open(copy);
      assertEquals(await opened.get("3"), data);
      assertEquals((await opened.verify()).damaged, []);
    }
    const memory = new MemoryStore(0, { maxByteLength: 2 ** 24 });
    assertStrictEquals((await blobs.backup(memory)).blobs, 5);
    await assertRejects(() => blobs.backup(newPath(), { progress: 1 } as object), TypeError);
    await assertRejects(() => blobs.backup(7 as unknown as string), TypeError);
  });

  it("that fails leaves nothing", async () => {
    const folder = newPath();
    await using blobs = await BlobStore.open(newPath(), { create: true });
    await blobs.put("a", new Uint8Array(100_000));
    const failing = () => {
      throw new Error("no more of it");
    };
    await assertRejects(
      () => blobs.backup(`${folder}/copy`, { onProgress: failing }),
      Error,
      "no more of it",
    );
    assertEquals(await namesIn(await (await rootFolder()).getDirectoryHandle(folder)), []);
    await blobs.backup(`${folder}/copy`);
  });
});

describe("handles that answer otherwise", () => {
  /** A handle over a plain array. */
  function handle(most: number, fail: (what: string) => void = () => {}): SyncAccessHandleLike {
    let bytes = new Uint8Array(1000);
    return {
      read(into, { at = 0 } = {}) {
        fail("read");
        const found = bytes.subarray(at, at + Math.min(most, into.length));
        into.set(found);
        return found.length;
      },
      write(data, { at = 0 } = {}) {
        fail("write");
        const piece = data.subarray(0, most);
        bytes.set(piece, at);
        return piece.length;
      },
      truncate(newSize) {
        fail("truncate");
        const before = bytes;
        bytes = new Uint8Array(newSize);
        bytes.set(before.subarray(0, newSize));
      },
      getSize: () => bytes.length,
      flush: () => fail("flush"),
      close() {},
    };
  }

  it("move bytes piece by piece", () => {
    const store = OpfsStore.from(handle(7)), data = randomBytes(seeded(3), 500);
    store.write(100, data);
    const into = new Uint8Array(500);
    store.read(100, into);
    assertEquals(into, data);
  });

  it("are given up where they move nothing", async () => {
    const store = OpfsStore.from(handle(0));
    await storageError("write", () => store.write(0, new Uint8Array(2)));
    await storageError("read", () => store.read(0, new Uint8Array(2)));
  });

  it("are told in words", async () => {
    const reasons = {
      QuotaExceededError: "the quota of this origin is used up",
      InvalidStateError: "the handle is closed",
      NoModificationAllowedError: "the file is open elsewhere",
      SomethingElseError: "what the browser said",
    };
    for (const [name, reason] of Object.entries(reasons)) {
      const store = OpfsStore.from(handle(1000, () => {
        throw new DOMException("what the browser said", name);
      }));
      const error = await storageError("resize", () => store.resize(2000));
      assert(error.message.includes(reason), error.message);
      const { cause } = error.cause as Error;
      assertInstanceOf(cause, DOMException);
      assertStrictEquals(cause.name, name);
      await storageError("flush", () => store.flush());
      const again = await storageError("flush", () => store.flush());
      assert(again.message.includes("an earlier flush failed"), again.message);
    }
  });

  it("with promises are refused", async () => {
    const old = { ...handle(1), getSize: () => Promise.resolve(0) as unknown as number };
    const error = await storageError("open", () => OpfsStore.from(old));
    assert(error.message.includes("too old"), error.message);
  });

  it("that are full can still delete, compact, read and put into freed room", async () => {
    let quota = 400_000;
    const inner = handle(Infinity);
    const limited: SyncAccessHandleLike = {
      ...inner,
      truncate(newSize) {
        if (newSize > quota) throw new DOMException("full", "QuotaExceededError");
        inner.truncate(newSize);
      },
    };
    inner.truncate(0);
    await using blobs = await BlobStore.open(OpfsStore.from(limited));
    const data = randomBytes(seeded(4), 20_000), keys: string[] = [];
    const error = await assertRejects(async () => {
      for (let i = 0; i < 100; i++) {
        await blobs.put(`${i}`, data);
        keys.push(`${i}`);
      }
    });
    assertInstanceOf(error, StorageError);
    assert(keys.length > 5, `${keys.length}`);
    for (const key of keys.splice(0, 4)) assert(await blobs.delete(key));
    await blobs.put("in freed room", data);
    assertEquals(await blobs.get("in freed room"), data);
    for (const key of keys.splice(0, 4)) assert(await blobs.delete(key));
    await blobs.compact();
    assertEquals(await blobs.get(keys[0]), data);
    quota = Infinity;
    for (let i = 0; i < 20; i++) await blobs.put(`more ${i}`, data);
    await blobs.check();
  });
});
