/**
 * The example that serves blobs: its answers to requests, and those of a real server.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../backends/blob_store.ts";
import { handle, serve, type ServeOptions } from "../examples/serve_blobs.ts";
import {
  assertEmptiable,
  assertSound,
  bytesByKind,
  bytesOf,
  contentsOf,
  keysOf,
  memory,
  RecordingStore,
  streamOf,
} from "./blob_store_helpers.ts";
import { assertSameBytes } from "./store_helpers.ts";
import { closeAfterwards, newPath, removeAfterwards } from "./temporary_files.ts";

const K = 1024, M = 2 ** 20;
const SCRIPT = fileURLToPath(new URL("../examples/serve_blobs.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

removeAfterwards();

/** What the tests ask of a store: `ask("GET", "/key", { range: "bytes=0-1" })`. */
function asker(store: BlobStore) {
  return (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | ReadableStream<Uint8Array>,
  ) =>
    handle(
      new Request(`http://a.test${path}`, { method, headers, body, duplex: "half" } as RequestInit),
      store,
    );
}

/** A server over a store, until the tests end. */
async function serving(store: BlobStore, options?: ServeOptions): Promise<string> {
  const server = await serve(store, options);
  closeAfterwards(() => server.close(0));
  return server.url;
}

/** Waits until something holds. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !await holds(); i++) {
    assert(i < 150, `${what}: not within 3 seconds`);
    await sleep(20);
  }
}

/** Waits until no blob has a place in the file. */
async function untilVacant(store: BlobStore): Promise<void> {
  await until("the place of the blob is free", async () => {
    await store.flush();
    return bytesByKind(store).blob === 0;
  });
  await assertSound(store);
}

/** A connection on which a request was begun, and nothing is read. */
function begin(url: string, ...lines: string[]): Socket {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {}).pause();
  socket.write([...lines.slice(0, -1), `Host: a.test\r\n\r\n${lines.at(-1)}`].join("\r\n"));
  return socket;
}

/** A stream of these bytes, and what ends it. */
function slowStream(bytes: Uint8Array): [ReadableStream<Uint8Array>, () => void] {
  const { readable, writable } = new TransformStream<Uint8Array>();
  const writer = writable.getWriter();
  writer.write(bytes);
  return [readable, () => writer.close()];
}

/** Runs an action and gives what it complained of. */
async function complaints(action: () => Promise<unknown>): Promise<string> {
  const { error } = console, lines: string[] = [];
  console.error = (...values: unknown[]) => lines.push(values.join(" "));
  try {
    await action();
  } finally {
    console.error = error;
  }
  return lines.join("\n");
}

