/**
 * Tabs that share a blob store, all of them in this thread: who opens the file, who takes over,
 * what becomes of calls. Tabs that die are tested in browsers.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BlobStore,
  ConditionFailedError,
  ConnectionLostError,
  CorruptStoreError,
  joinTabs,
  type MessagePortLike,
  OpfsStore,
  relayTabs,
  RemoteBlobStore,
  serveBlobStore,
  SharedBlobStore,
  StorageError,
  StoreLockedError,
} from "../../backends/opfs/mod.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { storageError } from "../support/store_helpers.ts";
import { installOpfs, isBrowser } from "./fake_opfs.ts";

if (!isBrowser) installOpfs();

// Deno 2.9 loses messages of a channel that is opened just after the last one was closed.
(new BroadcastChannel("stays open") as { unref?(): void }).unref?.();

let paths = 0;

/** A path where nothing is. */
function newPath(): string {
  return `shared-${paths++}.blobs`;
}

/** Opens a store in several tabs; the first of them is the owner. */
async function openTabs(path: string, count: number): Promise<SharedBlobStore[]> {
  const tabs: SharedBlobStore[] = [];
  for (let i = 0; i < count; i++) tabs.push(await SharedBlobStore.open(path, { create: true }));
  return tabs;
}

async function closeAll(tabs: readonly SharedBlobStore[]): Promise<void> {
  for (const tab of [...tabs].reverse()) await tab.close();
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function textOf(blobs: SharedBlobStore, key: string): Promise<string | undefined> {
  const bytes = await blobs.get(key);
  return bytes && new TextDecoder().decode(bytes);
}

async function keysOf(blobs: SharedBlobStore, options?: object): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list(options)) keys.push(key);
  return keys;
}

