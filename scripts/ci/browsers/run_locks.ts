/**
 * Runs the cases of workers, tabs and ports in a browser as it is installed. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/run_locks.ts firefox
 * node scripts/ci/browsers/run_locks.ts firefox "share over"   # only cases with these words
 * ```
 *
 * @module
 */

import process from "node:process";
import { askBrowser } from "../browser/ask_browser.ts";
import { bundleWorker } from "./bundle_worker.ts";
import { serveHelpers } from "./serve_helpers.ts";

/** What the page does besides: it posts what is printed, and the results. */
async function reportResults(): Promise<void> {
  let posted: Promise<unknown> = Promise.resolve();
  console.log = (...parts: unknown[]) => {
    const body = parts.map(String).join(" ");
    posted = posted.then(() => fetch("/line", { method: "POST", body }));
  };
  const told = (error: unknown) => console.log(`uncaught: ${error}`);
  addEventListener("error", ({ message }) => told(message));
  addEventListener("unhandledrejection", ({ reason }) => told(reason));
  await import("/locks.js" as string);
  const results = await (globalThis as { results?: Promise<unknown> }).results;
  await posted;
  await fetch("/answer", { method: "POST", body: JSON.stringify(results) });
}

const locks = await bundleWorker("tests/opfs/pages/locks.ts"), serve = await serveHelpers();
const only = JSON.stringify(process.argv[3] ?? "");
const page =
  `<!doctype html><title>Test</title><body><script type="module">globalThis.only = ${only};` +
  `(${reportResults})()</script>`;
const answer = await askBrowser(process.argv[2], (url, posted) => {
  if (url.pathname === "/") return { type: "text/html", body: page };
  if (url.pathname === "/locks.js") return { type: "text/javascript", body: locks };
  if (url.pathname !== "/line") return serve(url, posted);
  console.log(posted);
  return { type: "text/plain", body: "" };
});
const { passed, failed } = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
