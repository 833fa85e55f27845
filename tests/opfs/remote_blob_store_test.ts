/**
 * A blob store through a port: every method, streams by credits, signals, errors with their class,
 * and what happens where one side is gone.
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
  BlobChangedError,
  type BlobInfo,
  type BlobReader,
  type BlobSource,
  type BlobStore,
  ChecksumError,
  ConditionFailedError,
  ConnectionLostError,
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
  type MessagePortLike,
  RemoteBlobStore,
  serveBlobStore,
  type ServeStoreOptions,
  StorageError,
  StoreFencedError,
  StoreFullError,
  StoreLockedError,
  TooManySnapshotsError,
} from "../../backends/opfs/mod.ts";
import { decodeError, encodeError } from "../../backends/opfs/wire_errors.ts";
import { BlobStore as CoreStore } from "../../src/blob_store/mod.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { storageError } from "../support/store_helpers.ts";
import { installOpfs, isBrowser } from "./fake_opfs.ts";

// Node and Bun have some of it; the locks are what tells that a side is gone.
if (!isBrowser) installOpfs();

/** A store in memory, served, and what a page has of it. */
async function connected(
  options: ServeStoreOptions = {},
): Promise<{ store: CoreStore; remote: RemoteBlobStore; end: () => Promise<void> }> {
  const store = await CoreStore.open(new MemoryStore(0, { maxByteLength: 2 ** 24 }));
  const { port1, port2 } = new MessageChannel();
  serveBlobStore(store, port1, options);
  const remote = await RemoteBlobStore.connect(port2);
  const end = async () => {
    await remote.close();
    await store.close();
    port1.close();
    port2.close();
  };
  return { store, remote, end };
}

/** Runs a test with a store and what a page has of it. */
async function withRemote(
  body: (remote: RemoteBlobStore, store: CoreStore) => Promise<void>,
): Promise<void> {
  const { remote, store, end } = await connected();
  try {
    await body(remote, store);
  } finally {
    await end();
  }
}

/** Everything a stream gives. */
async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: BlobPart[] = [], reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(new Uint8Array(next.value));
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

async function keysOf(store: BlobReader, options?: object): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(options)) keys.push(key);
  return keys;
}

