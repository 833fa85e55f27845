/**
 * What the handler does beside RFC 9110's conditions: keys in paths, lists, who may do what, other
 * origins, limits, and what goes wrong in the store.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import {
  nodeListener,
  pathOfKey,
  serveBlobs,
  type ServeBlobsOptions,
} from "../../backends/http/mod.ts";
import { assertEmptiable, bytesOf, keysOf, memory, streamOf } from "../blob_store/helpers.ts";
import { damage } from "./damage.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const K = 1024, M = K * K;
const ALL: ServeBlobsOptions = { authorize: () => true, list: true };

removeAfterwards();

/** What the tests ask of a store: `ask("GET", "/key", { range: "bytes=0-1" })`. */
function asker(store: BlobStore, options: ServeBlobsOptions = ALL) {
  const handler = serveBlobs(store, options);
  return (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | ReadableStream<Uint8Array>,
  ) =>
    handler(
      new Request(`http://a.test${path}`, { method, headers, body, duplex: "half" } as RequestInit),
    );
}

/** A stream that gives these bytes, and whatever is asked of it later. */
function slowStream(bytes: Uint8Array): [ReadableStream<Uint8Array>, () => void] {
  const { readable, writable } = new TransformStream<Uint8Array>();
  const writer = writable.getWriter();
  writer.write(bytes).catch(() => {});
  return [readable, () => writer.close().catch(() => {})];
}

describe("serveBlobs, keys", () => {
  it("finds each by its path, and back", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const keys = [
      "a",
      "a/b",
      "/",
      "//",
      "/a",
      "a/",
      "a//b",
      "a b/c?#%&+",
      "ü/☃",
      "%2F",
      "%00",
      "a\0b",
      "a\\b",
      "a/../b",
      "a/./b",
      "...",
      "../etc/passwd",
      "..%2f..",
      "x".repeat(1024),
      "<script>",
      "é".normalize("NFD"),
    ];
    for (const key of keys) await store.put(key, key);
    for (const key of keys) {
      const path = pathOfKey(key);
      assertEquals(new URL(path, "http://a.test").pathname, path, "an address changes it");
      const response = await ask("GET", path);
      assertEquals(await response.text(), key, path);
    }
    assertEquals((await ask("DELETE", pathOfKey("a/../b"))).status, 204);
    assert(!await store.has("a/../b") && await store.has("a"), "it deleted another one");
    // What an address makes of these is another key.
    for (const path of ["/x/../a", "/./a", "/x/%2e%2e/a"]) {
      assertEquals(await (await ask("GET", path)).text(), "a", path);
    }
  });

  it("refuses what is none", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    for (
      const [path, status] of [
        ["/%", 400],
        ["/%ff", 400],
        ["/%C3", 400],
        ["/%ED%A0%80", 400],
        [`/${"x".repeat(1025)}`, 414],
        [`/${"ü".repeat(513)}`, 414],
      ] as const
    ) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        assertEquals((await ask(method, path)).status, status, path);
      }
    }
    assertEquals(await keysOf(store), []);
    for (const key of [".", ".."]) {
      assertThrows(() => pathOfKey(key), RangeError, "a path can name");
    }
    assertThrows(() => pathOfKey("\ud800"), TypeError, "well-formed");
    assertThrows(() => pathOfKey(7 as unknown as string), TypeError, "a string, got 7");
    assertThrows(() => pathOfKey("a", 7 as never), TypeError, "basePath to be a string, got 7");
  });

  it("are below a base", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", "1");
    for (const basePath of ["/blobs", "/blobs/"]) {
      const ask = asker(store, { ...ALL, basePath });
      assertEquals(await (await ask("GET", pathOfKey("a", basePath))).text(), "1");
      assertEquals((await (await ask("GET", "/blobs/")).json()).blobs.length, 1);
      for (const path of ["/a", "/", "/blobs/../a", "/blobsa", "/Blobs/a"]) {
        assertEquals((await ask("GET", path)).status, 404, path);
      }
    }
    const ask = asker(store, { ...ALL, basePath: "/ä b/" });
    assertEquals(await (await ask("GET", "/%C3%A4%20b/a")).text(), "1");
  });
});

