/**
 * One tab of those that share a blob store: whose turn it is has the file open and serves it, the
 * others are connected to it.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import type { BlobReader } from "../../src/blob_store/mod.ts";
import { hexOf } from "../../src/util/hex_of.ts";
import type { CancelSignal } from "../../src/util/wait_options.ts";
import { BlobStore, type OpfsBlobOptions } from "./blob_store.ts";
import { webLocks } from "./browser_files.ts";
import { beginLife, type Life, watchLife } from "./life.ts";
import { locateFile, nameOf, refusal } from "./locate_file.ts";
import { RemoteBlobStore } from "./remote_blob_store.ts";
import { serveBlobStore } from "./serve_blob_store.ts";
import {
  type ClosablePort,
  joinLent,
  newPorts,
  openChannel,
  type TabMessage,
  tabMessageIn,
  tell,
} from "./tab_ports.ts";
import type { MessagePortLike } from "./wire.ts";
import { ConnectionLostError, decodeError, encodeError } from "./wire_errors.ts";

/** Longest (ms) that calls under way may take once their owner leaves. */
const LEAVE_LIMIT = 2000;

/** How often (ms) a tab without an owner asks: a message to a tab that sleeps may be lost. */
const ASK_AGAIN = 1000;

/** Longest (ms) that an owner may take to answer, until it is asked anew: over a channel. */
const LINK_LIMIT = 5000;

/** A store that is open here, or in another tab. */
export type TabStore<Meta> = BlobStore<Meta> | RemoteBlobStore<Meta>;

type Owner = Extract<TabMessage, { type: "owner" }>;
type Hello = Extract<TabMessage, { type: "hello" }>;

/** A connection to an owner. */
interface Link<Meta> {
  readonly owner: string;
  readonly end: AbortController;
  /** Resolves once the connection is closed. */
  closed: Promise<void>;
  store?: RemoteBlobStore<Meta>;
}

/** A call that waits for a store. */
interface Waiter<Meta> {
  resolve(store: TabStore<Meta>): void;
  reject(error: unknown): void;
}

