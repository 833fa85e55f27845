/**
 * A page of headless Chromium that runs tests. Run by Node.
 *
 * @module
 */

import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { chromium } from "playwright-core";
import { CHROMIUM, prepare } from "../gpu/prepare.ts";

/**
 * Opens a page of a server and prints what the page prints; it ends by setting
 * `globalThis.results` to a promise of `{ passed, failed }`. Ends the process, with 0 where all
 * passed.
 *
 * @param path The page, beginning with a slash.
 * @param serve Answers what the page asks for.
 */
export async function openPage(path: string, serve: RequestListener): Promise<never> {
  prepare(console.log);
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
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
    await page.goto(`http://127.0.0.1:${port}${path}`);
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
}