describe("a remote blob store", () => {
  it("puts every kind of value", () =>
    withRemote(async (remote, store) => {
      const bytes = randomBytes(seeded(1), 300_000).slice();
      const pieces = () => [bytes.subarray(0, 100_000), bytes.subarray(100_000)];
      async function* iterable() {
        yield* await pieces();
      }
      const values: Record<string, BlobSource> = {
        string: "grüße",
        buffer: bytes.buffer,
        view: new DataView(bytes.buffer, 1000, 2000),
        part: bytes.subarray(7, 70_000),
        floats: new Float64Array([1, 2.5]),
        blob: new Blob([bytes]),
        stream: new Blob([bytes]).stream(),
        iterable: iterable(),
        response: new Response(bytes),
        nothing: new Response(null),
        empty: new Uint8Array(0),
      };
      const expected: Record<string, Uint8Array> = {
        string: new TextEncoder().encode("grüße"),
        view: bytes.slice(1000, 3000),
        part: bytes.slice(7, 70_000),
        floats: new Uint8Array(new Float64Array([1, 2.5]).buffer),
        nothing: new Uint8Array(0),
        empty: new Uint8Array(0),
      };
      for (const [key, value] of Object.entries(values)) {
        const info: BlobInfo = await remote.put(key, value, { metadata: { kind: key } });
        assertEquals(info, await store.stat(key), key);
        assertEquals(await store.get(key), expected[key] ?? bytes, key);
        assertEquals(await remote.get(key), expected[key] ?? bytes, key);
        assertEquals(info.metadata, { kind: key });
        assertInstanceOf(info.time, Date);
      }
      assertStrictEquals(bytes.buffer.byteLength, 300_000); // what was put is the caller's still
    }));

  it("takes the bytes as they are at the call", () =>
    withRemote(async (remote) => {
      const bytes = new Uint8Array(2_000_000).fill(1), put = remote.put("a", bytes);
      bytes.fill(2);
      await put;
      assert((await remote.get("a"))!.every((byte) => byte === 1));
    }));

  it("reads all, parts, into buffers, and what is not there", () =>
    withRemote(async (remote) => {
      const bytes = randomBytes(seeded(2), 200_000);
      await remote.put("a", bytes);
      const range = { offset: 100_000, length: 50 };
      assertEquals(await remote.get("a", { range }), bytes.slice(100_000, 100_050));
      const into = new Uint8Array(60);
      assertStrictEquals(await remote.getInto("a", into, { range }), 50);
      assertEquals(into.subarray(0, 50), bytes.slice(100_000, 100_050));
      await assertRejects(() => remote.getInto("a", into), RangeError, "200000");
      await assertRejects(() => remote.getInto("a", [] as unknown as Uint8Array), TypeError);
      await assertRejects(() => remote.get("a", { range: { offset: 200_001 } }), RangeError);
      assertEquals(await collect((await remote.stream("a"))!), bytes);
      assertEquals(
        await collect((await remote.stream("a", { range }))!),
        bytes.slice(100_000, 100_050),
      );
      assertEquals([await remote.has("a"), await remote.has("b")], [true, false]);
      for (const method of ["get", "read", "stream", "stat"] as const) {
        assertStrictEquals(await remote[method]("b"), undefined);
      }
      assertStrictEquals(await remote.getInto("b", into), undefined);
    }));

  it("deletes, renames, copies and does batches, with conditions", () =>
    withRemote(async (remote, store) => {
      const { etag } = await remote.put("a", "1");
      const failed = await assertRejects(
        () => remote.put("a", "2", { ifNoneMatch: "*" }),
        ConditionFailedError,
      );
      assertEquals([failed.key, failed.etag, failed.name], ["a", etag, "ConditionFailedError"]);
      await remote.put("a", "2", { ifMatch: etag });
      await remote.copy("a", "b");
      await remote.rename("b", "c");
      assertEquals(await keysOf(store), ["a", "c"]);
      assertEquals([await remote.delete("a"), await remote.delete("a")], [true, false]);
      await assertRejects(() => remote.delete("c", { ifMatch: etag }), ConditionFailedError);
      await remote.batch([
        { type: "put", key: "x", value: "1", metadata: [1, "two"] },
        { type: "put", key: "y", value: new Blob(["2"]).stream() },
        { type: "rename", from: "c", to: "z" },
        { type: "delete", key: "nobody" },
      ]);
      assertEquals(await keysOf(remote), ["x", "y", "z"]);
      assertEquals((await remote.stat("x"))?.metadata, [1, "two"]);
      await assertRejects(() => remote.batch("no" as unknown as []), TypeError, "array of steps");
      await assertRejects(() => remote.batch([{ type: "burn" } as never]), TypeError, "burn");
      await assertRejects(() => remote.batch([null as never]), TypeError);
    }));

  it("lists as it is read, and regions", () =>
    withRemote(async (remote, store) => {
      const keys = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(4, "0"));
      await store.batch(keys.map((key) => ({ type: "put", key, value: key })));
      assertEquals(await keysOf(remote), keys);
      assertEquals(await keysOf(remote, { prefix: "012" }), keys.slice(120, 130));
      assertEquals(
        await keysOf(remote, { after: "0500", limit: 2, reverse: true }),
        ["0499", "0498"],
      );
      let seen = 0;
      for await (const _ of remote.list()) if (++seen === 3) break;
      const left = remote.list()[Symbol.asyncIterator]();
      await left.next();
      await left.return(undefined);
      await assertRejects(() => keysOf(remote, { prefx: "a" }), TypeError, "prefix");
      const kinds = new Set<string>();
      for await (const { kind } of remote.regions()) kinds.add(kind);
      assert(kinds.has("header"), [...kinds].join());
    }));

  it("flushes, checks, verifies, compacts, and tells figures and progress", () =>
    withRemote(async (remote, store) => {
      for (let i = 0; i < 20; i++) await remote.put(`${i}`, randomBytes(seeded(i), 50_000));
      for (let i = 0; i < 15; i++) await remote.delete(`${i}`);
      await remote.flush();
      await remote.checkpoint();
      const { movedBlobs } = await remote.compact({ maxBytes: 100_000 });
      assert(movedBlobs >= 1, `${movedBlobs}`);
      await remote.check();
      const steps: [number, number][] = [];
      const report = await remote.verify({ onProgress: (...step) => steps.push(step) });
      assertEquals([report.blobs, report.damaged], [5, []]);
      assert(steps.length > 0 && steps.at(-1)![0] === steps.at(-1)![1], JSON.stringify(steps));
      assertEquals(await remote.stats(), await store.stats());
      const mine = new Error("mine");
      const error = await assertRejects(() =>
        remote.verify({
          onProgress() {
            throw mine;
          },
        })
      );
      assertStrictEquals(error, mine);
      await assertRejects(() => remote.verify({ onProgress: 7 } as never), TypeError, "function");
      await remote.refresh();
      assertStrictEquals(remote.readOnly, false);
    }));

  it("refuses what the store refuses, and what cannot be posted", () =>
    withRemote(async (remote) => {
      await assertRejects(() => remote.put("", "a"), Error, "key");
      await assertRejects(() => remote.put(7 as never, "a"), TypeError, "key");
      await assertRejects(() => remote.put("a", 7 as never), TypeError, "value");
      await assertRejects(() => remote.put("a", {} as never), TypeError, "value");
      await assertRejects(() => remote.put("a", "b", { meta: 1 } as never), TypeError, "metadata");
      await assertRejects(() => remote.put("a", "b", "c" as never), TypeError);
      for (const wrong of [null, [], [1], () => 1] as never[]) {
        for (
          const call of [
            () => remote.put("a", "b", wrong),
            () => remote.get("a", wrong),
            () => remote.delete("a", wrong),
            () => remote.batch([], wrong),
            () => remote.verify(wrong),
          ]
        ) await assertRejects(call, TypeError, "Expected options to be an object");
      }
      await assertRejects(() => remote.put("a", (() => {}) as never), TypeError, "posted");
      await assertRejects(() => remote.get(Symbol("a") as never), TypeError, "posted");
      await assertRejects(() => remote.put("a", "b", { metadata: (() => {}) as never }), TypeError);
      await assertRejects(() => remote.get("a", { signal: {} } as never), TypeError, "AbortSignal");
      const used = new Response("a");
      await used.text();
      await assertRejects(() => remote.put("a", used), TypeError, "body");
      const locked = new Blob(["a"]).stream();
      locked.getReader();
      await assertRejects(() => remote.put("a", locked), TypeError);
      assertEquals(await keysOf(remote), []);
      // A date in metadata is what JSON says of it, as in the store.
      await remote.put("a", "b", { metadata: { at: new Date(0) as never } });
      assertEquals((await remote.stat("a"))?.metadata, { at: "1970-01-01T00:00:00.000Z" });
    }));
});

