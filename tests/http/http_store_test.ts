/**
 * A file on a server as a backing store: what servers do, and how many requests it takes.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HttpChangedError, HttpStore, type HttpStoreOptions } from "../../backends/http/mod.ts";
import { type AsyncBackingStore, checkBytes, checkRange } from "../../src/arena/backing_store.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { storeContract } from "../support/store_contract.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { boundsOf, changed, FileServer } from "./file_server.ts";

const URL_OF_FILE = "https://example.com/photos.blobs";

function serverOf(byteLength: number): FileServer {
  return new FileServer(new Uint8Array(randomBytes(seeded(1), byteLength)));
}

function open(server: FileServer, options: HttpStoreOptions = {}): Promise<HttpStore> {
  return HttpStore.open(URL_OF_FILE, { fetch: server.fetch, ...options });
}

async function read(store: HttpStore, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await store.read(offset, into);
  return into;
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  const error = await assertRejects(() => promise, Error);
  return error as Error;
}

/** Reads over HTTP what is written beside it: what the contract asks of reads. */
class WrittenStore implements AsyncBackingStore {
  readonly #server: FileServer;
  readonly #store: HttpStore;
  #isClosed = false;

  constructor(server: FileServer, store: HttpStore) {
    this.#server = server;
    this.#store = store;
  }

  get byteLength(): number {
    return this.#store.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#store.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    if (this.#isClosed || data?.length === 0) return await this.#store.write(offset, data);
    checkBytes("data", data);
    checkRange("write", offset, data.length, this.byteLength);
    this.#server.bytes.set(data, offset);
    await this.#store.reload();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#store.close();
  }
}

storeContract("HttpStore, written beside", {
  async make(byteLength) {
    const server = new FileServer(new Uint8Array(byteLength));
    return new WrittenStore(server, await open(server, { blockSize: 512 }));
  },
  async makePair(byteLength) {
    const server = new FileServer(new Uint8Array(byteLength));
    const first = new WrittenStore(server, await open(server));
    return [first, await open(server, { blockSize: 512 })];
  },
  skip: {
    sync: "it is asynchronous",
    shrink: "a file on a server is read-only",
    resize: "a file on a server is read-only",
    flush: "nothing is written",
    copyWithin: "nothing is written",
    view: "it has no memory of its own",
  },
});

