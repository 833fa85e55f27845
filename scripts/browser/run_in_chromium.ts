/**
 * Runs a module in a page of headless Chromium and prints what it prints; it ends by setting
 * `globalThis.results` to a promise of `{ passed, failed }`. Run by Node.
 *
 * ```sh
 * node scripts/browser/run_in_chromium.ts /tests/gpu/page.ts
 * node scripts/browser/run_in_chromium.ts /tests/threads/page.ts
 * ```
 *
 * @module
 */

import process from "node:process";
import { chromium } from "playwright-core";
import { CHROMIUM, prepare } from "../gpu/prepare.ts";
import { serveSources } from "./serve_sources.ts";

const [module] = process.argv.slice(2);
prepare(console.log);
const { port, server } = await serveSources();
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    "--enable-unsafe-webgpu",
    // With a GPU of its own the machine is tested on that.
    ...process.env.GPU_TEST_REAL ? [] : ["--use-webgpu-adapter=swiftshader"],
    "--no-sandbox",
  ],
});
let exitCode = 1;
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.log(message.text()));
  const crashed = new Promise<never>((_, reject) => {
    page.on("pageerror", reject);
    page.on("crash", () => reject(new Error("the page crashed")));
  });
  await page.goto(`http://127.0.0.1:${port}/?${module}`);
  const results = page.waitForFunction(
    () => (globalThis as { results?: Promise<unknown> }).results,
    undefined,
    { timeout: 600_000 },
  ).then((handle) => handle.jsonValue());
  const { passed, failed } = await Promise.race([results, crashed]) as Record<string, number>;
  console.log(`${passed} passed, ${failed} failed`);
  if (failed === 0 && passed > 0) exitCode = 0;
} finally {
  await browser.close();
  server.close();
}
process.exit(exitCode);
