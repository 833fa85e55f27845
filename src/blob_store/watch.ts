/**
 * Telling what changes in a store: what this process committed, or what a reader finds in the log.
 *
 * @module
 */

import type { CancelSignal } from "../util/wait_options.ts";
import type { IndexEntry } from "./leaf.ts";
import { infoOf } from "./entries.ts";
import { decodeText } from "./text.ts";
import type { BlobChange } from "./types.ts";

/** A change, before it is said in words: `entry` is undefined where the blob was deleted. */
export interface RawChange {
  readonly key: Uint8Array;
  readonly entry: IndexEntry | undefined;
}

/** How far somebody followed the log. */
export interface LogMark {
  /** Of the last batch that was seen, and its checksum; that is -1 where it is not known. */
  readonly sequence: number;
  readonly checksum: number;
}

/** Changes of the log behind a mark. */
export class LogNews {
  readonly #since: LogMark;
  readonly changes: (RawChange & { readonly sequence: number })[] = [];
  /** True if something between the mark and the log is not known. */
  hasGap = false;
  #mark: LogMark;

  constructor(since: LogMark) {
    this.#since = this.#mark = since;
  }

  /** How far it goes. */
  get mark(): LogMark {
    return this.#mark;
  }

  /** The log begins with this batch. */
  begin(sequence: number): void {
    const { sequence: last } = this.#since;
    this.hasGap = sequence > last + 1;
    this.#mark = { sequence: sequence - 1, checksum: -1 };
    if (sequence - 1 === last) this.#mark = this.#since;
  }

  /** A batch is applied. Tells whether its changes are news. */
  batch(sequence: number, checksum: number): boolean {
    this.#mark = { sequence, checksum };
    const { sequence: last, checksum: seen } = this.#since;
    // A crash may have taken what was seen, and another commit has its number now.
    if (sequence === last && seen !== -1 && seen !== checksum) this.hasGap = true;
    return sequence > last;
  }

  /** The log ends. */
  end(): void {
    if (this.#mark.sequence < this.#since.sequence) this.hasGap = true;
  }
}

/** All that watch a store. */
export class Watchers {
  readonly #watchers = new Set<Watcher>();

  get isEmpty(): boolean {
    return this.#watchers.size === 0;
  }

  add(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Tells of a change. */
  tell(change: RawChange): void {
    for (const watcher of this.#watchers) watcher.take(change);
  }

  /** Tells that some changes are not known. */
  tellMissed(): void {
    for (const watcher of this.#watchers) watcher.miss();
  }

  /** The store is closed. */
  close(): void {
    for (const watcher of this.#watchers) watcher.end();
  }
}

/** Settings of a watcher. */
export interface WatchSettings {
  readonly prefix: Uint8Array;
  readonly maxQueued: number;
  readonly signal: CancelSignal | undefined;
  /** Looks for changes that nobody tells of, after so many ms; undefined where all are told. */
  readonly poll: (() => Promise<void>) | undefined;
  readonly pollMs: number;
}

/** Changes in their order, as they are asked for. */
export class Watcher<Meta = unknown> implements AsyncIterableIterator<BlobChange<Meta>> {
  readonly #watchers: Watchers;
  readonly #settings: WatchSettings;
  #queue: BlobChange<Meta>[] = [];
  #isOver = false;
  /** Ends the waiting of each call of `next`. */
  readonly #wakes = new Set<() => void>();
  readonly #onAbort = () => this.#wake();

  constructor(watchers: Watchers, settings: WatchSettings) {
    this.#watchers = watchers;
    this.#settings = settings;
    settings.signal?.throwIfAborted();
    settings.signal?.addEventListener("abort", this.#onAbort, { once: true });
    watchers.add(this as Watcher);
  }

  /** Queues a change, if its key is wanted. */
  take({ key, entry }: RawChange): void {
    const { prefix } = this.#settings;
    if (key.length < prefix.length || prefix.some((byte, i) => key[i] !== byte)) return;
    this.#push(
      entry === undefined
        ? { type: "delete", key: decodeText(key) }
        : { type: "put", info: infoOf<Meta>(decodeText(key), entry) },
    );
  }

  /** Queues that changes are missing. */
  miss(): void {
    this.#push({ type: "missed" });
  }

  /** Ends it: what is queued is still given. */
  end(): void {
    this.#isOver = true;
    this.#watchers.remove(this as Watcher);
    this.#settings.signal?.removeEventListener("abort", this.#onAbort);
    this.#wake();
  }

  #push(change: BlobChange<Meta>): void {
    if (this.#isOver) return;
    if (this.#queue.length >= this.#settings.maxQueued) this.#queue = [{ type: "missed" }];
    const isKnown = change.type === "missed" && this.#queue.at(-1)?.type === "missed";
    if (!isKnown) this.#queue.push(change);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }

  /** The next change; rejects where the signal is aborted. */
  async next(): Promise<IteratorResult<BlobChange<Meta>, undefined>> {
    const { signal, poll } = this.#settings;
    try {
      while (this.#queue.length === 0 && !this.#isOver) {
        signal?.throwIfAborted();
        if (poll !== undefined) await poll();
        if (this.#queue.length === 0 && !this.#isOver) await this.#wait();
      }
      signal?.throwIfAborted();
    } catch (error) {
      const isClosed = this.#isOver; // then what a look was refused says nothing
      this.#queue = [];
      this.end();
      if (!isClosed) throw error;
    }
    const value = this.#queue.shift();
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  /** Waits until something may have changed. */
  async #wait(): Promise<void> {
    const { signal, poll, pollMs } = this.#settings;
    signal?.throwIfAborted();
    let timer: ReturnType<typeof setTimeout> | undefined, wake = () => {};
    await new Promise<void>((resolve) => {
      this.#wakes.add(wake = resolve);
      if (poll !== undefined) timer = setTimeout(resolve, pollMs);
    });
    this.#wakes.delete(wake);
    if (timer !== undefined) clearTimeout(timer);
  }

  /** Ends it. */
  return(): Promise<IteratorResult<BlobChange<Meta>, undefined>> {
    this.#queue = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
