/**
 * Seeded work for a store: which options it has, and what is done to it.
 *
 * @module
 */

import { blobCodecs } from "../../../src/blob_store/blob_codecs.ts";
import type { BlobStoreOptions, Metadata } from "../../../src/blob_store/types.ts";
import { type Random, seeded } from "../../support/random.ts";

/** How a put hands its bytes over. */
export type Source = "bytes" | "stream" | "blob" | "string";

/** A put of a blob. */
export interface PutAction {
  readonly type: "put";
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly source: Source;
  readonly metadata: Metadata | undefined;
  /** When it is gone, in ms. */
  readonly expires: number | undefined;
  readonly condition: Condition | undefined;
}

/** When a change is done: where the key has a blob, where it has none, or never. */
export type Condition = "present" | "absent" | "never";

/** What takes the blob of another key, where it has one. */
export interface TransferAction {
  readonly type: "rename" | "copy";
  readonly from: string;
  readonly to: string;
  /** Whether it is done only where `to` has no blob. */
  readonly isNew: boolean;
}

/** One change of a blob. */
export type ChangeAction =
  | PutAction
  | { readonly type: "delete"; readonly key: string; readonly condition: Condition | undefined }
  | TransferAction;

/** One call. */
export type Action =
  | ChangeAction
  | { readonly type: "batch"; readonly operations: readonly ChangeAction[] }
  | { readonly type: "flush" | "checkpoint" }
  | { readonly type: "compact"; readonly maxBytes: number | undefined };

/** Calls that are begun together, or the store closed, or its process killed, and opened again. */
export type Step = readonly Action[] | "close" | "kill";

/** What kinds of work there are; each seed does one. */
export interface Profile {
  readonly name: string;
  readonly options: BlobStoreOptions;
  /** Keys in use, and which sizes blobs have. */
  readonly keys: number;
  readonly sizes: readonly number[];
  /** Bytes that blobs may take together, by the sizes of the puts. */
  readonly budget: number;
  /** Of a hundred calls: how many delete, batch, checkpoint, compact, flush; others put. */
  readonly shares: readonly [number, number, number, number, number];
  /** Most calls begun together. */
  readonly width: number;
  /** Whether blobs are text, which compresses, half of the time, and some will expire one day. */
  readonly hasText?: boolean;
  /** The same calls in every round: what is allocated lands where it was before. */
  readonly isRegular?: boolean;
}

const TINY = [0, 1, 2, 31, 100, 300];
const BORDERS = [0, 1, 63, 64, 65, 511, 512, 513, 2000, 4095, 4096, 4097, 4160, 5000, 12000];
const LARGE = [10, 4097, 65535, 65536, 65537, 70000, 131072, 131073];

const SHARES = {
  mixed: [15, 10, 6, 4, 5],
  churn: [30, 10, 8, 12, 4],
  calm: [15, 12, 1, 0, 8],
} as const;

