/**
 * A driver of unstorage over a blob store.
 *
 * @module
 */

import type {
  BatchOperation,
  BlobChange,
  BlobInfo,
  BlobSource,
  CancelSignal,
  WatchOptions,
} from "../../src/blob_store/mod.ts";
import { checkOptions, checkType, describe, opened } from "../../src/util/mod.ts";

/** The part of a `BlobStore` that is used. */
export interface UnstorageStore {
  /** The bytes of a blob. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Tells whether there is a blob. */
  has(key: string): Promise<boolean>;
  /** The info of a blob. */
  stat(key: string): Promise<BlobInfo<unknown> | undefined>;
  /** The blobs whose keys begin so. */
  list(options: { readonly prefix: string }): AsyncIterable<{ readonly key: string }>;
  /** Puts a blob, which may expire. */
  put(key: string, value: BlobSource, options: { readonly expires?: number }): Promise<unknown>;
  /** Deletes a blob. */
  delete(key: string): Promise<boolean>;
  /** Puts and deletes together. */
  batch(operations: Iterable<BatchOperation<unknown>>): Promise<unknown>;
  /** Tells what changes. */
  watch(options: WatchOptions): AsyncIterable<BlobChange<unknown>>;
  /** Closes the store. */
  close(): Promise<void>;
}

/** How a store is used as a driver. */
export interface UnstorageDriverOptions {
  /** Prefix of each key in the store; none by default. Other blobs are not seen. */
  readonly base?: string | undefined;
  /**
   * The separator in the store for the `:` of keys; `":"` by default. With `"/"` blobs that other
   * programs put under paths are seen, but those that have a `:` in their key.
   */
  readonly separator?: ":" | "/" | undefined;
  /** True if `dispose` closes the store; `false` by default: who opened it closes it. */
  readonly closeStore?: boolean | undefined;
}

/** Options of one call, as unstorage hands them on. */
export interface UnstorageTransaction {
  /** Seconds after which an item that is set expires. */
  readonly ttl?: number;
  /** Options of other drivers. */
  readonly [name: string]: unknown;
}

/** An item that is set together with others. */
export interface UnstorageItem {
  /** Its key. */
  readonly key: string;
  /** The value to set. */
  readonly value: string;
  /** Options of this item alone. */
  readonly options?: UnstorageTransaction;
}

/** The meta of an item. */
export interface UnstorageMeta {
  /** When it was set. */
  readonly mtime: Date;
  /** Bytes in it. */
  readonly size: number;
  /** Names this very content. */
  readonly etag: string;
  /** Seconds until it expires, if it does. */
  readonly ttl?: number;
  /** Other members that unstorage allows. */
  readonly [name: string]: Date | number | string | undefined;
}

/** Listener to changes. */
export type WatchCallback = (event: "update" | "remove", key: string) => unknown;