describe("HttpStore", () => {
  it("opens with one request of 64 KiB, and tells length, ETag and figures", async () => {
    const server = serverOf(200_000), store = await open(server);
    assertEquals(server.seen.map(({ range }) => range), ["bytes=0-65535"]);
    assertEquals([store.byteLength, store.etag], [200_000, '"1"']);
    assertEquals([store.requests, store.bytesFetched], [1, 65_536]);
    assertEquals([...server.seen[0].headers.keys()], ["range"]);
  });

  it("reads what is in the file, whatever the offset", async () => {
    const server = serverOf(300_000), store = await open(server, { cacheBytes: 40_000 });
    const random = seeded(7);
    for (let i = 0; i < 200; i++) {
      const offset = random(300_000), length = random(Math.min(50_000, 300_000 - offset));
      assertEquals(await read(store, offset, length), server.bytes.slice(offset, offset + length));
    }
  });

  it("keeps blocks, those used last, and fetches none twice at once", async () => {
    const server = serverOf(400_000), store = await open(server, { cacheBytes: 16_384 });
    await Promise.all([read(store, 100_000, 10), read(store, 100_000, 20), read(store, 99_000, 9)]);
    assertEquals(server.seen.length, 2);
    await read(store, 100_100, 50);
    assertEquals(server.seen.length, 2);
    await read(store, 200_000, 1);
    await read(store, 100_000, 1); // used last
    await read(store, 300_000, 1); // takes the place of the block at 200,000
    assertEquals(server.seen.length, 4);
    await read(store, 100_000, 1);
    assertEquals(server.seen.length, 4);
    await read(store, 200_000, 1);
    assertEquals(server.seen.length, 5);
  });

  it("fetches by one request what is asked for together and near, else by several", async () => {
    const server = serverOf(1_000_000), store = await open(server);
    await Promise.all([0, 1, 2, 3].map((i) => read(store, 500_000 + 20_000 * i, 100)));
    assertEquals(server.seen.length, 2);
    await Promise.all([700_000, 900_000].map((offset) => read(store, offset, 100)));
    assertEquals(server.seen.length, 4);
  });

  it("reads large ranges past its blocks", async () => {
    const server = serverOf(1_000_000), store = await open(server, { cacheBytes: 16_384 });
    await read(store, 100_000, 100);
    const bytes = await read(store, 1, 900_000);
    assertEquals(bytes, server.bytes.slice(1, 900_001));
    assertEquals(server.seen[2].range, "bytes=1-900000");
    await read(store, 100_000, 100);
    assertEquals(server.seen.length, 3);
  });

  it("sends no more requests at once than it may", async () => {
    const server = serverOf(4_000_000), store = await open(server, { concurrency: 3 });
    await Promise.all(Array.from({ length: 20 }, (_, i) => read(store, 100_000 + 190_000 * i, 8)));
    assertEquals([server.seen.length, server.mostAtOnce], [21, 3]);
  });

  it("takes headers of a function, anew for each attempt", async () => {
    const server = serverOf(100_000);
    let calls = 0;
    const headers = ({ url, range }: { url: string; range: string }) => {
      assertEquals(url, URL_OF_FILE);
      return Promise.resolve({ authorization: `${++calls} ${range}` });
    };
    const store = await open(server, { headers });
    await read(store, 80_000, 1);
    assertEquals(server.seen.map(({ headers }) => headers.get("authorization")), [
      "1 bytes=0-65535",
      "2 bytes=73728-81919",
    ]);
  });

  it("asks for the length where a page may not see it, and only then", async () => {
    const server = serverOf(100_000);
    server.isForeign = true;
    const store = await open(server);
    assertEquals([store.byteLength, store.requests], [100_000, 2]);
    assertEquals(await read(store, 90_000, 10), server.bytes.slice(90_000, 90_010));
  });

  it("is read-only", async () => {
    const store = await open(serverOf(1000));
    const error = await failure(store.write(3, new Uint8Array(2)));
    assertEquals(
      error.message,
      "Cannot write 2 bytes at offset 3: a file on a server is read-only",
    );
  });

  it("refuses arguments that make no sense", async () => {
    const server = serverOf(1000);
    const bad: [unknown, HttpStoreOptions, RegExp][] = [
      [3, {}, /^Expected url to be a string or a URL, got 3$/],
      ["x", { blocksize: 3 } as HttpStoreOptions, /got blocksize$/],
      ["x", { blockSize: 3 }, /^Expected blockSize to be an integer from 512 to 262144, got 3$/],
      ["x", { cacheBytes: -1 }, /^Expected cacheBytes/],
      ["x", { maxGap: 0.5 }, /^Expected maxGap/],
      ["x", { retries: -1 }, /^Expected retries/],
      ["x", { concurrency: 0 }, /^Expected concurrency/],
      ["x", { timeoutMs: 0 }, /^Expected timeoutMs/],
      ["x", { fetch: 3 as never }, /^Expected fetch to be a function, got 3$/],
      ["x", { headers: "a" as never }, /^Expected headers to be an object or a function/],
    ];
    for (const [url, options, message] of bad) {
      const given = { fetch: server.fetch, ...options };
      const error = await failure(HttpStore.open(url as string, given));
      assert(message.test(error.message), error.message);
    }
    assertEquals(server.seen.length, 0);
  });
});

