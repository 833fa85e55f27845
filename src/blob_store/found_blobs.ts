/**
 * Making a store out of what a scan found in its file: whose leaves and batches they are, and which
 * version of each blob is the newest.
 *
 * @module
 */

import { hexOf } from "../util/hex_of.ts";
import { compareBytes } from "./leaf.ts";
import { CorruptStoreError } from "./blob_store_errors.ts";
import { countThere, framedAt, GRANULES, isThere } from "./found_places.ts";
import {
  type Findings,
  type FoundBatch,
  type FoundLeaf,
  runName,
  type Version,
} from "./scan_file.ts";
import type { StoreFile } from "./store_file.ts";
import type { Superblock } from "./superblock.ts";
import { decodeText, encodeText } from "./text.ts";
import type { DamagedKeys } from "./types.ts";

/** Stores in one file that are told apart. */
const MAX_STORES = 16;

/** The versions of a blob. */
export interface FoundBlob {
  /** The newest first, up to one that deletes it. */
  readonly versions: readonly Version[];
  /** True if what was newer may be lost. */
  readonly isMaybeOld: boolean;
}

/** The remains of a store. */
export interface FoundStore {
  readonly granule: number;
  readonly blobs: ReadonlyMap<string, FoundBlob>;
  /** Between which keys leaves are missing. */
  readonly damagedIndex: readonly DamagedKeys[];
  /** Batches that are missing although others are there. */
  readonly missingCommits: number;
}

/**
 * The store that a scan found.
 *
 * @param slots The slots left of the header; the current one comes first.
 * @throws {CorruptStoreError} There is nothing.
 */
export async function storeIn(
  file: StoreFile,
  findings: Findings,
  slots: readonly Superblock[],
): Promise<FoundStore> {
  const [slot] = slots;
  const { uuid, granule } = slot === undefined
    ? await identify(file, findings)
    : { uuid: hexOf(slot.uuid), granule: slot.granule };
  const leaves = findings.leaves.filter((leaf) => leaf.uuid === uuid);
  const byRun = groupBy(leaves, ({ run, sequence }) => runName(run, sequence));
  const runs = Array.from(
    byRun,
    ([name, leaves]) => new FoundRun(leaves, findings.pages.get(name)),
  );
  runs.sort((a, b) => b.sequence - a.sequence || b.id - a.id);
  // With a header it is known which batch the run is from.
  const checkpoint = slot && slot.segments[0].sequence - 1;
  const current = runs.find(({ sequence }) => checkpoint === undefined || sequence === checkpoint);
  const sequence = checkpoint ?? current?.sequence ?? 0;
  const fromLeaves = leaves.flatMap(({ versions }) => versions);
  const batches = await batchesOf(file, findings.batches, fromLeaves, granule, sequence, slots);
  if (slot === undefined && leaves.length === 0 && batches.length === 0) {
    throw new CorruptStoreError(0, "nothing of a blob store was found in it");
  }
  const versions = [...fromLeaves, ...batches.flatMap(({ versions }) => versions)];
  const hadRun = slot === undefined
    ? !batches.some(({ sequence }) => sequence === 1)
    : slot.rootLength > 0;
  return {
    granule,
    blobs: newestOf(versions, runs, sequence),
    damagedIndex: current?.gaps() ?? (hadRun ? [{ after: undefined, before: undefined }] : []),
    missingCommits: countMissing(batches, findings.batches, sequence, slot),
  };
}

/** Finds out which store the file is of, and how long its units are: its blobs are in place. */
async function identify(
  file: StoreFile,
  { leaves, batches }: Findings,
): Promise<{ uuid: string; granule: number }> {
  const stores = Array.from(groupBy(leaves, ({ uuid }) => uuid));
  stores.sort(([, a], [, b]) => b.length - a.length);
  const groups = stores.slice(0, MAX_STORES).map(([uuid, leaves]) => ({
    uuid,
    versions: leaves.flatMap(({ versions }) => versions),
  }));
  groups.push({ uuid: "", versions: agreeing(batches).flatMap(({ versions }) => versions) });
  let best = { uuid: groups[0].uuid, granule: GRANULES[0] }, most = 0;
  for (const { uuid, versions } of groups) {
    for (const granule of GRANULES) {
      const count = await countThere(file, versions, granule);
      if (count <= most) continue;
      most = count;
      // Batches do not say whose they are.
      best = { uuid: uuid === "" ? groups[0].uuid : uuid, granule };
    }
  }
  return best;
}

