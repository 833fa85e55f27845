/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * The page of the photo shelf: what is dropped on it goes to a worker, which keeps it in a private
 * file of the browser, and what is shown comes from there.
 *
 * @module
 */

import {
  BlobSourceStore,
  BlobStore,
  RemoteBlobStore,
  StoreLockedError,
} from "@suballoc/offset-allocator/opfs";
import { byId, count, element, formatBytes } from "./dom.ts";
import { chosenFiles, droppedFiles } from "./dropped_files.ts";
import { drawFile } from "./file_map.ts";
import { PhotoGrid } from "./photo_grid.ts";
import { PhotoViewer } from "./photo_viewer.ts";
import {
  type AddReport,
  EXPORT,
  type NamedFile,
  type Photo,
  type PhotoInfo,
  photosOf,
} from "./photos.ts";

/** Photos of an opened file that are copied at once. */
const COPIED_AT_ONCE = 16;
/** How often the page follows what is added, in milliseconds. */
const REFRESH = 300;

/** The shelf of this browser, or a file that was dropped. */
type Shelf = RemoteBlobStore<PhotoInfo> | BlobStore<PhotoInfo>;

const worker = new Worker(new URL("./photos_worker.ts", import.meta.url), { type: "module" });
const grid = new PhotoGrid(byId("photos"), (key) => {
  viewer.open(shown, photos, indexOf(key), shown === own);
});
const viewer = new PhotoViewer({
  remove: (photo) => void attempt(() => remove(photo)),
  closed: (photo) => grid.focus(photo),
});

let own: RemoteBlobStore<PhotoInfo>;
/** What the page shows: `own`, or a file that was opened. */
let shown: Shelf;
let photos: readonly Photo[] = [];

/** Where a photo is among those that are shown. */
function indexOf(key: string): number {
  return photos.findIndex((photo) => photo.key === key);
}

/** Tells the user something, with a button if there is something to do. */
function say(text: string, action?: string, onAction?: () => unknown): void {
  const status = byId("status");
  status.replaceChildren(text);
  if (action === undefined) return;
  const button = element("button", { type: "button" }, action);
  button.addEventListener("click", () => {
    button.remove();
    onAction?.();
  });
  status.append(button);
}

/** Does something, and tells what goes wrong. */
async function attempt(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    say((error as Error).message);
  }
}

/** Shows what is on the shelf. */
async function refresh(): Promise<void> {
  const from = shown, found = await photosOf(from), { fileBytes } = await from.stats();
  if (from !== shown) return;
  photos = found;
  grid.show(from, photos);
  const bytes = photos.reduce((sum, { size }) => sum + size, 0);
  byId("summary").textContent = photos.length === 0 ? "" : [
    count(photos.length, "photo"),
    `${formatBytes(bytes)} in a file of ${formatBytes(fileBytes)}`,
  ].join(", ");
  byId("empty").hidden = photos.length > 0;
  byId<HTMLButtonElement>("export").disabled = photos.length === 0;
  await drawMap();
}

/** Draws the map, if it is open. */
async function drawMap(): Promise<void> {
  const map = byId("map"), drawing = byId("drawing");
  byId("compact").hidden = shown !== own;
  if (map.hidden) return;
  const width = Math.max(320, Math.min(1200, Math.floor(drawing.clientWidth)));
  drawing.innerHTML = await drawFile(shown, { title: "The file of the shelf", width });
}

/** Shows another shelf. */
async function show(shelf: Shelf): Promise<void> {
  const before: Shelf | undefined = shown;
  shown = shelf;
  byId("own-actions").hidden = shelf !== own;
  byId("opened-actions").hidden = shelf === own;
  await refresh();
  if (before !== own && before !== undefined) await before.close();
}

/** Takes what was dropped or chosen: photos, or a file that was exported. */
async function take(files: readonly NamedFile[]): Promise<void> {
  if (files.length === 1 && /\.blobs$/i.test(files[0].path)) {
    const { path, file } = files[0];
    const source = new BlobSourceStore(file);
    await show(await BlobStore.open<PhotoInfo>(source, { readOnly: true }));
    return say(`${path} is open. It is read where it lies, and nothing is copied.`);
  }
  if (shown !== own) await show(own);
  const images = files.filter(({ file }) => file.type.startsWith("image/"));
  const refused = await add(images), skipped = files.length - images.length;
  await refresh();
  say([
    `${count(images.length - refused.length, "photo")} added.`,
    ...skipped > 0 ? [`${count(skipped, "other file")} left out.`] : [],
    ...refused.slice(0, 3),
    ...refused.length > 3 ? [`${refused.length - 3} more could not be added.`] : [],
  ].join(" "));
}

