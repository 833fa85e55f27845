/**
 * A blob store that a worker has, as a page uses it.
 *
 * @module
 */

import { checkBytes, StorageError } from "../../src/arena/backing_store.ts";
import type { BlobReader, BlobSnapshot } from "../../src/blob_store/mod.ts";
import type {
  BackupReport,
  BatchOperation,
  BatchOptions,
  BlobCompactionOptions,
  BlobInfo,
  BlobSource,
  BlobStoreStats,
  ByteRange,
  CompactionReport,
  CopyOptions,
  DeleteOptions,
  FileRegion,
  GetOptions,
  ListOptions,
  Metadata,
  ProgressOptions,
  PutOptions,
  ReadOptions,
  VerifyReport,
} from "../../src/blob_store/types.ts";
import { bytesIn } from "../../src/util/bytes_in.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { type CancelSignal, checkSignal, checkWait } from "../../src/util/wait_options.ts";
import type { OpfsFileHandle } from "./browser_files.ts";
import { beginLife, type Life, watchLife } from "./life.ts";
import { checkPort, chunksOf, type SentValue } from "./serve_blob_store.ts";
import {
  type ChunkSource,
  messageIn,
  type MessagePortLike,
  newId,
  type Outlet,
  ownBytes,
  post,
  Streams,
  type WireMessage,
} from "./wire.ts";
import { ConnectionLostError, decodeError, encodeError, type WireError } from "./wire_errors.ts";

/** How often (ms) a worker is asked that does not answer yet: it may not listen yet. */
const ASK_AGAIN = 100;

/** A call that is not answered yet. */
interface Pending {
  readonly own: OwnCauses;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The part of a call on this side: the causes of a failure there may be here. */
interface OwnCauses {
  onProgress?: (done: number, total: number) => void;
  /** The streams that are sent with it. */
  readonly uploads: Outlet[];
  /** The error of one of them, or what `onProgress` threw. */
  ownError?: { readonly error: unknown };
  /** The reason of an abort. */
  abortReason?: { readonly error: unknown };
}

/** Options of any call. */
interface CallOptions {
  readonly signal?: CancelSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The answer to a connection. */
interface Welcome {
  readonly life: string | undefined;
  readonly takesBlobs: boolean;
  readonly readOnly: boolean;
}

/** The page's side of a port: calls that are answered, streams both ways. */
class Connection {
  readonly #port: MessagePortLike;
  readonly #streams: Streams;
  readonly #client: string = crypto.randomUUID();
  readonly #pending = new Map<number, Pending>();
  readonly #listener = (event: { readonly data: unknown }) => {
    const message = messageIn(event);
    if (message !== undefined) this.#receive(message);
  };
  #life: Life | undefined;
  #unwatch: () => void = () => {};
  /** Why no more calls are possible. */
  #over: { readonly error: (isSent: boolean) => unknown } | undefined;
  #isEnded = false;
  welcome!: Welcome;

  constructor(port: MessagePortLike) {
    this.#port = port;
    this.#streams = new Streams(port);
    port.addEventListener("message", this.#listener);
    port.start?.();
  }

  /** Waits until the other side serves a store, or says why it does not. */
  async open(signal: CancelSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#life = await beginLife();
    let timer: ReturnType<typeof setInterval> | undefined;
    const failed = ({ message }: { readonly message?: string }) => {
      this.end(() => new Error(`The worker does not start: ${message ?? "no reason is told"}`));
    };
    const aborted = () => this.end(() => signal!.reason);
    const events = this.#port as unknown as EventTarget;
    events.addEventListener("error", failed as EventListener);
    signal?.addEventListener("abort", aborted, { once: true });
    try {
      const id = newId(), answer = this.#waitFor(id, { uploads: [] });
      this.#ask(id);
      timer = setInterval(() => this.#ask(id), ASK_AGAIN);
      this.welcome = await answer as Welcome;
      this.#unwatch = watchLife(this.welcome.life, () => {
        this.end((isSent) => new ConnectionLostError(isSent));
      });
    } catch (error) {
      this.end(() => error);
      throw error;
    } finally {
      clearInterval(timer);
      signal?.removeEventListener("abort", aborted);
      events.removeEventListener("error", failed as EventListener);
    }
  }

