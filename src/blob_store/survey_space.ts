/**
 * Finding out what is free in a store: what nothing lies in.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { framedLength } from "./chunks.ts";
import { takeAll } from "./entries.ts";
import { EntrySizes, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import { settle } from "./lookup.ts";
import { orderOf } from "./sort_by.ts";
import { ownPartsOf, type StoreState, updateReserve } from "./store_state.ts";
import { HEADER_LENGTH, type Part } from "./superblock.ts";

/**
 * Makes known what is free. The first call reads the whole index, and no write begins before it
 * ends; every other call is O(1). O(entries), and 16 bytes of memory for each while it lasts.
 *
 * @throws {CorruptStoreError} Two things are in one place, or the file is cut off.
 * @throws {DamagedIndexError} A leaf is damaged: nobody knows what its keys have.
 */
export async function surveySpace(state: StoreState): Promise<void> {
  // A refresh may come in between.
  while (!state.isSpaceKnown) {
    await (state.survey ??= survey(state).finally(() => state.survey = undefined));
  }
}

async function survey(state: StoreState): Promise<void> {
  const taken = new Places(), { index, space, file } = state;
  taken.addAll(state.log.parts);
  taken.addAll(state.indexParts);
  for (let slot = 0; slot < index.slots; slot++) {
    if (index.isDirty(slot) && index.isLive(slot)) taken.addAll(ownPartsOf(state, slot));
  }
  const scan = state.run?.scan();
  if (scan !== undefined) {
    const { entry } = scan;
    const sizes = space.isLimited ? new EntrySizes() : undefined;
    await takeAll(scan, () => {
      sizes?.add(entry);
      const slot = index.dirtyCount === 0
        ? -1
        : index.findBytes(entry.key.subarray(0, entry.keyLength));
      if (slot >= 0 && index.isDirty(slot)) settle(state, slot, entry);
      else if (entry.unit === MANY_PLACES) taken.addAll(entry.parts);
      else if (entry.unit !== NO_PLACE) {
        taken.add(entry.unit, space.unitsFor(framedLength(entry.size)));
      }
    });
    state.sizes = sizes;
  }
  for (const slot of index.dirtySlots()) settle(state, slot, undefined);
  const { units, sizes } = taken.columns();
  const order = orderOf(units);
  checkApart(units, sizes, order, space.granule, file.byteLength);
  let end = 0;
  for (const i of order) {
    if (units[i] > end) space.ranges.free(end, units[i] - end);
    end = units[i] + sizes[i];
  }
  const { capacity } = space.ranges;
  if (capacity > end) space.ranges.free(end, capacity - end);
  if (state.space !== space) return;
  state.isSpaceKnown = true;
  if (!file.readOnly) updateReserve(state);
}

/** Throws where places overlap, or are beyond the end of the file. */
function checkApart(
  units: Float64Array,
  sizes: Float64Array,
  order: Uint32Array,
  granule: number,
  byteLength: number,
): void {
  let end = 0;
  for (const i of order) {
    const position = HEADER_LENGTH + units[i] * granule;
    if (units[i] < end) throw new CorruptStoreError(position, "two blobs are in one place");
    end = units[i] + sizes[i];
    const bytes = HEADER_LENGTH + end * granule;
    if (bytes <= byteLength) continue;
    throw new CorruptStoreError(byteLength, `it is cut off, and had at least ${bytes} bytes`);
  }
}

/** Places, in columns that grow. */
class Places {
  #units: Float64Array = new Float64Array(1024);
  #sizes: Float64Array = new Float64Array(1024);
  #count = 0;

  add(unit: number, units: number): void {
    if (this.#count === this.#units.length) this.#grow();
    this.#units[this.#count] = unit;
    this.#sizes[this.#count++] = units;
  }

  addAll(parts: readonly Part[]): void {
    for (const { unit, units } of parts) this.add(unit, units);
  }

  #grow(): void {
    const units = new Float64Array(2 * this.#count), sizes = new Float64Array(2 * this.#count);
    units.set(this.#units);
    sizes.set(this.#sizes);
    this.#units = units;
    this.#sizes = sizes;
  }

  columns(): { units: Float64Array; sizes: Float64Array } {
    const count = this.#count;
    return { units: this.#units.subarray(0, count), sizes: this.#sizes.subarray(0, count) };
  }
}