describe("streams through a port", () => {
  it("that are put come only as they are wanted, and are cancelled where the put fails", () =>
    withRemote(async (remote) => {
      let given = 0, reason: unknown;
      const endless = () =>
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          pull(controller) {
            given++;
            controller.enqueue(new Uint8Array(200_000));
          },
          cancel(why) {
            reason = why;
          },
        }, { highWaterMark: 0 });
      // The store has 16 MiB: 84 pieces.
      const full = await assertRejects(() => remote.put("a", endless()));
      assert(full instanceof StoreFullError || full instanceof StorageError, `${full}`);
      assert(given < 84 + 20, `${given} were read`);
      await until(() => reason !== undefined);
      reason = undefined;
      const cancelled = assertRejects(() => remote.put("", endless()));
      await cancelled;
      await until(() => reason !== undefined);
    }));

  it("that fail fail the put with their own error", () =>
    withRemote(async (remote) => {
      const mine = Object.assign(new Error("mine"), { deep: { function: () => {} } });
      const failing = new ReadableStream({
        pull(controller) {
          controller.error(mine);
        },
      });
      assertStrictEquals(await assertRejects(() => remote.put("a", failing)), mine);
      await assertRejects(
        () => remote.put("a", new ReadableStream({ start: (c) => c.enqueue("text" as never) })),
        TypeError,
        "text",
      );
      async function* broken() {
        yield new Uint8Array(3);
        await Promise.reject(mine);
      }
      assertStrictEquals(await assertRejects(() => remote.put("a", broken())), mine);
      assertStrictEquals(await remote.has("a"), false);
    }));

  it("that are read are read ahead by some chunks, and give their place free when cancelled", () =>
    withRemote(async (remote, store) => {
      const bytes = randomBytes(seeded(3), 5_000_000);
      await store.put("a", bytes);
      const stream = (await remote.stream("a"))!, reader = stream.getReader();
      await reader.read();
      await reader.cancel("enough");
      await store.delete("a");
      await store.compact();
      await until(async () => (await store.stats()).fileBytes < 1_000_000, () => store.compact());
      await store.put("a", bytes);
      const again = (await remote.stream("a"))!;
      await remote.put("a", "another");
      assertEquals((await collect(again)).length, bytes.length);
    }));
});

