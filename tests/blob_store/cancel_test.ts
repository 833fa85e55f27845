/** Calls of a blob store that are cancelled by a signal. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { assertHolds, assertSound, bytesOf, memory, turn } from "./helpers.ts";

const K = 1024;
const reason = new Error("of the test");

/** A store whose reads or writes wait while it is held. */
class HeldStore implements BackingStore {
  readonly inner = memory();
  #held: Promise<void> | undefined;
  #letGo: () => void = () => {};

  hold(): void {
    this.#held = new Promise((resolve) => this.#letGo = resolve);
  }

  letGo(): void {
    this.#held = undefined;
    this.#letGo();
  }

  get byteLength(): number {
    return this.inner.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#held;
    this.inner.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#held;
    this.inner.write(offset, data);
  }

  resize(byteLength: number): void {
    this.inner.resize(byteLength);
  }
}

async function used(store: BlobStore): Promise<number> {
  const { fileBytes, freeBytes } = await store.stats();
  return fileBytes - freeBytes;
}

/** A source that gives some bytes, and then nothing until it is cancelled. */
class Hanging {
  reason: unknown;
  isPulled!: Promise<void>;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(count: number) {
    let given = 0, pulled!: () => void;
    this.isPulled = new Promise((resolve) => pulled = resolve);
    this.stream = new ReadableStream({
      pull: (controller) => {
        if (given++ < count) return controller.enqueue(bytesOf(given, 100 * K));
        pulled();
        return new Promise(() => {});
      },
      cancel: (given) => void (this.reason = given),
    }, { highWaterMark: 0 });
  }
}

describe("a put that is cancelled", () => {
  it("while its source is read: that is cancelled, and nothing remains", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("k", "before");
    await store.checkpoint();
    const before = await used(store);
    for (const count of [0, 1, 30]) {
      const source = new Hanging(count), { stream } = source, abort = new AbortController();
      const values = [stream, iterated(stream)];
      for (const value of values.slice(count % 2, count % 2 + 1)) {
        const put = store.put("k", value, { signal: abort.signal });
        await source.isPulled;
        abort.abort(reason);
        assertStrictEquals(await put.catch((error) => error), reason);
      }
      for (let turns = 0; source.reason === undefined && turns < 10; turns++) await turn();
      if (count % 2 === 0) assertStrictEquals(source.reason, reason);
      await assertHolds(store, new Map([["k", new TextEncoder().encode("before")]]));
      await assertSound(store);
      assertStrictEquals(await used(store), before);
    }
  });

  it("before it begins: its source is cancelled, and never read", async () => {
    await using store = await BlobStore.open(memory());
    const source = new Hanging(0), signal = AbortSignal.abort(reason);
    const error = await store.put("k", source.stream, { signal }).catch((error) => error);
    assertEquals([error, source.reason], [reason, reason]);
    for (
      const call of [
        () => store.put("k", "x", { signal }),
        () => store.delete("k", { signal }),
        () => store.rename("k", "l", { signal }),
        () => store.copy("k", "l", { signal }),
        () => store.batch([{ type: "put", key: "k", value: "x" }], { signal }),
        () => store.get("k", { signal }),
        () => store.getInto("k", new Uint8Array(1), { signal }),
        () => store.read("k", { signal }),
        () => store.stream("k", { signal }),
      ]
    ) {
      assertStrictEquals(await (call() as Promise<unknown>).catch((error) => error), reason);
    }
    assertStrictEquals((await store.stats()).blobs, 0);
  });

  it("while it waits for its turn: what is under way completes, the rest is not done", async () => {
    const held = new HeldStore();
    await using store = await BlobStore.open(held);
    await store.put("moved", bytesOf(7, 200 * K));
    const abort = new AbortController(), { signal } = abort, long = bytesOf(1, 200 * K);
    held.hold();
    const first = store.put("first", "1", { signal }); // it commits
    await turn();
    const rest = [
      store.put("k", "2", { signal }),
      store.delete("first", { signal }),
      store.rename("moved", "l", { signal }),
      store.batch([{ type: "put", key: "m", value: "3" }], { signal }),
    ];
    const other = store.put("other", "4");
    const long1 = store.put("long", new Blob([long as Uint8Array<ArrayBuffer>]), { signal });
    await turn();
    abort.abort(reason);
    held.letGo();
    await first;
    await other;
    for (const call of [...rest, long1]) {
      assertStrictEquals(await (call as Promise<unknown>).catch((error) => error), reason);
    }
    const text = new TextEncoder();
    await assertHolds(
      store,
      new Map([
        ["first", text.encode("1")],
        ["moved", bytesOf(7, 200 * K)],
        ["other", text.encode("4")],
      ]),
    );
    await assertSound(store);
  });

  it("after its end: nothing happens", async () => {
    await using store = await BlobStore.open(memory());
    const abort = new AbortController(), { signal } = abort;
    await store.put("k", "1", { signal });
    const bytes = await store.get("k", { signal });
    abort.abort(reason);
    assertEquals(await store.get("k"), bytes);
  });
});

