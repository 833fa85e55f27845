/**
 * What a store may hold: the blobs that were put under each key, and the states that
 * transactions made of them, told apart by their bytes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { BlobStore } from "../../../src/blob_store/blob_store.ts";
import type { BlobInfo, Metadata } from "../../../src/blob_store/types.ts";
import type { Random } from "../../support/random.ts";

/** Bytes and metadata that were put under a key, once or several times. */
export interface Content {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** As JSON, "" for none. */
  readonly metadata: string;
  /** The etags seen with it, and how often it was put: all are known if these are as many. */
  readonly etags: Set<string>;
  puts: number;
}

/** What a store holds. */
export type State = ReadonlyMap<string, Content>;

/** Everything that was ever put. */
export class Contents {
  readonly #byKey: Map<string, Content[]> = new Map();
  readonly #parent: Contents | undefined;

  /** With everything that `parent` knows. */
  constructor(parent?: Contents) {
    this.#parent = parent;
  }

  /** Remembers a put; equal ones are one content. */
  put(key: string, bytes: Uint8Array, metadata?: Metadata): Content {
    const text = metadata === undefined ? "" : JSON.stringify(metadata);
    let content = this.#find(key, bytes, text);
    if (content === undefined) {
      content = { key, bytes, metadata: text, etags: new Set(), puts: 0 };
      this.#byKey.set(key, [content, ...this.#byKey.get(key) ?? []]);
    }
    content.puts++;
    return content;
  }

  /**
   * What a store holds, found by reading every blob of it, some of them in other ways too.
   * It fails where a blob was never put, where the keys are out of order, where `check()`
   * does, and where a blob does not keep its etag.
   */
  async read(store: BlobStore, random: Random): Promise<State> {
    await store.check();
    const state = new Map<string, Content>();
    let before: Uint8Array | undefined;
    for await (const info of store.list()) {
      const { key, size } = info, order = encoder.encode(key);
      assert(!before || compareBytes(before, order) < 0, `list: ${short(key)} is out of order`);
      before = order;
      const bytes = await readOne(store, info, random);
      assert(bytes !== undefined, `${short(key)} is listed, but not there`);
      assertEquals(bytes.length, size, `size of ${short(key)}`);
      const text = info.metadata === undefined ? "" : JSON.stringify(info.metadata);
      const content = this.#find(key, bytes, text);
      if (content === undefined) {
        throw new Error(`${short(key)}: ${this.#unknown(key, bytes, text)}`);
      }
      if (!content.etags.has(info.etag)) {
        assert(content.etags.size < content.puts, `${short(key)} has another etag: ${info.etag}`);
        content.etags.add(info.etag);
      }
      state.set(key, content);
    }
    assertEquals((await store.stats()).blobs, state.size, "blobs by stats()");
    return state;
  }

  #find(key: string, bytes: Uint8Array, metadata: string): Content | undefined {
    return this.#search(
      key,
      (content) => content.metadata === metadata && equalBytes(content.bytes, bytes),
    );
  }

  #search(key: string, isIt: (content: Content) => boolean): Content | undefined {
    const found = this.#byKey.get(key)?.find(isIt);
    return found === undefined && this.#parent ? this.#parent.#search(key, isIt) : found;
  }

  #unknown(key: string, bytes: Uint8Array, metadata: string): string {
    const like = this.#search(key, (content) => content.bytes.length === bytes.length);
    if (like === undefined) return `${bytes.length} bytes were never put`;
    const at = bytes.findIndex((byte, i) => byte !== like.bytes[i]);
    if (at < 0) return `the metadata is wrong: ${metadata}, not ${like.metadata}`;
    return `the bytes are wrong, of ${bytes.length} the first at ${at}`;
  }
}

/** What tells two states apart, or undefined. */
export function difference(actual: State, expected: State): string | undefined {
  const found: string[] = [];
  for (const [key, content] of expected) {
    const other = actual.get(key);
    if (other === undefined) found.push(`${short(key)} is missing`);
    else if (other !== content) {
      found.push(`${short(key)} holds ${size(other)}, not ${size(content)}`);
    }
  }
  for (const key of actual.keys()) if (!expected.has(key)) found.push(`${short(key)} is there`);
  return found.length === 0 ? undefined : found.join(", ");
}

/** Whether two states are the same. */
export function isSame(one: State, other: State): boolean {
  if (one.size !== other.size) return false;
  for (const [key, content] of one) if (other.get(key) !== content) return false;
  return true;
}

const encoder = new TextEncoder();
const buffer = new Uint8Array(2 ** 18);

/** A blob by one of the ways to read it. */
async function readOne(
  store: BlobStore,
  { key, size, etag }: BlobInfo,
  random: Random,
): Promise<Uint8Array | undefined> {
  const way = random(24);
  if (way === 0) {
    const chunks = [];
    for await (const chunk of (await store.stream(key))!) chunks.push(chunk);
    return joined(chunks);
  }
  if (way === 1) {
    assertEquals((await store.stat(key))?.etag, etag, `etag of ${short(key)}`);
    assert(await store.has(key), `${short(key)} is listed, but has() says no`);
  }
  if (way === 2) {
    const middle = random(size + 1);
    return joined([
      (await store.get(key, { range: { offset: 0, length: middle } }))!,
      (await store.get(key, { range: { offset: middle } }))!,
    ]);
  }
  if (way < 6) return await store.get(key);
  const length = await store.getInto(key, buffer);
  return length === undefined ? undefined : buffer.subarray(0, length);
}

/** Pieces as one. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && compareBytes(one, other) === 0;
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) if (one[i] !== other[i]) return one[i] - other[i];
  return one.length - other.length;
}

function size(content: Content): string {
  return `${content.bytes.length} bytes ${content.metadata}`;
}

/** A key as it is printed. */
export function short(key: string): string {
  return JSON.stringify(key.length > 24 ? `${key.slice(0, 16)}...(${key.length})` : key);
}