describe("serve_blobs, reading", () => {
  it("sends ranges", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("digits", "0123456789");
    for (
      const [range, body, contentRange] of [
        ["bytes=0-0", "0", "bytes 0-0/10"],
        ["bytes=2-5", "2345", "bytes 2-5/10"],
        ["bytes=7-", "789", "bytes 7-9/10"],
        ["bytes=7-1000000000000000000000", "789", "bytes 7-9/10"],
        ["bytes=-3", "789", "bytes 7-9/10"],
        ["bytes=-11", "0123456789", "bytes 0-9/10"],
        ["Bytes=9-9", "9", "bytes 9-9/10"],
      ]
    ) {
      const response = await ask("GET", "/digits", { range });
      assertEquals(response.status, 206, range);
      assertEquals(response.headers.get("content-range"), contentRange);
      assertEquals(response.headers.get("content-length"), `${body.length}`);
      assertEquals(await response.text(), body);
    }
    for (const range of ["bytes=10-", "bytes=-0", "bytes=5-2", "bytes=-", "bytes=a-", "bytes="]) {
      const response = await ask("GET", "/digits", { range });
      assertEquals([response.status, response.headers.get("content-range")], [416, "bytes */10"]);
    }
    // Another unit, several ranges, and a method that has none: all of it.
    for (const range of ["lines=1-2", "bytes=0-1,4-5"]) {
      const response = await ask("GET", "/digits", { range });
      assertEquals([response.status, await response.text()], [200, "0123456789"]);
    }
    const head = await ask("HEAD", "/digits", { range: "bytes=0-0" });
    assertEquals([head.status, head.headers.get("content-length")], [200, "10"]);

    await store.put("empty", "");
    assertEquals((await ask("GET", "/empty", { range: "bytes=0-" })).status, 416);
    assertEquals((await ask("GET", "/empty", { range: "bytes=-5" })).status, 416);
    assertEquals(await (await ask("GET", "/empty")).text(), "");
  });

  it("sends every part of a blob of many pieces", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store), bytes = bytesOf(1, 600 * K + 7);
    await store.put("blob", bytes);
    for (const offset of [0, 1, 64 * K, 256 * K - 1, 256 * K, 600 * K]) {
      for (const last of [offset, offset + 64 * K, bytes.length - 1]) {
        const response = await ask("GET", "/blob", { range: `bytes=${offset}-${last}` });
        const part = new Uint8Array(await response.arrayBuffer());
        assertSameBytes(part, bytes.subarray(offset, last + 1), `${offset} to ${last}`);
      }
    }
  });

  it("knows what the client has", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("a", "hello");
    const first = await ask("GET", "/a");
    const etag = first.headers.get("etag")!, date = first.headers.get("last-modified")!;
    assertEquals(etag, `"${(await store.stat("a"))!.etag}"`);
    assertEquals(await first.text(), "hello");
    const old = new Date(Date.parse(date) - 1000).toUTCString(), other = '"0"';
    for (
      const [status, headers] of [
        [304, { "if-none-match": etag }],
        [304, { "if-none-match": `W/${etag}` }],
        [304, { "if-none-match": `${other} , ${etag}` }],
        [304, { "if-none-match": "*" }],
        [200, { "if-none-match": other }],
        [304, { "if-modified-since": date }],
        [200, { "if-modified-since": old }],
        [200, { "if-modified-since": "yesterday" }],
        [200, { "if-modified-since": date, "if-none-match": other }],
        [304, { range: "bytes=0-1", "if-none-match": etag }],
        [200, { "if-match": etag }],
        [200, { "if-match": "*" }],
        [412, { "if-match": other }],
        [412, { "if-match": `W/${etag}` }],
        [412, { "if-unmodified-since": old }],
        [200, { "if-unmodified-since": old, "if-match": etag }],
        [200, { "if-unmodified-since": date }],
        [200, { "if-unmodified-since": "yesterday" }],
        [206, { range: "bytes=0-1", "if-range": etag }],
        [200, { range: "bytes=0-1", "if-range": other }],
        [200, { range: "bytes=0-1", "if-range": `W/${etag}` }],
        [200, { range: "bytes=0-1", "if-range": date }],
        [200, { range: "bytes=90-", "if-range": other }],
      ] as [number, Record<string, string>][]
    ) {
      for (const method of ["GET", "HEAD"]) {
        if (method === "HEAD" && status === 206) continue; // a part is only ever got
        const response = await ask(method, "/a", headers);
        assertEquals(response.status, status, JSON.stringify(headers));
        if (status !== 412) assertEquals(response.headers.get("etag"), etag);
        await response.body?.cancel();
      }
    }
    assertEquals((await ask("GET", "/b", { "if-none-match": "*" })).status, 404);
    assertEquals((await ask("GET", "/b", { "if-match": "*" })).status, 412);
    await store.put("a", "hello"); // the same bytes, and another blob
    assertEquals((await ask("GET", "/a", { "if-none-match": etag })).status, 200);
  });

  it("gives a blob its type", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    for (
      const [key, metadata, type] of [
        ["a", undefined, "application/octet-stream"],
        ["a.JPG", undefined, "image/jpeg"],
        ["a.constructor", undefined, "application/octet-stream"],
        ["a.txt", { type: "text/x-mine" }, "text/x-mine"],
        ["a.txt", { type: "a/b\r\nset-cookie: c" }, "text/plain; charset=utf-8"],
        ["a.txt", { type: 7 }, "text/plain; charset=utf-8"],
        ["a.txt", null, "text/plain; charset=utf-8"],
        ["a.txt", "text/html", "text/plain; charset=utf-8"],
      ] as const
    ) {
      await store.put(key, "", { metadata });
      const { headers } = await ask("HEAD", `/${key}`);
      assertEquals(headers.get("content-type"), type);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
    }
  });

  it("finds a key by its path, percent-encoded", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    for (const key of ["a b/c?#%&+", "ü/☃", "/", "//", "x".repeat(1024)]) {
      await store.put(key, key);
      assertEquals(await (await ask("GET", `/${encodeURIComponent(key)}`)).text(), key);
    }
    assertEquals(await (await ask("GET", "///")).text(), "//");
    for (const path of ["/%", "/%ff", "/%C3", `/${"x".repeat(1025)}`, `/${"ü".repeat(513)}`]) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        assertEquals((await ask(method, path)).status, 400, path);
      }
    }
    assertEquals((await ask("GET", "/nothing")).status, 404);
  });

  it("lists in pages", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const names = Array.from({ length: 1500 }, (_, i) => `d/${String(i).padStart(4, "0")}`);
    await store.batch(["c", ...names, "e"].map((key) => ({ type: "put", key, value: key })));
    const first = await (await ask("GET", "/?prefix=d/")).json();
    assertEquals(first.blobs.map(({ key }: { key: string }) => key), names.slice(0, 1000));
    assertEquals(first.next, "d/0999");
    const second = await (await ask("GET", `/?prefix=d/&after=${first.next}`)).json();
    assertEquals(second.blobs.map(({ key }: { key: string }) => key), names.slice(1000));
    assertEquals("next" in second, false);
    const { key, size, time, etag } = (await (await ask("GET", "/?prefix=e")).json()).blobs[0];
    assertEquals([key, size, etag], ["e", 1, (await store.stat("e"))!.etag]);
    assertEquals(Date.parse(time), (await store.stat("e"))!.time.getTime());
    assertEquals((await ask("PUT", "/")).headers.get("allow"), "GET, HEAD");
  });

  it("sends one blob, not the beginning of another, when it is replaced meanwhile", async () => {
    await using store = await BlobStore.open(memory());
    const stat = store.stat.bind(store);
    for (const replacement of ["other", "", undefined]) {
      await store.put("a", "0123456789");
      let isFirst = true;
      store.stat = async (key) => {
        const info = await stat(key);
        if (!isFirst) return info;
        isFirst = false;
        if (replacement === undefined) await store.delete("a");
        else await store.put("a", replacement);
        return info;
      };
      const response = await asker(store)("GET", "/a", { range: "bytes=3-" });
      const expected = replacement === "other" ? 206 : replacement === "" ? 416 : 404;
      assertEquals(response.status, expected);
      if (expected !== 206) continue;
      const { etag } = (await store.stat("a"))!;
      assertEquals(response.headers.get("etag"), `"${etag}"`);
      assertEquals(response.headers.get("content-range"), "bytes 3-4/5");
      assertEquals(await response.text(), "er");
    }
    store.stat = stat;
    await assertEmptiable(store);
  });

  it("sees a writer beside it, and is not misled by what it overwrote", async () => {
    const path = newPath();
    await using writer = await BlobStore.open(path, { create: true });
    const old = bytesOf(1, 200 * K), bytes = bytesOf(2, 200 * K);
    await writer.put("a", old);
    await writer.put("gone", bytesOf(3, 200 * K));
    await using reader = await BlobStore.open(path, { readOnly: true });
    const ask = asker(reader);
    for (const key of ["a", "gone"]) await writer.delete(key);
    await writer.checkpoint();
    for (const key of ["b", "a", "c", "d"]) await writer.put(key, bytes);
    const response = await ask("GET", "/a");
    assertEquals([response.status, response.headers.get("etag")], [
      200,
      `"${(await writer.stat("a"))!.etag}"`,
    ]);
    assertSameBytes(new Uint8Array(await response.arrayBuffer()), bytes, "after it was replaced");
    assertEquals((await ask("GET", "/gone")).status, 404);
    for (const method of ["PUT", "DELETE", "POST"]) {
      const { status, headers } = await ask(method, "/a");
      assertEquals([status, headers.get("allow")], [405, "GET, HEAD"]);
    }
  });

  it("tells nobody of damage but that there is some", async () => {
    const memoryStore = memory();
    await using store = await BlobStore.open(memoryStore);
    const ask = asker(store), early = bytesOf(1, 100 * K), late = bytesOf(2, 600 * K);
    await store.put("early", early);
    await store.put("late", late);
    const flip = (mark: Uint8Array) => {
      const contents = contentsOf(memoryStore);
      const at = contents.findIndex((_, i) => mark.every((byte, j) => contents[i + j] === byte));
      assert(at >= 0);
      memoryStore.write(at, Uint8Array.of(contents[at] ^ 1));
    };
    flip(early.subarray(1000, 1016));
    flip(late.subarray(500 * K, 500 * K + 16));
    const logged = await complaints(async () => {
      const response = await ask("GET", "/early");
      assertEquals([response.status, response.headers.get("etag")], [500, null]);
      assertEquals(await response.text(), "The server cannot do this now\n");
    });
    assertStringIncludes(logged, 'Cannot read "early"');
    // Too late for a status: the body ends before its end, which the client notices.
    const url = await serving(store);
    const alsoLogged = await complaints(async () => {
      await assertRejects(async () => await (await fetch(`${url}/late`)).arrayBuffer());
      await sleep(20);
    });
    assertStringIncludes(alsoLogged, 'Cannot read "late"');
    const { status } = await ask("GET", "/late", { range: `bytes=0-${400 * K}` });
    assertEquals(status, 206);
  });
});

