/**
 * Writing a run of the index: sorted entries into leaves, one behind another.
 *
 * @module
 */

import { type IndexEntry, type LeafPlace, PAGE_LENGTH } from "./leaf.ts";
import { LeafWriter } from "./leaf_writer.ts";
import type { Crc32 } from "./runtime_hooks.ts";
import type { Separators } from "./separators.ts";
import { SeparatorsBuilder } from "./separators_builder.ts";
import type { Pending } from "./store_file.ts";

/** Pages that are written at once. */
const PIECE_PAGES = 64;

/** Figures of a run that is written. */
export interface WrittenRun {
  readonly entries: number;
  readonly pages: number;
  readonly groupPages: number;
  readonly separators: Separators;
}

/** Takes entries in the order of their keys. */
export class RunWriter {
  /** Entries so far. */
  entries = 0;
  /** Pages so far, without the leaf that is being filled. */
  pages = 0;
  readonly #leaf: LeafWriter;
  readonly #empty: LeafWriter;
  readonly #write: (page: number, bytes: Uint8Array) => Pending;
  #piece: Uint8Array = new Uint8Array(PIECE_PAGES * PAGE_LENGTH);
  /** Pages before the piece, which have been written. */
  #written = 0;
  /** The separator between the leaf that is being filled and the one before. */
  #separator: Uint8Array = new Uint8Array(0);
  readonly #separators: SeparatorsBuilder;

  /**
   * @param place Goes into each leaf.
   * @param crc32 Makes their checksums.
   * @param write Writes pages, from one of the run on: 64 at once, and at last what is left. The
   *   bytes are its own until its promise resolves.
   * @param maxSeparatorBytes Most bytes that the separators are encoded in.
   */
  constructor(
    place: LeafPlace,
    crc32: Crc32,
    write: (page: number, bytes: Uint8Array) => Pending,
    maxSeparatorBytes?: number,
  ) {
    this.#leaf = new LeafWriter(place, crc32);
    this.#empty = new LeafWriter(place, crc32);
    this.#write = write;
    this.#separators = new SeparatorsBuilder(maxSeparatorBytes);
  }

  /**
   * Takes an entry, whose key is behind the one before. A promise is to be awaited before the next
   * call.
   *
   * @throws {RangeError} The keys do not ascend, or the entry fits into no leaf.
   */
  add(entry: IndexEntry): Pending {
    let pending: Pending;
    if (!this.#leaf.add(entry)) {
      pending = this.#finishLeaf();
      this.#leaf.add(entry);
    }
    this.entries++;
    if (this.#leaf.count === 1) {
      this.#separator = entry.key.slice(0, this.#leaf.separatorLength);
    }
    return pending;
  }

  /** Writes what is left, and tells what the run has. */
  async finish(): Promise<WrittenRun> {
    if (this.#leaf.count > 0) {
      const pending = this.#finishLeaf();
      if (pending) await pending;
    }
    const pending = this.#writePiece();
    if (pending) await pending;
    const { entries, pages } = this, { groupPages } = this.#separators;
    return { entries, pages, groupPages, separators: this.#separators.finish() };
  }

  #finishLeaf(): Pending {
    let pending: Pending;
    // A leaf of two pages begins at an even one, so that no group and no extent tears it.
    if (this.#leaf.pages === 2 && this.pages % 2 !== 0) {
      this.#append(this.#empty);
      if (this.#isFull()) {
        pending = this.#writePiece();
        this.#piece = new Uint8Array(PIECE_PAGES * PAGE_LENGTH); // the other one is being written
      }
    }
    if (this.pages > 0 && this.pages % 2 === 0) this.#separators.add(this.pages, this.#separator);
    this.#append(this.#leaf);
    return this.#isFull() ? this.#writePiece() : pending;
  }

  #isFull(): boolean {
    return this.pages - this.#written === PIECE_PAGES;
  }

  /** Moves a leaf into the piece. */
  #append(leaf: LeafWriter): void {
    const { pages } = leaf;
    this.#piece.set(leaf.finish(this.pages), (this.pages - this.#written) * PAGE_LENGTH);
    this.pages += pages;
  }

  #writePiece(): Pending {
    const first = this.#written, count = this.pages - first;
    if (count === 0) return undefined;
    this.#written = this.pages;
    return this.#write(first, this.#piece.subarray(0, count * PAGE_LENGTH));
  }
}
