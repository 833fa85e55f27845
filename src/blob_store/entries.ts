/**
 * All entries of a store in the order of their keys: those of the run, and over them those of the
 * table.
 *
 * @module
 */

import { StorageError } from "../arena/backing_store.ts";
import { DamagedIndexError } from "./blob_store_errors.ts";
import type { Extra } from "./extra.ts";
import type { KeyIndex } from "./key_index.ts";
import type { IndexEntry } from "./leaf.ts";
import type { RunReader } from "./run_reader.ts";
import type { RunScan } from "./run_scan.ts";
import type { Pending } from "./store_file.ts";
import type { StoreState } from "./store_state.ts";
import { codecName } from "./pieces.ts";
import type { Part } from "./superblock.ts";
import { decodeText } from "./text.ts";
import type { BlobInfo } from "./types.ts";

const NO_PARTS: readonly Part[] = [];

/**
 * Tells whether a leaf could not be read: a writer may have given its place to others, or cut it
 * off.
 */
export function mayPass(error: unknown): boolean {
  return error instanceof DamagedIndexError || error instanceof StorageError;
}

/** Where a walk begins, and which way it goes. */
export interface WalkOptions {
  /** Only keys from this one on. */
  readonly from?: Uint8Array;
  /** Only keys behind it. */
  readonly isBehind?: boolean;
  /** From the last key to the first one; `from` is the key behind all of them then. */
  readonly reverse?: boolean;
  /** Told of each damaged leaf; the walk goes on behind it. Without it the walk ends there. */
  readonly onDamage?: (error: DamagedIndexError) => void;
}

/** Walks from entry to entry. */
interface Steps {
  next(): boolean | Promise<boolean>;
}

/**
 * Takes all steps, and calls back at each. Nothing is awaited but what gives a promise: where
 * nothing does, all of it is of one moment.
 */
export async function takeAll(steps: Steps, visit: () => Pending): Promise<void> {
  for (let more = steps.next();; more = steps.next()) {
    if (!(typeof more === "boolean" ? more : await more)) return;
    const pending = visit();
    if (pending) await pending;
  }
}

/** The key of an entry. */
export function keyOf({ key, keyLength }: IndexEntry): string {
  return decodeText(key.subarray(0, keyLength));
}

/** Names the content of a blob. */
export function etagOf({ seed, crc }: Pick<IndexEntry, "seed" | "crc">): string {
  return hexOf32(seed) + hexOf32(crc);
}

function hexOf32(n: number): string {
  return n.toString(16).padStart(8, "0");
}

/** The info of a blob for callers. */
export function infoOf<Meta>(
  key: string,
  entry: Pick<IndexEntry, "size" | "time" | "seed" | "crc" | "metadata" | "extra">,
): BlobInfo<Meta> {
  const { size, time, metadata, extra } = entry;
  const info = {
    key,
    size,
    time: new Date(time),
    metadata: metadata === undefined ? undefined : JSON.parse(decodeText(metadata)),
    etag: etagOf(entry),
  };
  if (extra === undefined) return info;
  const { expires, codec, plainSize } = extra;
  return {
    ...info,
    ...(expires < Infinity && { expires: new Date(expires) }),
    ...(codec !== 0 && { size: plainSize, encoding: codecName(codec), storedSize: size }),
  };
}

/** A slot of the table as an entry. */
export class TableEntry implements IndexEntry {
  index: KeyIndex;
  slot: number;

  constructor(index: KeyIndex, slot = -1) {
    this.index = index;
    this.slot = slot;
  }

  get key(): Uint8Array {
    return this.index.keyBytes(this.slot);
  }
  get keyLength(): number {
    return this.index.keyLength(this.slot);
  }
  get size(): number {
    return this.index.size[this.slot];
  }
  get unit(): number {
    return this.index.place[this.slot];
  }
  get parts(): readonly Part[] {
    return this.index.parts.get(this.slot) ?? NO_PARTS;
  }
  get seed(): number {
    return this.index.seed[this.slot];
  }
  get crc(): number {
    return this.index.crc[this.slot];
  }
  get time(): number {
    return this.index.time[this.slot];
  }
  get metadata(): Uint8Array | undefined {
    const { index, slot } = this;
    return index.metadataLength(slot) > 0 ? index.metadata(slot) : undefined;
  }
  get extra(): Extra | undefined {
    return this.index.extras.get(this.slot);
  }
}

/**
 * A walk over all entries. The store may change between two steps: a put or a delete behind the
 * current key is seen. The entry is valid until the next step, or until something is awaited.
 */
