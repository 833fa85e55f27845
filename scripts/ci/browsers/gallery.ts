/**
 * Drives the gallery of the examples in Chromium: what is on the screen is read, and nothing else.
 * Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/gallery.ts                  # 3,000 pictures
 * node scripts/ci/browsers/gallery.ts 100000 out.png   # so many, and a picture of the page
 * ```
 *
 * @module
 */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { chromium, type Page } from "playwright-core";
import { serveGallery } from "../../../examples/gallery.ts";
import { drawPicture } from "../../../examples/gallery/draw_picture.ts";
import { makeGallery } from "../../../examples/gallery/make_gallery.ts";
import { CHROMIUM_ARGS, programOf } from "../browser/ask_browser.ts";

/** Most requests for a screen: its places may be in two pieces of the index. */
const REQUESTS_PER_SCREEN = 3;

/** So many pictures are looked at briefly. */
const SHORT = 3000;

/** What the page of the gallery shows. */
interface Shown {
  readonly count: string;
  readonly requests: number;
  readonly kilobytes: number;
  /** Numbers of the pictures that are there, and what they are. */
  readonly pictures: readonly (readonly [number: number, text: string])[];
}

/** What of the DOM the page is asked for, for whoever checks these types without it. */
interface Element {
  readonly textContent: string;
  readonly nextElementSibling: Element;
  readonly src: string;
  decode(): Promise<void>;
}

/** What the page shows once all pictures of the screen are there; before, undefined. */
async function look(): Promise<Shown | undefined> {
  const { document } = globalThis as unknown as {
    document: { querySelectorAll(selector: string): Iterable<Element> };
  };
  const all = (selector: string) => [...document.querySelectorAll(selector)];
  const [problem] = all("#problem"), images = all("figure img");
  if (problem !== undefined) throw new Error(problem.textContent);
  const [count, shown, requests, bytes] = all("dd").map(({ textContent }) => textContent);
  const isShown = images.length > 0 && Number(shown) === images.length;
  if (!isShown || images.some(({ src }) => !src)) return undefined;
  const pictures = await Promise.all(images.map(async (image) => {
    await image.decode();
    const number = Number(image.nextElementSibling.textContent);
    return [number, await (await fetch(image.src)).text()] as const;
  }));
  const numberIn = (text: string) => Number(text.replace(/\D/g, ""));
  return { count, requests: numberIn(requests), kilobytes: numberIn(bytes), pictures };
}

/** Waits until all pictures of the screen are there; tells what the page shows. */
async function shown(page: Page): Promise<Shown> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    const found = await page.evaluate(look);
    if (found !== undefined) return found;
    await page.waitForTimeout(50);
  }
  throw new Error("the pictures do not come");
}

/** Throws unless the pictures are those of their numbers, from one number to another. */
function expectPictures({ pictures }: Shown, from: number): void {
  const numbers = pictures.map(([number]) => number).sort((a, b) => a - b);
  if (numbers[0] > from || numbers.at(-1)! < from + 12) {
    throw new Error(`the pictures are ${numbers[0]} to ${numbers.at(-1)}, without ${from}`);
  }
  for (const [number, text] of pictures) {
    if (text !== drawPicture(number)) throw new Error(`picture ${number} is another one`);
  }
}

async function drive(page: Page, count: number): Promise<string> {
  let last = await shown(page);
  expectPictures(last, 0);
  if (last.count !== count.toLocaleString("en")) throw new Error(`it has ${last.count} pictures`);
  const screens: string[] = [`${last.requests} requests at first`];
  const parts = count > SHORT ? [0.9, 0.25, 0.5] : [0.5];
  for (const part of parts) {
    const number = Math.floor(part * count);
    await page.fill("input", String(number));
    await page.press("input", "Enter");
    await page.waitForTimeout(150);
    const now = await shown(page), more = now.requests - last.requests;
    expectPictures(now, number);
    if (more > REQUESTS_PER_SCREEN) throw new Error(`a screen takes ${more} requests`);
    screens.push(`${more}`);
    last = now;
  }
  // What was read is kept.
  await page.fill("input", String(count > SHORT ? Math.floor(0.9 * count) : 0));
  await page.press("input", "Enter");
  await page.waitForTimeout(150);
  const again = await shown(page);
  if (again.requests !== last.requests) throw new Error("what was read is read again");
  await page.mouse.click(700, 450);
  await page.waitForSelector("dialog[open]", { timeout: 10_000 });
  return `${screens.join(", then ")}; ${last.kilobytes} kB in all`;
}

const count = Number(process.argv[2] ?? SHORT), screenshot = process.argv[3];
const folder = mkdtempSync(join(tmpdir(), "gallery-"));
let failed = 1;
try {
  const file = join(folder, "gallery.blobs"), start = performance.now();
  const { fileBytes } = await makeGallery(file, count);
  const seconds = (performance.now() - start) / 1000;
  console.log(`${count} pictures, ${fileBytes} bytes, in ${seconds.toFixed(1)} s`);
  const server = serveGallery(file).listen(0, "127.0.0.1");
  await once(server, "listening");
  const browser = await chromium.launch({
    executablePath: programOf("chromium"),
    args: [...CHROMIUM_ARGS],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    console.log(await drive(page, count));
    if (screenshot !== undefined) {
      await page.screenshot({ path: screenshot.replace(/(?=\.png$)/, "_dialog") });
      await page.keyboard.press("Escape");
      await page.screenshot({ path: screenshot });
    }
    failed = 0;
  } catch (error) {
    console.log(`FAILED: ${(error as Error).stack}`);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${1 - failed} passed, ${failed} failed`);
process.exit(failed);
