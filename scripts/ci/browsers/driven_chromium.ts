/**
 * A Chromium of its own that can be killed and started again with the same profile: what a user
 * has, who is not incognito.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Browser, chromium, type Page } from "playwright-core";
import { CHROMIUM_ARGS, programOf } from "../browser/ask_browser.ts";

/** Longest that a browser may take to start, in milliseconds. */
const START_LIMIT = 60_000;

/** A browser that runs, and its page. */
export class DrivenChromium {
  readonly browser: Browser;
  page: Page;
  readonly #child: ChildProcess;

  private constructor(browser: Browser, page: Page, child: ChildProcess) {
    this.browser = browser;
    this.page = page;
    this.#child = child;
  }

  /** Starts it with a profile, and opens an address. */
  static async start(profile: string, address: string): Promise<DrivenChromium> {
    // On a busy machine one that was killed now and then does not answer once it is started anew.
    for (let attempt = 1;; attempt++) {
      try {
        return await DrivenChromium.#start(profile, address);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  static async #start(profile: string, address: string): Promise<DrivenChromium> {
    const port = join(profile, "DevToolsActivePort");
    rmSync(port, { force: true });
    const child = spawn(programOf("chromium"), [
      ...CHROMIUM_ARGS,
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ], { stdio: "ignore", detached: true });
    try {
      const browser = await chromium.connectOverCDP(await endpointIn(port), {
        timeout: START_LIMIT / 3,
      });
      // Its own context: one of newContext() would be incognito.
      const page = await browser.contexts()[0].newPage();
      await page.goto(address);
      return new DrivenChromium(browser, page, child);
    } catch (error) {
      process.kill(-child.pid!, "SIGKILL");
      throw error;
    }
  }

  /** Kills the processes of its pages, and opens the address anew. */
  async killRenderers(address: string): Promise<void> {
    const session = await this.browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const renderers = processInfo.filter(({ type }) => type === "renderer");
    if (renderers.length === 0) throw new Error("there is no renderer");
    for (const { id } of renderers) process.kill(id, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 500)); // until the browser knows of it
    this.page = await this.browser.contexts()[0].newPage();
    await this.page.goto(address);
  }

  /** Ends it at once. */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.on("close", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    process.kill(-this.#child.pid!, "SIGKILL");
    await ended;
  }
}

async function endpointIn(path: string): Promise<string> {
  for (const start = performance.now(); performance.now() - start < START_LIMIT;) {
    try {
      const [port, address] = readFileSync(path, "utf8").split("\n");
      if (address !== undefined) return `ws://127.0.0.1:${port}${address}`;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("Chromium does not start");
}

/** Does something with a new profile, which is removed then. */
export async function withProfile<T>(body: (profile: string) => Promise<T>): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  try {
    return await body(profile);
  } finally {
    rmSync(profile, { recursive: true, maxRetries: 10, retryDelay: 200 });
  }
}
