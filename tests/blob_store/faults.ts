/**
 * What the tests of failures share: a backing store whose calls fail, a workload to run
 * over it, and what an error must be.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { MemoryStore } from "../../backends/memory.ts";
import { type BackingStore, StorageError } from "../../src/arena/backing_store.ts";
import type { BlobStore } from "../../src/blob_store/blob_store.ts";
import { bytesOf, type Model, streamOf } from "./helpers.ts";

const K = 1024;

/** How much of a failing call is done. */
export type Extent = "nothing" | "half" | "all";

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it is the ${code} of this test`), { code });
}

/** A store that fails at one call, or from there on. */
export class FailingStore implements BackingStore {
  readonly #inner: MemoryStore;
  readonly #isAsync: boolean;
  readonly #extent: Extent;
  calls = 0;
  /** The call that fails, from 1 on. */
  failAt = Infinity;
  /** Whether every call after it fails too. */
  isDead = false;
  /** What failed: `"write"`, `"flush"` and so on. */
  failed: string | undefined;
  error: Error = systemError("EIO");

  constructor(inner: MemoryStore, isAsync: boolean, extent: Extent) {
    this.#inner = inner;
    this.#isAsync = isAsync;
    this.#extent = extent;
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  get maxByteLength(): number {
    return this.#inner.maxByteLength;
  }

  #call(what: string, work: (share: number) => void): void | Promise<void> {
    if (this.#isAsync) return Promise.resolve().then(() => this.#now(what, work));
    this.#now(what, work);
  }

  #now(what: string, work: (share: number) => void): void {
    const call = ++this.calls;
    if (call !== this.failAt && !(this.isDead && call > this.failAt)) return work(1);
    this.failed ??= what;
    if (this.#extent !== "nothing") work(this.#extent === "half" ? 0.5 : 1);
    throw this.error;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    return this.#call("read", (share) => {
      this.#inner.read(offset, into.subarray(0, Math.ceil(into.length * share)));
    });
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#call("write", (share) => {
      this.#inner.write(offset, data.subarray(0, Math.ceil(data.length * share)));
    });
  }

  resize(byteLength: number): void | Promise<void> {
    return this.#call("resize", (share) => {
      const before = this.#inner.byteLength;
      this.#inner.resize(Math.round(before + (byteLength - before) * share));
    });
  }

  flush(): void | Promise<void> {
    return this.#call("flush", () => {});
  }
}

/** What some keys become, `undefined` what is deleted. */
export type Changes = Readonly<Record<string, Uint8Array | undefined>>;

/** A step of the workload: what is done, in one commit, and what that changes. */
export type Step = [name: string, act: (blobs: BlobStore) => Promise<unknown>, Changes?];

const put = (key: string, seed: number, size: number): Step => [
  `put ${key}, ${size}`,
  (blobs) => blobs.put(key, bytesOf(seed, size)),
  { [key]: bytesOf(seed, size) },
];

export const workload: readonly Step[] = [
  put("a", 1, 100),
  put("b", 2, 9 * K),
  ["stream c", (blobs) => blobs.put("c", streamOf(bytesOf(3, 150 * K), [40 * K])), {
    c: bytesOf(3, 150 * K),
  }],
  ["get b", (blobs) => blobs.get("b")],
  put("a", 4, 5 * K),
  [
    "batch",
    (blobs) =>
      blobs.batch([
        { type: "put", key: "a", value: bytesOf(5, 50) },
        { type: "delete", key: "b" },
        { type: "put", key: "d", value: bytesOf(6, 20 * K) },
      ]),
    { a: bytesOf(5, 50), b: undefined, d: bytesOf(6, 20 * K) },
  ],
  ["checkpoint", (blobs) => blobs.checkpoint()],
  ["get d", (blobs) => blobs.get("d")],
  ["delete c", (blobs) => blobs.delete("c"), { c: undefined }],
  put("e", 7, 70 * K),
  ["compact", (blobs) => blobs.compact()],
  put("f", 8, 200),
  ["close", (blobs) => blobs.close()],
];

export function applied(model: Model, changes: Changes = {}): Model {
  const after = new Map(model);
  for (const [key, bytes] of Object.entries(changes)) {
    if (bytes === undefined) after.delete(key);
    else after.set(key, bytes);
  }
  return after;
}

/** Throws unless an error is a `StorageError`, or has one as its cause, behind which is `cause`. */
export function assertStorageError(
  error: unknown,
  cause: Error | undefined,
  context: string,
): void {
  const chain: unknown[] = [];
  for (let e = error; e instanceof Error && chain.length < 9; e = e.cause) chain.push(e);
  assert(chain.some((e) => e instanceof StorageError), `${context}: ${error}`);
  if (cause) assert(chain.includes(cause), `${context}: ${error}, not caused by the failure`);
}
