/**
 * The example that serves blobs: its answers to requests.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { setTimeout as sleep } from "node:timers/promises";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { handle } from "../../examples/serve_blobs.ts";
import { assertEmptiable, bytesOf, keysOf, memory, streamOf } from "../blob_store/helpers.ts";
import { complaints, damage } from "./serve_blobs_helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const K = 1024;

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

/** A stream of these bytes, and what ends it. */
function slowStream(bytes: Uint8Array): [ReadableStream<Uint8Array>, () => void] {
  const { readable, writable } = new TransformStream<Uint8Array>();
  const writer = writable.getWriter();
  writer.write(bytes);
  return [readable, () => writer.close()];
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
    const ask = asker(store), bytes = bytesOf(1, 600 * K);
    await store.put("a", bytes);
    damage(memoryStore, bytes.subarray(1000, 1016));
    const logged = await complaints(async () => {
      const response = await ask("GET", "/a");
      assertEquals([response.status, response.headers.get("etag")], [500, null]);
      assertEquals(await response.text(), "The server cannot do this now\n");
    });
    assertStringIncludes(logged, 'Cannot read "a"');
    assertEquals((await ask("GET", "/a", { range: `bytes=${64 * K}-` })).status, 206);
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
