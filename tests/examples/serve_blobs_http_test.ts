/**
 * The example that serves blobs, as a server: bodies that stream, clients that go away,
 * and the command.
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
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { serve, type ServeOptions } from "../../examples/serve_blobs.ts";
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
import { complaints, damage } from "./serve_blobs_helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";

const K = 1024, M = 2 ** 20;
const SCRIPT = fileURLToPath(new URL("../../examples/serve_blobs.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

removeAfterwards();

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
    assertEquals((await bytesByKind(store)).blob, 0);
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
    assert((await bytesByKind(store)).blob >= 32 * M, "the place is given away while it is read");
    const logged = await complaints(async () => {
      socket.destroy();
      await untilVacant(store);
    });
    assertEquals(logged, "", "that a client goes away is no event");
    await assertEmptiable(store);
  });

  it("breaks a body off where it meets damage", async () => {
    const memoryStore = memory();
    await using store = await BlobStore.open(memoryStore);
    const url = await serving(store), bytes = bytesOf(1, 600 * K);
    await store.put("a", bytes);
    damage(memoryStore, bytes.subarray(500 * K, 500 * K + 16));
    const logged = await complaints(async () => {
      await assertRejects(async () => await (await fetch(`${url}/a`)).arrayBuffer());
      await sleep(20);
    });
    assertStringIncludes(logged, 'Cannot read "a"');
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
    assertEquals(await complaints(() => untilVacant(store)), "");
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
          await until("it is stored", async () => (await bytesByKind(store)).blob > 0);
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

  it("keeps the connection of whoever sends a body that it refuses", async () => {
    await using store = await BlobStore.open(memory(2 * M));
    const url = await serving(store);
    await store.put("a", "kept");
    const socket = begin(url, "PUT /a HTTP/1.1", `Content-Length: ${6 * M}`, "x".repeat(5 * M));
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => text += chunk).resume();
    await until("it answers", () => text.includes("HTTP/1.1 507 "));
    socket.write(`${"x".repeat(M)}GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    await until("it answers the next request", () => text.endsWith("kept"));
    socket.destroy();
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
      // On Windows a signal ends a process at once.
      const status = process.platform === "win32" ? [1, null] : [0, null];
      assertEquals(await ended, status, output);
    };
    return { url, stop };
  }

  it("serves, follows a writer, and closes the store when it is asked to end", async () => {
    // Windows has no signals: they end a process at once.
    const isHeard = process.platform !== "win32";
    const path = newPath();
    const writer = await start(path, "--writable");
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "1" })).status, 201);
    const reader = await start(path);
    assertEquals(await (await fetch(`${reader.url}/a`)).text(), "1");
    assertEquals((await fetch(`${reader.url}/a`, { method: "DELETE" })).status, 405);
    assertEquals((await fetch(`${writer.url}/a`, { method: "PUT", body: "2" })).status, 204);
    await until("it sees", async () => await (await fetch(`${reader.url}/a`)).text() === "2");
    assert(existsSync(`${path}.owner`));
    if (!isHeard) return;
    await Promise.all([reader.stop("SIGINT"), writer.stop("SIGTERM")]);
    if (process.platform !== "win32") {
      assert(!existsSync(`${path}.owner`), "the store was left open");
    }
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
