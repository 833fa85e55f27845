/**
 * A storage adapter of Keyv over a blob store.
 *
 * @module
 */

import type { BatchOperation } from "../../src/blob_store/mod.ts";
import { checkOptions, checkType, describe, opened } from "../../src/util/mod.ts";

/** The part of a `BlobStore` that is used. */
export interface KeyvBlobStore {
  /** The bytes of a blob. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Tells whether there is a blob. */
  has(key: string): Promise<boolean>;
  /** The blobs whose keys begin so. */
  list(options: { readonly prefix: string }): AsyncIterable<{ readonly key: string }>;
  /** Puts a blob, which may expire. */
  put(key: string, value: string, options: { readonly expires?: number }): Promise<unknown>;
  /** Deletes a blob. */
  delete(key: string): Promise<boolean>;
  /** Puts and deletes together. */
  batch(operations: Iterable<BatchOperation<unknown>>): Promise<unknown>;
  /** Closes the store. */
  close(): Promise<void>;
}

/** How a store is used as an adapter. */
export interface KeyvAdapterOptions {
  /** Prefix of each key in the store; none by default. Other blobs are not seen. */
  readonly prefix?: string | undefined;
  /** True if `disconnect` closes the store; `false` by default: who opened it closes it. */
  readonly closeStore?: boolean | undefined;
}

/** A value that is set together with others. */
export interface KeyvEntry {
  /** Its key. */
  readonly key: string;
  /** The text that Keyv made of it. */
  readonly value: unknown;
  /** Milliseconds until it expires; never by default. */
  readonly ttl?: number;
}

/** The adapter as Keyv calls it. */
export interface KeyvAdapter {
  /** Tells Keyv that it may iterate. */
  readonly opts: Record<string, unknown>;
  /** The namespace, which Keyv sets: it puts it before each key, with a colon. */
  namespace?: string | undefined;
  /** The text of a key; undefined where there is none. */
  get<Value>(key: string): Promise<Value | undefined>;
  /** The texts of keys, in their order. */
  getMany<Value>(keys: readonly string[]): Promise<(Value | undefined)[]>;
  /** Sets a text, which may expire after some milliseconds. */
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  /** Sets texts: all of them, or none. */
  setMany(entries: readonly KeyvEntry[]): Promise<void>;
  /** Deletes a key. Tells whether it was there. */
  delete(key: string): Promise<boolean>;
  /** Deletes keys in one commit. Tells whether one was there. */
  deleteMany(keys: readonly string[]): Promise<boolean>;
  /** Deletes all keys of the namespace, some thousand at a time. */
  clear(): Promise<void>;
  /** Tells whether a key is there. */
  has(key: string): Promise<boolean>;
  /** Tells whether keys are there, in their order. */
  hasMany(keys: readonly string[]): Promise<boolean[]>;
  /** Keys and texts of a namespace, in the order of the keys; of all by default. */
  iterator<Value>(namespace?: string): AsyncGenerator<[string, Value], void>;
  /** Closes the store, with `closeStore`. */
  disconnect(): Promise<void>;
  /** Does nothing: what fails rejects, and no event tells of it. */
  on(event: string, listener: (...given: never[]) => void): KeyvAdapter;
}

/** Blobs that are deleted in one commit. */
const AT_ONCE = 1000;

/**
 * Makes an adapter over a store: a key is one blob, of UTF-8.
 *
 * Where the store refuses something, as a key of more than 1024 bytes, the call rejects; Keyv makes
 * an `error` event of that, or with `throwOnErrors` an exception.
 *
 * @param store A store, or the promise of one, as `BlobStore.open` returns it. Where that rejects,
 * so does each call. Other programs may use it, too.
 * @throws {TypeError} The store or an option is not what it must be.
 */
export function keyvAdapter(
  store: KeyvBlobStore | PromiseLike<KeyvBlobStore>,
  options: KeyvAdapterOptions = {},
): KeyvAdapter {
  const ready = opened(store);
  checkOptions(options, "prefix closeStore");
  checkType("prefix", options.prefix, "string");
  checkType("closeStore", options.closeStore, "boolean");
  return new Adapter(ready, options);
}

class Adapter implements KeyvAdapter {
  // Keyv 5 iterates over nothing but what names a dialect that it knows.
  readonly opts: Record<string, unknown> = { dialect: "sqlite", url: "" };
  namespace: string | undefined;
  readonly #ready: Promise<KeyvBlobStore>;
  readonly #prefix: string;
  readonly #closeStore: boolean;

  constructor(
    ready: Promise<KeyvBlobStore>,
    { prefix = "", closeStore = false }: KeyvAdapterOptions,
  ) {
    this.#ready = ready;
    this.#prefix = prefix;
    this.#closeStore = closeStore;
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const bytes = await (await this.#ready).get(this.#prefix + key);
    return bytes && new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) as Value;
  }

  async getMany<Value>(keys: readonly string[]): Promise<(Value | undefined)[]> {
    return await Promise.all(keys.map((key) => this.get<Value>(key)));
  }

  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await (await this.#ready).put(this.#prefix + key, textIn(value), expiryOf(ttl));
    return true;
  }

  async setMany(entries: readonly KeyvEntry[]): Promise<void> {
    await (await this.#ready).batch(entries.map(({ key, value, ttl }): BatchOperation<unknown> => {
      return { type: "put", key: this.#prefix + key, value: textIn(value), ...expiryOf(ttl) };
    }));
  }

  async delete(key: string): Promise<boolean> {
    return await (await this.#ready).delete(this.#prefix + key);
  }

  async deleteMany(keys: readonly string[]): Promise<boolean> {
    return (await Promise.all(keys.map((key) => this.delete(key)))).includes(true);
  }

  async clear(): Promise<void> {
    let steps: BatchOperation<unknown>[] = [];
    for await (
      const { key } of (await this.#ready).list({ prefix: this.#prefixOf(this.namespace) })
    ) {
      steps.push({ type: "delete", key });
      if (steps.length < AT_ONCE) continue;
      await (await this.#ready).batch(steps);
      steps = [];
    }
    await (await this.#ready).batch(steps);
  }

  async has(key: string): Promise<boolean> {
    return await (await this.#ready).has(this.#prefix + key);
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return await Promise.all(keys.map((key) => this.has(key)));
  }

  async *iterator<Value>(namespace?: string): AsyncGenerator<[string, Value], void> {
    for await (const { key } of (await this.#ready).list({ prefix: this.#prefixOf(namespace) })) {
      const name = key.slice(this.#prefix.length), value = await this.get<Value>(name);
      if (value !== undefined) yield [name, value]; // else it was deleted since
    }
  }

  async disconnect(): Promise<void> {
    if (this.#closeStore) await (await this.#ready).close();
  }

  on(): this {
    return this;
  }

  #prefixOf(namespace: string | undefined): string {
    return namespace === undefined ? this.#prefix : `${this.#prefix}${namespace}:`;
  }
}

/** When a value is gone; Keyv takes 0 for never. */
function expiryOf(ttl: number | undefined): { readonly expires?: number } {
  return ttl ? { expires: Date.now() + ttl } : {};
}

/** A value from Keyv, unless it was told to serialize nothing. */
function textIn(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Expected value to be a string, as Keyv serializes, got ${describe(value)}`);
}
