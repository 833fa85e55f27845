/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * What the page and its worker have in common: the keys of the blobs, what is known of a photo, and
 * the messages beside those of the store.
 *
 * @module
 */

import type { BlobReader } from "@suballoc/offset-allocator/opfs";

/** Where the shelf is, and where an exported copy of it is made. */
export const SHELF = "photo_shelf.blobs", EXPORT = "photo_shelf_export.blobs";
/** How the keys of photos and of their thumbnails begin; the rest is the path of the file. */
export const PHOTOS = "photos/", THUMBS = "thumbs/";

/** The metadata of a photo and of its thumbnail. */
export interface PhotoInfo {
  /** The media type of the blob. */
  readonly type: string;
  /** Of the photo, in pixels. */
  readonly width: number;
  readonly height: number;
  /** When the file was changed last, in milliseconds since 1970. */
  readonly modified: number;
}

/** A file with its path from the dropped folder on. */
export interface NamedFile {
  readonly path: string;
  readonly file: File;
}

/** What the page asks the worker. */
export interface AddRequest {
  readonly add: readonly NamedFile[];
}

/** What the worker tells of each file, and at the end. */
export type AddReport =
  | { readonly added: string }
  | { readonly refused: string; readonly reason: string }
  | { readonly allDone: true };

/** A photo on the shelf. */
export interface Photo {
  readonly key: string;
  /** The key of what is shown of it among others. */
  readonly thumb: string;
  readonly folder: string;
  readonly name: string;
  /** Bytes in it. */
  readonly size: number;
  readonly etag: string;
  readonly info: Partial<PhotoInfo>;
}

/** The photos of any store: one that the command filled has no thumbnails. */
export async function photosOf(blobs: BlobReader<PhotoInfo>): Promise<Photo[]> {
  const photos: Photo[] = [], thumbs = new Set<string>();
  for await (const { key, size, etag, metadata } of blobs.list()) {
    if (key.startsWith(THUMBS)) thumbs.add(key);
    else if (metadata?.type?.startsWith("image/") ?? /\.(avif|gif|jpe?g|png|webp)$/i.test(key)) {
      const path = key.startsWith(PHOTOS) ? key.slice(PHOTOS.length) : key;
      const slash = path.lastIndexOf("/");
      photos.push({
        key,
        thumb: THUMBS + path,
        folder: path.slice(0, Math.max(0, slash)),
        name: path.slice(slash + 1),
        size,
        etag,
        info: metadata ?? {},
      });
    }
  }
  return photos.map((photo) => thumbs.has(photo.thumb) ? photo : { ...photo, thumb: photo.key });
}