  #ask(id: number): void {
    const call = { id, client: this.#client, hasSignal: false, hasProgress: false } as const;
    const ask = (...args: unknown[]) => {
      post(this.#port, { type: "call", ...call, method: "connect", args });
    };
    try {
      ask(this.#life!.name, new Blob(["?"]));
    } catch {
      ask(this.#life!.name); // not every runtime posts a Blob
    }
  }

  #waitFor(id: number, own: OwnCauses): Promise<unknown> {
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject, own }));
  }

  #receive(message: WireMessage): void {
    const { type, id } = message, pending = this.#pending.get(id);
    if (type === "answer" || type === "failure") {
      this.#pending.delete(id);
      const { ownError, abortReason } = pending?.own ?? {};
      if (ownError) pending!.reject(ownError.error);
      else if (type === "answer") pending?.resolve(message.value);
      else pending?.reject((message.isAbort && abortReason || decoded(message)).error);
    } else if (type === "progress") {
      try {
        pending?.own.onProgress?.(message.done, message.total);
      } catch (error) {
        pending!.own.ownError ??= { error };
        this.#abort(id, error);
      }
    } else this.#streams.receive(message);
  }

  /** Ends a call for a reason of this side, unless it is answered before. */
  #abort(id: number, error: unknown): void {
    const own = this.#pending.get(id)?.own;
    if (own === undefined || own.abortReason !== undefined) return;
    own.abortReason = { error };
    post(this.#port, { type: "abort", id, error: encodeError(error) });
  }

  /**
   * Calls a method of the store.
   *
   * @param options The last argument, without what cannot be posted.
   * @param values Those among the arguments: their buffers are transferred, their streams sent.
   */
  async call<T>(
    method: string,
    args: readonly unknown[],
    options?: object,
    values: Values = new Values(this.#streams),
  ): Promise<T> {
    const id = newId(), { own } = values;
    let unlisten = () => {};
    try {
      if (this.#over) throw this.#over.error(false);
      const { signal, onProgress, rest } = partsOf(options);
      signal?.throwIfAborted();
      const abort = () => this.#abort(id, signal!.reason);
      unlisten = () => signal?.removeEventListener("abort", abort);
      signal?.addEventListener("abort", abort, { once: true });
      const hasSignal = signal !== undefined, hasProgress = onProgress !== undefined;
      own.onProgress = onProgress;
      const answer = this.#waitFor(id, own);
      try {
        const message = { type: "call", id, client: this.#client, method } as const;
        const all = options === undefined ? args : [...args, rest];
        post(this.#port, { ...message, args: all, hasSignal, hasProgress }, values.buffers);
      } catch (cause) {
        this.#pending.delete(id);
        throw new TypeError(`Expected arguments that can be posted to a worker`, { cause });
      }
      return await answer as T;
    } catch (error) {
      for (const upload of own.uploads) upload.stop(error);
      throw error;
    } finally {
      unlisten();
    }
  }

  /** A stream that the answer of a call names. */
  stream<T>(id: number, signal?: CancelSignal): ReadableStream<T> {
    const abort = () => {
      inlet.end({ error: signal!.reason });
      post(this.#port, { type: "stop", id, error: encodeError(signal!.reason) });
    };
    const inlet = this.#streams.inlet<T>(id, () => signal?.removeEventListener("abort", abort));
    signal?.addEventListener("abort", abort, { once: true });
    return inlet.stream;
  }

  /** Values that go with a call. */
  values(): Values {
    return new Values(this.#streams, this.welcome.takesBlobs);
  }

  /** Ends the connection, and lets the other side know. */
  async close(): Promise<void> {
    if (this.#over) return;
    const closed = this.call("close", []);
    const error = () => new StorageError("read", 0, 0, "the store is closed");
    this.#over = { error }; // for later calls; those under way are answered
    try {
      await closed;
    } finally {
      this.end(error);
    }
  }

  /** Refuses every call from now on, and those under way. */
  end(error: (isSent: boolean) => unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#over ??= { error };
    this.#unwatch();
    this.#life?.end();
    this.#port.removeEventListener("message", this.#listener);
    for (const { reject } of this.#pending.values()) reject(error(true));
    this.#pending.clear();
    this.#streams.fail(error(true));
  }
}

function decoded({ error }: { readonly error: WireError }): { readonly error: unknown } {
  return { error: decodeError(error) };
}

/** Values of one call, as they are posted. */
class Values {
  readonly #streams: Streams;
  readonly #takesBlobs: boolean;
  readonly buffers: ArrayBuffer[] = [];
  readonly own: OwnCauses = { uploads: [] };

  constructor(streams: Streams, takesBlobs = false) {
    this.#streams = streams;
    this.#takesBlobs = takesBlobs;
  }

  /** A value to put. An invalid one goes as it is: the store there refuses it. */
  add(value: unknown): SentValue {
    if (typeof value === "string") return { value };
    const bytes = bytesIn(value);
    if (bytes !== undefined) {
      checkIntact("value", bytes);
      const own = ownBytes(bytes) as Uint8Array<ArrayBuffer>;
      this.buffers.push(own.buffer);
      return { value: own };
    }
    const isBlob = typeof Blob === "function" && value instanceof Blob;
    if (isBlob && this.#takesBlobs) return { value };
    const source = sourceOf(value);
    if (source === undefined) return { value };
    const outlet = this.#streams.send(source, (failure) => {
      if (failure) this.own.ownError ??= failure;
    });
    this.own.uploads.push(outlet);
    return { upload: outlet.id };
  }
}

/** The chunks of a value that is no buffer; undefined where it has none. */
function sourceOf(value: unknown): ChunkSource | undefined {
  const given = Object(value) as {
    readonly [name: string]: unknown;
    readonly [Symbol.asyncIterator]?: () => AsyncIterator<unknown>;
  };
  if (typeof given.getReader === "function") return chunksOf(value as ReadableStream<unknown>);
  if (typeof given[Symbol.asyncIterator] === "function") {
    const iterator = given[Symbol.asyncIterator]!();
    return {
      async next() {
        const { done, value } = await iterator.next();
        return { done, value: ownBytes(value) };
      },
      cancel: (reason) => iterator.return?.(reason),
    };
  }
  if (typeof given.stream === "function" && typeof given.size === "number") {
    return chunksOf(given.stream() as ReadableStream<unknown>);
  }
  if (!("body" in given) || !("bodyUsed" in given)) return undefined;
  if (given.bodyUsed === true) {
    const got = `${describe(value)} whose body was read`;
    throw new TypeError(`Expected value to have a body that nobody read, got ${got}`);
  }
  const nothing = { next: () => Promise.resolve({ done: true }), cancel() {} };
  return given.body === null ? nothing : sourceOf(given.body);
}

/** The options of a call: what cannot be posted, and the rest; the other side checks that. */
function partsOf(options: object | undefined): CallOptions & { readonly rest: unknown } {
  if (typeof options === "function") {
    throw new TypeError(`Expected options to be an object, got ${describe(options)}`);
  }
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    return { rest: options };
  }
  const { signal, onProgress, ...rest } = options as CallOptions;
  checkSignal(signal);
  if (typeof onProgress === "function") return { signal, onProgress, rest };
  return { signal, rest: onProgress === undefined ? rest : { ...rest, onProgress } };
}

/** Metadata as it comes out again: what JSON says of it. */
function plain<T extends { readonly metadata?: unknown }>(options: T): T {
  const { metadata } = Object(options) as T;
  if (metadata === undefined) return options;
  const json = JSON.stringify(metadata) as string | undefined;
  if (json !== undefined) return { ...options, metadata: JSON.parse(json) };
  throw new TypeError(`Expected metadata that JSON can hold, got ${describe(metadata)}`);
}

/**
 * A blob store that a worker has, with the methods of a `BlobStore`, on a page or anywhere else.
 * The worker serves it with {@linkcode serveBlobStore}.
 *
 * Errors are of the same classes, with the same fields. Bytes are copied when they are put, and
 * come in buffers of their own. A `Blob` or `File` goes by reference: the worker reads it. Streams
 * go in chunks as they are read, a few ahead of their reader. A call costs about a message there
 * and back, some 0.1 ms.
 *
 * Where the worker ends, every call under way rejects with a {@linkcode ConnectionLostError}, and
 * so does each later one. Its `isOutcomeUnknown` tells them apart.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { BlobStore, RemoteBlobStore, serveBlobStore } from "@suballoc/offset-allocator/opfs";
 *
 * // Here both sides are in one thread; a page passes its `Worker` to `connect`.
 * const { port1, port2 } = new MessageChannel();
 * serveBlobStore(BlobStore.open(new MemoryStore(0, { maxByteLength: 2 ** 24 })), port1);
 *
 * const blobs = await RemoteBlobStore.connect(port2);
 * await blobs.put("cats/1.jpg", new Blob(["..."]), { metadata: { by: "Ada" } });
 * await blobs.get("cats/1.jpg"); // Uint8Array of 3 bytes
 * await blobs.close();
 * port2.close();
 * ```
 */
export class RemoteBlobStore<Meta = Metadata> implements BlobReader<Meta> {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    if (!(connection instanceof Connection)) {
      const expected = "await RemoteBlobStore.connect(worker)";
      throw new TypeError(`Expected ${expected}, got new RemoteBlobStore(...)`);
    }
    this.#connection = connection;
  }

  /**
   * Connects to the store that a worker serves. Waits for it as long as that takes.
   *
   * @param worker A `Worker`, or a `MessagePort` whose other side serves a store.
   * @param options `signal` ends the wait.
   * @throws The error with which the worker failed to open the store, as a {@linkcode
   * StoreLockedError}.
   * @throws {Error} The worker does not start.
   * @throws {TypeError} An argument is not valid.
   */
  static async connect<Meta = Metadata>(
    worker: MessagePortLike,
    options: { readonly signal?: CancelSignal | undefined } = {},
  ): Promise<RemoteBlobStore<Meta>> {
    checkPort("worker", worker);
    checkOptions(options, "signal");
    const { signal } = checkWait(options), connection = new Connection(worker);
    await connection.open(signal);
    return new RemoteBlobStore<Meta>(connection);
  }

  /** True if writes are refused. */
  get readOnly(): boolean {
    return this.#connection.welcome.readOnly;
  }

  /** Puts a blob, in place of the one with this key if there is one, as `BlobStore.put` does. */
  async put(
    key: string,
    value: BlobSource,
    options: PutOptions<Meta> = {},
  ): Promise<BlobInfo<Meta>> {
    const values = this.#connection.values(), plainOptions = plain(options);
    return await this.#connection.call("put", [key, values.add(value)], plainOptions, values);
  }

  /** The bytes of a blob, or of a part of it; undefined if there is no such blob. */
  async get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return await this.#connection.call("get", [key], options);
  }

  /** The info of a blob and its bytes, of one version, as `BlobStore.read` returns it. */
  async read(key: string, options?: ReadOptions): Promise<BlobSnapshot<Meta> | undefined> {
    const found = await this.#connection.call<OpenedSnapshot<Meta> | undefined>(
      "read",
      [key],
      options,
    );
    return found && new RemoteSnapshot(this.#connection, found, options?.signal);
  }

  /**
   * Reads a blob, or a part of it, into a buffer of the caller's. Returns the number of bytes, or
   * undefined if there is no such blob.
   *
   * @throws {RangeError} They do not fit, or the range begins behind the end of the blob.
   */
  async getInto(
    key: string,
    buffer: Uint8Array,
    options?: GetOptions,
  ): Promise<number | undefined> {
    checkBytes("buffer", buffer);
    const bytes = await this.get(key, options);
    if (bytes === undefined) return undefined;
    if (bytes.length > buffer.length) {
      throw new RangeError(`Expected buffer to have ${bytes.length} bytes, got ${buffer.length}`);
    }
    buffer.set(bytes);
    return bytes.length;
  }

  /** A blob, or a part of it, as a stream; undefined if there is no such blob. */
  async stream(
    key: string,
    options?: GetOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const found = await this.#connection.call<{ readonly stream: number } | undefined>(
      "stream",
      [key],
      options,
    );
    return found && this.#connection.stream(found.stream, options?.signal);
  }

  /** Tells whether there is a blob with this key. */
  async has(key: string): Promise<boolean> {
    return await this.#connection.call("has", [key]);
  }

  /** The info of a blob; undefined if there is none. */
  async stat(key: string): Promise<BlobInfo<Meta> | undefined> {
    return await this.#connection.call("stat", [key]);
  }

  /** Deletes a blob. Tells whether there was one. */
  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return await this.#connection.call("delete", [key], options);
  }

  /** Gives a blob another key, in place of what that had. */
  async rename(from: string, to: string, options?: CopyOptions): Promise<BlobInfo<Meta>> {
    return await this.#connection.call("rename", [from, to], options);
  }

  /** Copies a blob within the store, in place of what `to` had. */
  async copy(from: string, to: string, options?: CopyOptions): Promise<BlobInfo<Meta>> {
    return await this.#connection.call("copy", [from, to], options);
  }

  /** Does all operations together, or none, as `BlobStore.batch` does. */
  async batch(operations: Iterable<BatchOperation<Meta>>, options?: BatchOptions): Promise<void> {
    if (typeof operations === "string" || typeof operations?.[Symbol.iterator] !== "function") {
      const got = describe(operations);
      throw new TypeError(`Expected operations to be an array of steps, got ${got}`);
    }
    const values = this.#connection.values();
    const steps = Array.from(operations, (step) => {
      return step?.type === "put" ? { ...plain(step), value: values.add(step.value) } : step;
    });
    await this.#connection.call("batch", [steps], options, values);
  }

  /**
   * The blobs in the order of their keys, as `BlobStore.list` does. Some hundred entries are read
   * ahead.
   */
  async *list(options?: ListOptions): AsyncGenerator<BlobInfo<Meta>, void, void> {
    yield* this.#entries<BlobInfo<Meta>>("list", options === undefined ? [] : [options]);
  }

  /** All regions of the file, from start to end. */
  async *regions(): AsyncGenerator<FileRegion, void, void> {
    yield* this.#entries<FileRegion>("regions", []);
  }

  async *#entries<T>(method: string, args: readonly unknown[]): AsyncGenerator<T, void, void> {
    const { stream } = await this.#connection.call<{ readonly stream: number }>(method, args);
    const reader = this.#connection.stream<readonly T[]>(stream).getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        yield* next.value;
      }
    } finally {
      await reader.cancel();
    }
  }

  /** Resolves once everything written so far is durable. */
  async flush(): Promise<void> {
    await this.#connection.call("flush", []);
  }

  /** Writes the whole index, so that a new log can begin. */
  async checkpoint(): Promise<void> {
    await this.#connection.call("checkpoint", []);
  }

  /** Moves blobs from the end of the file into holes before them, and cuts the end off. */
  async compact(options?: BlobCompactionOptions): Promise<CompactionReport> {
    return await this.#connection.call("compact", [], options);
  }

  /** Reads and checks every byte of every blob. */
  async verify(options?: ProgressOptions): Promise<VerifyReport> {
    return await this.#connection.call("verify", [], options);
  }

  /**
   * Copies every blob, as of now, into a store of its own.
   *
   * @param to A path of the origin private file system where nothing is, or a
   * `FileSystemFileHandle` of an empty file there.
   */
  async backup(to: string | OpfsFileHandle, options?: ProgressOptions): Promise<BackupReport> {
    return await this.#connection.call("backup", [to], options);
  }

  /** Figures of the store. */
  async stats(): Promise<BlobStoreStats> {
    return await this.#connection.call("stats", []);
  }

  /** Resolves if blobs, log, index and free space share out the file exactly. */
  async check(): Promise<void> {
    await this.#connection.call("check", []);
  }

  /** Sees what a writer elsewhere did, where the store is read-only. */
  async refresh(): Promise<void> {
    await this.#connection.call("refresh", []);
  }

  /**
   * Ends the connection. The last one that is closed closes the store, unless it is served with
   * `closeStore: false`. Closing again does nothing.
   */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Ends the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A snapshot that a worker has opened. */
