/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * One photo in a dialog, and the ones beside it by buttons and arrow keys.
 *
 * @module
 */

import type { BlobReader } from "@suballoc/offset-allocator/opfs";
import { byId, formatBytes } from "./dom.ts";
import type { Photo, PhotoInfo } from "./photos.ts";

/** What the viewer asks of the page. */
export interface ViewerActions {
  /** Deletes a photo. */
  readonly remove: (photo: Photo) => void;
  /** Called when the viewer closes, with what it showed last. */
  readonly closed: (photo: Photo) => void;
}

/** The dialog. */
export class PhotoViewer {
  readonly #dialog = byId<HTMLDialogElement>("viewer");
  readonly #image = byId<HTMLImageElement>("viewer-image");
  #blobs!: BlobReader<PhotoInfo>;
  #photos: readonly Photo[] = [];
  #index = 0;

  /** Listens to its buttons and keys. */
  constructor({ remove, closed }: ViewerActions) {
    const dialog = this.#dialog;
    byId("viewer-previous").addEventListener("click", () => this.#step(-1));
    byId("viewer-next").addEventListener("click", () => this.#step(1));
    byId("viewer-close").addEventListener("click", () => dialog.close());
    byId("viewer-delete").addEventListener("click", () => {
      const photo = this.#photos[this.#index];
      dialog.close();
      remove(photo);
    });
    dialog.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowLeft") this.#step(-1);
      if (key === "ArrowRight") this.#step(1);
    });
    dialog.addEventListener("close", () => {
      this.#show(undefined);
      closed(this.#photos[this.#index]);
    });
  }

  /** Shows one of these photos. */
  open(
    blobs: BlobReader<PhotoInfo>,
    photos: readonly Photo[],
    index: number,
    mayDelete: boolean,
  ): void {
    this.#blobs = blobs;
    this.#photos = photos;
    this.#index = index;
    byId("viewer-delete").hidden = !mayDelete;
    this.#dialog.showModal();
    this.#step(0);
  }

  #step(by: number): void {
    const index = this.#index + by, photo = this.#photos[index];
    if (photo === undefined) return;
    this.#index = index;
    byId<HTMLButtonElement>("viewer-previous").disabled = index === 0;
    byId<HTMLButtonElement>("viewer-next").disabled = index === this.#photos.length - 1;
    const { name, size, info: { width, height, modified } } = photo;
    byId("viewer-name").textContent = name;
    byId("viewer-facts").textContent = [
      ...width === undefined ? [] : [`${width} × ${height}`],
      formatBytes(size),
      ...modified === undefined ? [] : [new Date(modified).toLocaleDateString()],
    ].join(" · ");
    void this.#load(photo);
  }

  /** Reads a photo as a stream: the page has a Blob of it, not its bytes. */
  async #load(photo: Photo): Promise<void> {
    this.#show(undefined);
    const stream = await this.#blobs.stream(photo.key);
    if (stream === undefined) return;
    const headers = { "content-type": photo.info.type ?? "" };
    const blob = await new Response(stream, { headers }).blob();
    if (this.#dialog.open && this.#photos[this.#index] === photo) this.#show(blob);
  }

  #show(blob: Blob | undefined): void {
    URL.revokeObjectURL(this.#image.src);
    const save = byId<HTMLAnchorElement>("viewer-save"), photo = this.#photos[this.#index];
    if (blob === undefined) this.#image.removeAttribute("src");
    else this.#image.src = URL.createObjectURL(blob);
    this.#image.alt = photo.name;
    save.href = this.#image.src;
    save.download = photo.name;
  }
}