/** The kinds, by what they are after. */
export const PROFILES: readonly Profile[] = [
  {
    name: "small",
    options: { checkpointBytes: 3000 },
    keys: 12,
    sizes: TINY,
    budget: 2e4,
    shares: SHARES.mixed,
    width: 1,
  },
  {
    name: "together",
    options: { checkpointBytes: 12000 },
    keys: 12,
    sizes: BORDERS,
    budget: 8e4,
    shares: SHARES.mixed,
    width: 4,
  },
  {
    name: "borders",
    options: { granule: 16, checkpointBytes: 9000 },
    keys: 10,
    sizes: BORDERS,
    budget: 6e4,
    shares: SHARES.mixed,
    width: 1,
  },
  {
    name: "large",
    options: { granule: 512 },
    keys: 4,
    sizes: LARGE,
    budget: 2.2e5,
    shares: SHARES.churn,
    width: 2,
  },
  {
    name: "in place",
    options: { compactAbove: 1 },
    keys: 3,
    sizes: [200, 4097],
    budget: 2e4,
    shares: SHARES.calm,
    width: 1,
    isRegular: true,
  },
  {
    name: "full",
    options: { maxByteLength: 100_000 },
    keys: 16,
    sizes: BORDERS,
    budget: 2e5,
    shares: SHARES.mixed,
    width: 2,
  },
  {
    name: "compacting",
    options: { compactAbove: 0.05, granule: 256 },
    keys: 14,
    sizes: [100, 4097, 8000, 20000],
    budget: 1e5,
    shares: SHARES.churn,
    width: 2,
  },
  {
    name: "batch",
    options: { durability: "batch", checkpointBytes: 16384 },
    keys: 10,
    sizes: BORDERS,
    budget: 6e4,
    shares: SHARES.calm,
    width: 2,
  },
  {
    name: "none",
    options: { durability: "none" },
    keys: 10,
    sizes: BORDERS,
    budget: 6e4,
    shares: SHARES.calm,
    width: 1,
  },
  {
    name: "compressed",
    options: { codecs: blobCodecs(), compress: "gzip", checkpointBytes: 9000 },
    keys: 10,
    sizes: [10, 300, 2000, 4097, 9000],
    budget: 4e4,
    shares: SHARES.mixed,
    width: 2,
    hasText: true,
  },
  {
    name: "none, much of it",
    options: { durability: "none", checkpointBytes: 9000, granule: 4096 },
    keys: 16,
    sizes: [10, 3000, 4097, 9000],
    budget: 1e5,
    shares: SHARES.churn,
    width: 3,
  },
];

/** The last time that there is. */
const LAST_TIME = 8_640_000_000_000_000;

// Every blob is a part of this: its bytes are its own, and it takes no memory.
const POOL_LENGTH = 2 ** 20;
const POOL = new Uint8Array(POOL_LENGTH);
{
  const words = new Uint32Array(POOL.buffer), random = seeded(1);
  for (let i = 0; i < words.length; i++) words[i] = random(2 ** 32);
}

/** Makes steps, one after another. */
export class Workload {
  readonly #profile: Profile;
  readonly #random: Random;
  readonly #sizes: Map<string, number> = new Map();
  #steps = 0;

  constructor(profile: Profile, random: Random) {
    this.#profile = profile;
    this.#random = random;
  }

  /** The next step. */
  next(): Step {
    const random = this.#random, { isRegular, width } = this.#profile;
    if (isRegular) return this.#regular(this.#steps++);
    if (random(30) === 0) return random(2) ? "close" : "kill";
    return withoutRaces(Array.from({ length: 1 + random(width) }, () => this.#action()));
  }

  /** Rounds of the same puts and a checkpoint. */
  #regular(step: number): Step {
    const random = this.#random, { keys, sizes } = this.#profile, round = step % (keys + 1);
    if (round === keys) return [{ type: "checkpoint" }];
    if (random(20) === 0) return random(2) ? "close" : "kill";
    return [this.#put(`k${round}`, sizes[round % sizes.length], "bytes")];
  }

  #action(): Action {
    const random = this.#random,
      [deletes, batches, checkpoints, compacts, flushes] = this.#profile.shares;
    let share = random(100);
    if ((share -= deletes) < 0) return this.#delete();
    if ((share -= batches) < 0) {
      const operation = () => {
        const kind = random(8);
        return kind < 2 ? this.#delete() : kind === 2 ? this.#transfer() : this.#anyPut();
      };
      const operations = Array.from({ length: random(5) }, operation);
      return { type: "batch", operations: operations.map(withKnownEtag) };
    }
    if ((share -= checkpoints) < 0) return { type: "checkpoint" };
    if ((share -= compacts) < 0) {
      return { type: "compact", maxBytes: random(2) ? undefined : random(20000) };
    }
    if ((share -= flushes) < 0) return { type: "flush" };
    return random(6) === 0 ? this.#transfer() : this.#anyPut();
  }

  #delete(): ChangeAction {
    const key = keyOf(this.#random(this.#profile.keys)), condition = this.#condition();
    this.#sizes.delete(key);
    return { type: "delete", key, condition: condition === "absent" ? undefined : condition };
  }

  /** Takes the blob of a key that may have none. */
  #transfer(): ChangeAction {
    const random = this.#random, { keys, budget } = this.#profile, sizes = this.#sizes;
    const present = [...sizes.keys()];
    const from = present.length > 0 && random(8) > 0
      ? present[random(present.length)]
      : keyOf(random(keys));
    const to = keyOf(random(keys)), size = sizes.get(from) ?? 0;
    let used = size;
    for (const [other, length] of sizes) if (other !== to) used += length;
    const type = used > budget || random(2) > 0 ? "rename" : "copy";
    sizes.set(to, size);
    if (type === "rename" && from !== to) sizes.delete(from);
    return { type, from, to, isNew: random(8) === 0 };
  }