describe("snapshots through a port", () => {
  it("are one version, whatever is written", () =>
    withRemote(async (remote) => {
      const bytes = randomBytes(seeded(4), 300_000);
      await remote.put("a", bytes, { metadata: 7 });
      const snapshot = (await remote.read("a"))!;
      await remote.put("a", "{}");
      assertEquals([snapshot.info.size, snapshot.info.metadata], [300_000, 7]);
      assertEquals(await snapshot.bytes({ offset: 5, length: 9 }), bytes.slice(5, 14));
      const [one, two] = [snapshot.stream(), snapshot.stream({ offset: 299_990 })];
      assertEquals(await collect(two), bytes.slice(299_990));
      assertEquals(await collect(one), bytes);
      await assertRejects(() => snapshot.bytes(), TypeError, "its snapshot is closed");
      assertThrows(() => snapshot.stream(), TypeError, "closed");
      assertEquals(await (await remote.read("a"))!.json(), {});
      assertStrictEquals(await (await remote.read("a"))!.text(), "{}");
      // A byte order mark is a part of the text, as in the store itself.
      await remote.put("mark", "\ufeffx");
      assertStrictEquals(await (await remote.read("mark"))!.text(), "\ufeffx");
      assertStrictEquals((await (await remote.read("a"))!.arrayBuffer()).byteLength, 2);
      using last = (await remote.read("a"))!;
      assertThrows(() => last.stream({ offset: 3 }), RangeError);
      assertThrows(() => last.stream({ offest: 3 } as never), TypeError, "offset");
    }));

  it("are let go of, so that there may be others", () =>
    withRemote(async (remote) => {
      await remote.put("a", new Uint8Array(100_000));
      for (let i = 0; i < 3000; i++) {
        const snapshot = (await remote.read("a"))!;
        if (i % 3 === 0) await snapshot.bytes();
        else if (i % 3 === 1) await snapshot.stream().cancel();
        else snapshot.close();
      }
    }));
});

describe("signals through a port", () => {
  it("end calls with their own reason", () =>
    withRemote(async (remote) => {
      const mine = { not: "an error" };
      const aborted = AbortSignal.abort(mine);
      await remote.put("a", new Uint8Array(3_000_000));
      for (
        const call of [
          () => remote.put("b", "1", { signal: aborted }),
          () => remote.get("a", { signal: aborted }),
          () => remote.read("a", { signal: aborted }),
          () => remote.stream("a", { signal: aborted }),
          () => remote.delete("a", { signal: aborted }),
          () => remote.batch([], { signal: aborted }),
        ]
      ) {
        assertStrictEquals(await call().catch((error) => error), mine);
      }
      let cancelled: unknown;
      const controller = new AbortController();
      const never = new ReadableStream({
        cancel(reason) {
          cancelled = reason;
        },
      });
      const put = remote.put("b", never, { signal: controller.signal });
      setTimeout(() => controller.abort(mine), 10);
      assertStrictEquals(await put.catch((error) => error), mine);
      await until(() => cancelled !== undefined);
      assertEquals(await keysOf(remote), ["a"]);
    }));

  it("end streams and snapshots that calls returned", () =>
    withRemote(async (remote) => {
      await remote.put("a", new Uint8Array(3_000_000));
      const controller = new AbortController(), { signal } = controller, mine = new Error("mine");
      const reader = (await remote.stream("a", { signal }))!.getReader();
      const snapshot = (await remote.read("a", { signal }))!;
      const ofSnapshot = snapshot.stream().getReader();
      await reader.read();
      await ofSnapshot.read();
      controller.abort(mine);
      assertStrictEquals(await drained(reader), mine);
      assertStrictEquals(await drained(ofSnapshot), mine);
      assertStrictEquals(await snapshot.bytes().catch((error) => error), mine);
      await remote.put("a", "after");
    }));
});

/** Reads on until it fails; the error. */
async function drained(reader: ReadableStreamDefaultReader<unknown>): Promise<unknown> {
  try {
    for (let next = await reader.read(); !next.done;) next = await reader.read();
  } catch (error) {
    return error;
  }
  throw new Error("it was read to its end");
}

/** Waits until something holds. */
async function until(
  holds: () => boolean | Promise<boolean>,
  between: () => unknown = () => {},
): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return;
    await between();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it never came");
}