describe("serveBlobs, reading", () => {
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
    await assertEmptiable(store);
  });

  it("sends one version while it is replaced", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store), old = bytesOf(1, 700 * K), next = bytesOf(2, 300 * K);
    await store.put("a", old);
    const { etag } = (await store.stat("a"))!;
    const response = await ask("GET", "/a");
    await store.put("a", next);
    for (let i = 0; i < 4; i++) await store.put(`b${i}`, bytesOf(3 + i, 300 * K));
    assertEquals(response.headers.get("etag"), `"${etag}"`);
    assertSameBytes(new Uint8Array(await response.arrayBuffer()), old, "the old one");
    await assertEmptiable(store);
  });

  it("lets go of the place, however an answer ends", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store, { idleTimeoutMs: 50 });
    await store.put("a", bytesOf(1, 600 * K));
    const { etag } = (await store.stat("a"))!;
    await (await ask("GET", "/a")).body!.cancel();
    await (await ask("GET", "/a", { range: "bytes=0-100000" })).arrayBuffer();
    for (
      const headers of [
        { "if-none-match": `"${etag}"` },
        { "if-match": '"x"' },
        { range: "bytes=9999999-" },
      ] as Record<string, string>[]
    ) await (await ask("GET", "/a", headers)).text();
    const left = await ask("GET", "/a"), begun = await ask("GET", "/a"); // nobody reads on
    const reader = begun.body!.getReader();
    await reader.read();
    await sleep(200);
    await assertRejects(() => reader.read(), Error, "Nothing was read for 50 ms");
    await assertRejects(() => left.text(), Error, "Nothing was read for 50 ms");
    await assertEmptiable(store);
  });

  it("lists in pages", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const names = Array.from({ length: 1500 }, (_, i) => `d/${String(i).padStart(4, "0")}`);
    await store.batch(["c", ...names].map((key) => ({ type: "put", key, value: key })));
    await store.put("e", "1", { metadata: { type: "text/x-mine", secret: 1 } });
    const listed = async (query: string) => {
      const { blobs, next } = await (await ask("GET", `/?${query}`)).json();
      return { keys: blobs.map(({ key }: { key: string }) => key), next };
    };
    assertEquals(await listed("prefix=d/"), { keys: names.slice(0, 1000), next: "d/0999" });
    assertEquals(await listed("prefix=d/&after=d/0999"), {
      keys: names.slice(1000),
      next: undefined,
    });
    assertEquals(await listed("limit=2"), { keys: ["c", "d/0000"], next: "d/0000" });
    assertEquals(await listed("limit=2&after=d/1498"), { keys: ["d/1499", "e"], next: undefined });
    assertEquals(await listed("prefix=x"), { keys: [], next: undefined });
    const { size, time, etag, type, ...others } = (await (await ask("GET", "/?prefix=e")).json())
      .blobs[0];
    const info = (await store.stat("e"))!;
    assertEquals([size, etag, type, others], [1, info.etag, "text/x-mine", { key: "e" }]);
    assertEquals(Date.parse(time), info.time.getTime());
    for (const limit of ["0", "1001", "-1", "1.5", "x", ""]) {
      assertEquals((await ask("GET", `/?limit=${limit}`)).status, 400, limit);
    }
    const head = await ask("HEAD", "/");
    assertEquals([head.status, await head.text()], [200, ""]);
    for (const method of ["PUT", "DELETE"]) {
      assertEquals((await ask(method, "/")).headers.get("allow"), "GET, HEAD, OPTIONS");
    }
    assertEquals((await asker(store, {})("GET", "/")).status, 404, "nobody asked for lists");
  });

  it("gives a blob the type that it was put with, if a header can have it", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    for (
      const [metadata, type] of [
        [undefined, "application/octet-stream"],
        [{ type: "text/html" }, "text/html"],
        [{ type: "a/b\r\nset-cookie: c" }, "application/octet-stream"],
        [{ type: 7 }, "application/octet-stream"],
        [null, "application/octet-stream"],
        ["text/html", "application/octet-stream"],
      ] as const
    ) {
      await store.put("a.html", "<script>alert(1)</script>", { metadata });
      const { headers } = await ask("GET", "/a.html");
      assertEquals(headers.get("content-type"), type);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("content-security-policy"), "sandbox");
    }
    const mine = asker(store, {
      contentType: ({ key }) => key.endsWith(".html") ? "text/html" : undefined,
      contentSecurityPolicy: "",
      cacheControl: ({ etag }) => `max-age=60, x=${etag.length}`,
    });
    const { headers } = await mine("GET", "/a.html");
    assertEquals(headers.get("content-type"), "text/html");
    assertEquals(headers.get("content-security-policy"), null);
    assertEquals(headers.get("cache-control"), "max-age=60, x=16");
  });
});

