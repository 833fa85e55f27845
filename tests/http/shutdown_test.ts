/**
 * Servers that are asked to end, or are killed, beside clients that write and read: nothing that
 * was acknowledged is lost.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { bytesOf, keysOf } from "../blob_store/helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";
import { servers } from "./servers.ts";

const SCRIPT = fileURLToPath(new URL("./shutdown_server.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"];
/** Puts that are acknowledged before the signal comes. */
const PUTS = 40;

removeAfterwards();

/** Starts a server of a kind as a process of its own. */
async function start(kind: string, path: string) {
  const child = spawn(process.execPath, [...RUN, SCRIPT, kind, path]);
  closeAfterwards(() => child.kill("SIGKILL"));
  let output = "";
  const ended = once(child, "close");
  const url = await new Promise<string>((resolve, reject) => {
    const take = (text: string) => {
      output += text;
      const [found] = /http:\S+\d/.exec(output) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    ended.then(() => reject(new Error(output)));
  });
  return { url, pid: child.pid!, ended, said: () => output };
}

/** Puts blobs until the server is gone; `acknowledged` gets what was. */
async function putUntilGone(url: string, name: string, acknowledged: Map<string, number>) {
  for (let i = 0;; i++) {
    const key = `${name}/${i}`, seed = i * 7 + name.length, size = i % 5 === 0 ? 300_000 : 2000;
    try {
      const body = bytesOf(seed, size).slice();
      const response = await fetch(`${url}/${key}`, { method: "PUT", body });
      await response.arrayBuffer();
      if (response.status !== 201) return;
      acknowledged.set(key, seed);
    } catch {
      return;
    }
  }
}

for (const kind of Object.keys(servers)) {
  describe(`a server over ${kind}`, () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      it(`loses nothing that was acknowledged by ${signal}`, async () => {
        if (process.platform === "win32") return; // it has no signals
        const path = newPath(), server = await start(kind, path);
        const acknowledged = new Map<string, number>();
        const clients = ["a", "bb", "ccc"].map((name) =>
          putUntilGone(server.url, name, acknowledged)
        );
        // One that reads nothing of a large answer, and one whose body never ends.
        const body = bytesOf(1, 4_000_000).slice();
        await (await fetch(`${server.url}/large`, { method: "PUT", body })).arrayBuffer();
        const port = Number(new URL(server.url).port);
        const idle = ["GET /large HTTP/1.1", "PUT /never HTTP/1.1\r\nContent-Length: 9"].map(
          (line) => {
            const socket = connect(port, "127.0.0.1");
            socket.on("error", () => {}).pause();
            socket.write(`${line}\r\nHost: a.test\r\n\r\n`);
            return socket;
          },
        );
        while (acknowledged.size < PUTS) await new Promise((resolve) => setTimeout(resolve, 5));
        const asked = Date.now();
        process.kill(server.pid, signal);
        const [code] = await server.ended;
        if (signal === "SIGTERM") {
          assertEquals(code, 0, server.said());
          assert(Date.now() - asked < 15_000, "it took too long");
          assert(!existsSync(`${path}.owner`), "the store was left open");
        }
        for (const socket of idle) socket.destroy();
        await Promise.all(clients);

        await using store = await BlobStore.open(path);
        const keys = await keysOf(store);
        assert(!keys.includes("never"), "a body without its end was kept");
        for (const [key, seed] of acknowledged) {
          assert(keys.includes(key), `${key} is lost`);
          const bytes = (await store.get(key))!;
          assertSameBytes(bytes, bytesOf(seed, bytes.length), key);
        }
        // At most what each client had under way comes on top.
        assert(keys.length <= acknowledged.size + 1 + clients.length, "more than was put");
        assertEquals((await store.verify()).damaged, []);
      });
    }
  });
}