describe("a read that is cancelled", () => {
  it("rejects at once, though the storage still reads", async () => {
    const held = new HeldStore();
    await using store = await BlobStore.open(held);
    await store.put("k", bytesOf(1, 100 * K));
    await store.put("l", bytesOf(1, 100));
    const buffer = new Uint8Array(100 * K);
    for (const readOnly of [false, true]) {
      await using reader = readOnly ? await BlobStore.open(held, { readOnly }) : undefined;
      for (const key of ["k", "l"]) {
        const abort = new AbortController(), { signal } = abort, from = reader ?? store;
        held.hold();
        const calls: Promise<unknown>[] = [
          from.get(key, { signal }),
          from.getInto(key, buffer, { signal }),
        ];
        if (readOnly) calls.push(from.read(key, { signal }));
        await turn();
        abort.abort(reason);
        for (const call of calls) assertStrictEquals(await call.catch((error) => error), reason);
        held.letGo();
        for (let i = 0; i < 5; i++) await turn();
        assert(buffer.every((byte) => byte === 0), "the buffer was written to");
      }
    }
    await store.delete("k");
    await assertSound(store); // nothing is pinned any more
  });

  it("ends streams and snapshots that it gave, and lets go of their places", async () => {
    await using store = await BlobStore.open(memory(), { maxSnapshots: 1 });
    await store.put("k", bytesOf(1, 600 * K));
    const abort = new AbortController(), { signal } = abort;
    const stream = (await store.stream("k", { signal }))!.getReader();
    const snapshot = (await store.read("k", { signal }))!, part = snapshot.stream().getReader();
    await stream.read();
    await part.read();
    abort.abort(reason);
    assertStrictEquals(await stream.read().catch((error) => error), reason);
    assertStrictEquals(await part.read().catch((error) => error), reason);
    await assertRejects(() => snapshot.bytes(), TypeError, "closed");
    (await store.read("k"))!.close(); // there is room for one
    await store.delete("k");
    await assertSound(store);
    await store.checkpoint();
    assertStrictEquals((await store.stats()).blobs, 0);
  });

  it("has one listener a signal, however many calls share it", async () => {
    const held = new HeldStore();
    await using store = await BlobStore.open(held);
    await store.put("k", bytesOf(1, 100 * K));
    const abort = new AbortController(), { signal } = abort;
    let listeners = 0, most = 0;
    const add = signal.addEventListener, remove = signal.removeEventListener;
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      most = Math.max(most, ++listeners);
      return add.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners--;
      return remove.apply(signal, given);
    };
    held.hold();
    const gets = Array.from({ length: 100 }, () => store.get("k", { signal }));
    await turn();
    held.letGo();
    await Promise.all(gets);
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.put(`${i}`, "x", { signal })));
    assertEquals([most, listeners], [1, 0]);
  });
});

async function* iterated(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
