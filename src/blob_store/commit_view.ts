/**
 * The blobs of keys at a moment within a commit: of its earlier writes, else of the index.
 *
 * @module
 */

import type { Operation } from "./arguments.ts";
import { ConditionFailedError } from "./blob_store_errors.ts";
import { etagOf, TableEntry } from "./entries.ts";
import { hasExpired, isExpired, loadEntry } from "./lookup.ts";
import type { PendingWrite } from "./pending_write.ts";
import type { StoreState } from "./store_state.ts";
import { decodeText } from "./text.ts";

/** A blob that a key has: put earlier in the commit, or in the index. */
export type PresentBlob = PendingWrite | TableEntry;

/** The blob by which a condition is judged. */
type Asked = Pick<Operation, "key" | "condition" | "from">;

/** The state of the store between the writes of a commit. Slots have to be held meanwhile. */
export class CommitView {
  readonly #state: StoreState;
  /** The last write of each key, of the transactions that were accepted and of the one at hand. */
  readonly #accepted: Map<string, PendingWrite> = new Map();
  readonly #own: Map<string, PendingWrite> = new Map();

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** Sees a write of the transaction at hand. */
  add(write: PendingWrite): void {
    this.#own.set(decodeText(write.key), write);
  }

  /** Ends a transaction: what it wrote is seen from now on, or forgotten. */
  end(isAccepted: boolean): void {
    if (isAccepted) { for (const [key, write] of this.#own) this.#accepted.set(key, write); }
    this.#own.clear();
  }

  /**
   * Judges the condition of a write. Gives the blob that a rename or a copy takes.
   *
   * @throws {ConditionFailedError} It does not hold.
   */
  async judge(write: Asked): Promise<PresentBlob | undefined> {
    const { condition: { ifMatch, ifNoneMatch } = {}, from, key } = write;
    let taken: PresentBlob | undefined;
    if (ifMatch !== undefined || from !== undefined) {
      taken = await this.#find(from ?? key);
      const etag = taken && etagOf(taken);
      if (etag === undefined || (ifMatch ?? etag) !== etag) {
        throw new ConditionFailedError(decodeText(from ?? key), ifMatch ?? "*", etag);
      }
    }
    if (ifNoneMatch) {
      const present = await this.#find(key);
      if (present !== undefined) {
        throw new ConditionFailedError(decodeText(key), undefined, etagOf(present));
      }
    }
    return taken;
  }

  async #find(key: Uint8Array): Promise<PresentBlob | undefined> {
    const name = decodeText(key), write = this.#own.get(name) ?? this.#accepted.get(name);
    if (write !== undefined) {
      return write.isDelete || hasExpired(this.#state, write) ? undefined : write;
    }
    await lookUp(this.#state, key);
    const { index } = this.#state, slot = index.findBytes(key);
    const isThere = slot >= 0 && index.isLive(slot) && !isExpired(this.#state, slot);
    return isThere ? new TableEntry(index, slot) : undefined;
  }
}

/** Takes a key into the table if the run has it. */
export async function lookUp(state: StoreState, key: Uint8Array): Promise<void> {
  const { index, run } = state;
  if (run === undefined || index.findBytes(key) >= 0) return;
  const found = run.find(key, key.length);
  const entry = found instanceof Promise ? await found : found;
  if (entry !== undefined && index.findBytes(key) < 0) loadEntry(state, entry);
}