interface OpenedSnapshot<Meta> {
  readonly snapshot: number;
  readonly info: BlobInfo<Meta>;
  readonly encoding: "gzip" | "zstd" | undefined;
  readonly encodedSize: number;
}

/** One version of a blob that a worker keeps. */
class RemoteSnapshot<Meta> implements BlobSnapshot<Meta> {
  readonly info: BlobInfo<Meta>;
  readonly encoding: "gzip" | "zstd" | undefined;
  readonly encodedSize: number;
  readonly #connection: Connection;
  readonly #id: number;
  readonly #signal: CancelSignal | undefined;
  readonly #abort = () => this.close();
  /** Reads under way, and whether one ended that closes it once there is no other one. */
  #reads = 0;
  #isRead = false;
  #isClosed = false;

  constructor(
    connection: Connection,
    { snapshot, info, encoding, encodedSize }: OpenedSnapshot<Meta>,
    signal: CancelSignal | undefined,
  ) {
    this.#connection = connection;
    this.#id = snapshot;
    this.info = info;
    this.encoding = encoding;
    this.encodedSize = encodedSize;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  stream(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream("snapshot.stream", range);
  }

  encodedStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.encoding === undefined) {
      throw new TypeError("Expected a snapshot that has an encoding, got one of plain bytes");
    }
    return this.#stream("snapshot.encodedStream");
  }

  #stream(method: string, range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#begin(range);
    let isOver = false;
    const end = () => {
      if (!isOver) this.#end(true);
      isOver = true;
    };
    const reader = this.#connection
      .call<{ readonly stream: number }>(method, [this.#id, range])
      .then(({ stream }) =>
        this.#connection.stream<Uint8Array<ArrayBuffer>>(stream, this.#signal).getReader()
      );
    reader.catch(() => {}); // told to who reads
    return new ReadableStream({
      async pull(controller) {
        try {
          const { done, value } = await (await reader).read();
          if (!done) return controller.enqueue(value);
          controller.close();
          end();
        } catch (error) {
          end();
          throw error;
        }
      },
      async cancel(reason) {
        end();
        await (await reader).cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  async bytes(range?: ByteRange): Promise<Uint8Array<ArrayBuffer>> {
    this.#begin(range);
    try {
      const signal = this.#signal && { signal: this.#signal };
      return await this.#connection.call("snapshot.bytes", [this.#id, range], signal);
    } finally {
      this.#end(range === undefined);
    }
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  async text(): Promise<string> {
    // A byte order mark is a part of the text, as it is in the worker.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#connection.call("snapshot.close", [this.#id]).catch(() => {}); // it is gone then, too
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #begin(range: ByteRange | undefined): void {
    this.#signal?.throwIfAborted();
    const { key, size } = this.info;
    if (this.#isClosed) {
      throw new TypeError(`Cannot read ${JSON.stringify(key)}: its snapshot is closed`);
    }
    checkOptions(range, "offset length", "range");
    if (range !== undefined) checkInteger("range.offset", range.offset, 0, size);
    this.#reads++;
  }

  #end(isRead: boolean): void {
    this.#reads--;
    this.#isRead ||= isRead;
    if (this.#isRead && this.#reads === 0) this.close();
  }
}
