/** What can be put: each kind of source, read to its end, or ended where the put fails. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Readable } from "node:stream";
import { StorageError } from "../../mod.ts";
import { BlobStore, StoreFullError } from "../../src/blob_store/mod.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { lostViews, transfer } from "../support/lost_bytes.ts";
import { assertEmptiable, bytesOf, LateStore, memory } from "./helpers.ts";

const LARGE = 3 * 2 ** 20 + 5;

/** Pieces of bytes, one after another. */
async function* pieces(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}

/** What puts the same bytes, for a source that can be read once only. */
const sources: Record<string, (bytes: Uint8Array<ArrayBuffer>) => unknown> = {
  "an ArrayBuffer": (bytes) => bytes.slice().buffer,
  "a SharedArrayBuffer": (bytes) => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    return shared.buffer;
  },
  "a view in the middle of a buffer": (bytes) => {
    const buffer = new Uint8Array(bytes.length + 16);
    buffer.set(bytes, 8);
    return new Uint8Array(buffer.buffer, 8, bytes.length);
  },
  "a DataView": (bytes) => new DataView(bytes.slice().buffer),
  "a view of shared memory": (bytes) => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 8), 4, bytes.length);
    shared.set(bytes);
    return shared;
  },
  "a Blob": (bytes) => new Blob([bytes]),
  "a ReadableStream": (bytes) => new Blob([bytes]).stream(),
  "a Response": (bytes) => new Response(bytes),
  "a Request": (bytes) => new Request("http://localhost/", { method: "PUT", body: bytes }),
  "an async iterable": (bytes) => pieces(bytes, 50_001),
  "an async iterable of ArrayBuffers": async function* (bytes) {
    for await (const piece of pieces(bytes, 70_000)) yield piece.buffer;
  },
  "a Node stream": (bytes) => Readable.from(pieces(bytes, 65_536)),
  "what has the body of a Node stream": (bytes) => {
    return { body: Readable.from(pieces(bytes, 65_536)), bodyUsed: false };
  },
};

describe("what can be put", () => {
  for (const [name, make] of Object.entries(sources)) {
    it(`is ${name}`, async () => {
      await using store = await BlobStore.open(memory());
      for (const length of [0, 1, 100, 65536, 65537, LARGE]) {
        const bytes = bytesOf(1, length) as Uint8Array<ArrayBuffer>;
        await store.put("key", make(bytes) as Blob);
        assertSameBytes((await store.get("key"))!, bytes, `${name} of ${length} bytes`);
        const step = { type: "put", key: "step", value: make(bytes) as Blob } as const;
        await store.batch([step, { type: "delete", key: "none" }]);
        assertSameBytes((await store.get("step"))!, bytes, `${name} in a batch`);
      }
      assertEquals((await store.verify()).damaged, []);
      await store.check();
      await assertEmptiable(store);
    });
  }

  it("is any typed array: the bytes that it covers", async () => {
    await using store = await BlobStore.open(memory());
    const numbers = [1.5, -2, 3];
    await store.put("floats", Float64Array.from(numbers));
    const bytes = (await store.get("floats"))!;
    assertEquals([...new Float64Array(bytes.buffer)], numbers);
    await store.put("words", new Uint16Array(Uint16Array.of(1, 2, 3, 4).buffer, 2, 2));
    assertEquals([...new Uint16Array((await store.get("words"))!.buffer)], [2, 3]);
    assertStrictEquals((await store.stat("words"))!.size, 4);
  });

  it("is a body that is null: a blob without bytes", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("response", new Response(null));
    await store.put("request", new Request("http://localhost/"));
    assertEquals((await store.get("response"))!.length, 0);
    assertEquals((await store.get("request"))!.length, 0);
  });
});

describe("what cannot be put", () => {
  it("is a body that was read, a stream that somebody reads, one that has ended", async () => {
    await using store = await BlobStore.open(memory());
    const used = new Response("text");
    await used.text();
    await assertRejects(() => store.put("key", used), TypeError, "a body that nobody read");
    const locked = new Response("text");
    locked.body!.getReader();
    await assertRejects(() => store.put("key", locked), TypeError, "nobody read");
    const ended = Readable.from([bytesOf(1, 4)]);
    for await (const _ of ended);
    await assertRejects(() => store.put("key", ended), TypeError, "has ended");
    assertStrictEquals(await store.has("key"), false);
  });

  it("is text or objects in pieces, and the source ends", async () => {
    await using store = await BlobStore.open(memory());
    const long = "hello".repeat(100_000);
    let ends = 0;
    async function* give(piece: unknown) {
      try {
        yield bytesOf(1, 200_000);
        yield piece;
      } finally {
        ends++;
      }
    }
    const refused: [unknown, string][] = [
      ["hello", 'got the string "hello"'],
      [long, 'hellohello..."'],
      [1, "got 1"],
      [{ a: 1 }, "got an object of type Object"],
      [[1, 2], "got an object of type Array"],
    ];
    for (const [piece, message] of refused) {
      const expected = `each piece of value to be an ArrayBuffer or a view of one`;
      for (const source of [give(piece), Readable.from(give(piece))]) {
        const error = await assertRejects(() => store.put("key", source as never), TypeError);
        assert(error.message.includes(expected) && error.message.includes(message), error.message);
        assert(error.message.length < 200);
      }
    }
    // A Node stream asks its iterable to end, and does not wait for that.
    await new Promise((resolve) => setTimeout(resolve, 10));
    assertStrictEquals(ends, 2 * refused.length);
    const text = Readable.from([new TextEncoder().encode("x")]).setEncoding("utf8");
    await assertRejects(() => store.put("key", text), TypeError, 'got the string "x"');
    assert(text.destroyed);
    await assertEmptiable(store);
  });
});