  #condition(): Condition | undefined {
    return ([undefined, "present", "absent", "never"] as const)[Math.max(0, this.#random(40) - 36)];
  }

  #anyPut(): ChangeAction {
    const random = this.#random, { keys, sizes, budget } = this.#profile;
    const key = keyOf(random(keys));
    let size = sizes[random(sizes.length)];
    if (random(3) === 0) size = random(size + 1);
    let used = size;
    for (const [other, length] of this.#sizes) if (other !== key) used += length;
    if (used > budget) size = random(100);
    return this.#put(key, size, SOURCES[random(SOURCES.length)]);
  }

  #put(key: string, size: number, source: Source): ChangeAction {
    const random = this.#random, at = random(POOL_LENGTH - size);
    let bytes: Uint8Array = POOL.subarray(at, at + size);
    const { hasText = false, isRegular } = this.#profile;
    if (source === "string") bytes = bytes.map((byte) => 32 + (byte & 63));
    else if (hasText && random(2) === 0) bytes = bytes.map((byte) => 97 + (byte & 7));
    const expires = hasText && random(4) === 0 ? LAST_TIME - random(1000) : undefined;
    this.#sizes.set(key, size);
    const metadata = random(4) === 0
      ? { note: "m".repeat(random(random(8) === 0 ? 3900 : 60)), n: random(1000) }
      : undefined;
    const condition = isRegular ? undefined : this.#condition();
    return { type: "put", key, bytes, source, metadata, expires, condition };
  }
}

const SOURCES = ["bytes", "bytes", "bytes", "string", "blob", "stream"] as const;

/**
 * The calls whose effect does not depend on when a stream ends, or on what others did before: what
 * has one, or takes what a key has, shares no key with another call.
 */
function withoutRaces(actions: readonly Action[]): Action[] {
  const kept: Action[] = [];
  for (const action of actions) {
    const keys = new Set(changesOf(action).flatMap(keysOf));
    const isRace = kept.some((other) =>
      (isDependent(action) || isDependent(other)) &&
      changesOf(other).flatMap(keysOf).some((key) => keys.has(key))
    );
    if (!isRace) kept.push(action);
  }
  return kept;
}

/** What a call changes, in order. */
export function changesOf(action: Action): readonly ChangeAction[] {
  if (action.type === "batch") return action.operations;
  switch (action.type) {
    case "flush":
    case "checkpoint":
    case "compact":
      return [];
    default:
      return [action];
  }
}

function keysOf(change: ChangeAction): string[] {
  return "from" in change ? [change.from, change.to] : [change.key];
}

function isDependent(action: Action): boolean {
  return changesOf(action).some((change) =>
    "from" in change || change.condition !== undefined ||
    (change.type === "put" && (change.source === "stream" || change.source === "blob"))
  );
}

/** Without a condition on what the batch itself puts: nobody knows its etag before. */
function withKnownEtag(
  change: ChangeAction,
  i: number,
  all: readonly ChangeAction[],
): ChangeAction {
  if ("from" in change || change.condition !== "present") return change;
  const isKnown = !all.slice(0, i).flatMap(keysOf).includes(change.key);
  return isKnown ? change : { ...change, condition: undefined };
}

/** Keys of many lengths, so that what follows them lands anywhere. */
function keyOf(number: number): string {
  const length = [0, 1, 7, 60, 200, 0, 3, 500, 0, 1000][number % 10];
  return `${number}${number % 3 === 0 ? "\u00e9" : "k"}${"x".repeat(length)}`;
}