describe("HttpStore: servers", () => {
  /** What opening, and a read behind the first 64 KiB, make of a fault. */
  async function messages(fault: FileServer["fault"]): Promise<string[]> {
    const server = serverOf(100_000);
    const good = await open(server, { retries: 1 });
    server.fault = fault;
    const opening = await failure(open(server, { retries: 1 }));
    const reading = await failure(read(good, 80_000, 100));
    for (const error of [opening, reading]) assertInstanceOf(error, StorageError);
    const before = server.seen.length;
    server.fault = undefined;
    assertEquals(await read(good, 80_000, 100), server.bytes.slice(80_000, 80_100));
    assertEquals(server.seen.length, before + 1); // the failed block was not kept
    return [opening, reading].map(({ message }) => message);
  }
  const both = (reason: string) => [
    `Cannot read 65536 bytes: ${reason} (${URL_OF_FILE})`.replace(
      "65536 bytes",
      "65536 bytes at offset 0",
    ),
    `Cannot read 8192 bytes at offset 73728: ${reason} (${URL_OF_FILE})`,
  ];

  it("that know no ranges", async () => {
    const reason = "the server sent the whole file: it knows no range requests";
    const fault = (response: Response) =>
      changed(response, { status: 200, headers: { "content-range": null } });
    assertEquals(await messages(fault), both(reason));
  });

  it("that refuse", async () => {
    for (const status of [301, 401, 403, 404, 410]) {
      const fault = (response: Response) => changed(response, { status });
      assertEquals(await messages(fault), both(`the server answered ${status}`));
    }
  });

  it("that send another range than they were asked for", async () => {
    for (const range of ["bytes 5-8/9", "bytes 0-/100000", "nonsense"]) {
      const fault = (response: Response) =>
        changed(response, { headers: { "content-range": range } });
      assertEquals(await messages(fault), both(`the server sent ${range}`));
    }
    const fault = (response: Response) =>
      changed(response, { headers: { "content-range": null, "content-length": "99999" } });
    assertEquals(await messages(fault), both("the server sent another range"));
  });

  it("that encode on the fly", async () => {
    const fault = (response: Response) =>
      changed(response, { headers: { "content-encoding": "gzip" } });
    assertEquals(await messages(fault), both("the server sent it with Content-Encoding gzip"));
  });

  it("that send more than they say", async () => {
    const fault = (response: Response) => changed(response, { body: new Uint8Array(90_000) });
    const found = await messages(fault);
    for (const message of found) assert(message.includes("the server sent more than that"));
  });

  it("that are busy, or break off, are asked again as often as they may be", async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      const fault = (response: Response) => changed(response, { status });
      assertEquals(await messages(fault), both(`the server answered ${status}`));
    }
    const short = (response: Response) => changed(response, { body: null });
    const [opening, reading] = await messages(short);
    assert(opening.includes("the answer broke off at byte 0"), opening);
    assert(reading.includes("the answer broke off at byte 73728"), reading);
    const down = () => Promise.reject(new TypeError("no route"));
    assertEquals(await messages(down), both("no route"));
  });

  it("that recover are not noticed, and a body goes on where it broke off", async () => {
    const server = serverOf(200_000), store = await open(server);
    let turn = 0;
    server.fault = async (response) => {
      turn++;
      if (turn === 1) return changed(response, { status: 503 });
      if (turn > 2) return undefined;
      return changed(response, { body: (await response.arrayBuffer()).slice(0, 3000) });
    };
    assertEquals(await read(store, 90_000, 100), server.bytes.slice(90_000, 90_100));
    assertEquals(server.seen.slice(1).map(({ range }) => range), [
      "bytes=81920-90111",
      "bytes=81920-90111",
      "bytes=84920-90111",
    ]);
  });

  it("that ask to wait are waited for, and not for ever", async () => {
    const server = serverOf(200_000), store = await open(server);
    const waits: number[] = [], { setTimeout: original } = globalThis;
    let turn = 0;
    server.fault = (response) => {
      const after = ["1", "3600", new Date(Date.now() + 60_000).toUTCString()][turn++];
      return changed(response, { status: 503, headers: { "retry-after": after } });
    };
    const fake = (done: () => void, ms?: number) => {
      if (ms !== undefined && ms < 30_000) waits.push(ms);
      return original(done, ms === 30_000 ? ms : 0);
    };
    globalThis.setTimeout = fake as typeof setTimeout;
    try {
      await failure(read(store, 90_000, 100));
    } finally {
      globalThis.setTimeout = original;
    }
    assertEquals(waits, [1000, 5000]);
  });

  it("that say nothing more are left after a while", async () => {
    const server = serverOf(200_000), store = await open(server, { timeoutMs: 20, retries: 1 });
    server.fault = () => new Promise(() => {});
    const silent = await failure(read(store, 90_000, 100));
    assert(silent.message.includes("no byte came for 20 ms"), silent.message);
    server.fault = (response) =>
      changed(response, { body: new ReadableStream({ pull: () => new Promise(() => {}) }) });
    const slow = await failure(read(store, 90_000, 100));
    assert(slow.message.includes("no byte came for 20 ms"), slow.message);
  });

  it("that refuse a range which is there", async () => {
    const server = serverOf(1000);
    server.fault = (response) =>
      changed(response, { status: 416, headers: { "content-range": "bytes */1000" } });
    const error = await failure(open(server));
    assert(error.message.includes("the server refuses the range of bytes */1000"), error.message);
  });
});

