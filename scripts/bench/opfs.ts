/**
 * Measures blobs in the origin private file system of a browser, beside IndexedDB and bare
 * messages. Run by Node.
 *
 * ```sh
 * deno task bench:opfs            # in Chromium
 * deno task bench:opfs firefox
 * ```
 *
 * 2,000 blobs of 100 B to 256 KiB are put by 100 in a batch or transaction, which is durable, then
 * 4,000 are got at random, then 200 of 1,000 B are put one by one: each part interleaved with
 * IndexedDB's (`durability: "strict"`), medians of 3 rounds.
 *
 * @module
 */

import process from "node:process";
import { askBrowser } from "../ci/browser/ask_browser.ts";
import { bundleWorker } from "../ci/browsers/bundle_worker.ts";

const [browser = "chromium"] = process.argv.slice(2);
const worker = await bundleWorker("scripts/bench/opfs/worker.ts");
const page = await bundleWorker("scripts/bench/opfs/page.ts");
const answer = await askBrowser(browser, ({ pathname }) => {
  const script = pathname === "/worker.js" ? worker : pathname === "/page.js" ? page : undefined;
  if (script !== undefined) return { type: "text/javascript", body: script };
  if (pathname !== "/") return undefined;
  const body = `<!doctype html><title>Bench</title><script type="module" src="/page.js"></script>`;
  return { type: "text/html", body };
});
console.log(`${browser}\n${answer}`);
