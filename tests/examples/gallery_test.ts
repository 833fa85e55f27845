/**
 * The example that shows pictures of one file: what is drawn, and what its server answers. A
 * browser drives its page in `scripts/ci/browsers/gallery.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HttpBlobStore } from "../../backends/http/mod.ts";
import { serveGallery } from "../../examples/gallery.ts";
import { drawPicture } from "../../examples/gallery/draw_picture.ts";
import { keyOf, makeGallery } from "../../examples/gallery/make_gallery.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/gallery.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];
const COUNT = 700;

removeAfterwards();

describe("gallery", () => {
  /** Serves a file while something is done. */
  async function serving(file: string, body: (origin: string) => Promise<void>): Promise<void> {
    const server = serveGallery(file).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  it("serves the pictures that it draws, a screen by two requests", async () => {
    const path = newPath();
    assertEquals((await makeGallery(path, COUNT)).blobs, COUNT + 1);
    await serving(path, async (origin) => {
      await using store = await HttpBlobStore.open(`${origin}/gallery.blobs`);
      const about = (await store.get("gallery.json"))!;
      assertEquals(JSON.parse(new TextDecoder().decode(about)), { count: COUNT });
      const before = store.requests, numbers = Array.from({ length: 60 }, (_, i) => 500 + i);
      const found = await Promise.all(numbers.map((number) => store.get(keyOf(number))));
      assertEquals(
        found.map((bytes) => new TextDecoder().decode(bytes)),
        numbers.map(drawPicture),
      );
      assert(store.requests - before <= 2, `${store.requests - before} requests`);
    });
  });

  it("draws another picture for each number, and the same one again", () => {
    const drawn = Array.from({ length: 2000 }, (_, i) => drawPicture(i));
    assertEquals(new Set(drawn).size, 2000);
    assertEquals(drawPicture(1999), drawn[1999]);
    for (const text of drawn) {
      assert(/^<svg xmlns="[^"]+" viewBox="0 0 160 120">.*<\/svg>$/.test(text), text);
      assert(!/NaN|undefined|Infinity/.test(text) && text.length < 2000, text);
    }
  });

  it("answers as a server of files", async () => {
    const path = newPath(), bytes = new Uint8Array(1000).map((_, i) => i);
    writeFileSync(path, bytes);
    await serving(path, async (origin) => {
      const ask = (pathname: string, range?: string, method = "GET") =>
        fetch(origin + pathname, { method, headers: range === undefined ? {} : { range } });
      const part = await ask("/gallery.blobs", "bytes=990-2000");
      assertEquals([part.status, part.headers.get("content-range")], [206, "bytes 990-999/1000"]);
      assertEquals(new Uint8Array(await part.arrayBuffer()), bytes.subarray(990));
      const whole = await ask("/gallery.blobs");
      assertEquals([whole.status, (await whole.arrayBuffer()).byteLength], [200, 1000]);
      assertEquals(whole.headers.get("etag"), part.headers.get("etag"));
      const head = await ask("/gallery.blobs", undefined, "HEAD");
      assertEquals([head.status, head.headers.get("content-length")], [200, "1000"]);
      const behind = await ask("/gallery.blobs", "bytes=1000-");
      assertEquals([behind.status, behind.headers.get("content-range")], [416, "bytes */1000"]);
      await behind.body?.cancel();
      const page = await ask("/");
      assert((await page.text()).includes("<title>Pictures from one file</title>"));
      for (const other of ["/nothing", "/library/../gallery.ts", "/library/backends/http/no.js"]) {
        const answer = await ask(other);
        assertEquals([other, answer.status], [other, 404]);
        await answer.body?.cancel();
      }
      const module = await ask("/library/backends/http/mod.js"), text = await module.text();
      // Bun does not take types away: there it needs the installed package.
      if (process.versions.bun === undefined) assert(/export \{.*HttpBlobStore/.test(text), text);
    });
  });

  it("is a command that refuses what it does not know", () => {
    const { status, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT, "--count", "0"], {
      encoding: "utf8",
    });
    assertEquals([status, stderr.includes("--help shows the usage")], [2, true]);
  });
});
