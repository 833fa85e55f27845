/**
 * Runs the suites over the origin private file system in a dedicated worker of a browser as it is
 * installed. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/run_suites.ts firefox
 * node scripts/ci/browsers/run_suites.ts chromium opfs,streams   # only these
 * ```
 *
 * @module
 */

import process from "node:process";
import { askBrowser } from "../browser/ask_browser.ts";
import { bundleWorker } from "./bundle_worker.ts";

const [browser, only] = process.argv.slice(2);

/** What the page does: it starts the worker, and posts what that posts. */
function startWorker(address: string): void {
  const worker = new Worker(address, { type: "module" });
  let posted: Promise<unknown> = Promise.resolve();
  const post = (path: string, body: string) => {
    posted = posted.then(() => fetch(path, { method: "POST", body }));
  };
  worker.onmessage = ({ data }) => {
    if (typeof data === "string") post("/line", data);
    else post("/answer", JSON.stringify(data));
  };
  worker.onerror = ({ message }) => {
    post("/line", `the worker fails: ${message}`);
    post("/answer", JSON.stringify({ passed: 0, failed: 1 }));
  };
}

const worker = await bundleWorker("tests/opfs/suites/worker.ts");
const address = `/worker.js${only === undefined ? "" : `?only=${only}`}`;
const page = `<!doctype html><title>Test</title>` +
  `<script type="module">(${startWorker})(${JSON.stringify(address)})</script>`;
const answer = await askBrowser(browser, ({ pathname }, posted) => {
  if (pathname === "/") return { type: "text/html", body: page };
  if (pathname === "/worker.js") return { type: "text/javascript", body: worker };
  if (pathname !== "/line") return undefined;
  console.log(posted);
  return { type: "text/plain", body: "" };
});
const { passed, failed } = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
