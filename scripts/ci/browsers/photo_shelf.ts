/**
 * Uses the photo shelf of the examples as a person would: drops a folder of pictures, looks at the
 * thumbnails, reloads, deletes, exports, and drops what was exported. Run by Node.
 *
 * ```sh
 * node scripts/ci/browsers/photo_shelf.ts              # what CI runs
 * node scripts/ci/browsers/photo_shelf.ts /tmp/shots   # with pictures of it, to be looked at
 * ```
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { readStore } from "../../../tests/blob_store/format_reader.ts";
import { CHROMIUM_ARGS, programOf } from "../browser/ask_browser.ts";
import { startServer } from "../browser/isolated_server.ts";
import { bundleWorker } from "./bundle_worker.ts";
import { withProfile } from "./driven_chromium.ts";

const EXAMPLE = "examples/photo_shelf";
const FOLDER = fileURLToPath(new URL(`../../../${EXAMPLE}`, import.meta.url));
/** Pictures that are dropped, of which every fourth is a PNG. */
const PICTURES = 15;
/** Longest that anything may take, in milliseconds. */
const PATIENCE = 60_000;

const [shots] = process.argv.slice(2);

/** The page, its modules bundled as a bundler of the user does. */
const modules: Readonly<Record<string, string>> = {
  "/photo_shelf.ts": await bundleWorker(`${EXAMPLE}/photo_shelf.ts`),
  "/photos_worker.ts": await bundleWorker(`${EXAMPLE}/photos_worker.ts`),
};
const server = await startServer(({ pathname }) => {
  const file = (name: string) => readFileSync(join(FOLDER, name), "utf8");
  if (pathname === "/") return { type: "text/html", body: file("index.html") };
  if (pathname === "/photo_shelf.css") return { type: "text/css", body: file("photo_shelf.css") };
  if (!(pathname in modules)) return undefined;
  return { type: "text/javascript", body: modules[pathname] };
});

/** Draws hills under a sun, as a browser encodes them: real PNG and JPEG files, in base64. */
async function drawPicture(n: number): Promise<string> {
  const width = [1200, 900, 1600, 1200][n % 4], height = [800, 1200, 700, 1200][n % 4];
  // The page has them; whoever checks these types may not.
  const scope = globalThis as unknown as { OffscreenCanvas: new (w: number, h: number) => never };
  const canvas = new scope.OffscreenCanvas(width, height) as {
    getContext(kind: string): {
      fillStyle: unknown;
      createLinearGradient(...at: number[]): { addColorStop(at: number, colour: string): void };
      fillRect(...rectangle: number[]): void;
      beginPath(): void;
      arc(...arc: number[]): void;
      fill(): void;
    };
    convertToBlob(options: { type: string }): Promise<Blob>;
  };
  const context = canvas.getContext("2d"), hue = (n * 47) % 360;
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, `hsl(${hue} 60% 45%)`);
  sky.addColorStop(0.7, `hsl(${(hue + 50) % 360} 80% 80%)`);
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#fffbe8";
  context.beginPath();
  context.arc(width * (0.2 + (n % 5) * 0.15), height * 0.35, height * 0.08, 0, 7);
  context.fill();
  for (let hill = 0; hill < 4; hill++) {
    context.fillStyle = `hsl(${(hue + 120) % 360} 35% ${45 - hill * 10}%)`;
    for (let x = 0; x < width; x++) {
      const wave = Math.sin(x / (150 + hill * 40) + n * 3 + hill * 2) +
        0.4 * Math.sin(x / (37 + hill * 9) + n);
      context.fillRect(x, height * (0.6 + hill * 0.1) + wave * height * 0.05, 1, height);
    }
  }
  const type = n % 4 === 3 ? "image/png" : "image/jpeg";
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type })).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Makes a folder of pictures, and of what is none; returns the pictures by their paths in it. */
async function makeFolder(page: Page, folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (let n = 0; n < PICTURES; n++) {
    const place = ["Lisbon", "Lisbon", "Tatra mountains/day 2"][n % 3];
    const name = `Holidays/${place}/IMG_${1040 + n}.${n % 4 === 3 ? "png" : "jpg"}`;
    files.set(name, Buffer.from(await page.evaluate(drawPicture, n), "base64"));
  }
  const others = { "Holidays/notes.txt": "no picture", "Holidays/broken.png": "no picture either" };
  for (const [name, bytes] of [...files, ...Object.entries(others)]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return files;
}

/** Drops files or folders on the page, as the system does. */
async function drop(page: Page, path: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
    if (type === "dragOver") await page.locator("#target").waitFor();
  }
  await session.detach();
}

