/**
 * A page of headless Chromium that runs tests. Run by Node.
 *
 * @module
 */

import process from "node:process";
import { chromium } from "playwright-core";
import { prepare } from "../gpu/prepare.ts";
import { programOf } from "./ask_browser.ts";
import { type Serve, startServer } from "./isolated_server.ts";

/**
 * Opens a page of a server and prints what the page prints; it ends by setting
 * `globalThis.results` to a promise of `{ passed, failed }`. Ends the process, with 0 where all
 * passed.
 *
 * @param path The page, beginning with a slash.
 */
export async function openPage(path: string, serve: Serve): Promise<never> {
  prepare(console.log);
  const { origin, close } = await startServer(serve);
  const browser = await chromium.launch({
    executablePath: programOf("chromium"),
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
    await page.goto(origin + path);
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
    close();
  }
  process.exit(exitCode);
}
