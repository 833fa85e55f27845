/**
 * A store of pictures that a program draws, published as one static file.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobStore, publishBlobs, type PublishReport } from "@suballoc/offset-allocator/blob-store";
import { drawPicture } from "./draw_picture.ts";

/** Pictures that are put at once. */
const BATCH = 500;

/** The key of a picture: keys ascend with the numbers, so that neighbours are near in the file. */
export function keyOf(number: number): string {
  return `pictures/${String(number).padStart(6, "0")}.svg`;
}

/**
 * Draws so many pictures into a store and publishes it. How many there are is a blob, too.
 *
 * @param path The file, which is written anew.
 */
export async function makeGallery(path: string, count: number): Promise<PublishReport> {
  const folder = mkdtempSync(join(tmpdir(), "gallery-"));
  try {
    await using store = await BlobStore.open(join(folder, "pictures.blobs"), {
      create: true,
      durability: "none", // what is published is durable
    });
    await store.put("gallery.json", JSON.stringify({ count }));
    for (let start = 0; start < count; start += BATCH) {
      const length = Math.min(BATCH, count - start);
      await store.batch(Array.from({ length }, (_, i) => ({
        type: "put",
        key: keyOf(start + i),
        value: drawPicture(start + i),
      })));
    }
    return await publishBlobs(store, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
