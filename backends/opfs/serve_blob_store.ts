/**
 * The side of a port that has the blob store.
 *
 * @module
 */

import type { BlobReader, BlobSnapshot } from "../../src/blob_store/mod.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import type { ByteRange } from "../../src/blob_store/types.ts";
import { describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { beginLife, type Life, watchLife } from "./life.ts";
import {
  buffersOf,
  type ChunkSource,
  messageIn,
  type MessagePortLike,
  newId,
  ownBytes,
  post,
  Streams,
  type WireMessage,
} from "./wire.ts";
import { decodeError, encodeError } from "./wire_errors.ts";

/** How a store is served. */
export interface ServeStoreOptions {
  /**
   * True if the store is closed with its last `RemoteBlobStore`; true by default. The others go on
   * where one of several is closed.
   */
  readonly closeStore?: boolean | undefined;
}

/** Entries of a listing that go together. */
const BATCH = 128;

/** Methods whose one answer is the store's. */
const PLAIN: readonly string[] = [
  "backup",
  "check",
  "checkpoint",
  "compact",
  "copy",
  "delete",
  "flush",
  "get",
  "has",
  "refresh",
  "rename",
  "stat",
  "stats",
  "sweep",
  "verify",
];

/** A value that was put, as it comes: bytes, a `Blob` or whatever it is; or a stream that comes. */
export type SentValue = { readonly value: unknown } | { readonly upload: number };

type Call = Extract<WireMessage, { type: "call" }>;

/** Resources of a client. */
interface Client {
  readonly unwatch: () => void;
  readonly snapshots: Map<number, BlobSnapshot<unknown>>;
  readonly outlets: Set<{ stop(reason: unknown): void }>;
}

/** The clients of each store, on all its ports. */
const clientsOf: WeakMap<object, Set<Client>> = /* @__PURE__ */ new WeakMap();

/**
 * Serves a blob store to the other side of a port: a `RemoteBlobStore` has its methods there. Call
 * it at once when the worker starts, with the promise that `BlobStore.open` returns: who connects
 * is told what goes wrong there.
 *
 * @example
 * ```ts
 * import { BlobStore, serveBlobStore } from "@suballoc/offset-allocator/opfs";
 *
 * if ("WorkerGlobalScope" in globalThis) {
 *   serveBlobStore(BlobStore.open("photos.blobs", { create: true }));
 * }
 * ```
 *
 * @param store The store, or a promise of it. One that only reads blobs is served as well.
 * @param port A `MessagePort`; by default the scope of the worker, for the page that started it.
 * Other messages are left alone.
 * @throws {TypeError} An argument is not valid.
 */
export function serveBlobStore(
  store: BlobReader<unknown> | PromiseLike<BlobReader<unknown>>,
  port: MessagePortLike = globalThis as unknown as MessagePortLike,
  options: ServeStoreOptions = {},
): void {
  checkOptions(options, "closeStore");
  checkType("closeStore", options.closeStore, "boolean");
  const { get, then } = Object(store) as Record<string, unknown>;
  if (typeof get !== "function" && typeof then !== "function") {
    throw new TypeError(
      `Expected store to be a BlobStore or a promise of one, got ${describe(store)}`,
    );
  }
  checkPort("port", port);
  const served = Promise.resolve(store as BlobReader | PromiseLike<BlobReader>);
  served.catch(() => {}); // told to who connects
  const server = new Server(served, port, options.closeStore ?? true);
  port.addEventListener("message", (event) => {
    const message = messageIn(event);
    if (message !== undefined) server.receive(message);
  });
  port.start?.();
}

/**
 * Throws unless an argument is a port.
 *
 * @throws {TypeError} It is something else.
 */
export function checkPort(name: string, port: unknown): asserts port is MessagePortLike {
  const { postMessage, addEventListener } = Object(port) as Partial<MessagePortLike>;
  if (typeof postMessage === "function" && typeof addEventListener === "function") return;
  throw new TypeError(`Expected ${name} to be a worker or a MessagePort, got ${describe(port)}`);
}

/** One port of a store. */
class Server {
  readonly #store: Promise<BlobReader>;
  readonly #port: MessagePortLike;
  readonly #closeStore: boolean;
  readonly #streams: Streams;
  readonly #clients = new Map<string, Client>();
  /** Controllers of the calls under way that may be aborted. */
  readonly #aborts = new Map<number, AbortController>();
  #life: Promise<Life> | undefined;

  constructor(store: Promise<BlobReader>, port: MessagePortLike, closeStore: boolean) {
    this.#store = store;
    this.#port = port;
    this.#closeStore = closeStore;
    this.#streams = new Streams(port);
  }

  receive(message: WireMessage): void {
    if (message.type === "call") this.#answer(message);
    else if (message.type === "abort") {
      this.#aborts.get(message.id)?.abort(decodeError(message.error));
    } else this.#streams.receive(message);
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call, controller = new AbortController(), { signal } = controller;
    if (call.hasSignal || call.hasProgress) this.#aborts.set(id, controller);
    try {
      const value = await this.#do(call, signal);
      post(this.#port, { type: "answer", id, value }, buffersOf(value));
    } catch (error) {
      const isAbort = signal.aborted && error === signal.reason;
      post(this.#port, { type: "failure", id, error: encodeError(error), isAbort });
    } finally {
      this.#aborts.delete(id);
    }
  }

  async #do(call: Call, signal: AbortSignal): Promise<unknown> {
    const { method, client: name } = call, store = await this.#store;
    if (method === "connect") return await this.#connect(store, call);
    const client = this.#clients.get(name), args = this.#argsOf(call, signal);
    if (client === undefined) throw new StorageError("read", 0, 0, "the store is closed");
    if (method === "close") return await this.#close(store, name, client);
    if (PLAIN.includes(method)) return await methodOf(store, method)(...args);
    if (method === "put") {
      const [key, value, ...rest] = args;
      return await methodOf(store, method)(key, this.#received(value as SentValue), ...rest);
    }
    if (method === "batch") {
      const [steps, ...rest] = args as [{ readonly value?: SentValue }[], unknown];
      const operations = steps.map((step) => {
        return step.value === undefined ? step : { ...step, value: this.#received(step.value) };
      });
      return await methodOf(store, method)(operations, ...rest);
    }
    if (method === "list" || method === "regions") {
      const entries = methodOf(store, method)(...args) as AsyncGenerator<unknown>;
      return this.#send(client, batchesOf(entries));
    }
    if (method === "stream") {
      const stream = await methodOf(store, method)(...args);
      return stream && this.#send(client, chunksOf(stream as ReadableStream<unknown>));
    }
    return await this.#ofSnapshot(store, client, method, args);
  }

  /** The arguments, with what cannot be posted. */
  #argsOf({ id, args, hasSignal, hasProgress }: Call, signal: AbortSignal): unknown[] {
    if (!hasSignal && !hasProgress) return [...args];
    const options: Record<string, unknown> = { ...args.at(-1) as object };
    if (hasSignal) options.signal = signal;
    if (hasProgress) {
      options.onProgress = (done: number, total: number) => {
        signal.throwIfAborted(); // by what the other side's function threw
        post(this.#port, { type: "progress", id, done, total });
      };
    }
    return [...args.slice(0, -1), options];
  }

  /** A value that was put. */
  #received(sent: SentValue): unknown {
    return "upload" in sent ? this.#streams.inlet(sent.upload).stream : sent.value;
  }

  /** Sends a stream to a client. */
  #send(client: Client, source: ChunkSource, onEnd: () => void = () => {}): { stream: number } {
    const outlet = this.#streams.send(source, () => {
      client.outlets.delete(outlet);
      onEnd();
    });
    client.outlets.add(outlet);
    return { stream: outlet.id };
  }

  async #ofSnapshot(
    store: BlobReader,
    client: Client,
    method: string,
    [first, ...rest]: unknown[],
  ): Promise<unknown> {
    if (method === "read") {
      const snapshot = await store.read(first as string, ...rest as [object?]);
      if (snapshot === undefined) return undefined;
      const id = newId();
      client.snapshots.set(id, snapshot);
      const { info, encoding, encodedSize } = snapshot;
      return { snapshot: id, info, encoding, encodedSize };
    }
    const id = first as number, [range] = rest as [ByteRange?];
    const snapshot = client.snapshots.get(id);
    if (method === "snapshot.close") {
      client.snapshots.delete(id);
      return snapshot?.close();
    }
    if (snapshot === undefined) throw new StorageError("read", 0, 0, "the snapshot is closed");
    if (method === "snapshot.bytes") return await snapshot.bytes(range);
    if (method === "snapshot.stream") return this.#send(client, chunksOf(snapshot.stream(range)));
    if (method === "snapshot.encodedStream") {
      return this.#send(client, chunksOf(snapshot.encodedStream()));
    }
    throw new TypeError(`The worker's store has no method ${method}: is it of another version?`);
  }

  /** Takes a client; it may ask again where its first question was lost. */
  async #connect(store: BlobReader, { client: name, args }: Call): Promise<unknown> {
    const [life, probe] = args as [string | undefined, unknown];
    if (!this.#clients.has(name)) {
      const client: Client = {
        unwatch: watchLife(life, () => this.#drop(store, name, client)),
        snapshots: new Map(),
        outlets: new Set(),
      };
      this.#clients.set(name, client);
      const all = clientsOf.get(store) ?? new Set();
      clientsOf.set(store, all.add(client));
    }
    const { name: ours } = await (this.#life ??= beginLife());
    const takesBlobs = typeof Blob === "function" && probe instanceof Blob;
    const { readOnly = true } = store as { readonly readOnly?: boolean };
    return { life: ours, takesBlobs, readOnly };
  }

  /** Lets go of what a client holds. */
  #drop(store: BlobReader, name: string, client: Client): void {
    client.unwatch();
    for (const outlet of [...client.outlets]) outlet.stop(undefined);
    for (const snapshot of client.snapshots.values()) snapshot.close();
    this.#clients.delete(name);
    clientsOf.get(store)?.delete(client);
  }

  async #close(store: BlobReader, name: string, client: Client): Promise<void> {
    this.#drop(store, name, client);
    if (this.#closeStore && clientsOf.get(store)?.size === 0) await store.close();
  }
}

/** A method of a store, which may lack it. */
function methodOf(store: BlobReader, name: string): (...args: unknown[]) => unknown {
  const method = (store as unknown as Record<string, unknown>)[name];
  if (typeof method === "function") return (...args) => method.apply(store, args);
  throw new TypeError(`The store that is served has no method ${name}`);
}

/** A stream in chunks that may be transferred. */
export function chunksOf(stream: ReadableStream<unknown>): ChunkSource {
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      return { done, value: ownBytes(value) };
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

/** A listing, many entries at a time. */
function batchesOf(entries: AsyncGenerator<unknown>): ChunkSource {
  return {
    async next() {
      const batch: unknown[] = [];
      while (batch.length < BATCH) {
        const { done, value } = await entries.next();
        if (done) return { done: batch.length === 0, value: batch };
        batch.push(value);
      }
      return { value: batch };
    },
    cancel: () => entries.return(undefined),
  };
}