describe("a value that loses its bytes", () => {
  it("before it is put: is refused, and is not taken for an empty one", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("key", "before");
    for (const [why, view] of Object.entries(lostViews())) {
      const given: Record<string, () => unknown> = {
        view: () => view,
        stream: () => ReadableStream.from([new Uint8Array(3), view]),
        "long stream": () => ReadableStream.from([new Uint8Array(200_000), view]),
      };
      for (const [what, value] of Object.entries(given)) {
        const putting = () => store.put("key", value() as never);
        await assertRejects(putting, TypeError, "with bytes, got none", `${what}, ${why}`);
      }
      const step = { type: "put", key: "key", value: view as Uint8Array<ArrayBuffer> } as const;
      await assertRejects(() => store.batch([step]), TypeError, "with bytes, got none", why);
    }
    assertStrictEquals(new TextDecoder().decode(await store.get("key")), "before");
    await assertEmptiable(store);
  });

  it("while it is put: the put fails, at whatever write, and the store goes on", async () => {
    for (let lostAt = 0; lostAt < 4; lostAt++) {
      const inner = new LateStore(memory()), value = new Uint8Array(LARGE).fill(1);
      await using store = await BlobStore.open(inner);
      await store.put("key", "before");
      let writes = 0;
      const { write } = inner;
      inner.write = (offset, data) => {
        if (++writes === lostAt) transfer(value.buffer);
        return write.call(inner, offset, data);
      };
      const putting = store.put("key", value);
      if (lostAt === 0) transfer(value.buffer);
      await assertRejects(() => putting, TypeError);
      inner.write = write;
      assertStrictEquals(new TextDecoder().decode(await store.get("key")), "before");
      assertEquals((await store.verify()).damaged, []);
      await assertEmptiable(store);
    }
  });

  it("once it is written: the put is done", async () => {
    await using store = await BlobStore.open(memory());
    for (const size of [0, 100, 100_000, 2 ** 20]) {
      const value = bytesOf(1, size), expected = value.slice();
      const putting = store.put("key", value);
      transfer(value.buffer);
      await putting;
      assertSameBytes((await store.get("key"))!, expected, `${size} bytes`);
    }
  });
});

describe("a source that fails", () => {
  it("leaves no blob and takes no space", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("kept", bytesOf(1, 300_000));
    await store.checkpoint();
    const failure = new Error("the source failed");
    async function* failing(length: number) {
      yield* pieces(bytesOf(2, length), 65_536);
      throw failure;
    }
    const makers: ((length: number) => unknown)[] = [
      failing,
      (length) => Readable.from(failing(length)),
      (length) => {
        const iterator = failing(length);
        return new ReadableStream({
          async pull(controller) {
            const { value, done } = await iterator.next();
            if (!done) controller.enqueue(value);
          },
        });
      },
    ];
    for (const make of makers) {
      for (const length of [10, 200_000, LARGE]) {
        const before = await store.stats();
        const put = () => store.put("kept", make(length) as Blob);
        const error = await assertRejects(put, Error, "the source failed");
        assertStrictEquals(error, failure);
        const { blobs, blobBytes, fileBytes, freeBytes } = await store.stats();
        assertEquals([blobs, blobBytes], [before.blobs, before.blobBytes]);
        assertStrictEquals(fileBytes - freeBytes, before.fileBytes - before.freeBytes);
        await store.check();
      }
    }
    assertSameBytes((await store.get("kept"))!, bytesOf(1, 300_000), "the blob before");
    await assertEmptiable(store);
  });
});

describe("a put that fails", () => {
  /** Sources that tell whether they were ended. */
  function watched() {
    const ended: string[] = [];
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytesOf(1, 65_536)),
      cancel: () => void ended.push("stream"),
    });
    const iterable = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false as const, value: bytesOf(1, 65_536) }),
        return: () => {
          ended.push("iterable");
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    return { stream, iterable, ended };
  }

  it("ends its source where there is no room", async () => {
    await using store = await BlobStore.open(memory(2 ** 19));
    const { stream, iterable, ended } = watched();
    await assertRejects(() => store.put("key", stream), StoreFullError);
    await assertRejects(() => store.put("key", iterable), StoreFullError);
    assertEquals(ended, ["stream", "iterable"]);
    await assertEmptiable(store);
  });

  it("ends the sources of a batch that come after the one that failed", async () => {
    await using store = await BlobStore.open(memory());
    const { stream, iterable, ended } = watched();
    const failing = new ReadableStream<Uint8Array>({ start: (it) => it.error(new Error("gone")) });
    const values = [bytesOf(1, LARGE), failing, stream, iterable];
    const steps = values.map((value, i) => ({ type: "put", key: `${i}`, value }) as const);
    await assertRejects(() => store.batch(steps), Error, "gone");
    assertEquals(ended.sort(), ["iterable", "stream"]);
    assertStrictEquals((await store.stats()).blobs, 0);
    await assertEmptiable(store);
  });

  it("ends its source where the store is closed", async () => {
    const store = await BlobStore.open(memory());
    await store.close();
    const { stream, iterable, ended } = watched();
    await assertRejects(() => store.put("key", stream), StorageError, "closed");
    await assertRejects(() => store.put("key", iterable), StorageError, "closed");
    assertEquals(ended, ["stream", "iterable"]);
  });

  it("leaves its source alone where an argument is wrong", async () => {
    await using store = await BlobStore.open(memory());
    const { stream, ended } = watched();
    await assertRejects(() => store.put("", stream), RangeError, "key");
    await assertRejects(() => store.put("key", stream, { meta: 1 } as never), TypeError, "meta");
    assertEquals([ended, stream.locked], [[], false]);
    await stream.cancel();
  });
});
