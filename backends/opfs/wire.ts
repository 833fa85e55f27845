/**
 * Calls, answers and streams between a worker that has a blob store and a page: plain messages
 * that every port can take. A stream goes in chunks, as many as its reader gave credit for:
 * not every browser can transfer a stream.
 *
 * @module
 */

import { bytesIn } from "../../src/util/bytes_in.ts";
import { decodeError, encodeError, type WireError } from "./wire_errors.ts";

/** Common members of a worker, its scope, a `MessagePort` and a `BroadcastChannel`. */
export interface MessagePortLike {
  /** Posts a message. */
  postMessage(message: unknown, options?: { transfer?: ArrayBuffer[] }): void;
  /** Listens to messages. */
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  /** Listens no more. */
  removeEventListener(
    type: "message",
    listener: (event: { readonly data: unknown }) => void,
  ): void;
  /** Lets a `MessagePort` begin. */
  start?(): void;
}

/** Marks our messages among others of the same port; another version of them has another mark. */
const MARK = "offset-allocator/1";

/** Chunks that are under way or wait for their reader at once. */
const WINDOW = 8;

/** A message. */
export type WireMessage =
  | {
    readonly type: "call";
    readonly id: number;
    /** The calling client. */
    readonly client: string;
    readonly method: string;
    readonly args: readonly unknown[];
    /** True if an abort may follow. */
    readonly hasSignal: boolean;
    readonly hasProgress: boolean;
  }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | {
    readonly type: "failure";
    readonly id: number;
    readonly error: WireError;
    /** True if the caller's own abort is the reason. */
    readonly isAbort: boolean;
  }
  | { readonly type: "abort"; readonly id: number; readonly error: WireError }
  | {
    readonly type: "progress";
    readonly id: number;
    readonly done: number;
    readonly total: number;
  }
  | { readonly type: "more"; readonly id: number; readonly count: number }
  | { readonly type: "stop"; readonly id: number; readonly error: WireError }
  | { readonly type: "chunk"; readonly id: number; readonly value: unknown }
  | { readonly type: "end"; readonly id: number; readonly error: WireError | undefined };

let lastId = 0;

/**
 * A number that names a call or a stream, unlike any other one: several tabs may share a port,
 * each with a realm of its own.
 */
export function newId(): number {
  lastId ||= Math.floor(Math.random() * 2 ** 50);
  return ++lastId;
}

/** Posts a message; buffers that it may take are transferred. */
export function post(port: MessagePortLike, message: WireMessage, transfer?: ArrayBuffer[]): void {
  port.postMessage({ ...message, mark: MARK }, transfer && { transfer });
}

/** Our message in an event; undefined where it is another one's. */
export function messageIn({ data }: { readonly data: unknown }): WireMessage | undefined {
  const { mark } = Object(data) as { readonly mark?: unknown };
  return mark === MARK ? data as WireMessage : undefined;
}

/** The buffers of a value that can be transferred: it is nobody else's. */
export function buffersOf(value: unknown): ArrayBuffer[] {
  const isWhole = value instanceof Uint8Array && value.buffer instanceof ArrayBuffer &&
    value.byteLength === value.buffer.byteLength;
  return isWhole ? [value.buffer as ArrayBuffer] : [];
}

/** Bytes in a buffer of their own, which may be transferred; another value as it is. */
export function ownBytes(value: unknown): unknown {
  const bytes = bytesIn(value);
  return bytes === undefined ? value : new Uint8Array(bytes);
}

/** Chunks of a stream that is sent, as a reader or an iterator gives them. */
export interface ChunkSource {
  next(): Promise<{ readonly done?: boolean; readonly value?: unknown }>;
  /** Reads no more. */
  cancel(reason: unknown): unknown;
}

/** A stream that is sent: chunks, as many as the other side gave credit for. */
export class Outlet {
  readonly id: number = newId();
  readonly #port: MessagePortLike;
  readonly #source: ChunkSource;
  readonly #onEnd: (failure?: { readonly error: unknown }) => void;
  #credits = 0;
  #isSending = false;
  #isOver = false;