describe("serveBlobs, compressed blobs", () => {
  const text = "All that is said twice is said too often. ".repeat(5000);
  const gzipped = { "accept-encoding": "br, gzip;q=0.8" };

  it("go as they are stored to those who take them, with a tag of their own", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("a", text, { compress: "gzip" });
    const { etag, storedSize = 0 } = (await store.stat("a"))!;
    assert(storedSize > 0 && storedSize < text.length / 10);
    for (
      const [accepted, isEncoded] of [
        ["gzip", true],
        ["br, gzip;q=0.8", true],
        ["*", true],
        ["GZIP", true],
        ["gzip;q=0", false],
        ["*, gzip; q=0", false],
        ["*;q=0", false],
        ["br", false],
        ["", false],
        ["identity", false],
      ] as const
    ) {
      const head = await ask("HEAD", "/a", { "accept-encoding": accepted });
      const response = await ask("GET", "/a", { "accept-encoding": accepted });
      const { headers } = response, name = `accepting ${accepted}`;
      assertEquals(headers.get("content-encoding"), isEncoded ? "gzip" : null, name);
      assertEquals(headers.get("etag"), isEncoded ? `"${etag}-gzip"` : `"${etag}"`, name);
      assertEquals(headers.get("vary"), "Accept-Encoding");
      const body = new Uint8Array(await response.arrayBuffer());
      assertEquals(headers.get("content-length"), `${body.length}`, name);
      const plain = isEncoded ? gunzipSync(body) : body;
      assertEquals(new TextDecoder().decode(plain), text, name);
      for (const one of ["content-encoding", "content-length", "etag", "vary"]) {
        assertEquals(head.headers.get(one), headers.get(one), `${one} of HEAD, ${name}`);
      }
    }
    await assertEmptiable(store);
  });

  it("have ranges of their plain bytes, and conditions by either tag", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("a", text, { compress: "gzip" });
    const { etag } = (await store.stat("a"))!, coded = `"${etag}-gzip"`;
    const part = await ask("GET", "/a", { ...gzipped, range: "bytes=100000-100099" });
    assertEquals([part.status, part.headers.get("content-encoding")], [206, null]);
    assertEquals(part.headers.get("etag"), `"${etag}"`);
    assertEquals(await part.text(), text.slice(100_000, 100_100));
    // Half of what is encoded does not go on with what is not.
    const resumed = await ask("GET", "/a", { ...gzipped, range: "bytes=9-", "if-range": coded });
    assertEquals([resumed.status, await resumed.text()], [200, text]);
    for (
      const [headers, status] of [
        [{ ...gzipped, "if-none-match": coded }, 304],
        [{ ...gzipped, "if-none-match": `"${etag}"` }, 200],
        [{ "if-none-match": `"${etag}"` }, 304],
        [{ "if-none-match": coded }, 200],
        [{ ...gzipped, "if-match": coded }, 200],
        [{ ...gzipped, "if-match": `"${etag}"` }, 412],
      ] as [Record<string, string>, number][]
    ) {
      const response = await ask("GET", "/a", headers);
      assertEquals(response.status, status, JSON.stringify(headers));
      await response.body?.cancel();
    }
    assertEquals((await ask("PUT", "/a", { "if-match": coded }, "new")).status, 204);
    assertEquals((await ask("DELETE", "/a", { "if-match": coded })).status, 412);
    await assertEmptiable(store);
  });

  it("go plain where their coding is not one stream", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("plain", "short");
    const { headers } = await ask("GET", "/plain", gzipped);
    assertEquals([headers.get("vary"), headers.get("content-encoding")], [null, null]);
    const put = await ask("PUT", "/a", { "content-encoding": "gzip" }, "x");
    assertEquals([put.status, put.headers.get("accept-encoding")], [415, "identity"]);
  });
});