/** Waits until the page says something. */
async function said(page: Page, text: RegExp): Promise<string> {
  const status = page.getByRole("status").filter({ hasText: text });
  await status.waitFor();
  return (await status.textContent())!;
}

/** How many thumbnails show a picture: decoded, and of many colours. */
async function thumbnails(page: Page, expected: number): Promise<void> {
  const all = page.locator(".photo"), loaded = all.locator("img.loaded");
  await all.nth(expected - 1).scrollIntoViewIfNeeded(); // what is far away is not read
  await loaded.nth(expected - 1).waitFor();
  await all.first().scrollIntoViewIfNeeded();
  const colours = await loaded.evaluateAll((images) =>
    images.map((image) => {
      const { naturalWidth: width, naturalHeight: height } = image as unknown as Picture;
      const { document } = globalThis as unknown as { document: { createElement: CreateCanvas } };
      const context = Object.assign(document.createElement("canvas"), { width, height })
        .getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, width, height), seen = new Set<string>();
      for (let i = 0; i < data.length; i += 400) seen.add(data.slice(i, i + 4).join());
      return seen.size;
    })
  );
  assert.equal(colours.length, expected);
  assert(colours.every((number) => number > 20), `a thumbnail is blank: ${colours}`);
}

interface Picture {
  readonly naturalWidth: number;
  readonly naturalHeight: number;
}

type CreateCanvas = (name: string) => {
  getContext(kind: string): {
    drawImage(image: unknown, x: number, y: number): void;
    getImageData(...at: number[]): { readonly data: Uint8ClampedArray };
  };
};

