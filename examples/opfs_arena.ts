/**
 * An arena over a private file of a browser whose regions survive every crash: which ranges are
 * taken lies beside the file, in a blob store, where a write is done whole or not at all.
 *
 * A crash leaves the regions of the last `save`, with their bytes as they were then. For that no
 * saved region is overwritten in place: `replace` writes a new one, and the old one's space is
 * reused once a save without it is durable.
 *
 * @module
 */

import {
  Arena,
  type OffsetAllocator,
  type Region,
  regionFromToken,
  type RegionToken,
  restore,
  snapshot,
  tokenOf,
} from "@suballoc/offset-allocator";
import { BlobStore, OpfsStore } from "@suballoc/offset-allocator/opfs";

/** Named regions that survive crashes. In a dedicated worker. */
export class SavedRegions {
  readonly #arena: Arena<OpfsStore>;
  readonly #states: BlobStore;
  readonly #regions: Map<string, Region<OpfsStore>>;
  /** Regions of the last save that are no longer wanted. */
  readonly #old: Region<OpfsStore>[] = [];

  private constructor(arena: Arena<OpfsStore>, states: BlobStore, tokens: [string, RegionToken][]) {
    this.#arena = arena;
    this.#states = states;
    this.#regions = new Map(tokens.map(([name, token]) => [name, regionFromToken(arena, token)]));
  }

  /** Opens the regions at a path, or makes an empty file of them. */
  static async open(path: string): Promise<SavedRegions> {
    // Its lock keeps others from both files.
    const states = await BlobStore.open(`${path}.states`, { create: true });
    const store = await OpfsStore.open(path, { create: true });
    const state = await states.get("allocator"), tokens = await states.get("tokens");
    const options = { maxByteLength: 2 ** 31, closeStore: true };
    if (state === undefined || tokens === undefined) {
      store.resize(0); // what a crash before the first save left
      return new SavedRegions(new Arena(store, options), states, []);
    }
    const allocator = restore(state) as OffsetAllocator;
    const arena = new Arena(store, { allocator, ...options });
    return new SavedRegions(arena, states, JSON.parse(new TextDecoder().decode(tokens)));
  }

  /** The bytes of a region; undefined if there is none. */
  get(name: string): Uint8Array | undefined {
    return this.#regions.get(name)?.read();
  }

  /** Puts bytes in place of what has this name. They are safe once `save` resolves. */
  replace(name: string, bytes: Uint8Array): void {
    const region = this.#arena.allocateFrom(bytes);
    if (region === undefined) throw new Error("there is no room");
    this.remove(name);
    this.#regions.set(name, region);
  }

  /** Removes what has this name. */
  remove(name: string): void {
    const region = this.#regions.get(name);
    if (region !== undefined) this.#old.push(region);
    this.#regions.delete(name);
  }

  /** Makes all of it durable: first the bytes, then which regions there are. */
  async save(): Promise<void> {
    const old = this.#old.splice(0),
      tokens = [...this.#regions].map(([name, region]) => {
        return [name, tokenOf(region)];
      });
    this.#arena.flush();
    await this.#states.batch([
      { type: "put", key: "allocator", value: snapshot(this.#arena.allocator) },
      { type: "put", key: "tokens", value: JSON.stringify(tokens) },
    ]);
    // Only now may others have their space. The next save knows that it is free.
    for (const region of old) region.free();
  }

  /** Saves, and closes both files. */
  async close(): Promise<void> {
    await this.save();
    await this.save(); // what the first one freed
    this.#arena.close();
    await this.#states.close();
  }
}