/** The driver as unstorage calls it. */
export interface UnstorageDriver {
  /** `"blob-store"`. */
  readonly name: string;
  /** Time until an item expires. */
  readonly flags: { readonly ttl: boolean };
  /** Options of the driver. */
  readonly options: UnstorageDriverOptions;
  /** The store, or the promise of it, as it was given. */
  getInstance(): UnstorageStore | PromiseLike<UnstorageStore>;
  /** Tells whether there is an item. */
  hasItem(key: string): Promise<boolean>;
  /** The text of an item; null where there is none. */
  getItem(key: string): Promise<string | null>;
  /** The bytes of an item; null where there is none. */
  getItemRaw(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Sets an item to a text. */
  setItem(key: string, value: string, options?: UnstorageTransaction): Promise<void>;
  /** Sets an item to bytes, a blob, a stream: whatever a blob store takes. */
  setItemRaw(key: string, value: BlobSource, options?: UnstorageTransaction): Promise<void>;
  /** Sets items: all of them, or none. */
  setItems(items: readonly UnstorageItem[], options?: UnstorageTransaction): Promise<void>;
  /** Removes an item; it need not be there. */
  removeItem(key: string): Promise<void>;
  /** The meta of an item; null where there is none. */
  getMeta(key: string): Promise<UnstorageMeta | null>;
  /** The keys that begin with a base, in order. */
  getKeys(base?: string): Promise<string[]>;
  /** Removes the items whose keys begin with a base, some thousand at a time. */
  clear(base?: string): Promise<void>;
  /**
   * Calls a function with each change of an item, by whomever; where some are missing, with each
   * item that is there.
   *
   * @returns A function that ends that.
   */
  watch(callback: WatchCallback): () => void;
  /** Closes the store, with `closeStore`. */
  dispose(): Promise<void>;
}

/** Blobs that are deleted in one commit. */
const AT_ONCE = 1000;

/**
 * Makes a driver over a store. An item is one blob; the methods need no `this`.
 *
 * Where the store refuses something, as a key of more than 1024 bytes or a write to a store that
 * was opened read-only, the call rejects with its error.
 *
 * @param store A store, or the promise of one, as `BlobStore.open` returns it. Where that rejects,
 * so does each call. Other programs may use it, too.
 * @throws {TypeError} The store or an option is not what it must be.
 */
export function unstorageDriver(
  store: UnstorageStore | PromiseLike<UnstorageStore>,
  options: UnstorageDriverOptions = {},
): UnstorageDriver {
  const ready = opened(store);
  checkOptions(options, "base separator closeStore");
  const { base = "", separator = ":", closeStore = false } = options;
  checkType("base", base, "string");
  checkType("closeStore", closeStore, "boolean");
  if (separator !== ":" && separator !== "/") {
    throw new TypeError(`Expected separator to be ":" or "/", got ${describe(separator)}`);
  }
  const items = new Items(ready, base, separator);
  return {
    name: "blob-store",
    flags: { ttl: true },
    options,
    getInstance: () => store,
    hasItem: async (key) => (await ready).has(items.blobOf(key)),
    getItem: async (key) => textOf(await (await ready).get(items.blobOf(key))),
    getItemRaw: async (key) => await (await ready).get(items.blobOf(key)) ?? null,
    setItem: async (key, value, options) => {
      await (await ready).put(items.blobOf(key), value, expiryOf(options));
    },
    setItemRaw: async (key, value, options) => {
      await (await ready).put(items.blobOf(key), value, expiryOf(options));
    },
    setItems: async (given, options) => {
      await (await ready).batch(given.map((item): BatchOperation<unknown> => {
        const expiry = expiryOf({ ...options, ...item.options });
        return { type: "put", key: items.blobOf(item.key), value: item.value, ...expiry };
      }));
    },
    removeItem: async (key) => {
      await (await ready).delete(items.blobOf(key));
    },
    getMeta: async (key) => {
      const info = await (await ready).stat(items.blobOf(key));
      if (info === undefined) return null;
      const { time: mtime, size, etag, expires } = info;
      if (expires === undefined) return { mtime, size, etag };
      return { mtime, size, etag, ttl: Math.max(0, expires.getTime() - Date.now()) / 1000 };
    },
    getKeys: async (prefix) => {
      const keys: string[] = [];
      for await (const key of items.keys(prefix)) keys.push(key);
      return keys;
    },
    clear: (prefix) => items.clear(prefix),
    watch: (callback) => {
      const abort = new AbortController();
      // It ends by the signal, or with the store.
      items.follow(abort.signal, callback).catch(() => {});
      return () => abort.abort();
    },
    dispose: async () => {
      if (closeStore) await (await ready).close();
    },
  };
}

/** The items of a driver, among the blobs of its store. */
class Items {
  readonly #ready: Promise<UnstorageStore>;
  readonly #base: string;
  readonly #separator: ":" | "/";

  constructor(ready: Promise<UnstorageStore>, base: string, separator: ":" | "/") {
    this.#ready = ready;
    this.#base = base;
    this.#separator = separator;
  }

  blobOf(key: string): string {
    return this.#base + key.split(":").join(this.#separator);
  }

  /** The key of a blob as unstorage has it; undefined where no item is meant by it. */
  #keyOf(blob: string): string | undefined {
    const name = blob.slice(this.#base.length);
    if (this.#separator === ":") return name;
    return name.includes(":") ? undefined : name.split("/").join(":");
  }

  async *keys(prefix: string = ""): AsyncGenerator<string, void, void> {
    for await (const { key } of (await this.#ready).list({ prefix: this.blobOf(prefix) })) {
      const name = this.#keyOf(key);
      if (name !== undefined) yield name;
    }
  }

  async clear(prefix: string | undefined): Promise<void> {
    let steps: BatchOperation<unknown>[] = [];
    for await (const key of this.keys(prefix)) {
      steps.push({ type: "delete", key: this.blobOf(key) });
      if (steps.length < AT_ONCE) continue;
      await (await this.#ready).batch(steps);
      steps = [];
    }
    await (await this.#ready).batch(steps);
  }

  async follow(signal: CancelSignal, tell: WatchCallback): Promise<void> {
    for await (const change of (await this.#ready).watch({ prefix: this.#base, signal })) {
      if (change.type === "missed") {
        for await (const key of this.keys()) tell("update", key);
        continue;
      }
      const key = this.#keyOf(change.type === "put" ? change.info.key : change.key);
      if (key !== undefined) tell(change.type === "put" ? "update" : "remove", key);
    }
  }
}

/** When an item is gone. */
function expiryOf({ ttl }: UnstorageTransaction = {}): { readonly expires?: number } {
  return ttl === undefined ? {} : { expires: Date.now() + ttl * 1000 };
}

/** Bytes as text; null for none. */
function textOf(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
