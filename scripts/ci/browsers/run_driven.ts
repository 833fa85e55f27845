/**
 * What needs a driver: kills of browser, renderer and worker, a full quota, incognito, and files
 * there and back. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/run_driven.ts                    # two kills of each
 * node scripts/ci/browsers/run_driven.ts kill 20            # twenty of each
 * node scripts/ci/browsers/run_driven.ts files IN.blobs OUT.blobs
 * ```
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Page } from "playwright-core";
import { type IsolatedServer, startServer } from "../browser/isolated_server.ts";
import { DrivenChromium, withProfile } from "./driven_chromium.ts";
import { serveHelpers } from "./serve_helpers.ts";

/** What the page at `/helpers` has. */
interface Helpers {
  startHelper(hasRelay: boolean): Helper;
  helper?: Helper;
}

/** What the DOM has, for whoever checks these types without it. */
interface StorageHere {
  estimate(): Promise<{ quota: number }>;
  persisted(): Promise<boolean>;
  getDirectory(): Promise<{
    getFileHandle(name: string, options?: object): Promise<{
      createWritable(): Promise<
        { write(bytes: ArrayBuffer): Promise<void>; close(): Promise<void> }
      >;
      getFile(): Promise<Blob>;
    }>;
  }>;
}

/** A worker there. */
interface Helper {
  readonly worker: { terminate(): void };
  call(name: string, ...args: unknown[]): Promise<unknown>;
}

const QUOTA = 60_000_000;
/** Puts of a tab while the owner of its store is killed. */
const PUTS = 400;
const [what = "all", ...more] = process.argv.slice(2);
const server = await serve(what === "files" ? readFileSync(more[0]) : new Uint8Array());

async function serve(file: Uint8Array): Promise<IsolatedServer> {
  const helpers = await serveHelpers();
  return await startServer((url, posted) => {
    if (url.pathname === "/file") return { type: "application/octet-stream", body: file };
    if (url.pathname !== "/posted") return helpers(url, posted);
    writeFileSync(more[1], Buffer.from(posted, "base64"));
    return { type: "text/plain", body: "" };
  });
}

const address = `${server.origin}/helpers`;

/** Starts a worker in a page, in the place of the one before; its calls go through `call`. */
async function start(page: Page, hasRelay = false): Promise<void> {
  await page.waitForFunction(() => "startHelper" in globalThis);
  await page.evaluate((hasRelay) => {
    const scope = globalThis as unknown as Helpers;
    scope.helper = scope.startHelper(hasRelay);
  }, hasRelay);
}

async function call(page: Page, name: string, ...args: unknown[]): Promise<unknown> {
  return await page.evaluate(
    ([name, args]) => (globalThis as unknown as Helpers).helper!.call(name, ...args),
    [name, args] as const,
  );
}

function expect(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}

/** Kills something in mid-put, again and again: what was acknowledged is there. */
async function kills(kind: "browser" | "renderer" | "worker", count: number): Promise<string> {
  return await withProfile(async (profile) => {
    const acknowledged = new Set<number>();
    let chromium = await DrivenChromium.start(profile, address);
    try {
      for (let i = 0; i <= count; i++) {
        const { page } = chromium;
        await start(page);
        // Its lock is free at once.
        await call(page, "open", "kills.blobs", { create: true });
        const wrong = await call(page, "missing", [...acknowledged]) as number[];
        expect(wrong.length === 0, `${kind} ${i}: missing or damaged: ${wrong.slice(0, 9)}`);
        if (i === count) break;
        if (i === 0 || kind !== "worker") {
          await page.exposeFunction("onAcknowledged", (number: number) => acknowledged.add(number));
        }
        const before = acknowledged.size;
        call(page, "putOnAndOn", 1_000_000 * (i + 1)).catch(() => {});
        while (acknowledged.size < before + 40) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        if (kind === "renderer") await chromium.killRenderers(address);
        else if (kind === "worker") {
          await page.evaluate(() => (globalThis as unknown as Helpers).helper!.worker.terminate());
        } else {
          await chromium.end();
          chromium = await DrivenChromium.start(profile, address);
        }
      }
    } finally {
      await chromium.end();
    }
    return `${count} kills of ${kind}: ${acknowledged.size} acknowledged, 0 missing, 0 damaged`;
  });
}