describe("serve_blobs, writing", () => {
  it("puts and deletes", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const created = await ask("PUT", "/a", { "content-type": "text/x-mine" }, "hello");
    assertEquals(created.status, 201);
    const { etag, metadata } = (await store.stat("a"))!;
    assertEquals([created.headers.get("etag"), metadata], [`"${etag}"`, { type: "text/x-mine" }]);
    const bytes = bytesOf(1, 300 * K);
    assertEquals((await ask("PUT", "/a", {}, streamOf(bytes))).status, 204);
    assertSameBytes((await store.get("a"))!, bytes, "replaced");
    assertEquals((await store.stat("a"))!.metadata, undefined);
    assertEquals((await ask("PUT", "/empty")).status, 201);
    assertEquals((await store.stat("empty"))!.size, 0);
    assertEquals((await ask("DELETE", "/a")).status, 204);
    assertEquals((await ask("DELETE", "/a")).status, 404);
    assertEquals(await keysOf(store), ["empty"]);
    assertEquals((await ask("POST", "/a")).headers.get("allow"), "GET, HEAD, PUT, DELETE");
    assertEquals((await ask("PUT", "/a", { "content-range": "bytes 0-0/9" }, "a")).status, 400);
    assertEquals((await ask("PUT", "/a", { "content-type": "x".repeat(256) })).status, 400);
    assertEquals(await store.has("a"), false);
  });

  it("only what the client thinks is there", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store), absent = { "if-none-match": "*" };
    assertEquals((await ask("PUT", "/a", { "if-match": "*" }, "1")).status, 412);
    const { status, headers } = await ask("PUT", "/a", absent, "2");
    assertEquals(status, 201);
    assertEquals((await ask("PUT", "/a", absent, "3")).status, 412);
    const match = { "if-match": headers.get("etag")! };
    assertEquals((await ask("PUT", "/a", match, "4")).status, 204);
    assertEquals((await ask("PUT", "/a", match, "5")).status, 412);
    assertEquals((await ask("DELETE", "/a", match)).status, 412);
    assertEquals(await (await ask("GET", "/a")).text(), "4");
  });

  it("of two that create a blob at the same time, one does", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store), absent = { "if-none-match": "*" };
    const [slow, finish] = slowStream(bytesOf(1, 10));
    const first = ask("PUT", "/a", absent, slow);
    const others = ["2", "3"].map((body) => ask("PUT", "/a", absent, body));
    assertEquals((await ask("PUT", "/b", absent, "b")).status, 201, "another key does not wait");
    finish();
    const statuses = (await Promise.all([first, ...others])).map(({ status }) => status);
    assertEquals(statuses, [201, 412, 412]);
    assertSameBytes((await store.get("a"))!, bytesOf(1, 10), "the first");
  });

  it("to one key, in the order of the requests", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const [stream1, finish1] = slowStream(bytesOf(1, 10));
    const [stream2, finish2] = slowStream(bytesOf(2, 10));
    const first = ask("PUT", "/a", {}, stream1), second = ask("PUT", "/a", {}, stream2);
    finish1();
    await first;
    const third = ask("PUT", "/a", {}, "third");
    await sleep(10);
    finish2();
    await Promise.all([second, third]);
    assertEquals(await (await ask("GET", "/a")).text(), "third");
  });

  it("waits for nobody who failed", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const failing = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("this is the test's")),
    });
    const logged = await complaints(async () => {
      const both = [ask("PUT", "/a", {}, failing), ask("PUT", "/a", {}, "second")];
      assertEquals((await Promise.all(both)).map(({ status }) => status), [500, 201]);
    });
    assertStringIncludes(logged, "this is the test's");
  });
});