/** A tab. */
export class Tab<Meta> {
  readonly #path: string;
  readonly #options: OpfsBlobOptions;
  readonly #id: string = crypto.randomUUID();
  readonly #channel: ClosablePort;
  readonly #waiters = new Set<Waiter<Meta>>();
  readonly #leaving = new AbortController();
  /** Ends the lock of the owner. */
  #unlock: () => void = () => {};
  #life!: Life;
  #relay: Promise<MessagePortLike | undefined> = Promise.resolve(undefined);
  #usesRelay = true;
  #asking: ReturnType<typeof setInterval> | undefined;
  #store: TabStore<Meta> | undefined;
  /** The uuid of the store, once it was seen. */
  #uuid: string | undefined;
  #link: Link<Meta> | undefined;
  /** What the owner serves; undefined in another tab. */
  #lent: Lent | undefined;
  #isOwner = false;
  #owning: Promise<void> | undefined;
  /** Calls under way. */
  readonly #calls = new WeakMap<TabStore<Meta>, Set<Promise<unknown>>>();
  /** Ports that are served, by their names. */
  readonly #served = new Set<string>();
  #over: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string, options: OpfsBlobOptions) {
    this.#path = path;
    this.#options = options;
    this.#channel = openChannel(`offset-allocator-tabs:${path}`);
  }

  /** Waits until the store is open, here or in another tab. */
  async open(signal: CancelSignal | undefined): Promise<void> {
    this.#life = await beginLife();
    this.#relay = joinLent(this.#id, this.#life.name, (message, port) => {
      if (message.type === "hello") this.#serve(message, port as ClosablePort);
    });
    this.#channel.addEventListener("message", (event) => {
      const message = tabMessageIn(event);
      if (message !== undefined && !this.#over) this.#receive(message);
    });
    const own = () => (this.#owning = this.#own());
    // Whoever has the private file system has Web Locks, too.
    webLocks()!.request(`offset-allocator-owner:${this.#path}`, {
      signal: this.#leaving.signal,
    }, own).catch((error) => this.#fail(error));
    this.#ask();
    try {
      await this.store(signal);
    } catch (error) {
      await this.close(error);
      throw error;
    }
  }

  /** The store, once there is one. */
  async store(signal?: CancelSignal): Promise<TabStore<Meta>> {
    if (this.#over) throw this.#over.error;
    if (this.#store) return this.#store;
    signal?.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const abort = () => waiter.reject(signal!.reason);
      const end = () => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", abort);
      };
      const waiter: Waiter<Meta> = {
        resolve: (store) => (end(), resolve(store)),
        reject: (error) => (end(), reject(error)),
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** True if this tab has the file open. */
  get isOwner(): boolean {
    return this.#lent !== undefined && !this.#over;
  }

  /** Calls a store; its connection is not closed before that has ended. */
  async call<T>(
    store: TabStore<Meta>,
    begin: (store: TabStore<Meta>) => Promise<T>,
  ): Promise<T> {
    const call = begin(store), calls = this.#calls.get(store) ?? new Set();
    this.#calls.set(store, calls.add(call));
    try {
      return await call;
    } finally {
      calls.delete(call);
    }
  }

  /** Tells whether a call failed since its store was lost. Then there will be another one. */
  hasLost(store: TabStore<Meta>, error: unknown): error is ConnectionLostError {
    if (!(error instanceof ConnectionLostError)) return false;
    if (this.#link?.store === store) this.#unlink();
    return true;
  }

  /** Leaves the store to the other tabs. */
  async close(
    error: unknown = new StorageError("read", 0, 0, "the store is closed"),
  ): Promise<void> {
    return await (this.#closing ??= this.#close(error));
  }

  async #close(error: unknown): Promise<void> {
    const link = this.#link, lent = this.#lent;
    this.#fail(error, lent !== undefined || link !== undefined);
    if (link) {
      link.end.abort();
      await link.closed;
      this.#end();
    }
    if (lent === undefined) return await this.#owning; // it may be opening the file
    try {
      tell(this.#channel, { type: "left", from: this.#id });
      await lent.leave();
    } finally {
      this.#unlock();
      this.#end();
    }
  }

  /** Refuses every call from now on. */
  #fail(error: unknown, isInUse = false): void {
    if (this.#over) return;
    this.#over = { error };
    clearInterval(this.#asking);
    this.#leaving.abort();
    this.#link = this.#store = undefined;
    for (const waiter of [...this.#waiters]) waiter.reject(error);
    if (!isInUse) this.#end();
  }

  #end(): void {
    this.#channel.close();
    this.#life.end();
  }

  /** Asks for the owner, until there is a store. */
  #ask(): void {
    const ask = () => tell(this.#channel, { type: "who", from: this.#id });
    clearInterval(this.#asking);
    this.#asking = setInterval(ask, ASK_AGAIN);
    ask();
  }

  #take(store: TabStore<Meta>): void {
    clearInterval(this.#asking);
    this.#store = store;
    for (const waiter of [...this.#waiters]) waiter.resolve(store);
  }

  #receive(message: TabMessage): void {
    const { type, from } = message;
    if (type === "who") this.#tellOwner();
    else if (type === "owner") {
      if (this.#isOwner || this.#link?.owner === from) return;
      this.#unlink(false);
      const end = new AbortController();
      const link: Link<Meta> = { owner: from, end, closed: Promise.resolve() };
      this.#link = link;
      link.closed = this.#connect(message, link);
    } else if (type === "hello") {
      const { to, channel } = message;
      if (to !== this.#id || channel === undefined || !this.#lent || this.#served.has(channel)) {
        return;
      }
      this.#served.add(channel);
      this.#serve(message, openChannel(channel));
      tell(this.#channel, { type: "ready", from: this.#id, channel });
    } else if (type === "left") {
      if (this.#link?.owner === from) this.#unlink();
    } else if (type === "failed") {
      // Who is connected, or opens the store itself, hears of what became of that.
      if (!this.#link && !this.#isOwner) this.#fail(decodeError(message.error));
    }
  }

  /** Tells the others of this tab, if it has the store. */
  async #tellOwner(): Promise<void> {
    const { name: life } = this.#life, store = this.#uuid!;
    if (!this.#lent) return;
    const hasJoined = await this.#relay !== undefined;
    if (this.#over) return;
    tell(this.#channel, { type: "owner", from: this.#id, life, store, hasJoined });
  }

  /** Serves the store to another tab, as long as that lives or is connected. */
  #serve({ life, channel }: Hello, port: ClosablePort): void {
    watchLife(life, () => {
      port.close();
      if (channel !== undefined) this.#served.delete(channel);
    });
    if (this.#lent) serveBlobStore(this.#lent.store, port, { closeStore: false });
  }

  /** Is connected to no owner any more. */
  #unlink(isAsking = true): void {
    const link = this.#link;
    this.#link = undefined;
    if (this.#store === link?.store) this.#store = undefined;
    link?.end.abort();
    if (link && isAsking) this.#ask();
  }

  /** Connects to an owner. */
  async #connect(owner: Owner, link: Link<Meta>): Promise<void> {
    const { signal } = link.end;
    const timer = setTimeout(() => {
      this.#usesRelay = false;
      if (this.#link === link) this.#unlink();
    }, LINK_LIMIT);
    const unwatch = watchLife(owner.life, () => {
      if (this.#link === link) this.#unlink();
    });
    signal.addEventListener("abort", unwatch);
    const life = await beginLife();
    let port: ClosablePort | undefined;
    try {
      this.#checkSame(owner.store);
      port = await this.#reach(owner, life, signal);
      const store = await RemoteBlobStore.connect<Meta>(port, { signal });
      clearTimeout(timer);
      link.store = store;
      if (this.#link === link) this.#take(store);
      if (!signal.aborted) {
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      }
      await new Promise<void>((resolve) => setTimeout(resolve)); // a call may just begin
      await Promise.allSettled(this.#calls.get(store) ?? []);
      await store.close();
    } catch (error) {
      if (this.#link === link && !link.store) this.#fail(error);
    } finally {
      clearTimeout(timer);
      port?.close();
      life.end();
    }
  }

  /** A port or a channel to an owner. */
  async #reach(owner: Owner, { name: life }: Life, signal: AbortSignal): Promise<ClosablePort> {
    const hello = { type: "hello", from: this.#id, to: owner.from, life } as const;
    const relay = await this.#relay;
    if (relay && owner.hasJoined && this.#usesRelay) {
      const { port1, port2 } = newPorts();
      tell(relay, { ...hello, channel: undefined }, [port2]);
      return port1;
    }
    const channel = `offset-allocator-tabs:${this.#path}:${crypto.randomUUID()}`;
    const port = openChannel(channel);
    return await new Promise((resolve, reject) => {
      const end = () => {
        this.#channel.removeEventListener("message", listener);
        signal.removeEventListener("abort", aborted);
      };
      const listener = (event: { readonly data: unknown }) => {
        const message = tabMessageIn(event);
        if (message?.type !== "ready" || message.channel !== channel) return;
        end();
        resolve(port);
      };
      const aborted = () => {
        end();
        port.close();
        reject(signal.reason);
      };
      this.#channel.addEventListener("message", listener);
      signal.addEventListener("abort", aborted);
      if (signal.aborted) return aborted();
      tell(this.#channel, { ...hello, channel });
    });
  }

  /** Opens the store: it is this tab's turn. Ends when it leaves. */
  async #own(): Promise<void> {
    if (this.#over) return;
    this.#isOwner = true;
    this.#unlink(false);
    let blobs: BlobStore<Meta> | undefined;
    try {
      // What was there does not get an empty store in its place.
      const create = this.#options.create && this.#uuid === undefined;
      const { signal } = this.#leaving;
      blobs = await BlobStore.open<Meta>(this.#path, { ...this.#options, create, signal });
      this.#checkSame(await uuidIn(this.#path));
    } catch (error) {
      await blobs?.close();
      // Bad arguments are this tab's own.
      const isOwn = error instanceof TypeError || error instanceof RangeError;
      if (this.#over) return;
      if (!isOwn) {
        tell(this.#channel, { type: "failed", from: this.#id, error: encodeError(error) });
      }
      return this.#fail(error);
    }
    if (this.#over) return await blobs.close();
    const unlocked = new Promise<void>((resolve) => {
      this.#unlock = resolve;
    });
    this.#lent = new Lent(blobs);
    this.#take(blobs);
    void this.#tellOwner();
    await unlocked;
  }

  /** Throws where a store is not the one that this tab has used. */
  #checkSame(uuid: string): void {
    if (uuid === (this.#uuid ??= uuid)) return;
    throw refusal("another store is in the place of the one that was open", this.#path);
  }
}

/** A store that other tabs use, until its owner leaves. */
class Lent {
  readonly store: BlobReader;
  readonly #blobs: BlobReader<unknown>;
  #isLeaving = false;
  #calls = 0;
  #onIdle: () => void = () => {};

  constructor(blobs: BlobReader<unknown>) {
    this.#blobs = blobs;
    this.store = new Proxy(blobs as BlobReader, {
      get: (_, name) => {
        const member = Reflect.get(blobs, name, blobs);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => this.#call(() => member.apply(blobs, args));
      },
    });
  }

  #call(begin: () => unknown): unknown {
    if (this.#isLeaving) throw new ConnectionLostError(false);
    const result = begin();
    if (result instanceof Promise) {
      const end = () => {
        if (--this.#calls === 0) this.#onIdle();
      };
      this.#calls++;
      result.then(end, end);
    }
    return result;
  }

  /** Refuses calls, waits for those under way, and closes the store. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LEAVE_LIMIT);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await this.#blobs.close();
  }
}

/** How often the header is read where the file is being written. */
const READS = 10;

/** The uuid in the header of a store's file, in hexadecimal digits. */
async function uuidIn(path: string): Promise<string> {
  const { handle } = await locateFile("target", path, false);
  for (let reads = 1;; reads++) {
    try {
      const file = await handle!.getFile();
      const slots = [0, 4096].map((at) => file.slice(at, at + 48).arrayBuffer());
      const [first, second] = (await Promise.all(slots)).map((slot) => new Uint8Array(slot));
      const slot = first[0] === 0x89 ? first : second; // a crash tears one of them
      return hexOf(slot.subarray(32));
    } catch (error) {
      // Chromium: the file was written since getFile().
      if (nameOf(error) !== "NotReadableError" || reads === READS) throw error;
    }
  }
}