/** Ends the process of the tab that has a shared store open, while another tab writes. */
async function killOwners(count: number): Promise<string> {
  return await withProfile(async (profile) => {
    const acknowledged = new Set<number>(), path = "shared.blobs";
    const chromium = await DrivenChromium.start(profile, address), { page } = chromium;
    try {
      await page.exposeFunction("onAcknowledged", (number: number) => acknowledged.add(number));
      let unknown = 0;
      for (let i = 0; i < count; i++) {
        const owner = await page.context().newPage(), hasRelay = i % 2 === 1;
        await owner.goto(address);
        await start(owner, hasRelay);
        await call(owner, "share", path, { create: true });
        await start(page, hasRelay);
        await call(page, "share", path, { create: true });
        expect(await call(owner, "isOwner") === true, "the first tab is not the owner");
        const before = acknowledged.size, from = 1_000_000 * (i + 1);
        const puts = call(page, "putOnAndOn", from, from + PUTS);
        while (acknowledged.size < before + 40) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const session = await owner.context().newCDPSession(owner);
        session.send("Page.crash").catch(() => {}); // it never answers
        unknown += await puts as number;
        for (const begin = performance.now(); await call(page, "isOwner") !== true;) {
          expect(performance.now() - begin < 20_000, "the other tab does not take over");
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const wrong = await call(page, "missing", [...acknowledged]) as number[];
        expect(wrong.length === 0, `owner ${i}: missing or damaged: ${wrong.slice(0, 9)}`);
        await call(page, "close");
        await owner.close();
      }
      expect(acknowledged.size + unknown === PUTS * count, `${acknowledged.size} acknowledged`);
      return `${count} kills of owners: ${acknowledged.size} acknowledged, ${unknown} unknown, ` +
        "0 missing, 0 damaged";
    } finally {
      await chromium.end();
    }
  });
}

/** Lets the quota be used up. */
async function quota(): Promise<string> {
  return await withProfile(async (profile) => {
    const chromium = await DrivenChromium.start(profile, address), { page } = chromium;
    try {
      const session = await page.context().newCDPSession(page);
      await session.send("Storage.overrideQuotaForOrigin", {
        origin: server.origin,
        quotaSize: QUOTA,
      });
      await start(page);
      await call(page, "open", "full.blobs", { create: true });
      const size = 200_000;
      const full = await call(page, "fill", size) as Record<string, number | string>;
      expect(Number(full.puts) > 60, `only ${full.puts} puts: ${full.problem}`);
      expect(String(full.problem).includes("quota"), `the error is ${full.problem}`);
      expect(full.got === size, `${full.got} bytes came back`);
      await call(page, "close");
      await call(page, "open", "full.blobs");
      expect(await call(page, "count") === full.blobs, "reopened, it has other blobs");
      return `a quota of ${QUOTA} bytes was full after ${full.puts} puts of ${size}`;
    } finally {
      await chromium.end();
    }
  });
}

/** A store in an incognito window: it works, and nothing of it is left. */
async function incognito(): Promise<string> {
  return await withProfile(async (profile) => {
    const chromium = await DrivenChromium.start(profile, address);
    try {
      const told: string[] = [];
      for (let i = 0; i < 2; i++) {
        const context = await chromium.browser.newContext(), page = await context.newPage();
        await page.goto(address);
        await start(page);
        await call(page, "open", "secret.blobs", { create: true });
        expect(await call(page, "count") === 0, "the window before left something");
        await call(page, "put", "a", "1");
        expect(await call(page, "get", "a") === "1", "what was put is not there");
        told.push(
          await page.evaluate(async () => {
            const { storage } = navigator as unknown as { storage: StorageHere };
            const { quota } = await storage.estimate();
            return `persisted ${await storage.persisted()}, quota ${quota}`;
          }),
        );
        await context.close();
      }
      return `incognito: ${told[0]}`;
    } finally {
      await chromium.end();
    }
  });
}

/** Takes a file of a store into a browser and back unchanged, then what the browser made. */
async function files(): Promise<string> {
  return await withProfile(async (profile) => {
    const chromium = await DrivenChromium.start(profile, address), { page } = chromium;
    try {
      await start(page);
      const [length, isSame] = await page.evaluate(async () => {
        const bytes = await (await fetch("/file")).arrayBuffer();
        const { storage } = navigator as unknown as { storage: StorageHere };
        const root = await storage.getDirectory();
        const handle = await root.getFileHandle("came.blobs", { create: true });
        const stream = await handle.createWritable();
        await stream.write(bytes);
        await stream.close();
        const { helper } = globalThis as unknown as Helpers;
        await helper!.call("open", "came.blobs", { readOnly: true });
        const wrong = await helper!.call("missing", [1, 2, 4, 5, 298]) as number[];
        if (wrong.length > 0) throw new Error(`missing or damaged: ${wrong}`);
        await helper!.call("close");
        const after = new Uint8Array(await (await handle.getFile()).arrayBuffer());
        const before = new Uint8Array(bytes);
        const isSame = after.length === before.length &&
          after.every((byte, i) => byte === before[i]);
        return [before.length, isSame] as const;
      });
      expect(isSame, "a reader changed the file");
      await call(page, "open", "made.blobs", { create: true });
      await call(page, "example");
      await call(page, "close");
      await page.evaluate(async () => {
        const { storage } = navigator as unknown as { storage: StorageHere };
        const root = await storage.getDirectory();
        const file = await (await root.getFileHandle("made.blobs")).getFile();
        const bytes = new Uint8Array(await file.arrayBuffer());
        const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
        await fetch("/posted", { method: "POST", body: btoa(text) });
      });
      return `a file of ${length} bytes there, and one back`;
    } finally {
      await chromium.end();
    }
  });
}

const count = Number(more[0] ?? 2);
const parts: Readonly<Record<string, () => Promise<string>>> = {
  "kill browser": () => kills("browser", count),
  "kill renderer": () => kills("renderer", count),
  "kill worker": () => kills("worker", count),
  "kill owner": () => killOwners(count),
  quota,
  incognito,
};
const named: Readonly<Record<string, () => Promise<string>>> = what === "files"
  ? { files }
  : Object.fromEntries(
    Object.entries(parts).filter(([name]) => what === "all" || name.startsWith(what)),
  );

let passed = 0, failed = 0;
for (const [name, part] of Object.entries(named)) {
  try {
    console.log(`  ok ${name}: ${await part()}`);
    passed++;
  } catch (error) {
    console.log(`  FAILED ${name}: ${(error as Error).stack}`);
    failed++;
  }
}
server.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