describe("serve_blobs, over HTTP", () => {
  it("streams 8 MiB in and out, byte for byte", async () => {
    await using store = await BlobStore.open(newPath(), { create: true });
    const url = `${await serving(store)}/large%20blob`, bytes = bytesOf(1, 8 * M + 3);
    const put = await fetch(
      url,
      {
        method: "PUT",
        body: streamOf(bytes),
        headers: { "content-type": "video/mp4" },
        duplex: "half",
      } as RequestInit,
    );
    assertEquals(put.status, 201);
    const response = await fetch(url);
    assertEquals(response.headers.get("content-type"), "video/mp4");
    assertEquals(response.headers.get("content-length"), `${bytes.length}`);
    assertSameBytes(new Uint8Array(await response.arrayBuffer()), bytes, "out");
    const part = await fetch(url, { headers: { range: "bytes=-5000000" } });
    assertEquals(part.status, 206);
    assertSameBytes(new Uint8Array(await part.arrayBuffer()), bytes.slice(-5_000_000), "part");

    const head = await fetch(url, { method: "HEAD" });
    assertEquals([head.status, head.headers.get("content-length")], [200, `${bytes.length}`]);
    assertEquals((await head.arrayBuffer()).byteLength, 0);
    const unchanged = await fetch(url, {
      headers: { "if-none-match": head.headers.get("etag")! },
    });
    assertEquals(unchanged.status, 304);
    const past = await fetch(url, { headers: { range: `bytes=${bytes.length}-` } });
    assertEquals([past.status, past.headers.get("content-range")], [
      416,
      `bytes */${bytes.length}`,
    ]);
    await past.arrayBuffer();
    const list = await fetch(new URL("/?prefix=large", url));
    assertEquals((await list.json()).blobs[0].key, "large blob");
    assertEquals((await fetch(new URL("/", url), { method: "HEAD" })).status, 200);
    assertEquals((await fetch(url, { method: "DELETE" })).status, 204);
    assertEquals(bytesByKind(store).blob, 0);
    await assertSound(store);
  });

  it("reads no faster than the client, and frees the place when that goes away", async () => {
    const recording = new RecordingStore(memory(2 ** 26));
    await using store = await BlobStore.open(recording);
    const url = await serving(store);
    await store.put("blob", bytesOf(1, 32 * M));
    recording.bytesRead = 0;
    const socket = begin(url, "GET /blob HTTP/1.1", "");
    await until("it begins", () => recording.bytesRead > M);
    await sleep(200);
    assert(recording.bytesRead < 16 * M, `${recording.bytesRead} bytes for a client that waits`);
    await store.delete("blob");
    await store.flush();
    assert(bytesByKind(store).blob >= 32 * M, "the place is given away while it is read");
    socket.destroy();
    await untilVacant(store);
    await assertEmptiable(store);
  });

  it("frees the place when fetch is aborted", async () => {
    await using store = await BlobStore.open(newPath(), { create: true });
    const url = await serving(store);
    await store.put("blob", bytesOf(1, 16 * M));
    const abort = new AbortController();
    const response = await fetch(`${url}/blob`, { signal: abort.signal });
    await response.body!.getReader().read();
    abort.abort();
    await store.delete("blob");
    await untilVacant(store);
    await assertEmptiable(store);
  });

  it("drops a connection that lies still", async () => {
    await using store = await BlobStore.open(memory(2 ** 26));
    const url = await serving(store, { idleMs: 100 });
    await store.put("blob", bytesOf(1, 16 * M));
    const socket = begin(url, "GET /blob HTTP/1.1", "");
    await once(socket, "connect");
    await sleep(50);
    await store.delete("blob");
    await untilVacant(store);
    socket.destroy();
  });

  it("keeps nothing of a body that breaks off", async () => {
    await using store = await BlobStore.open(memory());
    const url = await serving(store);
    const header = ["Content-Length: 9000000", "Transfer-Encoding: chunked"];
    // More than the store gathers before it writes.
    const half = "x".repeat(2_500_000), body = [half, `2625a0\r\n${half}\r\n`];
    const logged = await complaints(async () => {
      for (const i of [0, 1]) {
        for (const end of ["destroy", "end"] as const) {
          const socket = begin(url, "PUT /a HTTP/1.1", header[i], body[i]);
          await until("it is stored", () => bytesByKind(store).blob > 0);
          socket[end]();
          await untilVacant(store);
          assertEquals(await keysOf(store), []);
          socket.destroy();
        }
      }
    });
    assertEquals(logged, "");
    assertEquals((await fetch(`${url}/a`, { method: "PUT", body: "whole" })).status, 201);
    await assertEmptiable(store);
  });

  it("answers before the end of a body that it refuses", async () => {
    await using store = await BlobStore.open(memory(2 * M));
    const url = `${await serving(store)}/a`, body = new Blob([bytesOf(1, 6 * M).slice()]);
    await store.put("a", "kept");
    for (let i = 0; i < 2; i++) {
      const full = await fetch(url, { method: "PUT", body });
      assertEquals([full.status, await full.text()], [507, "The store is full\n"]);
      const wrong = await fetch(url, { method: "PUT", body, headers: { "if-none-match": "*" } });
      assertEquals(wrong.status, 412);
      await wrong.arrayBuffer();
      assertEquals(await (await fetch(url)).text(), "kept");
    }
    await assertEmptiable(store);
  });

  it("answers what is no request for a blob", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", "hello");
    const url = await serving(store);
    for (
      const [line, status] of [
        ["GET * HTTP/1.1", 400],
        ["OPTIONS /a HTTP/1.1", 405],
        ["GET /%zz HTTP/1.1", 400],
        ["GET http://elsewhere.test/a HTTP/1.1", 200],
        ["GET //a HTTP/1.1", 404],
      ] as const
    ) {
      const socket = begin(url, line, "Connection: close", "");
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk) => text += chunk).resume();
      await once(socket, "close");
      assertStringIncludes(text, `HTTP/1.1 ${status} `, line);
    }
  });
});

