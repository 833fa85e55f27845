/**
 * Writing the index of a checkpoint: the run there is and the table become one run.
 *
 * @module
 */

import { StoreFullError } from "./blob_store_errors.ts";
import { framedLength, ownParts } from "./chunks.ts";
import { TableEntry, takeAll } from "./entries.ts";
import { EntrySizes, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { type IndexEntry, PAGE_LENGTH } from "./leaf.ts";
import { settle } from "./lookup.ts";
import { PageMap, writePages } from "./page_map.ts";
import { encodeRoot, flagsFor, type Run } from "./root.ts";
import { RunWriter } from "./run_writer.ts";
import type { Space } from "./space.ts";
import type { Pending, StoreFile } from "./store_file.ts";
import { inPairs, type StoreState } from "./store_state.ts";
import { MAX_PARTS, type Part } from "./superblock.ts";

/** Most pieces of a run. */
const MAX_EXTENTS = 128;
/** Pages that a run asks for at once where it needs more than it was thought to. */
const MORE_PAGES = 16;

/** The index of a checkpoint, written but not yet durable. */
export interface WrittenIndex {
  /** None where there are no blobs. */
  readonly run: Run | undefined;
  /** The bytes of the root, and where they are. */
  readonly root: Uint8Array;
  readonly rootParts: readonly Part[];
  /** Sizes of its entries, in a file with a greatest length. */
  readonly sizes: EntrySizes | undefined;
  /** The first unit behind all of it and behind all blobs. */
  readonly end: number;
}

/**
 * Writes a run of all that is alive, and its root. Replaced entries are settled on the way.
 * O(entries + pages); 16 pages are read and 64 written at once.
 *
 * @param pages Where the run goes.
 * @param places Where blobs are that were in the log, by slot.
 * @param taken Gets what is taken for it, so that the caller can give it back.
 * @param maxSeparatorBytes Most bytes of separators in the root.
 * @throws {DamagedIndexError} A leaf of the run there is, is damaged: its keys would be lost.
 */
export async function writeIndex(
  state: StoreState,
  id: number,
  sequence: number,
  pages: PageSpace,
  places: ReadonlyMap<number, readonly Part[]>,
  taken: Part[],
  maxSeparatorBytes?: number,
): Promise<WrittenIndex> {
  const { file, space } = state, { uuid } = state.log.superblock, merge = new Merge(state, places);
  const writer = new RunWriter(
    { uuid, run: id, sequence },
    file.crc32,
    (page, bytes) => pages.write(page, bytes),
    maxSeparatorBytes,
  );
  const sizes = space.isLimited ? new EntrySizes() : undefined;
  let end = 0;
  await takeAll(merge, () => {
    sizes?.add(merge.entry);
    end = Math.max(end, endOf(space, merge.entry));
    return writer.add(merge.entry);
  });
  const { entries, pages: count, groupPages, separators } = await writer.finish();
  const extents = pages.finish(count);
  const { blobs, blobBytes, features } = state, flags = flagsFor(features);
  if (count === 0 && features === 0) {
    return { run: undefined, root: new Uint8Array(0), rootParts: [], sizes, end: 0 };
  }
  const runs: Run[] = count === 0
    ? []
    : [{ id, sequence, entries, pages: count, groupPages, extents, separators, flags }];
  const content = { blobs, blobBytes, nextRun: id + 1, features, runs };
  const { length } = encodeRoot({ ...content, end: 0 });
  const rootParts = await space.allocateFirst(space.unitsFor(length), MAX_PARTS);
  taken.push(...rootParts);
  for (const { unit, units } of [...extents, ...rootParts]) end = Math.max(end, unit + units);
  const root = encodeRoot({ ...content, end });
  let done = 0;
  for (const part of rootParts) {
    const { position, length } = space.rangeOf(part);
    const pending = file.write(position, root.subarray(done, done + length));
    if (pending) await pending;
    done += length;
  }
  return { run: runs[0], root, rootParts, sizes, end };
}

/** The first unit behind a blob. */
function endOf(space: Space, entry: IndexEntry): number {
  const { unit, size } = entry;
  if (unit === NO_PLACE) return 0;
  if (unit !== MANY_PLACES) return unit + space.unitsFor(framedLength(size));
  return Math.max(...ownParts(entry, space.granule).map(({ unit, units }) => unit + units));
}

/** All that is alive, in the order of the keys: of the run, and over it of the table. */
class Merge {
  /** The entry at hand. */
  entry!: IndexEntry;
  readonly #state: StoreState;
  readonly #places: ReadonlyMap<number, readonly Part[]>;
  /** The dirty slots in order, and the next of them. */
  readonly #slots: Uint32Array;
  #next = 0;
  readonly #table: PlacedEntry;
  readonly #scan;
  /** True if the scan is at an entry that is not taken yet, and whether there are more. */
  #isAhead = false;
  #hasMore: boolean;

  constructor(state: StoreState, places: ReadonlyMap<number, readonly Part[]>) {
    this.#state = state;
    this.#places = places;
    this.#slots = state.index.dirtySlots();
    this.#table = new PlacedEntry(state.index);
    this.#scan = state.run?.scan();
    this.#hasMore = this.#scan !== undefined;
  }

  /** Goes to the next entry. False: there is none. */
  next(): boolean | Promise<boolean> {
    while (true) {
      if (this.#hasMore && !this.#isAhead) {
        const more = this.#scan!.next();
        if (typeof more !== "boolean") {
          return more.then((more) => {
            this.#isAhead = this.#hasMore = more;
            return this.next();
          });
        }
        this.#isAhead = this.#hasMore = more;
      }
      if (!this.#isAhead && this.#next === this.#slots.length) return false;
      if (this.#take()) return true;
    }
  }

  /** Takes what comes first. False: it was deleted. */
  #take(): boolean {
    const { index } = this.#state, scanned = this.#isAhead ? this.#scan!.entry : undefined;
    let order = 1;
    const slot = this.#slots[this.#next];
    if (this.#next < this.#slots.length) {
      order = scanned === undefined ? -1 : index.compareTo(slot, scanned.key, scanned.keyLength);
    }
    if (order >= 0) this.#isAhead = false;
    if (order > 0) {
      this.entry = scanned!;
      return true;
    }
    this.#next++;
    const isLive = index.isLive(slot);
    settle(this.#state, slot, order === 0 ? scanned : undefined);
    if (!isLive) return false;
    this.#table.slot = slot;
    this.#table.placed = this.#places.get(slot);
    this.entry = this.#table;
    return true;
  }
}

/** A slot of the table whose blob may be elsewhere by now. */
class PlacedEntry extends TableEntry {
  /** Where it is, if it was in the log. */
  placed: readonly Part[] | undefined;

  override get unit(): number {
    const { placed } = this;
    if (placed === undefined) return super.unit;
    return placed.length === 1 ? placed[0].unit : MANY_PLACES;
  }

  override get parts(): readonly Part[] {
    return this.placed ?? super.parts;
  }
}

/** The pages of a run that is being written, and where they go. */
export class PageSpace {
  readonly #file: StoreFile;
  readonly #space: Space;
  /** Parts that the caller releases if this fails. */
  readonly #taken: Part[];
  readonly #map: PageMap;
  readonly #extents: Part[] = [];

  constructor(file: StoreFile, space: Space, taken: Part[]) {
    this.#file = file;
    this.#space = space;
    this.#taken = taken;
    this.#map = new PageMap(space.granule);
  }

  write(page: number, bytes: Uint8Array): Pending {
    const missing = page + bytes.length / PAGE_LENGTH - this.#map.capacity;
    if (missing <= 0) return writePages(this.#file, this.#map, page, bytes);
    return this.take(Math.max(missing, MORE_PAGES)).then(() => this.write(page, bytes));
  }

  /**
   * Takes room for so many pages more, if any, in pieces where it must be. Each has an even number
   * of pages: none tears a leaf of two.
   *
   * @throws {StoreFullError} There is none.
   */
  async take(pages: number): Promise<void> {
    if (pages === 0) return;
    const space = this.#space, before = this.#map.capacity, pair = 2 * PAGE_LENGTH;
    for (const part of await this.#allocate(Math.ceil(pages / 2))) {
      const pairs = Math.floor(space.byteLength(part) / pair);
      const kept = cut(space, part, space.unitsFor(pairs * pair));
      if (kept === undefined) continue;
      this.#extents.push(kept);
      this.#taken.push(kept);
      this.#map.add(kept);
    }
    if (this.#map.capacity === before) throw new StoreFullError(pages * PAGE_LENGTH, 0);
  }

  /** Room for so many pairs of pages, or for fewer where there is not more. */
  async #allocate(pairs: number): Promise<Part[]> {
    const space = this.#space, most = MAX_EXTENTS - this.#extents.length;
    while (true) {
      try {
        return await space.allocateReserved(space.unitsFor(pairs * 2 * PAGE_LENGTH), most);
      } catch (error) {
        if (!(error instanceof StoreFullError) || pairs === 1) throw error;
        pairs = Math.ceil(pairs / 2);
      }
    }
  }

  /** Gives back what is behind so many pages. Gives the extents that are left. */
  finish(pages: number): Part[] {
    const space = this.#space, used: Part[] = [];
    // Half of a pair would be of no use to the next run, which has no other place here.
    let left = space.isTight ? inPairs(pages) : pages;
    for (const extent of this.#extents) {
      const count = Math.min(left, Math.floor(space.byteLength(extent) / PAGE_LENGTH));
      const kept = cut(space, extent, space.unitsFor(count * PAGE_LENGTH));
      if (kept !== undefined) used.push(kept);
      left -= count;
    }
    const others = this.#taken.filter((part) => !this.#extents.includes(part));
    this.#taken.splice(0, Infinity, ...others, ...used);
    return used;
  }
}

/** Frees what is behind the first units of a part. Gives the part that is left, if any. */
function cut(space: Space, { unit, units }: Part, kept: number): Part | undefined {
  if (kept < units) space.ranges.free(unit + kept, units - kept);
  return kept > 0 ? { unit, units: kept } : undefined;
}