describe("errors through a port", () => {
  it("keep class, message, fields and cause", async () => {
    const errors: Error[] = [
      new StorageError("write", 3, 4, "why", { cause: new RangeError("deep", { cause: 7 }) }),
      new StoreFullError(10, 3),
      new StoreFencedError(),
      new ChecksumError(["a"], ["b", "c"]),
      new StoreLockedError("x", { pid: 1, host: "h", runtime: "r", since: "s" }, 5),
      new CorruptBlobError("k", 1, 2),
      new DamagedIndexError("a", undefined, 9),
      new BlobChangedError("k", { cause: new Error("last") }),
      new CorruptStoreError(8192, "bits"),
      new ConditionFailedError("k", "*", undefined),
      new TooManySnapshotsError(3),
      new ConnectionLostError(),
      new TypeError("t"),
      new RangeError("r"),
      new Error("plain"),
      Object.assign(new Error("coded"), { code: "ENOSPC", hidden: () => {} }),
    ];
    const { port1, port2 } = new MessageChannel();
    for (const error of errors) {
      const received = new Promise<unknown>((resolve) => {
        port2.onmessage = ({ data }) => resolve(decodeError(data));
      });
      port1.postMessage(encodeError(error));
      const decoded = await received as Error;
      assertStrictEquals(Object.getPrototypeOf(decoded), Object.getPrototypeOf(error), error.name);
      assertInstanceOf(decoded, Error);
      assertStrictEquals(decoded.message, error.message);
      assertStrictEquals(decoded.stack, error.stack);
      assertStrictEquals(decoded.name, error.name);
      const fields = (of: object) =>
        Object.fromEntries(Object.entries(of).filter(([, value]) => typeof value !== "function"));
      const { hidden: _, ...rest } = fields(decoded);
      assertEquals(rest, fields(error), error.name);
      assertEquals(String(decoded.cause), String(error.cause));
      assertEquals((decoded.cause as Error)?.cause, (error.cause as Error)?.cause);
    }
    port1.close();
    port2.close();
    const aborted = decodeError(encodeError(new DOMException("stop", "AbortError")));
    assertInstanceOf(aborted, DOMException);
    assertEquals([aborted.name, aborted.message], ["AbortError", "stop"]);
    assertStrictEquals(decodeError(encodeError("text")), "text");
    assert(String(decodeError(encodeError(() => 1))).endsWith("1"));
    const circle = new Error("circle");
    circle.cause = circle;
    assertStrictEquals((decodeError(encodeError(circle)) as Error).message, "circle");
  });

  it("of the opening go to who connects", async () => {
    const { port1, port2 } = new MessageChannel();
    serveBlobStore(Promise.reject(new StoreLockedError("x", undefined, 7)), port1);
    const error = await assertRejects(() => RemoteBlobStore.connect(port2), StoreLockedError);
    assertEquals([error.path, error.waitedMs], ["x", 7]);
    port1.close();
    port2.close();
  });
});