describe("serve_blobs, the command", () => {
  /** Runs the command until it says where it serves. */
  async function start(...args: string[]) {
    const child = spawn(process.execPath, [...RUN, SCRIPT, "--port", "0", ...args]);
    closeAfterwards(() => child.kill("SIGKILL"));
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => output += text);
    child.stderr.setEncoding("utf8").on("data", (text) => output += text);
    const ended = once(child, "close");
    await until("it serves", () => {
      assert(child.exitCode === null, output);
      return output.includes("http://");
    });
    const url = /http:\S+\d/.exec(output)![0];
    const stop = async (signal: NodeJS.Signals) => {
      // Not child.kill(): Deno then reports that signal, whatever the exit status was.
      process.kill(child.pid!, signal);
      assertEquals(await ended, [0, null], output);
    };
    return { url, stop };
  }

  it("serves, follows a writer, and closes the store when it is asked to end", async () => {
    const path = newPath();
    const writer = await start(path, "--writable");
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "1" })).status, 201);
    const reader = await start(path);
    assertEquals(await (await fetch(`${reader.url}/a`)).text(), "1");
    assertEquals((await fetch(`${reader.url}/a`, { method: "DELETE" })).status, 405);
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "2" })).status, 204);
    await until("it sees", async () => await (await fetch(`${reader.url}/a`)).text() === "2");
    assert(existsSync(`${path}.owner`));
    await Promise.all([reader.stop("SIGINT"), writer.stop("SIGTERM")]);
    assert(!existsSync(`${path}.owner`), "the store was left open");
    await using store = await BlobStore.open(path);
    assertEquals(await keysOf(store), ["a"]);
  });

  it("refuses wrong usage with 2, a missing store with 1, and shows its help", () => {
    const missing = newPath();
    for (
      const [args, code, message] of [
        [[], 2, "one STORE, not 0"],
        [["a", "b"], 2, "one STORE, not 2"],
        [["--port", "x", "a"], 2, "--port is an integer"],
        [["--bogus"], 2, "--bogus"],
        [[missing], 1, missing],
        [["--help"], 0, "Usage:"],
      ] as const
    ) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT, ...args], {
        encoding: "utf8",
      });
      assertEquals(status, code, stderr);
      assertStringIncludes(code === 0 ? stdout : stderr, message);
    }
    assert(!existsSync(missing));
  });
});
