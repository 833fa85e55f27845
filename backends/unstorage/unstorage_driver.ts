/**
 * A driver of unstorage over a blob store.
 *
 * @module
 */

import type { BatchOperation, BlobSource, BlobStore } from "../../src/blob_store/mod.ts";
import { checkOptions, checkType, describe } from "../../src/util/mod.ts";

/** The part of a `BlobStore` that is used. */
export type UnstorageStore = Pick<
  BlobStore,
  "batch" | "close" | "delete" | "get" | "has" | "list" | "put" | "stat"
>;

/** How a store is used as a driver. */
export interface UnstorageDriverOptions {
  /** What stands before each key in the store; nothing by default. Other blobs are not seen. */
  readonly base?: string;
  /**
   * What the `:` of keys is in the store; `":"` by default. With `"/"` blobs that other programs put
   * under paths are seen, but those that have a `:` in their key.
   */
  readonly separator?: ":" | "/";
  /** Whether `dispose` closes the store; `false` by default: who opened it closes it. */
  readonly closeStore?: boolean;
}

/** Options of one call, as unstorage hands them on. */
export interface UnstorageTransaction {
  /** Seconds after which an item that is set expires. */
  readonly ttl?: number;
  /** What is for other drivers. */
  readonly [name: string]: unknown;
}

/** An item that is set together with others. */
export interface UnstorageItem {
  /** Its key. */
  readonly key: string;
  /** What it is set to. */
  readonly value: string;
  /** Options of this item alone. */
  readonly options?: UnstorageTransaction;
}

/** What is known of an item. */
export interface UnstorageMeta {
  /** When it was set. */
  readonly mtime: Date;
  /** Bytes in it. */
  readonly size: number;
  /** Names this very content. */
  readonly etag: string;
  /** What unstorage allows beside these. */
  readonly [name: string]: Date | number | string | undefined;
}

/** What unstorage asks of a driver. */
export interface UnstorageDriver {
  /** `"blob-store"`. */
  readonly name: string;
  /** What the driver was made with. */
  readonly options: UnstorageDriverOptions;
  /** The store. */
  getInstance(): UnstorageStore;
  /** Whether there is an item. */
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
  /** What is known of an item; null where there is none. */
  getMeta(key: string): Promise<UnstorageMeta | null>;
  /** The keys that begin with a base, in order. */
  getKeys(base?: string): Promise<string[]>;
  /** Removes the items whose keys begin with a base, some thousand at a time. */
  clear(base?: string): Promise<void>;
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
 * @param store A store that is open. Other programs may use it, too.
 * @throws {TypeError} The store or an option is not what it must be.
 */
export function unstorageDriver(
  store: UnstorageStore,
  options: UnstorageDriverOptions = {},
): UnstorageDriver {
  if (typeof Object(store).batch !== "function") {
    throw new TypeError(`Expected store to be a blob store, got ${describe(store)}`);
  }
  checkOptions(options, "base separator closeStore");
  const { base = "", separator = ":", closeStore = false } = options;
  checkType("base", base, "string");
  checkType("closeStore", closeStore, "boolean");
  if (separator !== ":" && separator !== "/") {
    throw new TypeError(`Expected separator to be ":" or "/", got ${describe(separator)}`);
  }
  const blobOf = (key: string) => base + key.replaceAll(":", separator);
  const putOf = (
    { key, value }: UnstorageItem,
  ): BatchOperation => ({ type: "put", key: blobOf(key), value });
  async function* keysIn(prefix = ""): AsyncGenerator<string, void, void> {
    for await (const { key } of store.list({ prefix: blobOf(prefix) })) {
      const name = key.slice(base.length);
      if (separator === ":" || !name.includes(":")) yield name.replaceAll(separator, ":");
    }
  }
  return {
    name: "blob-store",
    options,
    getInstance: () => store,
    hasItem: (key) => store.has(blobOf(key)),
    getItem: async (key) => textOf(await store.get(blobOf(key))),
    getItemRaw: async (key) => await store.get(blobOf(key)) ?? null,
    setItem: async (key, value) => {
      await store.put(blobOf(key), value);
    },
    setItemRaw: async (key, value) => {
      await store.put(blobOf(key), value);
    },
    setItems: async (items) => {
      await store.batch(items.map(putOf));
    },
    removeItem: async (key) => {
      await store.delete(blobOf(key));
    },
    getMeta: async (key) => {
      const info = await store.stat(blobOf(key));
      return info === undefined ? null : { mtime: info.time, size: info.size, etag: info.etag };
    },
    getKeys: async (prefix) => {
      const keys: string[] = [];
      for await (const key of keysIn(prefix)) keys.push(key);
      return keys;
    },
    clear: async (prefix) => {
      let steps: BatchOperation[] = [];
      for await (const key of keysIn(prefix)) {
        steps.push({ type: "delete", key: blobOf(key) });
        if (steps.length < AT_ONCE) continue;
        await store.batch(steps);
        steps = [];
      }
      await store.batch(steps);
    },
    dispose: async () => {
      if (closeStore) await store.close();
    },
  };
}

/** Bytes as text; null for none. */
function textOf(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