describe("serveBlobs, writing", () => {
  it("keeps bytes and type, of whatever size", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const created = await ask("PUT", "/a", { "content-type": "text/x-mine" }, "hello");
    const { etag, metadata, time } = (await store.stat("a"))!;
    assertEquals(created.status, 201);
    assertEquals(created.headers.get("etag"), `"${etag}"`);
    assertEquals(created.headers.get("last-modified"), time.toUTCString());
    assertEquals(metadata, { type: "text/x-mine" });
    const bytes = bytesOf(1, 3 * M);
    assertEquals((await ask("PUT", "/a", {}, streamOf(bytes))).status, 204);
    assertSameBytes((await store.get("a"))!, bytes, "replaced");
    assertEquals((await store.stat("a"))!.metadata, undefined);
    assertEquals((await ask("PUT", "/empty")).status, 201);
    assertEquals((await store.stat("empty"))!.size, 0);
    assertEquals((await ask("PUT", "/a", { "content-type": "x".repeat(256) }, "a")).status, 400);
    await assertEmptiable(store);
  });

  it("is for nobody, or for whom it is allowed", async () => {
    await using store = await BlobStore.open(memory());
    const readOnly = asker(store, {});
    for (const method of ["PUT", "DELETE", "POST"]) {
      const { status, headers } = await readOnly(method, "/a");
      assertEquals([status, headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
    }
    const asked: string[] = [];
    const ask = asker(store, {
      authorize: (request, key) => {
        asked.push(`${request.method} ${key}`);
        if (key === "no") return false;
        const isKnown = request.headers.get("authorization") === "Bearer t";
        if (isKnown) return Promise.resolve(true);
        return new Response("who?", { status: 401, headers: { "www-authenticate": "Bearer" } });
      },
    });
    const known = { authorization: "Bearer t" };
    assertEquals((await ask("PUT", "/a/b", known, "1")).status, 201);
    const unknown = await ask("PUT", "/a/b", {}, "2");
    assertEquals([unknown.status, await unknown.text()], [401, "who?"]);
    assertEquals(unknown.headers.get("www-authenticate"), "Bearer");
    assertEquals((await ask("DELETE", "/no", known)).status, 403);
    assertEquals((await ask("GET", "/a/b")).status, 200, "reading is not asked for");
    assertEquals(asked, ["PUT a/b", "PUT a/b", "DELETE no"]);
    const silent = asker(store, { authorize: (() => undefined) as unknown as () => boolean });
    assertEquals((await silent("DELETE", "/a/b")).status, 403, "no answer is no");
    const errors: unknown[] = [];
    const broken = asker(store, {
      authorize: () => {
        throw new Error("the test's");
      },
      onError: (error) => errors.push(error),
    });
    assertEquals((await broken("DELETE", "/a/b")).status, 500);
    assertEquals(errors.map(String), ["Error: the test's"]);
    assertEquals(await keysOf(store), ["a/b"]);
  });

  it("and reading, too, may be for some", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("public/a", "1");
    await store.put("secret", "2");
    const authorizeRead = (_: Request, key: string) => key.startsWith("public/");
    const ask = asker(store, { list: true, authorizeRead });
    const statuses: number[] = [];
    for (const path of ["/public/a", "/secret", "/", "/?prefix=public/", "/?prefix=s"]) {
      statuses.push((await ask("GET", path)).status, (await ask("HEAD", path)).status);
    }
    assertEquals(statuses, [200, 200, 403, 403, 403, 403, 200, 200, 403, 403]);
  });

  it("of many that create a blob or change one, one does", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    const put = (headers: Record<string, string>) =>
      Promise.all(Array.from({ length: 20 }, async (_, i) => {
        const [stream, end] = slowStream(new TextEncoder().encode(`${i}`));
        setTimeout(end, i % 3);
        return (await ask("PUT", "/a", headers, stream)).status;
      }));
    const created = await put({ "if-none-match": "*" });
    assertEquals(created.filter((status) => status === 201).length, 1);
    assertEquals(created.filter((status) => status === 412).length, 19);
    const changed = await put({ "if-match": `"${(await store.stat("a"))!.etag}"` });
    assertEquals(changed.filter((status) => status === 204).length, 1);
    assertEquals(changed.filter((status) => status === 412).length, 19);
    await assertEmptiable(store);
  });

  it("loses no update of a counter", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("n", "0");
    let refused = 0;
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 10;) {
        const before = await ask("GET", "/n"), etag = before.headers.get("etag")!;
        const next = `${Number(await before.text()) + 1}`;
        const { status } = await ask("PUT", "/n", { "if-match": etag }, next);
        if (status === 204) i++;
        else refused++;
      }
    }));
    assertEquals(new TextDecoder().decode(await store.get("n")), "80");
    assert(refused > 0, "they never met");
  });

  it("keeps within limits of size", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store, { ...ALL, maxBodyBytes: 1000, requireLength: true });
    const length = (n: number) => ({ "content-length": `${n}` });
    assertEquals((await ask("PUT", "/a", length(1000), "x".repeat(1000))).status, 201);
    assertEquals((await ask("PUT", "/b", length(1001), "x".repeat(1001))).status, 413);
    assertEquals((await ask("PUT", "/b", {}, streamOf(bytesOf(1, 10)))).status, 411);
    assertEquals((await ask("PUT", "/b", { "content-length": "x" }, "x")).status, 400);
    const free = asker(store, { ...ALL, maxBodyBytes: 100_000 });
    assertEquals((await free("PUT", "/b", {}, streamOf(bytesOf(1, 100_001)))).status, 413);
    assertEquals((await free("PUT", "/c", {}, streamOf(bytesOf(1, 100_000)))).status, 201);
    // A runtime may end a body early as if that were all of it.
    assertEquals((await free("PUT", "/d", length(20), streamOf(bytesOf(1, 10)))).status, 400);
    assertEquals((await free("PUT", "/d", length(5), streamOf(bytesOf(1, 10)))).status, 400);
    assertEquals(await keysOf(store), ["a", "c"]);
    await assertEmptiable(store);
  });

  it("keeps within limits of time", async () => {
    await using store = await BlobStore.open(memory());
    const ask = asker(store, { ...ALL, idleTimeoutMs: 50 });
    const [idle] = slowStream(bytesOf(1, 10));
    const late = await ask("PUT", "/a", {}, idle);
    assertEquals([late.status, late.headers.get("connection")], [408, "close"]);
    const dripping = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await sleep(10);
        controller.enqueue(bytesOf(1, 1));
      },
    });
    const whole = asker(store, { ...ALL, bodyTimeoutMs: 150 });
    assertEquals((await whole("PUT", "/a", {}, dripping)).status, 408);
    assertEquals(await keysOf(store), []);
    await assertEmptiable(store);
  });

  it("keeps nothing of a body that fails, and says that it is full", async () => {
    await using store = await BlobStore.open(memory(M));
    const errors: unknown[] = [];
    const ask = asker(store, { ...ALL, onError: (error) => errors.push(error) });
    await ask("PUT", "/a", {}, "kept");
    const failing = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("its client has gone")),
    });
    assertEquals((await ask("PUT", "/a", {}, failing)).status, 400);
    assertEquals(errors, [], "that a client goes away is no event");
    const full = await ask("PUT", "/a", {}, streamOf(bytesOf(1, 3 * M)));
    assertEquals([full.status, await full.text()], [507, "The store is full\n"]);
    assertEquals(await (await ask("GET", "/a")).text(), "kept");
    await assertEmptiable(store);
  });
});

