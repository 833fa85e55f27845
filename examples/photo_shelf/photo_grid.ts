/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * Thumbnails in rows, by folder. Each is read from the store when it comes near the window.
 *
 * @module
 */

import type { BlobReader } from "@suballoc/offset-allocator/opfs";
import { arrange, element } from "./dom.ts";
import type { Photo, PhotoInfo } from "./photos.ts";

/** A photo as the page has it. */
interface Tile {
  readonly photo: Photo;
  readonly item: HTMLElement;
  readonly image: HTMLImageElement;
}

/** The thumbnails of one store at a time. */
export class PhotoGrid {
  readonly #root: HTMLElement;
  readonly #onOpen: (key: string) => void;
  readonly #observer: IntersectionObserver;
  #tiles = new Map<string, Tile>();
  #blobs: BlobReader<PhotoInfo> | undefined;

  /**
   * @param root What they stand in.
   * @param onOpen Called with the key of the photo that the user wants to see.
   */
  constructor(root: HTMLElement, onOpen: (key: string) => void) {
    this.#root = root;
    this.#onOpen = onOpen;
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = this.#tiles.get((target as HTMLElement).dataset.key!);
        if (!isIntersecting || tile === undefined) continue;
        this.#observer.unobserve(target);
        void this.#load(tile);
      }
    }, { rootMargin: "600px" });
  }

  /** Shows these photos; what is there already stays as it is. */
  show(blobs: BlobReader<PhotoInfo>, photos: readonly Photo[]): void {
    const before = this.#tiles, isSame = this.#blobs === blobs;
    this.#blobs = blobs;
    this.#tiles = new Map(photos.map((photo) => {
      const tile = before.get(photo.key);
      const isKept = isSame && tile?.photo.etag === photo.etag;
      return [photo.key, isKept ? tile : this.#tileOf(photo)];
    }));
    for (const [key, tile] of before) {
      if (this.#tiles.get(key) !== tile) this.#remove(tile);
    }
    const folders = new Map<string, Tile[]>();
    for (const tile of this.#tiles.values()) {
      const { folder } = tile.photo, tiles = folders.get(folder);
      if (tiles === undefined) folders.set(folder, [tile]);
      else tiles.push(tile);
    }
    const sections = Array.from(folders, ([folder, tiles]) => this.#sectionOf(folder, tiles));
    arrange(this.#root, sections);
  }

  /** Puts the keyboard on a photo. */
  focus(photo: Photo): void {
    this.#tiles.get(photo.key)?.item.querySelector("button")?.focus();
  }

  #sectionOf(folder: string, tiles: readonly Tile[]): HTMLElement {
    const there = Array.from(this.#root.children) as HTMLElement[];
    const section = there.find(({ dataset }) => dataset.folder === folder) ??
      element("section", { "data-folder": folder }, element("h2"), element("ul"));
    const [heading, list] = section.children;
    heading.replaceChildren(folder || "Photos", element("small", {}, `${tiles.length}`));
    arrange(list, tiles.map(({ item }) => item));
    return section;
  }

  #tileOf(photo: Photo): Tile {
    const { key, name, info: { width = 1, height = 1 } } = photo;
    const image = element("img", { alt: name });
    const button = element("button", { type: "button", class: "photo" }, image);
    button.append(element("span", { "aria-hidden": "true" }, name));
    button.addEventListener("click", () => this.#onOpen(key));
    const item = element("li", { "data-key": key }, button);
    const setAspect = (aspect: number) => item.style.setProperty("--aspect", aspect.toFixed(4));
    setAspect(width / height);
    image.addEventListener("load", () => {
      setAspect(image.naturalWidth / image.naturalHeight);
      image.classList.add("loaded");
    });
    this.#observer.observe(item);
    return { photo, item, image };
  }

  async #load({ photo, image }: Tile): Promise<void> {
    const bytes = await this.#blobs?.get(photo.thumb).catch(() => undefined);
    // It may have been deleted, or another store be shown by now.
    if (bytes !== undefined && this.#tiles.get(photo.key)?.image === image) {
      image.src = URL.createObjectURL(new Blob([bytes]));
    }
  }

  #remove({ item, image }: Tile): void {
    this.#observer.unobserve(item);
    URL.revokeObjectURL(image.src);
    item.remove();
  }
}