/** The batches whose salt another one has as well. */
function agreeing(batches: readonly FoundBatch[]): FoundBatch[] {
  const groups = groupBy(batches, saltIn);
  const isGroup = (group: readonly FoundBatch[]) =>
    group.some(({ sequence }) => sequence !== group[0].sequence);
  return [...groups.values()].filter(isGroup).flat();
}

/**
 * The batches of the store: those with a salt of the header, and those of a salt that several
 * have, and whose blobs are in place. Without a header, where none of these is behind the run,
 * those of the salt that most of the batches behind it have.
 */
async function batchesOf(
  file: StoreFile,
  batches: readonly FoundBatch[],
  fromLeaves: readonly Version[],
  granule: number,
  checkpoint: number,
  slots: readonly Superblock[],
): Promise<FoundBatch[]> {
  const isOwn = ({ salt }: FoundBatch) => slots.some((slot) => slot.salt === salt);
  const isBehind = ({ sequence }: FoundBatch) => sequence > checkpoint;
  const known = await outsideBlobs(
    file,
    [...batches.filter(isOwn), ...agreeing(batches.filter((batch) => !isOwn(batch)))],
    fromLeaves,
    granule,
  );
  const taken = known.filter(isOwn);
  // One without blobs that could be in place is not known to be of another store.
  let rest: FoundBatch[] = [], isRestPlaced = true, hasCurrent = slots.length > 0;
  for (const group of groupBy(agreeing(known.filter((batch) => !isOwn(batch))), saltIn).values()) {
    const versions = group.flatMap(({ versions }) => versions);
    const isPlaced = versions.some(({ parts }) => parts.length > 0), isNew = group.some(isBehind);
    if (slots.length > 0 && isNew) continue; // it would have a salt of the header
    if (await countThere(file, versions, granule) > 0) {
      taken.push(...group);
      hasCurrent ||= isNew;
    } else if (isNew && (isRestPlaced || !isPlaced)) {
      if (isPlaced === isRestPlaced && group.length <= rest.length) continue;
      rest = group;
      isRestPlaced = isPlaced;
    }
  }
  return hasCurrent ? taken : [...taken, ...rest];
}

const saltIn = ({ salt }: FoundBatch) => salt;

/** The batches that are not bytes of a blob, as those of a store within are. */
async function outsideBlobs(
  file: StoreFile,
  batches: readonly FoundBatch[],
  fromLeaves: readonly Version[],
  granule: number,
): Promise<FoundBatch[]> {
  const left = new Set([...batches].sort((a, b) => a.position - b.position));
  const positions = Array.from(left, ({ position }) => position), sorted = [...left];
  const isStartIn = ({ position, length }: { position: number; length: number }) => {
    let low = 0, high = positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (positions[middle] < position) low = middle + 1;
      else high = middle;
    }
    return positions[low] < position + length ? low : -1;
  };
  for (const version of [...fromLeaves, ...batches.flatMap(({ versions }) => versions)]) {
    const inside = framedAt(version, granule).ranges
      .map((range) => ({ range, first: isStartIn(range) }))
      .filter(({ first }) => first >= 0);
    if (inside.length === 0 || !await isThere(file, version, granule, Infinity)) continue;
    for (const { range: { position, length }, first } of inside) {
      for (let i = first; positions[i] < position + length; i++) left.delete(sorted[i]);
    }
  }
  return [...left];
}

/**
 * How many batches are missing behind the checkpoint, before the last one that is known of.
 * Without a header, nobody knows whether the only batch of its salt is whole: it is missing too.
 */