describe("serveBlobs, other origins", () => {
  const preflight = {
    origin: "https://a.example",
    "access-control-request-method": "PUT",
    "access-control-request-headers": "range, if-match",
  };

  it("see nothing by default", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", "1");
    const ask = asker(store);
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await ask(method, "/a", preflight);
      assertEquals([...headers.keys()].filter((name) => name.startsWith("access-control")), []);
    }
  });

  it("see all that a reader of ranges needs", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", "123");
    const ask = asker(store, { ...ALL, cors: "*" });
    const requests = [["/a", { range: "bytes=0-1" }], ["/a", {}], ["/none", {}], ["/%", {}], [
      "/a",
      { range: "bytes=9-" },
    ], ["/a", { "if-match": '"x"' }]] as const;
    for (const [path, given] of requests) {
      const { headers } = await ask("GET", path, { origin: "https://a.example", ...given });
      assertEquals(headers.get("access-control-allow-origin"), "*");
      const exposed = headers.get("access-control-expose-headers")!.toLowerCase().split(", ");
      for (
        const name of ["content-range", "etag", "accept-ranges", "content-length", "last-modified"]
      ) assert(exposed.includes(name), name);
      assertEquals(headers.get("cross-origin-resource-policy"), "cross-origin");
    }
    const { status, headers } = await ask("OPTIONS", "/a", preflight);
    assertEquals(status, 204);
    assertEquals(headers.get("access-control-allow-methods"), "GET, HEAD, OPTIONS, PUT, DELETE");
    const allowed = headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
    for (const name of ["range", "if-match", "if-none-match", "content-type", "authorization"]) {
      assert(allowed.includes(name), name);
    }
    assert(Number(headers.get("access-control-max-age")) > 0);
    const read = await asker(store, { cors: "*" })("OPTIONS", "/a", preflight);
    assertEquals(read.headers.get("access-control-allow-methods"), "GET, HEAD, OPTIONS");
  });

  it("may be some, and caches keep them apart", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", "1");
    const ask = asker(store, { cors: ["https://a.example", "http://localhost:8080"] });
    for (
      const [origin, allowed] of [
        ["https://a.example", "https://a.example"],
        ["http://localhost:8080", "http://localhost:8080"],
        ["https://b.example", null],
        ["https://a.example.b.example", null],
        [undefined, null],
      ] as const
    ) {
      const { headers } = await ask("GET", "/a", origin === undefined ? {} : { origin });
      assertEquals(headers.get("access-control-allow-origin"), allowed);
      assertEquals(headers.get("vary"), "Origin");
      const answer = await ask("OPTIONS", "/a", { ...preflight, origin: origin ?? "null" });
      assertEquals(answer.headers.has("access-control-allow-methods"), allowed !== null);
    }
  });
});