/** Takes a picture of the page, where one is wanted. */
async function shoot(page: Page, name: string): Promise<void> {
  if (shots === undefined) return;
  mkdirSync(shots, { recursive: true });
  await page.waitForTimeout(400); // until what fades in is there
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** Drops a folder, and comes back. */
async function fill(page: Page, folder: string): Promise<void> {
  await page.getByText("Drop a folder of photos here").waitFor();
  await shoot(page, "empty");
  await drop(page, join(folder, "Holidays"));
  const text = await said(page, /added/);
  assert.match(text, new RegExp(`^${PICTURES} photos added\\. 1 other file left out\\.`));
  assert.match(text, /Holidays\/broken\.png: /);
  await thumbnails(page, PICTURES);
  assert.deepEqual(
    await page.locator("#photos h2").allTextContents(),
    ["Holidays/Lisbon10", "Holidays/Tatra mountains/day 25"],
  );
  await page.getByRole("button", { name: "Map" }).click();
  await page.locator("#map svg").waitFor();
  await shoot(page, "full");
  await page.reload();
  await thumbnails(page, PICTURES);
}

/** Looks at a photo by the keyboard, deletes it, and takes that back; then deletes another one. */
async function look(page: Page): Promise<void> {
  const first = page.getByRole("button", { name: "IMG_1040.jpg" });
  await first.focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowRight");
  const viewer = page.getByRole("dialog", { name: "IMG_1041.jpg" });
  const image = viewer.getByRole("img", { name: "IMG_1041.jpg" });
  await page.waitForFunction((image) => {
    return (image as unknown as Picture).naturalWidth === 900;
  }, await image.elementHandle());
  await shoot(page, "viewer");
  await page.keyboard.press("Escape");
  await viewer.waitFor({ state: "hidden" });
  const isFocused = (name: string) =>
    page.locator("button:focus").getByAltText(name).waitFor({ state: "attached" });
  await isFocused("IMG_1041.jpg");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Delete" }).click();
  await said(page, /IMG_1041\.jpg is deleted/);
  await isFocused("IMG_1043.png");
  assert.equal(await page.locator(".photo").count(), PICTURES - 1);
  await page.getByRole("button", { name: "Undo" }).click();
  await said(page, /is back/);
  await thumbnails(page, PICTURES);
  await page.getByRole("button", { name: "IMG_1054.jpg" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await said(page, /IMG_1054\.jpg is deleted/);
}

/** Exports, and reads the file here: it has the very bytes that were dropped. */
async function exportTo(page: Page, path: string, files: Map<string, Uint8Array>): Promise<void> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  await (await download).saveAs(path);
  const found = readStore(readFileSync(path));
  assert.equal(found.size, 2 * files.size);
  for (const [name, bytes] of files) {
    assert.deepEqual(Buffer.from(found.get(`photos/${name}`)!.bytes!), Buffer.from(bytes), name);
    const { width, height } = found.get(`thumbs/${name}`)!.metadata as Record<string, number>;
    assert(width >= 900 && height >= 700, `${name} has ${width} x ${height} pixels`);
  }
}

/** Opens what was exported, without what came later, and copies it over the shelf. */
async function openExported(
  page: Page,
  path: string,
  count: number,
  later: number,
): Promise<void> {
  await drop(page, path);
  await said(page, /photos\.blobs is open/);
  await thumbnails(page, count);
  await page.getByRole("button", { name: "Map" }).waitFor({ state: "hidden" });
  await shoot(page, "opened");
  await page.getByRole("button", { name: "Copy to my shelf" }).click();
  await said(page, new RegExp(`^${count} photos copied`));
  await thumbnails(page, count + later);
}

/** What a person does, from the first visit on. */
async function visit(context: BrowserContext, work: string): Promise<void> {
  const page = context.pages()[0], wrong: string[] = [];
  context.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  const files = await makeFolder(page, work), path = join(work, "photos.blobs");
  await page.goto(server.origin);
  await fill(page, work);
  await look(page);
  // It waits for the shelf, as long as what follows takes.
  const second = await context.newPage();
  await second.goto(server.origin);
  await page.bringToFront();
  files.delete("Holidays/Tatra mountains/day 2/IMG_1054.jpg");
  await exportTo(page, path, files);
  await page.getByRole("button", { name: "Map" }).click();
  await page.locator("#map svg").waitFor();
  await shoot(page, "deleted");
  await page.getByRole("button", { name: "Compact the file" }).click();
  await said(page, /shorter/);
  const status = second.getByRole("status").filter({ hasText: "open in another tab" });
  await status.waitFor();
  await shoot(second, "second_tab");
  await second.close();

  await page.locator("#folder").setInputFiles(join(work, "Holidays/Lisbon"));
  await said(page, /^10 photos added/);
  await thumbnails(page, files.size + 10);
  if (shots !== undefined) {
    await page.setViewportSize({ width: 390, height: 844 });
    await shoot(page, "phone");
    await page.emulateMedia({ colorScheme: "dark" });
    await shoot(page, "phone_dark");
  }
  await openExported(page, path, files.size, 10);
  assert.deepEqual(wrong, []);
}

await withProfile(async (work) => {
  const context = await chromium.launchPersistentContext(join(work, "profile"), {
    executablePath: programOf("chromium"),
    args: [...CHROMIUM_ARGS],
    acceptDownloads: true,
    timeout: PATIENCE,
    viewport: { width: 1280, height: 900 },
  });
  try {
    await visit(context, work);
    console.log(`1 passed, 0 failed`);
  } finally {
    await context.close();
    server.close();
  }
});
