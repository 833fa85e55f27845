/**
 * The blob store as a contestant.
 *
 * @module
 */

import { join } from "node:path";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import type { Mode, OpenStore } from "./open_store.ts";
import { type Change, MAX_BLOB_BYTES } from "./work.ts";

/** Puts that are under way at the same time in bulk. */
const TOGETHER = 256;

export class OurStore implements OpenStore {
  readonly store: BlobStore;
  readonly #mode: Mode;
  readonly #buffer = new Uint8Array(MAX_BLOB_BYTES);

  private constructor(store: BlobStore, mode: Mode) {
    this.store = store;
    this.#mode = mode;
  }

  static async open(folder: string, mode: Mode): Promise<OurStore> {
    const durability = mode === "durable" ? "commit" : "none";
    const store = await BlobStore.open(join(folder, "blobs"), { create: true, durability });
    return new OurStore(store, mode);
  }

  async commit(changes: readonly Change[]): Promise<void> {
    if (this.#mode === "durable") return await this.#together(changes);
    for (let begin = 0; begin < changes.length; begin += TOGETHER) {
      await this.#together(changes.slice(begin, begin + TOGETHER));
    }
    await this.store.flush();
  }

  async #together(changes: readonly Change[]): Promise<void> {
    const { store } = this;
    await Promise.all(
      changes.map<Promise<unknown>>(({ key, value }) =>
        value === undefined ? store.delete(key) : store.put(key, value)
      ),
    );
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.store.get(key);
  }

  async sum(keys: readonly string[]): Promise<number> {
    let sum = 0;
    for (const key of keys) {
      const value = (await this.store.get(key))!;
      sum += value.length + value[0];
    }
    return sum;
  }

  async sumInto(keys: readonly string[]): Promise<number> {
    const buffer = this.#buffer;
    let sum = 0;
    for (const key of keys) {
      const length = (await this.store.getInto(key, buffer))!;
      sum += length + buffer[0];
    }
    return sum;
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