describe("a shared blob store", () => {
  it("is one store in every tab, with one owner", async () => {
    const path = newPath(), tabs = await openTabs(path, 3);
    assertEquals(tabs.map(({ isOwner }) => isOwner), [true, false, false]);
    await Promise.all(tabs.map((tab, i) => tab.put(`${i}`, `from ${i}`, { metadata: { i } })));
    for (const tab of tabs) {
      assertEquals(await keysOf(tab), ["0", "1", "2"]);
      assertEquals(await textOf(tab, "1"), "from 1");
      assertEquals((await tab.stat("2"))!.metadata, { i: 2 });
    }
    await closeAll(tabs);
    await using blobs = await BlobStore.open(path);
    assertEquals((await blobs.stats()).blobs, 3);
  });

  it("has every method in every tab", async () => {
    const tabs = await openTabs(newPath(), 2);
    for (const [i, tab] of tabs.entries()) {
      const bytes = randomBytes(seeded(i), 300_000).slice();
      await tab.put("a", new Blob([bytes]).stream());
      const { etag } = (await tab.stat("a"))!;
      assert(await tab.has("a"));
      assertEquals((await tab.get("a", { range: { offset: 9, length: 2 } }))!, bytes.slice(9, 11));
      assertEquals(await new Response(await tab.stream("a")).bytes(), bytes);
      assertEquals(await (await tab.read("a"))!.bytes(), bytes);
      assertEquals(await tab.getInto("a", new Uint8Array(300_000)), 300_000);
      await tab.copy("a", "b", { ifNoneMatch: "*" } as object);
      await tab.rename("b", "c");
      await tab.batch([{ type: "put", key: "d", value: "1" }, { type: "delete", key: "c" }]);
      await assertRejects(() => tab.put("a", "x", { ifMatch: "other" }), ConditionFailedError);
      assert(await tab.delete("a", { ifMatch: etag }));
      await tab.flush();
      await tab.checkpoint();
      await tab.compact();
      await tab.check();
      await tab.refresh();
      assertEquals((await tab.verify()).damaged, []);
      assertEquals((await tab.stats()).blobs, 1);
      assertEquals((await tab.backup(newPath())).blobs, 1);
      const regions: unknown[] = [];
      for await (const region of tab.regions()) regions.push(region);
      assert(regions.length > 0);
      assertEquals(tab.readOnly, false);
      assertEquals(await keysOf(tab, { limit: 1 }), ["d"]);
    }
    const methods = Object.getOwnPropertyNames(RemoteBlobStore.prototype);
    assertEquals(methods.filter((name) => !(name in SharedBlobStore.prototype)), []);
    await closeAll(tabs);
  });

  it("passes on to the next one that opened it, and loses nothing", async () => {
    const path = newPath(), tabs = await openTabs(path, 4);
    await tabs[3].put("0", "zero");
    for (let i = 0; i < 3; i++) {
      assertEquals(tabs.map(({ isOwner }) => isOwner), tabs.map((_, j) => j === i));
      // Calls of all tabs while the owner leaves: each is done, once.
      const calls: Promise<unknown>[] = [];
      for (let j = 0; j < 40; j++) {
        if (j === 20) calls.push(tabs[i].close());
        const key = `${i}-${j}`, tab = tabs[3 - (j % (3 - i))];
        calls.push(tab.put(key, key, { ifNoneMatch: "*" }));
        await new Promise((resolve) => setTimeout(resolve, j % 3));
      }
      await Promise.all(calls);
      await until(() => tabs[i + 1].isOwner);
    }
    assertEquals((await tabs[3].stats()).blobs, 121);
    assertEquals(await textOf(tabs[3], "0"), "zero");
    await assertRejects(() => tabs[0].get("0"), StorageError, "closed");
    await closeAll(tabs);
  });

  it("copies what is put late, and puts no stream twice", async () => {
    const tabs = await openTabs(newPath(), 2), bytes = new Uint8Array(1000).fill(1);
    const closed = tabs[0].close();
    const put = tabs[1].put("a", bytes);
    bytes.fill(2);
    const stream = tabs[1].put("b", new Blob(["abc"]).stream()).then(() => undefined, (e) => e);
    await Promise.all([closed, put]);
    assertEquals([...new Set(await tabs[1].get("a"))], [1]);
    const error = await stream;
    if (error !== undefined) {
      assertInstanceOf(error, ConnectionLostError);
      assertEquals(error.isOutcomeUnknown, false);
      assertEquals(await tabs[1].has("b"), false);
    } else assertEquals(await textOf(tabs[1], "b"), "abc");
    await closeAll(tabs);
  });

  it("goes on with a listing behind its last key", async () => {
    const tabs = await openTabs(newPath(), 2), keys: string[] = [];
    for (let i = 100; i < 600; i++) keys.push(`${i}`);
    await tabs[0].batch(keys.map((key) => ({ type: "put", key, value: key })));
    const found: string[] = [], options = { after: "101", limit: 497 };
    for await (const { key } of tabs[1].list(options)) {
      if (found.push(key) === 3) await tabs[0].close();
    }
    assertEquals(found, keys.slice(2, 499));
    await closeAll(tabs);
  });

  it("answers a call under way before it passes on", async () => {
    const tabs = await openTabs(newPath(), 2);
    let finish: () => void = () => {};
    const slow = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        finish = () => {
          controller.enqueue(new Uint8Array(5));
          controller.close();
        };
      },
    });
    const put = tabs[1].put("slow", slow);
    await tabs[1].has("x");
    const closed = tabs[0].close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    finish();
    assertEquals((await put).size, 5);
    await closed;
    assertEquals(await tabs[1].has("slow"), true);
    await closeAll(tabs);
  });

  it("waits for an owner that opens slowly, with a signal", async () => {
    const path = newPath(), holder = await BlobStore.open(path, { create: true });
    const opening = [1, 2, 3].map(() => SharedBlobStore.open(path));
    const signal = AbortSignal.timeout(30);
    await assertRejects(() => SharedBlobStore.open(path, { signal }), DOMException);
    await holder.put("a", "1");
    await holder.close();
    const tabs = await Promise.all(opening);
    for (const tab of tabs) assertEquals(await textOf(tab, "a"), "1");
    await closeAll(tabs);
  });

  it("that is locked or damaged is told to every tab", async () => {
    const path = newPath(), holder = await BlobStore.open(path, { create: true });
    const opening = [1, 2, 3].map(() => SharedBlobStore.open(path, { waitMs: 100 }));
    await Promise.all(opening.map((tab) => assertRejects(() => tab, StoreLockedError)));
    await holder.close();
    const damaged = newPath();
    using file = await OpfsStore.open(damaged, { create: true });
    file.resize(9000);
    file.close();
    const others = [1, 2].map(() => SharedBlobStore.open(damaged, { create: true }));
    await Promise.all(others.map((tab) => assertRejects(() => tab, CorruptStoreError)));
    const error = await storageError("open", () => SharedBlobStore.open(newPath()));
    assert(error.message.includes("no such file"), error.message);
    // What stood in the way is gone: nobody has a lock any more.
    await closeAll(await openTabs(path, 2));
  });

  it("that is gone or another one when an owner takes over is no empty one", async () => {
    for (const isReplaced of [false, true]) {
      const path = newPath(), other = newPath(), tabs = await openTabs(path, 3);
      await tabs[0].put("a", "1");
      await (await BlobStore.open(other, { create: true })).close();
      const root = await navigatorHere().storage.getDirectory();
      // It gets the path before the next owner does.
      const between = navigatorHere().locks.request(`offset-allocator:${path}`, {}, async () => {
        await root.removeEntry(path);
        if (isReplaced) await (await root.getFileHandle(other)).move(path);
      });
      await tabs[0].close();
      await between;
      const message = isReplaced ? "another store" : "no such file";
      for (const tab of [tabs[1], tabs[2], tabs[1]]) {
        await assertRejects(() => tab.put("b", "2"), StorageError, message);
      }
      await closeAll(tabs);
      if (!isReplaced) await assertRejects(() => root.getFileHandle(path));
      else {
        await using blobs = await BlobStore.open(path);
        assertEquals((await blobs.stats()).blobs, 0);
      }
    }
  });

  it("is served to a page, and closed with its last one", async () => {
    const path = newPath(), { port1, port2 } = new MessageChannel();
    const first = await SharedBlobStore.open(path, { create: true });
    serveBlobStore(SharedBlobStore.open(path), port1);
    const page = await RemoteBlobStore.connect(port2);
    await page.put("a", "1");
    assertEquals(await textOf(first, "a"), "1");
    await first.close();
    assertEquals((await page.get("a"))!.length, 1);
    await page.close();
    await (await BlobStore.open(path, { waitMs: 500 })).close();
    port1.close();
    port2.close();
  });

  it("refuses options and arguments that make no sense", async () => {
    const path = newPath();
    const bad = [{ readOnly: true }, { creat: true }, { waitMs: -1 }, { closeStore: false }];
    for (const options of bad) {
      await assertRejects(() => SharedBlobStore.open(path, options as object));
    }
    await assertRejects(() => SharedBlobStore.open(5 as never), TypeError);
    const create = SharedBlobStore as unknown as new () => unknown;
    assertThrows(() => new create(), TypeError, "SharedBlobStore.open");
    const { port1, port2 } = new MessageChannel();
    assertThrows(() => joinTabs(port1, {} as { port: MessagePortLike }), TypeError, "SharedWorker");
    assertThrows(() => joinTabs({} as MessagePortLike, { port: port1 }), TypeError, "worker");
    assertEquals(typeof relayTabs, "function");
    port1.close();
    port2.close();
    Object.assign(globalThis, { document: {} });
    try {
      await assertRejects(() => SharedBlobStore.open(path), TypeError, "dedicated worker");
    } finally {
      delete (globalThis as { document?: unknown }).document;
    }
  });
});

/** What is used of `navigator`. */
function navigatorHere() {
  return (globalThis as unknown as {
    navigator: {
      locks: { request(name: string, options: object, held: () => Promise<void>): Promise<void> };
      storage: {
        getDirectory(): Promise<{
          removeEntry(name: string): Promise<void>;
          getFileHandle(name: string): Promise<{ move(name: string): Promise<void> }>;
        }>;
      };
    };
  }).navigator;
}