  /**
   * @param port Where chunks are posted.
   * @param source The source of the chunks.
   * @param onEnd Called once: with the error, where the source failed.
   */
  constructor(
    port: MessagePortLike,
    source: ChunkSource,
    onEnd: (failure?: { readonly error: unknown }) => void,
  ) {
    this.#port = port;
    this.#source = source;
    this.#onEnd = onEnd;
  }

  /** Sends so many chunks more. */
  async give(credits: number): Promise<void> {
    this.#credits += credits;
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      while (this.#credits > 0 && !this.#isOver) {
        this.#credits--;
        const { done, value } = await this.#source.next();
        if (this.#isOver) break;
        if (done) this.#finish(undefined);
        else post(this.#port, { type: "chunk", id: this.id, value }, buffersOf(value));
      }
    } catch (error) {
      if (!this.#isOver) this.#finish({ error });
    }
    this.#isSending = false;
  }

  /** Sends no more. */
  stop(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    Promise.resolve().then(() => this.#source.cancel(reason)).catch(() => {});
    this.#onEnd();
  }

  #finish(failure: { readonly error: unknown } | undefined): void {
    this.#isOver = true;
    const error = failure && encodeError(failure.error);
    post(this.#port, { type: "end", id: this.id, error });
    this.#onEnd(failure);
  }
}

/** A stream that is received: its chunks, which come as they are read. */
export class Inlet<T> {
  readonly stream: ReadableStream<T>;
  readonly #onEnd: () => void;
  #controller!: ReadableStreamDefaultController<T>;
  #credits = 0;
  #isOver = false;

  /**
   * @param port Where it comes from.
   * @param id The name of the stream.
   * @param onEnd Called once.
   */
  constructor(port: MessagePortLike, id: number, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.stream = new ReadableStream<T>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        const count = WINDOW - this.#credits;
        if (count <= 0) return;
        this.#credits += count;
        post(port, { type: "more", id, count });
      },
      cancel: (reason) => {
        post(port, { type: "stop", id, error: encodeError(reason) });
        this.#end();
      },
    }, { highWaterMark: 0 }); // nothing comes before it is asked for
  }

  /** Takes a chunk. */
  take(value: unknown): void {
    if (this.#isOver) return;
    this.#credits--;
    this.#controller.enqueue(value as T);
  }

  /** Ends, with an error if there is one. */
  end(failure?: { readonly error: unknown }): void {
    if (this.#isOver) return;
    this.#end();
    if (failure) this.#controller.error(failure.error);
    else this.#controller.close();
  }

  #end(): void {
    this.#isOver = true;
    this.#onEnd();
  }
}

/** The streams of one side of a port. */
export class Streams {
  readonly #port: MessagePortLike;
  readonly #outlets = new Map<number, Outlet>();
  readonly #inlets = new Map<number, Inlet<unknown>>();

  constructor(port: MessagePortLike) {
    this.#port = port;
  }

  /** Takes a message of a stream. */
  receive(message: WireMessage): void {
    const { type, id } = message;
    if (type === "more") this.#outlets.get(id)?.give(message.count);
    else if (type === "stop") this.#outlets.get(id)?.stop(decodeError(message.error));
    else if (type === "chunk") this.#inlets.get(id)?.take(message.value);
    else if (type === "end") {
      const { error } = message;
      this.#inlets.get(id)?.end(error && { error: decodeError(error) });
    }
  }

  /** Sends the chunks of a source, as the other side wants them; returns the name of the stream. */
  send(
    source: ChunkSource,
    onEnd: (failure?: { readonly error: unknown }) => void = () => {},
  ): Outlet {
    const outlet = new Outlet(this.#port, source, (failure) => {
      this.#outlets.delete(outlet.id);
      onEnd(failure);
    });
    this.#outlets.set(outlet.id, outlet);
    return outlet;
  }

  /** The stream that the other side sends under a name. */
  inlet<T>(id: number, onEnd: () => void = () => {}): Inlet<T> {
    const inlet = new Inlet<T>(this.#port, id, () => {
      this.#inlets.delete(id);
      onEnd();
    });
    this.#inlets.set(id, inlet as Inlet<unknown>);
    return inlet;
  }

  /** Ends all of them: the other side is gone. */
  fail(error: unknown): void {
    for (const inlet of [...this.#inlets.values()]) inlet.end({ error });
    for (const outlet of [...this.#outlets.values()]) outlet.stop(error);
  }
}
