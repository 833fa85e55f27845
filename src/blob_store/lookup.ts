/**
 * Finding what is known of a key: in the table, else in the run of the last checkpoint.
 *
 * @module
 */

import { ownParts } from "./chunks.ts";
import { MAX_TIME } from "./extra.ts";
import { MANY_PLACES } from "./key_index.ts";
import type { IndexEntry } from "./leaf.ts";
import type { StoreState } from "./store_state.ts";

/**
 * Calls back with the slot of a key that has a blob; below 0: there is none. The result comes at
 * once where the table has the key, or the file answers without a promise. At most one leaf is
 * read, or a group of leaves the first time.
 *
 * A slot may be another key's as soon as something is awaited: what `use` needs of it, it takes
 * before.
 *
 * @param withExpired True if a blob whose time has come counts.
 * @throws {DamagedIndexError} The leaf that would have it is damaged.
 */
export function withSlot<T>(
  state: StoreState,
  key: string,
  use: (slot: number) => T | Promise<T>,
  withExpired = false,
): T | Promise<T> {
  const { index, run } = state, slot = index.find(key);
  if (slot >= 0) {
    index.use(slot);
    return use(isThere(state, slot, withExpired) ? slot : -1);
  }
  if (run === undefined) return use(-1);
  const found = run.find(index.keyAtHand);
  if (found instanceof Promise) return withLaterSlot(state, key, found, use, withExpired);
  if (found === undefined) return use(-1);
  const loaded = loadEntry(state, found);
  return use(isThere(state, loaded, withExpired) ? loaded : -1);
}

/** The same, once the leaf was read. */
async function withLaterSlot<T>(
  state: StoreState,
  key: string,
  pending: Promise<IndexEntry | undefined>,
  use: (slot: number) => T | Promise<T>,
  withExpired: boolean,
): Promise<T> {
  const { run } = state;
  let entry: IndexEntry | undefined;
  try {
    entry = await pending;
  } catch (error) {
    // The pages of a run that is no more may be anyone's.
    if (state.run === run) throw error;
  }
  if (state.run !== run) return await withSlot(state, key, use, withExpired);
  // It may have been written meanwhile, or loaded.
  let slot = state.index.find(key);
  if (slot < 0 && entry !== undefined) slot = loadEntry(state, entry);
  return await use(slot >= 0 && isThere(state, slot, withExpired) ? slot : -1);
}

/** Tells whether a slot has a blob that is not gone. */
function isThere(state: StoreState, slot: number, withExpired: boolean): boolean {
  return state.index.isLive(slot) && (withExpired || !isExpired(state, slot));
}

/** Tells whether the time of a blob has come: it counts as gone. */
export function isExpired({ index, settings }: StoreState, slot: number): boolean {
  const extra = index.extras.size === 0 ? undefined : index.extras.get(slot);
  return extra !== undefined && extra.expires <= settings.now();
}

/** Tells whether the time of an entry has come. */
export function hasExpired(
  { settings }: StoreState,
  { extra }: Pick<IndexEntry, "extra">,
): boolean {
  return extra !== undefined && extra.expires <= settings.now();
}

/**
 * The time by the clock of a store.
 *
 * @throws {RangeError} It is no time.
 */
export function timeNow({ settings }: StoreState): number {
  const now = Math.floor(settings.now());
  if (now >= 0 && now <= MAX_TIME) return now;
  throw new RangeError(`Expected now() to give milliseconds since 1970, got ${now}`);
}

/** Takes an entry of the run into the table, which has no such key. Gives its slot. */
export function loadEntry({ index }: StoreState, entry: IndexEntry): number {
  index.dropClean();
  const slot = index.setBytes(entry.key, 0, entry.keyLength, entry.metadata);
  index.size[slot] = entry.size;
  index.time[slot] = entry.time;
  index.seed[slot] = entry.seed;
  index.crc[slot] = entry.crc;
  index.setExtra(slot, entry.extra);
  index.place[slot] = entry.unit;
  if (entry.unit === MANY_PLACES) index.parts.set(slot, entry.parts);
  index.setClean(slot);
  return slot;
}

/**
 * Says what the run has of the key of a dirty slot: that is let go of, and counts no more. Nothing
 * happens where that was said before.
 */
export function settle(state: StoreState, slot: number, entry: IndexEntry | undefined): void {
  const { index, file, space } = state;
  if (index.isSettled(slot)) return;
  if (entry !== undefined) {
    state.blobs--;
    state.blobBytes -= entry.size;
    // Where the space is not known yet, what is not found alive in it is free.
    if (!file.readOnly && state.isSpaceKnown) state.retired.push(...ownParts(entry, space.granule));
  }
  index.settle(slot, entry !== undefined);
}

/**
 * Looks up in the run what all dirty slots replace, in the order of their keys: the figures of the
 * store are exact then, and what was replaced is free after the next flush.
 */
export async function settleAll(state: StoreState): Promise<void> {
  const { index, run } = state;
  state.unsettledUnits = 0;
  if (run === undefined || index.unsettledCount === 0) return;
  await settleSlots(state, index.dirtySlots());
}

/**
 * The same where so many looks say that at least an eighth of what was put replaces something: a
 * store that is filled is not asked for each of its keys.
 */
export async function settleIfWorth(state: StoreState, looks: number): Promise<void> {
  const { index } = state, all = index.dirtySlots();
  const sample = all.filter((slot) => !index.isSettled(slot))
    .filter((_, i, { length }) => i % Math.ceil(length / looks) === 0);
  const found = await settleSlots(state, sample);
  if (8 * found >= sample.length) await settleAll(state);
}

/** Looks up what dirty slots replace. Gives the number of those that replace something. */
async function settleSlots(state: StoreState, slots: Uint32Array): Promise<number> {
  const { index, run } = state;
  let count = 0;
  for (const slot of slots) {
    if (!index.isDirty(slot) || index.isSettled(slot)) continue;
    const key = index.keyBytes(slot).slice(), found = run?.find(key, key.length);
    const entry = found instanceof Promise ? await found : found;
    if (state.run !== run || state.index !== index) return count; // a checkpoint settled all
    if (entry !== undefined) count++;
    const now = index.findBytes(key);
    if (now >= 0 && index.isDirty(now)) settle(state, now, entry);
  }
  return count;
}