export class Walk {
  /** The entry at hand. */
  entry!: IndexEntry;
  /** Its slot in the table; -1: it is from the run. */
  slot = -1;
  readonly #state: StoreState;
  readonly #refresh: (() => Promise<void>) | undefined;
  readonly #options: WalkOptions;
  readonly #reverse: boolean;
  readonly #table: TableEntry;
  /** The key it is at; none before the first step. */
  readonly #last: Uint8Array;
  #lastLength: number;
  #isBehind: boolean;
  #run: RunReader | undefined;
  #scan: RunScan | undefined;
  /** True if the scan is at an entry that the walk has not come to. */
  #isAhead = false;
  /** True if leaves are damaged, and not only of a run that is no more. */
  #isCurrent: boolean;

  /** @param refresh Sees what a writer elsewhere did, where that may be the cause of a damage. */
  constructor(state: StoreState, options: WalkOptions = {}, refresh?: () => Promise<void>) {
    const { from, isBehind = false, reverse = false } = options;
    this.#state = state;
    this.#refresh = refresh;
    this.#options = options;
    this.#reverse = reverse;
    this.#table = new TableEntry(state.index);
    this.#last = new Uint8Array(Math.max(1024, from?.length ?? 0));
    if (from !== undefined) this.#last.set(from);
    this.#lastLength = from?.length ?? -1;
    this.#isBehind = isBehind || reverse;
    this.#isCurrent = refresh === undefined;
    this.#open();
  }

  /** Goes to the next entry. False: there is none. */
  next(): boolean | Promise<boolean> {
    const state = this.#state;
    while (true) {
      if (this.#run !== state.run) this.#open();
      if (this.#scan !== undefined && !this.#isAhead) {
        const more = this.#advance();
        if (typeof more !== "boolean") return more.then(() => this.next());
        if (!more) this.#scan = undefined;
      }
      const { index } = state, slot = index.dirtyCount === 0 ? -1 : this.#nextDirty(index);
      if (slot < 0 && !this.#isAhead) return false;
      if (this.#choose(index, slot)) return true;
    }
  }

  /** Reads on in the run. */
  #advance(): boolean | Promise<void> {
    try {
      const more = this.#scan!.next();
      if (typeof more === "boolean") return this.#isAhead = more;
      return more.then((more) => {
        this.#isAhead = more;
        if (!more) this.#scan = undefined;
      }, (error) => this.#fail(error));
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** A leaf could not be read: the run may be another one by now. */
  async #fail(error: unknown): Promise<void> {
    const state = this.#state;
    if (!mayPass(error)) throw error;
    if (state.run !== this.#run) return;
    if (!this.#isCurrent) {
      await this.#refresh!();
      if (state.run !== this.#run) return;
      this.#isCurrent = true;
      this.#open();
      return;
    }
    throw error;
  }

  /** Begins to read the run behind the last key. */
  #open(): void {
    const { run } = this.#state, { onDamage } = this.#options;
    if (run !== this.#run) this.#isCurrent = this.#refresh === undefined;
    this.#run = run;
    this.#isAhead = false;
    const from = this.#lastLength < 0 ? undefined : this.#last.slice(0, this.#lastLength);
    this.#scan = run?.scan({
      from,
      isBehind: this.#isBehind,
      reverse: this.#reverse,
      onDamage: this.#isCurrent ? onDamage : undefined,
    });
  }

  /** Takes what comes first of both, at least one of which there is. False: it was deleted. */
  #choose(index: KeyIndex, slot: number): boolean {
    const scanned = this.#isAhead ? this.#scan!.entry : undefined;
    let order = slot < 0 ? 1 : -1;
    if (slot >= 0 && scanned !== undefined) {
      order = index.compareTo(slot, scanned.key, scanned.keyLength);
      if (this.#reverse) order = -order;
    }
    if (order >= 0) this.#isAhead = false;
    const table = this.#table;
    table.index = index;
    table.slot = slot;
    this.slot = order > 0 ? -1 : slot;
    this.entry = order > 0 ? scanned! : table;
    this.#remember(this.entry);
    return order > 0 || index.isLive(slot);
  }

  #nextDirty({ order }: KeyIndex): number {
    const length = this.#lastLength, last = this.#last.subarray(0, Math.max(0, length));
    if (this.#reverse) return order.last(length < 0 ? Uint8Array.of(0xff) : last);
    return order.first(last, length >= 0 && this.#isBehind);
  }

  #remember({ key, keyLength }: IndexEntry): void {
    for (let i = 0; i < keyLength; i++) this.#last[i] = key[i];
    this.#lastLength = keyLength;
    this.#isBehind = true;
  }
}