describe("serveBlobs, a store in trouble", () => {
  it("tells nobody of damage but that there is some", async () => {
    const memoryStore = memory();
    await using store = await BlobStore.open(memoryStore);
    const errors: unknown[] = [];
    const ask = asker(store, { onError: (error) => errors.push(error) });
    const bytes = bytesOf(1, 600 * K);
    await store.put("a", bytes);
    damage(memoryStore, bytes.subarray(1000, 1016));
    for (const headers of [{}, { range: "bytes=0-2000" }] as Record<string, string>[]) {
      const response = await ask("GET", "/a", headers);
      assertEquals([response.status, response.headers.get("etag")], [500, null]);
      assertEquals(await response.text(), "The server cannot do this\n");
    }
    assert(errors.length === 2 && errors.every((error) => `${error}`.includes('Cannot read "a"')));
    const whole = await ask("GET", "/a", { range: `bytes=${64 * K}-` });
    assertSameBytes(new Uint8Array(await whole.arrayBuffer()), bytes.subarray(64 * K), "the rest");
    damage(memoryStore, bytes.subarray(500 * K, 500 * K + 16));
    const later = await ask("GET", "/a", { range: `bytes=${64 * K}-` });
    await assertRejects(() => later.arrayBuffer(), Error);
    assertEquals(errors.length, 3, "the operator is told of what breaks off");
    await assertEmptiable(store);
  });

  it("says so when it is closed", async () => {
    const store = await BlobStore.open(memory());
    const ask = asker(store);
    await store.put("a", "1");
    await store.close();
    for (
      const [method, path] of [["GET", "/a"], ["HEAD", "/a"], ["PUT", "/a"], ["DELETE", "/a"], [
        "GET",
        "/",
      ]]
    ) {
      assertEquals((await ask(method, path)).status, 503, `${method} ${path}`);
    }
  });

  it("sees a writer beside it, and is not misled by what it overwrote", async () => {
    const path = newPath();
    await using writer = await BlobStore.open(path, { create: true });
    const old = bytesOf(1, 200 * K), bytes = bytesOf(2, 200 * K);
    await writer.put("a", old);
    await writer.put("gone", bytesOf(3, 200 * K));
    await using reader = await BlobStore.open(path, { readOnly: true });
    const ask = asker(reader, {});
    for (const key of ["a", "gone"]) await writer.delete(key);
    await writer.checkpoint();
    for (const key of ["b", "a", "c", "d"]) await writer.put(key, bytes);
    for (let i = 0;; i++) {
      const response = await ask("GET", "/a");
      const etag = response.headers.get("etag");
      const body = await response.arrayBuffer().catch(() => undefined);
      // An answer that has begun is of one version, or breaks off; the next one is whole.
      if (response.status === 503 || body === undefined) assert(i < 3);
      else {
        assertEquals(etag, `"${(await writer.stat("a"))!.etag}"`);
        assertSameBytes(new Uint8Array(body), bytes, "after it was replaced");
        break;
      }
    }
    assertEquals((await ask("GET", "/gone")).status, 404);
  });
});