describe("connections", () => {
  it("wait for a worker that listens later, and no longer than they may", async () => {
    const { port1, port2 } = new MessageChannel();
    const controller = new AbortController(), mine = new Error("mine");
    const waiting = RemoteBlobStore.connect(port2, { signal: controller.signal });
    setTimeout(() => controller.abort(mine), 150);
    assertStrictEquals(await assertRejects(() => waiting), mine);
    const connecting = RemoteBlobStore.connect(port2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const store = await CoreStore.open(new MemoryStore(0, { maxByteLength: 2 ** 20 }));
    // What was posted before has gone to nobody.
    port1.onmessage = () => {};
    await new Promise((resolve) => setTimeout(resolve, 50));
    serveBlobStore(store, port1);
    const remote = await connecting;
    await remote.put("a", "b");
    await remote.close();
    port1.close();
    port2.close();
  });

  it("leave other messages of the port alone", async () => {
    const { port1, port2 } = new MessageChannel(), others: unknown[] = [];
    port1.addEventListener("message", ({ data }) => {
      if (typeof data === "string") port1.postMessage(data.toUpperCase());
    });
    port2.addEventListener("message", ({ data }) => {
      if (typeof data === "string") others.push(data);
    });
    const store = await CoreStore.open(new MemoryStore(0, { maxByteLength: 2 ** 20 }));
    serveBlobStore(store, port1);
    const remote = await RemoteBlobStore.connect(port2);
    port2.postMessage("hello");
    for (const odd of [null, undefined, 7, { type: "call" }]) port2.postMessage(odd);
    await remote.put("a", "b");
    await until(() => others.length > 0);
    assertEquals(others, ["HELLO"]);
    await remote.close();
    port1.close();
    port2.close();
  });

  it("close the store with the last one", async () => {
    const { store, remote, end } = await connected();
    const { port1, port2 } = new MessageChannel();
    serveBlobStore(store, port1);
    const other = await RemoteBlobStore.connect(port2);
    await remote.close();
    await remote.close();
    await storageError("read", () => remote.get("a"));
    await other.put("a", "b");
    await other.close();
    await storageError("read", () => store.get("a"));
    await end();
    port1.close();
    port2.close();
  });

  it("leave it open where they are told so", async () => {
    const { store, remote, end } = await connected({ closeStore: false });
    {
      await using again = remote;
      await again.put("a", "b");
    }
    assertStrictEquals((await store.get("a"))?.length, 1);
    await end();
  });

  it("that are lost reject every call, stream and later call", async () => {
    const store = await CoreStore.open(new MemoryStore(0, { maxByteLength: 2 ** 24 }));
    await store.put("a", new Uint8Array(3_000_000));
    const { port1, port2 } = new MessageChannel();
    // A port whose other side can fall silent, as one whose worker ended.
    let isGone = false;
    const mute: MessagePortLike = {
      postMessage: (message, options) => isGone || port1.postMessage(message, options),
      addEventListener: (type, listener) =>
        port1.addEventListener(type, (event) => isGone || listener(event)),
      removeEventListener() {},
      start: () => port1.start(),
    };
    const locks = (globalThis as unknown as { navigator: { locks: LocksLike } }).navigator.locks;
    const names: string[] = [], ends: (() => void)[] = [], request = locks.request;
    locks.request = (name, options, held) => {
      names.push(name);
      return request.call(locks, name, options, (lock) => {
        // The second one is that of the side with the store: it ends when told so.
        return Promise.race([held(lock), new Promise<void>((end) => ends.push(end))]);
      });
    };
    const isOwn = Object.hasOwn(locks, "request");
    serveBlobStore(store, mute);
    const remote = await RemoteBlobStore.connect(port2);
    if (isOwn) delete (locks as { request?: unknown }).request;
    locks.request = request;
    const reader = (await remote.stream("a"))!.getReader();
    await reader.read();
    isGone = true;
    let cancelled: unknown;
    const calls = [
      remote.get("a"),
      remote.put("b", "c"),
      remote.put(
        "d",
        new ReadableStream({
          cancel(reason) {
            cancelled = reason;
          },
        }),
      ),
      remote.list().next(),
    ];
    for (const end of ends) end();
    for (const call of calls) await assertRejects(() => call, ConnectionLostError);
    assertInstanceOf(await drained(reader), ConnectionLostError);
    await until(() => cancelled instanceof ConnectionLostError);
    await assertRejects(() => remote.get("a"), ConnectionLostError);
    await remote.close();
    await store.close();
    port1.close();
    port2.close();
  });

  it("refuse what is no port and no store", async () => {
    await assertRejects(() => RemoteBlobStore.connect({} as MessagePortLike), TypeError, "Port");
    await assertRejects(() => RemoteBlobStore.connect(undefined as never), TypeError);
    const { port1, port2 } = new MessageChannel();
    await assertRejects(() => RemoteBlobStore.connect(port1, { sgnal: 1 } as never), TypeError);
    assertThrows(() => serveBlobStore({} as BlobStore, port1), TypeError, "BlobStore");
    assertThrows(() => serveBlobStore(Promise.resolve() as never, {} as never), TypeError, "Port");
    assertThrows(() => serveBlobStore(undefined as never, port1), TypeError);
    const options = { close: true } as ServeStoreOptions;
    assertThrows(() => serveBlobStore(Promise.resolve() as never, port1, options), TypeError);
    assertThrows(
      () => new (RemoteBlobStore as unknown as new () => RemoteBlobStore)(),
      TypeError,
      "connect",
    );
    port1.close();
    port2.close();
  });
});

/** What is replaced of `navigator.locks`. */
interface LocksLike {
  request(
    name: string,
    options: object,
    held: (lock: unknown) => Promise<unknown> | void,
  ): Promise<unknown>;
}
