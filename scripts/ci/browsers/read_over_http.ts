/**
 * Reads a published store from a page of another origin, in a browser as it is installed: how many
 * requests come, whether any is a preflight, what the cache of the browser spares. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/read_over_http.ts chromium
 * ```
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { build } from "esbuild";
import { MemoryStore } from "../../../backends/memory.ts";
import { BlobStore, publishBlobs } from "../../../src/blob_store/mod.ts";
import { askBrowser } from "../browser/ask_browser.ts";

const COUNT = 6000, READ = 30;

/** What a page found. */
interface Answer {
  readonly passed: number;
  readonly failed: number;
}

/** A file that is published, with so many blobs. */
async function publishedFile(): Promise<Uint8Array> {
  const from = new MemoryStore(0, { maxByteLength: 2 ** 28 });
  const store = await BlobStore.open(from, { durability: "none" });
  for (let i = 0; i < COUNT; i += 500) {
    await store.batch(Array.from({ length: 500 }, (_, j) => {
      const value = new Uint8Array(100 + (i + j) % 3000).fill(i + j);
      return { type: "put", key: `key-${String(i + j).padStart(6, "0")}`, value };
    }));
  }
  const to = new MemoryStore(0, { maxByteLength: 2 ** 28 });
  await publishBlobs(store, to);
  return to.view(0, to.byteLength).slice();
}

/** A page: it reads twice, once with a header, and posts what it found. */
async function readInPage(origin: string, modulePath: string, count: number, read: number) {
  const lines: string[] = [];
  let passed = 0;
  const check = (what: string, isRight: boolean, got: unknown = "") => {
    if (isRight) passed++;
    else lines.push(`${what}: ${JSON.stringify(got)}`);
  };
  const seen = async (): Promise<{ get: number; options: number }> =>
    await (await fetch("/seen", { method: "POST" })).json();
  try {
    const { HttpBlobStore } = await import(
      modulePath
    ) as typeof import("../../../backends/http/mod.ts");
    const url = `${origin}/photos.blobs`;
    const visit = async (options: Parameters<typeof HttpBlobStore.open>[1] = {}) => {
      const store = await HttpBlobStore.open(url, options);
      for (let n = 0; n < read; n++) {
        const i = (7919 * n) % count, key = `key-${String(i).padStart(6, "0")}`;
        const bytes = await store.get(key);
        const isSame = bytes?.length === 100 + i % 3000 && bytes.every((b) => b === i % 256);
        if (!isSame) check(key, false, bytes?.length);
      }
      return store.requests;
    };
    await seen();
    const sent = await visit();
    const first = await seen();
    check("the first visit: requests", first.get === sent && sent <= 1 + 2 * read, first);
    check("the first visit: no preflight", first.options === 0, first);
    await visit();
    const second = await seen();
    const isChromium = /Chrome/.test(navigator.userAgent);
    const expected = isChromium ? 0 : sent;
    check(`the second visit: ${expected} requests`, second.get <= expected, second);
    check("the second visit: no preflight", second.options === 0, second);
    await visit({ headers: { "x-token": "1" } });
    const third = await seen();
    check("with a header: preflights", third.options > 0, third);
    lines.push(`${sent} requests, then ${second.get}, ${first.options} preflights`);
    const away = await HttpBlobStore.open(`${origin}/hidden.blobs`).catch(String);
    check("without CORS it is refused", /StorageError/.test(String(away)), String(away));
  } catch (error) {
    check("it runs", false, `${error}`);
  }
  const failed = lines.length - 1;
  await fetch("/line", { method: "POST", body: lines.join("\n") });
  await fetch("/answer", { method: "POST", body: JSON.stringify({ passed, failed }) });
}

const [browser] = process.argv.slice(2);
const file = await publishedFile();
let get = 0, options = 0;
// The server of the file, which is another origin than that of the page.
const files = createServer((request, response) => {
  const isHidden = request.url === "/hidden.blobs";
  if (request.method === "OPTIONS") options++;
  else get++;
  if (!isHidden) response.setHeader("access-control-allow-origin", "*");
  response.setHeader("cache-control", "public, max-age=600, no-transform");
  if (request.method === "OPTIONS") {
    response.setHeader("access-control-allow-headers", "range, x-token");
    response.writeHead(204).end();
    return;
  }
  const [start, last] = (request.headers.range ?? "bytes=0-").match(/\d+/g)!.map(Number);
  const end = Math.min((last ?? Infinity) + 1, file.length);
  response.writeHead(206, {
    "access-control-expose-headers": "Content-Range, ETag",
    "content-range": `bytes ${start}-${end - 1}/${file.length}`,
    "content-length": end - start,
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
    "last-modified": "Wed, 01 Jan 2025 00:00:00 GMT",
    etag: '"1"',
  }).end(file.subarray(start, end));
});
await new Promise<void>((done) => files.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
const { outputFiles: [bundle] } = await build({
  entryPoints: ["backends/http/mod.ts"],
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  write: false,
});
const values = [origin, "/http.js", COUNT, READ].map((value) => JSON.stringify(value)).join();
const page = `<!doctype html><title>Test</title>` +
  `<script type="module">(${readInPage})(${values})</script>`;
const answer = await askBrowser(browser, ({ pathname }, posted) => {
  if (pathname === "/") return { type: "text/html", body: page };
  if (pathname === "/http.js") return { type: "text/javascript", body: bundle.text };
  if (pathname === "/seen") {
    const body = JSON.stringify({ get, options });
    get = options = 0;
    return { type: "application/json", body };
  }
  if (pathname !== "/line") return undefined;
  console.log(posted);
  return { type: "text/plain", body: "" };
});
files.closeAllConnections();
files.close();
const { passed, failed }: Answer = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