function countMissing(
  batches: readonly FoundBatch[],
  all: readonly FoundBatch[],
  checkpoint: number,
  slot: Superblock | undefined,
): number {
  const found = new Set<number>();
  let last = slot === undefined ? 0 : slot.segments[slot.segments.length - 1].sequence - 1;
  for (const { sequence } of batches) {
    if (sequence <= checkpoint) continue;
    found.add(sequence);
    last = Math.max(last, sequence);
  }
  const isOnly = slot === undefined && found.size === 0;
  if (isOnly && all.some(({ sequence }) => sequence === checkpoint + 1)) last = checkpoint + 1;
  return Math.max(0, last - checkpoint) - found.size;
}

/** The blobs that there were, by key. */
function newestOf(
  found: readonly Version[],
  runs: readonly FoundRun[],
  checkpoint: number,
): Map<string, FoundBlob> {
  const blobs = new Map<string, FoundBlob>();
  for (const [name, all] of groupBy(found, ({ key }) => key)) {
    all.sort((a, b) => b.sequence - a.sequence || b.run - a.run || b.record - a.record);
    const [{ sequence, run }] = all, key = encodeText(name);
    const end = all.findIndex(({ isDelete }) => isDelete);
    if (end === 0) continue;
    // A newer run would have it, if there still were such a blob.
    const isGone = runs.some((newer) =>
      (newer.sequence > sequence || (newer.sequence === sequence && newer.id > run)) &&
      newer.decides(key)
    );
    if (isGone) continue;
    const versions = end < 0 ? all : all.slice(0, end);
    blobs.set(name, { versions, isMaybeOld: sequence < checkpoint });
  }
  return blobs;
}

/** Values in groups that have something in common. */
function groupBy<T, K>(values: Iterable<T>, by: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) {
    const key = by(value), group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

/** Leaves that follow each other in the run, with what they have. */
interface Stretch {
  /** The first and the last key in it. */
  readonly first: Uint8Array;
  last: Uint8Array;
  /** True if no key before the first one, and after the last one, is missing. */
  readonly isStart: boolean;
  isEnd: boolean;
}

/** A run of which leaves were found. */
class FoundRun {
  readonly id: number;
  /** The last batch that it covers. */
  readonly sequence: number;
  /** In the order of the keys. */
  readonly #stretches: Stretch[] = [];

  /**
   * @param leaves Those of one run, at least one.
   * @param pages How many it had; undefined: nobody knows.
   */
  constructor(leaves: readonly FoundLeaf[], pages: number | undefined) {
    const { run, sequence } = leaves[0];
    this.id = run;
    this.sequence = sequence;
    let next = 0, stretch: Stretch | undefined;
    for (const leaf of [...leaves].sort((a, b) => a.page - b.page)) {
      const { page, versions } = leaf;
      if (page > next) stretch = undefined;
      next = Math.max(next, page + leaf.pages);
      if (versions.length === 0) continue; // it fills the page before a leaf of two
      const [first, last] = [versions[0], versions[versions.length - 1]].map(({ key }) =>
        encodeText(key)
      );
      if (stretch === undefined) {
        stretch = { first, last, isStart: page === 0, isEnd: false };
        this.#stretches.push(stretch);
      } else stretch.last = last;
      stretch.isEnd = next === pages;
    }
  }

  /**
   * Tells whether it says if there is such a key: the leaf that would have it was found. O(log
   * gaps).
   */
  decides(key: Uint8Array): boolean {
    const stretches = this.#stretches;
    let low = 0, high = stretches.length; // the first stretch that begins behind the key
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(stretches[middle].first, key) <= 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return stretches.length > 0 && stretches[0].isStart;
    const { last, isEnd } = stretches[low - 1];
    return isEnd || compareBytes(key, last) <= 0;
  }

  /** Between which keys leaves are missing. */
  gaps(): DamagedKeys[] {
    const gaps: DamagedKeys[] = [], { length } = this.#stretches;
    for (let i = 0; i <= length; i++) {
      const before = this.#stretches[i - 1], after = this.#stretches[i];
      if (i === 0 ? after?.isStart : i === length && before.isEnd) continue;
      gaps.push({ after: textOf(before?.last), before: textOf(after?.first) });
    }
    return gaps;
  }
}

function textOf(key: Uint8Array | undefined): string | undefined {
  return key === undefined ? undefined : decodeText(key);
}
