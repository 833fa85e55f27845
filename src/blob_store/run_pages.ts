/**
 * The pages of a run in a file: read, checked, and what is known of the keys in them.
 *
 * @module
 */

import { compareBytes, LEAF_HEADER, type LeafPlace, PAGE_LENGTH } from "./leaf.ts";
import { isIntact, LeafCursor, pagesOf } from "./leaf_cursor.ts";
import { PageMap, readPages } from "./page_map.ts";
import type { Run } from "./root.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { decodeText } from "./text.ts";

/** Pages that are read at once. */
export const PAGES_AT_ONCE = 16;

/** The least and the greatest key of a leaf; none where it has no entries. */
interface LeafKeys {
  readonly first?: Uint8Array;
  readonly last?: Uint8Array;
}

/** A leaf among some pages, or a damaged page. */
export interface LeafFound extends LeafKeys {
  /** Number of its first page among them. */
  readonly page: number;
  /** 1 or 2; of a damaged page as it says. */
  readonly pages: number;
  readonly isSound: boolean;
}

/** A run in a file. */
export class RunPages {
  readonly run: Run;
  readonly place: LeafPlace;
  readonly #file: StoreFile;
  readonly #map: PageMap;
  readonly #cursor: LeafCursor;

  constructor(file: StoreFile, run: Run, uuid: Uint8Array, granule: number) {
    this.run = run;
    this.place = { uuid, run: run.id, sequence: run.sequence, flags: run.flags };
    this.#file = file;
    this.#cursor = new LeafCursor(run.flags);
    this.#map = new PageMap(granule, run.extents);
  }

  /** Where a page begins in the file. */
  positionOf(page: number): number {
    return this.#map.positionOf(page);
  }

  /** Reads as many pages as there is room for. */
  read(page: number, into: Uint8Array): Pending {
    return readPages(this.#file, this.#map, page, into);
  }

  /**
   * The same for pages of which some may not be readable, as where a sector of the disk is bad:
   * those are zeros. It fails only where none is readable.
   */
  readSome(page: number, into: Uint8Array): Pending {
    try {
      return this.read(page, into)?.catch((error) => this.#readSingly(page, into, error));
    } catch (error) {
      return this.#readSingly(page, into, error);
    }
  }

  async #readSingly(page: number, into: Uint8Array, cause: unknown): Promise<void> {
    let readable = 0;
    for (let at = 0; at < into.length; at += PAGE_LENGTH, page++) {
      const one = into.subarray(at, at + PAGE_LENGTH);
      try {
        await this.read(page, one);
        readable++;
      } catch {
        one.fill(0);
      }
    }
    if (readable === 0) throw cause;
  }

  /** Tells whether a page, or two, are as they were written there: enough for `LeafCursor.seek`. */
  isIntact(page: number, leaf: Uint8Array): boolean {
    return isIntact(leaf, this.place, page, this.#file.matches);
  }

  /** Tells whether a page, or two, are the leaf that should be there. */
  check(page: number, leaf: Uint8Array): boolean {
    return this.#keysIn(page, leaf) !== undefined;
  }

  /** Looks through pages, of which the first begins a leaf. */
  leavesIn(first: number, pages: Uint8Array): LeafFound[] {
    const leaves: LeafFound[] = [], count = pages.length / PAGE_LENGTH;
    let last: Uint8Array | undefined; // key of the sound leaf before
    for (let i = 0; i < count;) {
      const page = pages.subarray(i * PAGE_LENGTH), length = leafLength(page);
      const keys = this.#keysIn(first + i, page.subarray(0, length));
      let isSound = keys !== undefined;
      if (keys?.first === undefined) {
        // Only before a leaf of two pages, so that this begins at an even one.
        const next = pages.subarray((i + 1) * PAGE_LENGTH);
        isSound &&= (first + i) % 2 !== 0 && first + i + 1 < this.run.pages &&
          (next.length === 0 || leafLength(next) > length);
      } else {
        isSound = last === undefined || compareBytes(last, keys.first) < 0;
        if (isSound) last = keys.last;
      }
      const size = length / PAGE_LENGTH;
      leaves.push({ page: i, pages: size, isSound, ...isSound && keys });
      // Behind a damaged page a leaf may begin at once.
      i += isSound ? size : 1;
    }
    return leaves;
  }

  /** The first and the last key of the leaf that should be there; undefined: it is damaged. */
  #keysIn(page: number, leaf: Uint8Array): LeafKeys | undefined {
    if (!this.isIntact(page, leaf)) return undefined;
    const cursor = this.#cursor.open(leaf);
    if (!cursor.isSound()) return undefined;
    if (cursor.count === 0) return {};
    const last = cursor.copyKey(); // it is behind all entries
    cursor.first();
    const first = cursor.copyKey();
    const { groupPages, separators } = this.run, group = Math.floor(page / groupPages);
    if (group > 0 && compareBytes(first, separators.key(group - 1)) < 0) return undefined;
    const isBounded = group < separators.count;
    return isBounded && compareBytes(last, separators.key(group)) >= 0
      ? undefined
      : { first, last };
  }

  /** A string below all keys from a page on which begins a group, or a greater one. */
  boundBelow(page: number): string | undefined {
    const group = Math.floor(page / this.run.groupPages);
    return group === 0 ? undefined : textBelow(this.run.separators.key(group - 1));
  }

  /** A string above all keys before a page that ends a group. */
  boundAbove(page: number): string | undefined {
    const { groupPages, pages, separators } = this.run, group = Math.ceil(page / groupPages);
    return group * groupPages >= pages ? undefined : textAbove(separators.key(group - 1));
  }
}

/** Bytes of the leaf that some bytes begin with, as they say. */
export function leafLength(bytes: Uint8Array): number {
  return bytes.length >= LEAF_HEADER && pagesOf(bytes) === 2 ? 2 * PAGE_LENGTH : PAGE_LENGTH;
}

// A separator may end amid a character.

/** A string that is less than some bytes: they without their last character. */
function textBelow(bytes: Uint8Array): string | undefined {
  const start = lastCharacter(bytes);
  return start === 0 ? undefined : decodeText(bytes.subarray(0, start));
}

/** The least string that is not less than some bytes: they with their last character made whole. */
function textAbove(bytes: Uint8Array): string {
  const start = lastCharacter(bytes), lead = bytes[start];
  const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const whole = new Uint8Array(Math.max(bytes.length, start + length)).fill(0x80, bytes.length);
  whole.set(bytes);
  // Some second bytes begin later: what is less would be a longer form of a shorter one.
  if (bytes.length === start + 1 && lead === 0xe0) whole[start + 1] = 0xa0;
  if (bytes.length === start + 1 && lead === 0xf0) whole[start + 1] = 0x90;
  return decodeText(whole);
}

/** Where the last character begins. */
function lastCharacter(bytes: Uint8Array): number {
  let start = bytes.length - 1;
  while (start > 0 && (bytes[start] & 0xc0) === 0x80) start--;
  return start;
}
