/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * The worker of the photo shelf: it has the store, and makes a thumbnail of every photo.
 *
 * @module
 */

import { BlobStore, type MessagePortLike, serveBlobStore } from "@suballoc/offset-allocator/opfs";
import {
  type AddReport,
  type AddRequest,
  type NamedFile,
  type PhotoInfo,
  PHOTOS,
  SHELF,
  THUMBS,
} from "./photos.ts";

/** The longer side of a thumbnail, in pixels. */
const THUMB_PIXELS = 480;
/** Photos that are decoded at once. */
const AT_ONCE = 4;

const page = globalThis as unknown as MessagePortLike;
const opening = BlobStore.open<PhotoInfo>(SHELF, { create: true });
serveBlobStore(opening);

page.addEventListener("message", ({ data }) => {
  const { add } = data as Partial<AddRequest>;
  if (add !== undefined) void addAll(add);
});

/** Adds files, and tells the page what came of each. */
async function addAll(files: readonly NamedFile[]): Promise<void> {
  const tell = (report: AddReport) => page.postMessage(report);
  const left = files.values(); // each loop takes the next one
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const { path, file } of left) {
      try {
        await addPhoto(await opening, path, file);
        tell({ added: path });
      } catch (error) {
        tell({ refused: path, reason: (error as Error).message });
      }
    }
  }));
  tell({ allDone: true });
}

/** Puts a photo and its thumbnail: both, or none. */
async function addPhoto(blobs: BlobStore<PhotoInfo>, path: string, file: File): Promise<void> {
  const image = await createImageBitmap(file), { width, height } = image;
  const scale = Math.min(1, THUMB_PIXELS / Math.max(width, height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  const thumb = await canvas.convertToBlob({ type: "image/webp", quality: 0.8 });
  const info = { width, height, modified: file.lastModified };
  await blobs.batch([
    { type: "put", key: PHOTOS + path, value: file, metadata: { ...info, type: file.type } },
    { type: "put", key: THUMBS + path, value: thumb, metadata: { ...info, type: thumb.type } },
  ]);
}
