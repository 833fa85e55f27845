/**
 * The handler behind the servers of this runtime: bodies that stream, clients that go away or lie
 * still, and what is no request for a blob.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { serveBlobs, type ServeBlobsOptions } from "../../backends/http/mod.ts";
import {
  assertEmptiable,
  assertSound,
  bytesByKind,
  bytesOf,
  keysOf,
  memory,
  RecordingStore,
  streamOf,
} from "../blob_store/helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { damage } from "./damage.ts";
import { exchange, type Server, servers } from "./servers.ts";

const K = 1024, M = K * K;

/** Waits until something holds. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !await holds(); i++) {
    assert(i < 300, `${what}: not within 6 seconds`);
    await sleep(20);
  }
}

/** Waits until no blob has a place in the file. */
async function untilVacant(store: BlobStore): Promise<void> {
  await until("the place of the blob is free", async () => {
    await store.flush();
    return (await bytesByKind(store)).blob === 0;
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

for (const [kind, serve] of Object.entries(servers)) {
  /** Serves a store while an action runs. */
  const serving = async (
    store: BlobStore,
    action: (url: string) => Promise<void>,
    options: ServeBlobsOptions = {},
  ) => {
    const server: Server = await serve(serveBlobs(store, { authorize: () => true, ...options }));
    try {
      await action(server.url);
    } finally {
      await server.close();
    }
  };

  describe(`blobs over ${kind}`, () => {
    it("stream in and out, byte for byte", async () => {
      await using store = await BlobStore.open(memory(2 ** 26));
      await serving(store, async (url) => {
        const bytes = bytesOf(1, 8 * M + 3), path = `${url}/large%20blob`;
        const headers = { "content-type": "video/mp4" };
        const put = await fetch(
          path,
          { method: "PUT", body: streamOf(bytes), headers, duplex: "half" } as RequestInit,
        );
        assertEquals(put.status, 201);
        const response = await fetch(path);
        assertEquals(response.headers.get("content-type"), "video/mp4");
        // Bun sends what streams in chunks, and keeps no length for it.
        const length = kind === "Bun.serve" ? null : `${bytes.length}`;
        assertEquals(response.headers.get("content-length"), length);
        assertSameBytes(new Uint8Array(await response.arrayBuffer()), bytes, "out");
        const last = await fetch(path, { headers: { range: "bytes=-5000000" } });
        assertEquals(last.status, 206);
        assertSameBytes(new Uint8Array(await last.arrayBuffer()), bytes.slice(-5_000_000), "part");
        const head = await exchange(url, ["HEAD /large%20blob HTTP/1.1", "Connection: close"]);
        assertMatch(head.head, new RegExp(`content-length: ${bytes.length}`, "i"));
        assertEquals(head.length, 0);
        const deleted = await fetch(path, { method: "DELETE" });
        assertEquals([deleted.status, await deleted.text()], [204, ""]);
      });
      await untilVacant(store);
    });

    it("are read no faster than the client does, and are free when that goes away", async () => {
      const recording = new RecordingStore(memory(2 ** 27));
      await using store = await BlobStore.open(recording);
      await store.put("blob", bytesOf(1, 48 * M));
      await serving(store, async (url) => {
        recording.bytesRead = 0;
        const socket = begin(url, "GET /blob HTTP/1.1", "");
        await until("it begins", () => recording.bytesRead > M);
        await sleep(300);
        const { bytesRead } = recording;
        assert(bytesRead < 24 * M, `${bytesRead} bytes for a client that waits`);
        await store.delete("blob");
        await store.flush();
        assert(
          (await bytesByKind(store)).blob >= 48 * M,
          "the place of what is read is given away",
        );
        socket.destroy();
        await untilVacant(store);
      });
      await assertEmptiable(store);
    });

    it("are free when a client reads nothing for long", async () => {
      await using store = await BlobStore.open(memory(2 ** 27));
      await store.put("blob", bytesOf(1, 48 * M));
      const idleTimeoutMs = 200;
      await serving(store, async (url) => {
        const socket = begin(url, "GET /blob HTTP/1.1", "");
        await once(socket, "connect");
        await sleep(100);
        await store.delete("blob");
        await untilVacant(store);
        socket.destroy();
      }, { idleTimeoutMs });
    });

    it("break off where they are damaged", async () => {
      const memoryStore = memory();
      await using store = await BlobStore.open(memoryStore);
      const bytes = bytesOf(1, 600 * K), errors: unknown[] = [];
      await store.put("a", bytes);
      damage(memoryStore, bytes.subarray(500 * K, 500 * K + 16));
      await serving(store, async (url) => {
        await assertRejects(async () => await (await fetch(`${url}/a`)).arrayBuffer());
        const { head, length } = await exchange(url, ["GET /a HTTP/1.1", "Connection: close"]);
        assertMatch(head, /content-length: 614400|transfer-encoding: chunked/i);
        assert(length < bytes.length, "all of it came");
        await until("the operator is told", () => errors.length === 2);
        assertMatch(String(errors[0]), /Cannot read "a"/);
      }, { onError: (error) => errors.push(error) });
      await assertEmptiable(store);
    });

    it("are not kept where the body breaks off", async () => {
      await using store = await BlobStore.open(memory());
      const errors: unknown[] = [];
      await serving(store, async (url) => {
        // More than the store gathers before it writes.
        const half = "x".repeat(2_500_000);
        for (
          const [header, body] of [
            ["Content-Length: 9000000", half],
            ["Transfer-Encoding: chunked", `2625a0\r\n${half}\r\n`],
          ]
        ) {
          for (const end of ["destroy", "end"] as const) {
            const socket = begin(url, "PUT /a HTTP/1.1", header, body);
            await until("it is stored", async () => (await bytesByKind(store)).blob > 0);
            socket[end]();
            await untilVacant(store);
            assertEquals(await keysOf(store), []);
            socket.destroy();
          }
        }
        assertEquals((await fetch(`${url}/a`, { method: "PUT", body: "whole" })).status, 201);
      }, { onError: (error) => errors.push(error) });
      assertEquals(errors, [], "that a client goes away is no event");
      await assertEmptiable(store);
    });

    it("are refused before the end of their body", async () => {
      await using store = await BlobStore.open(memory(2 * M));
      await store.put("a", "kept");
      await serving(store, async (url) => {
        const body = new Blob([bytesOf(1, 6 * M).slice()]), path = `${url}/a`;
        const full = await fetch(path, { method: "PUT", body });
        assertEquals([full.status, await full.text()], [507, "The store is full\n"]);
        const headers = { "if-none-match": "*" };
        const wrong = await fetch(path, { method: "PUT", body, headers });
        assertEquals(wrong.status, 412);
        await wrong.arrayBuffer();
        assertEquals(await (await fetch(path)).text(), "kept");
      });
      await assertEmptiable(store);
    });

    it("are unpacked by who gets them compressed", async () => {
      await using store = await BlobStore.open(memory());
      const text = "All that is said twice is said too often. ".repeat(20_000);
      await store.put("a", text, { compress: "gzip" });
      const { storedSize = 0 } = (await store.stat("a"))!;
      await serving(store, async (url) => {
        assertEquals(await (await fetch(`${url}/a`)).text(), text);
        const lines = ["GET /a HTTP/1.1", "Accept-Encoding: gzip", "Connection: close"];
        const { head, length } = await exchange(url, lines);
        assertMatch(head, /content-encoding: gzip/i);
        assert(length < storedSize + 1000, `${length} bytes came of ${storedSize}`);
      });
    });

    it("that come too slowly are refused", async () => {
      await using store = await BlobStore.open(memory());
      await serving(store, async (url) => {
        const lines = ["PUT /a HTTP/1.1", "Content-Length: 50"];
        assertMatch((await exchange(url, lines, { body: "x", ms: 1000 })).head, /^HTTP\/1.1 408 /);
      }, { idleTimeoutMs: 100 });
      assertEquals(await keysOf(store), []);
    });

    it("are all that is there", async () => {
      await using store = await BlobStore.open(memory());
      await store.put("a", "hello");
      await serving(store, async (url) => {
        for (
          const [line, status] of [
            ["GET * HTTP/1.1", 400],
            ["GET /%zz HTTP/1.1", 400],
            ["GET http://elsewhere.test/a HTTP/1.1", 200],
            ["GET //a HTTP/1.1", 404],
            ["GET /x/../../a HTTP/1.1", 200],
            ["GET /..%2fa HTTP/1.1", 404],
            ["GET /a%00 HTTP/1.1", 404],
            ["GET /a?x=../b HTTP/1.1", 200],
            ["POST /a HTTP/1.1", 405],
            ["OPTIONS /a HTTP/1.1", 204],
          ] as const
        ) {
          const { head } = await exchange(url, [line, "Connection: close"]);
          assertMatch(head, new RegExp(`^HTTP/1.1 ${status} `), line);
        }
      });
    });

    it("are got by curl", async () => {
      await using store = await BlobStore.open(memory(2 ** 26));
      const bytes = bytesOf(1, 2 * M);
      await store.put("a b/ü", bytes);
      const run = promisify(execFile),
        options = { encoding: "buffer", maxBuffer: 2 ** 24 } as const;
      if (!await run("curl", ["--version"]).then(() => true, () => false)) return;
      await serving(store, async (url) => {
        const path = `${url}/a%20b/%C3%BC`;
        const curl = async (...args: string[]) =>
          (await run("curl", ["-sS", ...args], options)).stdout;
        const text = async (...args: string[]) => new TextDecoder().decode(await curl(...args));
        const code = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
        assertSameBytes(await curl(path), bytes, "all");
        assertSameBytes(
          await curl("-r", "5-1999999", path),
          bytes.subarray(5, 2_000_000),
          "a part",
        );
        assertSameBytes(await curl("-r", "-7", path), bytes.subarray(-7), "the end");
        assertEquals(await text(...code, "-r", "9999999-", path), "416 23");
        assertEquals(await text(...code, "-I", path), "200 0");
        const etag = (await store.stat("a b/ü"))!.etag;
        assertEquals(await text(...code, "-H", `If-None-Match: "${etag}"`, path), "304 0");
        assertEquals(await text(...code, "-z", "2 Jan 2099", path), "304 0");
        assertEquals(await text(...code, "-X", "PUT", "-d", "new", `${url}/n`), "201 0");
        assertEquals(
          await text(...code, "-X", "PUT", "-H", 'If-Match: "x"', "-d", "y", `${url}/n`),
          "412 38",
        );
        assertEquals(await text(`${url}/n`), "new");
        assertEquals(await text(...code, "-X", "DELETE", `${url}/n`), "204 0");
        // Resumes where a download was broken off.
        assertSameBytes(await curl("-C", "1000000", path), bytes.subarray(1_000_000), "the rest");
      });
    });
  });
}

it("nodeListener keeps the connection of whoever sends a body that it refuses", async () => {
  await using store = await BlobStore.open(memory(2 * M));
  await store.put("a", "kept");
  const server = await servers["node:http"](serveBlobs(store, { authorize: () => true }));
  const socket = begin(
    server.url,
    "PUT /a HTTP/1.1",
    `Content-Length: ${6 * M}`,
    "x".repeat(5 * M),
  );
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => text += chunk).resume();
  await until("it answers", () => text.includes("HTTP/1.1 507 "));
  socket.write(`${"x".repeat(M)}GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await until("it answers the next request", () => text.endsWith("kept"));
  socket.destroy();
  // But not of one that goes on for ever.
  const endless = begin(server.url, "PUT /a HTTP/1.1", "Content-Length: 900000000", "");
  const piece = "x".repeat(M);
  let sent = 0;
  endless.resume().on("drain", () => endless.write(piece) && sent++);
  const pump = setInterval(() => endless.writable && endless.write(piece) && sent++, 1);
  await new Promise((resolve) => endless.on("close", resolve));
  clearInterval(pump);
  assert(sent < 200, `${sent} MiB`);
  await server.close();
});
