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

/** What the page does: it starts one worker after the other, and posts what they post. */
async function startWorkers(addresses: readonly string[]): Promise<void> {
  let posted: Promise<unknown> = Promise.resolve();
  const post = (path: string, body: string) => {
    posted = posted.then(() => fetch(path, { method: "POST", body }));
  };
  const total = { passed: 0, failed: 0 };
  for (const address of addresses) {
    const worker = new Worker(address, { type: "module" });
    const results = await new Promise<typeof total>((resolve) => {
      worker.onmessage = ({ data }) =>
        typeof data === "string" ? post("/line", data) : resolve(data);
      worker.onerror = ({ message }) => {
        post("/line", `the worker fails: ${message}`);
        resolve({ passed: 0, failed: 1 });
      };
    });
    worker.terminate();
    total.passed += results.passed;
    total.failed += results.failed;
  }
  post("/answer", JSON.stringify(total));
}

const workers: Readonly<Record<string, string>> = {
  "/worker.js": await bundleWorker("tests/opfs/suites/worker.ts"),
  "/remote.js": await bundleWorker("tests/opfs/suites/remote_worker.ts", true),
};
const search = only === undefined ? "" : `?only=${encodeURIComponent(only)}`;
const addresses = Object.keys(workers).map((path) => path + search);
const page = `<!doctype html><title>Test</title>` +
  `<script type="module">(${startWorkers})(${JSON.stringify(addresses)})</script>`;
const answer = await askBrowser(browser, ({ pathname }, posted) => {
  if (pathname === "/") return { type: "text/html", body: page };
  if (pathname in workers) return { type: "text/javascript", body: workers[pathname] };
  if (pathname !== "/line") return undefined;
  console.log(posted);
  return { type: "text/plain", body: "" };
});
const { passed, failed } = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
