/**
 * Copies a published store, which `serveBlobs` serves as a file, into the origin private file
 * system of a browser, and writes to the copy. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/copy_from_http.ts firefox
 * ```
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { nodeListener, serveBlobs } from "../../../backends/http/mod.ts";
import { MemoryStore } from "../../../backends/memory.ts";
import { BlobStore, publishBlobs } from "../../../src/blob_store/mod.ts";
import { bytesFor } from "../../../tests/opfs/pages/bytes_for.ts";
import { askBrowser } from "../browser/ask_browser.ts";
import { bundleWorker } from "./bundle_worker.ts";

const COUNT = 150;

const memory = () => new MemoryStore(0, { maxByteLength: 2 ** 26 });

/** A store whose blob `photos.blobs` is a published store. */
async function storeWithFile(): Promise<BlobStore> {
  const blobs = await BlobStore.open(memory(), { durability: "none" }), file = memory();
  for (let i = 0; i < COUNT; i++) await blobs.put(`${i}`, bytesFor(i));
  await publishBlobs(blobs, file);
  const site = await BlobStore.open(memory());
  await site.put("photos.blobs", file.view(0, file.byteLength).slice());
  return site;
}

/** What the page does: it starts the worker, and posts what that found. */
async function startWorker(task: unknown): Promise<void> {
  const worker = new Worker("/worker.js", { type: "module" });
  const { line, ...counts } = await new Promise<{ line: string }>((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(task);
  });
  await fetch("/line", { method: "POST", body: line });
  await fetch("/answer", { method: "POST", body: JSON.stringify(counts) });
}

const [browser] = process.argv.slice(2);
const site = await storeWithFile();
const server = createServer(nodeListener(serveBlobs(site, { cors: "*" })));
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/photos.blobs`;
const worker = await bundleWorker("tests/opfs/pages/copy_worker.ts");
const task = JSON.stringify({ url, count: COUNT });
const page = `<!doctype html><title>Test</title>` +
  `<script type="module">(${startWorker})(${task})</script>`;
const answer = await askBrowser(browser, ({ pathname }, posted) => {
  if (pathname === "/") return { type: "text/html", body: page };
  if (pathname === "/worker.js") return { type: "text/javascript", body: worker };
  if (pathname !== "/line") return undefined;
  console.log(posted);
  return { type: "text/plain", body: "" };
});
server.closeAllConnections();
server.close();
const { passed, failed } = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