describe("serveBlobs, options", () => {
  it("are refused where they make no sense", async () => {
    await using store = await BlobStore.open(memory());
    for (
      const [options, message] of [
        [{ authorise: () => true }, "authorize"],
        [{ authorize: true }, "authorize to be a function, got true"],
        [{ basePath: "blobs" }, "basePath to be a path that begins with /"],
        [{ basePath: "/a?b" }, "basePath"],
        [{ list: 1 }, "list to be a boolean, got 1"],
        [{ cors: "https://a.example" }, 'cors to be "*" or an array of origins'],
        [{ cors: ["a.example"] }, 'got the string "a.example"'],
        [{ cors: ["https://a.example/"] }, "cors"],
        [{ maxBodyBytes: -1 }, "maxBodyBytes"],
        [{ maxBodyBytes: "1" }, "maxBodyBytes"],
        [{ bodyTimeoutMs: 0 }, "bodyTimeoutMs"],
        [{ idleTimeoutMs: 2 ** 31 }, "idleTimeoutMs"],
        [{ cacheControl: "a\nb" }, "cacheControl to be the text of a header"],
        [{ contentSecurityPolicy: null }, "contentSecurityPolicy"],
        [{ onError: "log" }, "onError to be a function"],
        ["/blobs", "options to be an object"],
      ] as const
    ) {
      const error = assertThrows(
        () => serveBlobs(store, options as ServeBlobsOptions),
        Error,
        message,
      );
      assert(error instanceof TypeError || error instanceof RangeError);
    }
    assertThrows(() => serveBlobs("a.blobs" as unknown as BlobStore), TypeError, "store to be");
    for (const wrong of [undefined, null, "http://x/", { url: "http://x/", method: "GET" }]) {
      const message = "Expected request to be a Request, got ";
      await assertRejects(() => serveBlobs(store)(wrong as never), TypeError, message);
    }
    assertThrows(() => nodeListener(store as never), TypeError, "handler to be a function");
    const handler = serveBlobs(store);
    for (const wrong of [7, null, { onErorr: () => {} }]) {
      assertThrows(() => nodeListener(handler, wrong as never), TypeError, "onError");
    }
    const path = newPath();
    await (await BlobStore.open(path, { create: true })).close();
    await using reader = await BlobStore.open(path, { readOnly: true });
    assertThrows(() => serveBlobs(reader, ALL), TypeError, "a store that takes writes");
  });
});
