/**
 * A page of headless Chromium that runs tests. Run by Node.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { chromium } from "playwright-core";
import { CHROMIUM, prepare } from "../gpu/prepare.ts";

/** What is served at an address. */
export interface Served {
  /** Its media type. */
  readonly type: string;
  readonly body: string | Uint8Array;
}

/**
 * Opens a page of a server and prints what the page prints; it ends by setting
 * `globalThis.results` to a promise of `{ passed, failed }`. Ends the process, with 0 where all
 * passed.
 *
 * @param path The page, beginning with a slash.
 * @param serve What there is at an address; `undefined` where there is nothing.
 */
export async function openPage(
  path: string,
  serve: (url: URL) => Served | undefined,
): Promise<never> {
  prepare(console.log);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost"), found = serve(url);
    // A page that is isolated has SharedArrayBuffer, and a clock of 5 µs instead of 100.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    if (found !== undefined) response.setHeader("content-type", found.type);
    else response.statusCode = url.pathname === "/favicon.ico" ? 204 : 404;
    response.end(found?.body);
  });
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