describe("HttpStore: a file that is replaced", () => {
  const other = new Uint8Array(randomBytes(seeded(2), 200_000));

  it("is noticed by ETag, by date and by length, and read after a reload", async () => {
    const cases: Partial<FileServer>[] = [
      {},
      { modified: null },
      { etag: null },
      { etag: 'W/"1"' },
      { isForeign: true },
    ];
    for (const given of cases) {
      const server = Object.assign(serverOf(200_000), given), store = await open(server);
      await read(store, 100_000, 10);
      server.replace(other);
      const error = await failure(read(store, 150_000, 10));
      assertInstanceOf(error, HttpChangedError);
      await assertRejects(() => read(store, 150_000, 10), HttpChangedError);
      await store.reload();
      assertEquals(await read(store, 150_000, 10), other.slice(150_000, 150_010));
      assertEquals(await read(store, 100_000, 10), other.slice(100_000, 100_010));
      assertEquals(server.seen.at(-1)?.cache, "no-cache");
    }
    const server = Object.assign(serverOf(200_000), { etag: null, modified: null });
    const store = await open(server);
    server.replace(other.slice(0, 190_000));
    await assertRejects(() => read(store, 150_000, 10), HttpChangedError);
  });

  it("is noticed where it became shorter", async () => {
    const server = Object.assign(serverOf(200_000), {
      etag: null,
      modified: null,
      isForeign: true,
    });
    const store = await open(server);
    for (const length of [151_000, 150_000, 10]) {
      server.replace(other.slice(0, length));
      await assertRejects(() => read(store, 150_000, 8192), HttpChangedError);
    }
  });

  it("is noticed amid an answer that broke off", async () => {
    const server = serverOf(200_000), store = await open(server);
    server.fault = async (response) => {
      server.fault = undefined;
      server.replace(other);
      return changed(response, { body: (await response.arrayBuffer()).slice(0, 3000) });
    };
    await assertRejects(() => read(store, 150_000, 10), HttpChangedError);
  });

  it("a weak ETag is compared as well, and a strong one that became weak is the same", async () => {
    const server = serverOf(200_000), store = await open(server);
    server.etag = 'W/"1"';
    assertEquals(await read(store, 150_000, 10), server.bytes.slice(150_000, 150_010));
    server.etag = 'W/"2"';
    await assertRejects(() => read(store, 100_000, 10), HttpChangedError);
  });
});

describe("HttpStore: ending", () => {
  it("refuses a signal that is none, before a request", async () => {
    const server = serverOf(1000);
    for (const signal of [7, null, {}, new AbortController()]) {
      const error = await failure(open(server, { signal: signal as never }));
      assert(error instanceof TypeError && error.message.startsWith("Expected signal to be"));
    }
    assertEquals(server.seen.length, 0);
  });

  it("a signal ends what is under way with its reason, and what follows", async () => {
    const server = serverOf(200_000), abort = new AbortController();
    const store = await open(server, { signal: abort.signal });
    server.fault = () => new Promise(() => {});
    const pending = failure(read(store, 150_000, 10));
    await new Promise((done) => setTimeout(done, 5));
    const reason = new Error("the page was left");
    abort.abort(reason);
    assertEquals(await pending, reason);
    assertEquals(await failure(read(store, 150_000, 10)), reason);
    assertEquals(await failure(open(server, { signal: abort.signal })), reason);
  });

  it("close ends what is under way", async () => {
    const server = serverOf(200_000), store = await open(server);
    server.fault = () => new Promise(() => {});
    const pending = failure(read(store, 150_000, 10));
    await new Promise((done) => setTimeout(done, 5));
    await store.close();
    assertEquals((await pending).message, "Cannot read: the store is closed");
    await assertRejects(() => read(store, 0, 1), StorageError, "the store is closed");
  });
});

it("a range of the tests is what it says", () => {
  assertEquals(boundsOf("bytes=3-9"), [3, 10]);
  assertThrows(() => boundsOf("bytes=3-"));
});
