/**
 * Deleting blobs whose time has come, some at a time.
 *
 * @module
 */

import { Walk } from "./entries.ts";
import { EXPIRY } from "./extra.ts";
import { newBatch } from "./log.ts";
import { loadEntry } from "./lookup.ts";
import { writeDelete } from "./records.ts";
import { flushAll, ownPartsOf, type StoreState, updateReserve } from "./store_state.ts";
import { surveySpace } from "./survey_space.ts";

/** Entries that are looked at in one step, and blobs that it deletes, at most. */
const MAX_LOOKS = 65_536;
const MAX_DELETES = 4096;

/** Result of a step. */
export interface SweptStep {
  readonly blobs: number;
  readonly bytes: number;
  /** True if it came to the last key. */
  readonly done: boolean;
}

/** Goes through the keys of a store, round and round. Steps are called alone. */
export class Sweeper {
  readonly #state: StoreState;
  readonly #onDelete: (key: Uint8Array) => void;
  /** The last key that was looked at; undefined: the next step begins at the first one. */
  #last: Uint8Array | undefined;

  /** @param onDelete Told of each key whose blob was deleted. */
  constructor(state: StoreState, onDelete: (key: Uint8Array) => void) {
    this.#state = state;
    this.#onDelete = onDelete;
  }

  /** Begins at the first key again. */
  restart(): void {
    this.#last = undefined;
  }

  /**
   * Deletes at most so many blobs, durably. O(entries looked at).
   *
   * @throws {StoreFullError} The log has no room for that: the next step begins at the same key.
   */
  async step(limit: number): Promise<SweptStep> {
    const state = this.#state, { index } = state, last = this.#last;
    if ((state.features & EXPIRY) === 0) return { blobs: 0, bytes: 0, done: true };
    const confirmed = state.file.confirm();
    if (confirmed) await confirmed;
    await surveySpace(state);
    index.holds++; // slots stay what they are
    try {
      const { slots, done } = await this.#find(Math.min(limit, MAX_DELETES));
      const bytes = slots.length === 0 ? 0 : await this.#delete(slots);
      if (done) this.#last = undefined;
      return { blobs: slots.length, bytes, done };
    } catch (error) {
      this.#last = last;
      throw error;
    } finally {
      index.holds--;
    }
  }

  /** The slots of blobs whose time has come. */
  async #find(limit: number): Promise<{ slots: number[]; done: boolean }> {
    const state = this.#state, { index } = state, slots: number[] = [];
    const now = state.settings.now(), walk = new Walk(state, { from: this.#last, isBehind: true });
    for (let looks = 0; looks < MAX_LOOKS && slots.length < limit; looks++) {
      const more = walk.next();
      if (!(typeof more === "boolean" ? more : await more)) return { slots, done: true };
      const { entry } = walk;
      if (looks % 256 === 255 || entry.extra !== undefined) {
        this.#last = entry.key.slice(0, entry.keyLength);
      }
      if (entry.extra === undefined || entry.extra.expires > now) continue;
      const found = walk.slot >= 0 ? walk.slot : index.findBytes(this.#last!);
      slots.push(found >= 0 ? found : loadEntry(state, entry));
    }
    return { slots, done: false };
  }

  /** Gives the bytes that they took. */
  async #delete(slots: readonly number[]): Promise<number> {
    const state = this.#state, { index } = state, batch = newBatch();
    for (const slot of slots) writeDelete(batch, index.keyBytes(slot));
    await state.log.append(batch);
    await flushAll(state);
    let bytes = 0;
    for (const slot of slots) {
      const key = index.keyBytes(slot).slice();
      bytes += index.size[slot];
      state.space.releaseAll(ownPartsOf(state, slot));
      state.blobs--;
      state.blobBytes -= index.size[slot];
      index.setGone(slot);
      this.#onDelete(key);
    }
    updateReserve(state);
    return bytes;
  }
}