/** Has the worker add photos, and shows how far it is; returns what went wrong. */
async function add(files: readonly NamedFile[]): Promise<string[]> {
  if (files.length === 0) return [];
  void navigator.storage.persist?.(); // or the browser may delete them where room is short
  const progress = byId<HTMLProgressElement>("progress"), refused: string[] = [];
  progress.max = files.length;
  progress.value = 0;
  progress.hidden = false;
  say(`Adding ${count(files.length, "photo")} …`);
  const timer = setInterval(() => void attempt(refresh), REFRESH);
  await new Promise<void>((resolve) => {
    worker.addEventListener("message", function listen({ data }: MessageEvent) {
      const report = data as AddReport; // or a message of the store, which has other names
      if ("allDone" in report) {
        worker.removeEventListener("message", listen);
        return resolve();
      }
      if ("refused" in report) {
        refused.push(`${report.refused}: ${report.reason.replace(/\.$/, "")}.`);
      }
      if ("refused" in report || "added" in report) progress.value++;
    });
    worker.postMessage({ add: files });
  });
  clearInterval(timer);
  progress.hidden = true;
  return refused;
}

/** Copies the photos of an opened file to the shelf of this browser. */
async function copyOpened(): Promise<void> {
  const from = shown, all = photos, refused: string[] = [];
  for (let i = 0; i < all.length; i += COPIED_AT_ONCE) {
    const files = all.slice(i, i + COPIED_AT_ONCE).map(async ({ key, folder, name, info }) => {
      const blob = await new Response(await from.stream(key)).blob();
      const { type = `image/${name.split(".").at(-1)}`, modified: lastModified } = info;
      const file = new File([blob], name, { type, lastModified });
      return { path: folder === "" ? name : `${folder}/${name}`, file };
    });
    refused.push(...await add(await Promise.all(files)));
  }
  await show(own);
  say([`${count(all.length - refused.length, "photo")} copied.`, ...refused].join(" "));
}

/** Deletes a photo; the user may take it back as long as the page says so. */
async function remove(photo: Photo): Promise<void> {
  const { key, thumb, name, info } = photo, index = indexOf(key);
  const kept = await Promise.all([key, thumb].map((key) => own.read(key)));
  const copies = await Promise.all(kept.map(async (blob) => {
    return { info: blob!.info, bytes: await blob!.bytes() };
  }));
  await own.batch([{ type: "delete", key }, { type: "delete", key: thumb }]);
  await refresh();
  const next = photos[Math.min(index, photos.length - 1)];
  if (next !== undefined) grid.focus(next);
  say(`${name} is deleted.`, "Undo", () =>
    attempt(async () => {
      await own.batch(copies.map(({ info: { key, metadata }, bytes }) => {
        return { type: "put", key, value: bytes, metadata: metadata ?? info as PhotoInfo };
      }));
      await refresh();
      say(`${name} is back.`);
    }));
}

/** Has the browser download a packed copy of the shelf. */
async function exportShelf(): Promise<void> {
  say("Packing the file …");
  const folder = await navigator.storage.getDirectory();
  await folder.removeEntry(EXPORT).catch(() => {}); // of last time
  const { blobs } = await own.backup(EXPORT);
  const file = await (await folder.getFileHandle(EXPORT)).getFile();
  const link = element("a", { href: URL.createObjectURL(file), download: "photos.blobs" });
  link.click();
  say(`${count(blobs / 2, "photo")} exported, in ${formatBytes(file.size)}.`);
}

/** What the buttons do, and what may be dropped. */
function listen(): void {
  const on = (id: string, action: () => Promise<unknown>) =>
    byId(id).addEventListener("click", () => void attempt(action));
  on("export", exportShelf);
  on("copy", copyOpened);
  on("back", async () => {
    await show(own);
    say("");
  });
  on("compact", async () => {
    const { releasedBytes } = await own.compact();
    await refresh();
    say(`The file is ${formatBytes(releasedBytes)} shorter.`);
  });
  on("show-map", async () => {
    const map = byId("map");
    map.hidden = !map.hidden;
    byId("show-map").setAttribute("aria-expanded", `${!map.hidden}`);
    await drawMap();
    map.scrollIntoView({ block: "nearest" });
  });
  for (const id of ["folder", "files"]) {
    const input = byId<HTMLInputElement>(id);
    input.addEventListener("change", () => void attempt(() => take(chosenFiles(input))));
  }
  new ResizeObserver(() => void attempt(drawMap)).observe(byId("drawing"));
  const target = byId("target");
  addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser would open what is dropped
    target.hidden = false;
  });
  addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) target.hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    target.hidden = true;
    const files = droppedFiles(event.dataTransfer!);
    void attempt(async () => take(await files));
  });
}

async function start(): Promise<void> {
  say("Opening the shelf …");
  try {
    own = await RemoteBlobStore.connect<PhotoInfo>(worker);
  } catch (error) {
    const isOpen = error instanceof StoreLockedError;
    const text = isOpen ? "The shelf is open in another tab." : (error as Error).message;
    return say(text, "Try again", () => location.reload());
  }
  listen();
  await show(own);
  say("");
}

void attempt(start);
