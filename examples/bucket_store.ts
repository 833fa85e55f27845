/**
 * A backing store over a bucket of objects (S3, R2, GCS, a folder): pages of 64 KiB, an object
 * each. A blob store or an arena over it needs nothing else.
 *
 * Pages stay in memory once they are used. `flush` sends those that changed, and the length first:
 * a page that is missing reads as zeros. One program may write; nothing checks that.
 *
 * @example
 * ```ts no-eval
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store/core";
 * import { type Bucket, BucketStore } from "./bucket_store.ts";
 *
 * declare const bucket: Bucket, photo: Uint8Array;
 * const store = await BucketStore.open(bucket, "photos");
 * await using blobs = await BlobStore.open(store, { create: true });
 * await blobs.put("cat.jpg", photo);
 * ```
 *
 * @module
 */

import {
  type AsyncBackingStore,
  checkBytes,
  checkRange,
  StorageError,
  type StorageOperation,
} from "@suballoc/offset-allocator";

/** The calls of a bucket; a client of S3 takes some lines. */
export interface Bucket {
  /** The object of this name; `undefined` where there is none. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Makes or replaces an object, durably. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Deletes an object; it may be gone already. */
  delete(name: string): Promise<void>;
}

const PAGE = 65_536;

/** A store of bytes in the objects `<name>/length`, `<name>/0`, `<name>/1` and so on. */
export class BucketStore implements AsyncBackingStore {
  readonly #bucket: Bucket;
  readonly #name: string;
  #byteLength = 0;
  /** The length that the bucket has; pages behind it need no deletion. */
  #sentLength = 0;
  /** Pages by index: those in use, and those that are under way. */
  readonly #pages = new Map<number, Promise<Uint8Array>>();
  readonly #changed = new Set<number>();
  /** The last call that needs the store for itself. */
  #alone: Promise<unknown> = Promise.resolve();
  /** Reads and writes since; they run side by side. */
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;

  private constructor(bucket: Bucket, name: string) {
    this.#bucket = bucket;
    this.#name = name;
  }

  /** Opens a store; it is empty where the bucket has none of this name. */
  static async open(bucket: Bucket, name: string): Promise<BucketStore> {
    const store = new BucketStore(bucket, name);
    await store.reload();
    return store;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkBytes("into", into);
    await this.#beside("read", async () => {
      checkRange("read", offset, into.length, this.#byteLength);
      await Promise.all(pieces(offset, into, async (index, at, part) => {
        const page = await this.#page(index);
        part.set(page.subarray(at, at + part.length));
      }));
    });
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    checkBytes("data", data);
    const bytes = data.slice(); // the caller may change its array; one that lost its bytes throws
    await this.#beside("write", async () => {
      checkRange("write", offset, bytes.length, this.#byteLength);
      await Promise.all(pieces(offset, bytes, async (index, at, part) => {
        const page = await this.#page(index);
        page.set(part, at);
        this.#changed.add(index);
      }));
    });
  }

  async resize(byteLength: number): Promise<void> {
    checkRange("resize", byteLength, 0, Number.MAX_SAFE_INTEGER);
    await this.#byItself("resize", async () => {
      const kept = Math.ceil(byteLength / PAGE), rest = byteLength % PAGE;
      if (byteLength < this.#byteLength && rest > 0) {
        (await this.#page(kept - 1)).fill(0, rest); // growth must find zeros
        this.#changed.add(kept - 1);
      }
      // Pages behind the end are zero from now on, whatever the bucket has of them.
      for (let index = kept; index * PAGE < this.#byteLength; index++) {
        this.#pages.set(index, Promise.resolve(new Uint8Array(PAGE)));
        this.#changed.add(index);
      }
      this.#byteLength = byteLength;
    });
  }

  async flush(): Promise<void> {
    await this.#byItself("flush", async () => {
      const length = this.#byteLength, sent = [...this.#changed];
      try {
        if (length !== this.#sentLength) {
          await this.#bucket.put(`${this.#name}/length`, new TextEncoder().encode(`${length}`));
          this.#sentLength = length;
        }
        await Promise.all(sent.map(async (index) => {
          const name = `${this.#name}/${index}`;
          if (index * PAGE >= length) await this.#bucket.delete(name);
          else await this.#bucket.put(name, await this.#page(index));
          this.#changed.delete(index); // only what has arrived: the next flush sends the rest
        }));
      } catch (cause) {
        throw new StorageError("flush", 0, 0, "the bucket did not take it", { cause });
      }
    });
  }

  /** Forgets the pages that have not changed here, and looks at the length again. */
  async reload(): Promise<void> {
    await this.#byItself("read", async () => {
      const text = await this.#get("length");
      for (const index of this.#pages.keys()) {
        if (!this.#changed.has(index)) this.#pages.delete(index);
      }
      const isChanged = this.#byteLength !== this.#sentLength;
      this.#sentLength = text === undefined ? 0 : Number(new TextDecoder().decode(text));
      if (!isChanged) this.#byteLength = this.#sentLength;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pages.clear();
    await Promise.allSettled([this.#alone, ...this.#running]);
  }

  /** A page; everybody who asks for one gets the same. */
  #page(index: number): Promise<Uint8Array> {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = this.#get(`${index}`).then((bytes) => {
        const all = new Uint8Array(PAGE);
        all.set(bytes ?? []);
        return all;
      });
      this.#pages.set(index, page);
      page.catch(() => this.#pages.delete(index)); // the next one asks again
    }
    return page;
  }

  async #get(name: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#bucket.get(`${this.#name}/${name}`);
    } catch (cause) {
      throw new StorageError("read", 0, 0, `the bucket did not send ${name}`, { cause });
    }
  }

  /** Runs beside other reads and writes, after what needs the store for itself. */
  async #beside(operation: StorageOperation, work: () => Promise<void>): Promise<void> {
    this.#checkOpen(operation);
    const run = this.#alone.then(work);
    this.#running.add(run);
    try {
      await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Runs after everything before it, and before everything after it. */
  async #byItself(operation: StorageOperation, work: () => Promise<void>): Promise<void> {
    this.#checkOpen(operation);
    const run = Promise.allSettled([this.#alone, ...this.#running]).then(work);
    this.#alone = run.catch(() => {});
    await run;
  }

  #checkOpen(operation: StorageOperation): void {
    if (this.#isClosed) throw new StorageError(operation, 0, 0, "the store is closed");
  }
}

/** Calls `use` for the part of each page that a range touches. */
function pieces(
  offset: number,
  bytes: Uint8Array,
  use: (index: number, at: number, part: Uint8Array) => Promise<void>,
): Promise<void>[] {
  const used: Promise<void>[] = [];
  for (let done = 0; done < bytes.length;) {
    const at = (offset + done) % PAGE;
    const length = Math.min(PAGE - at, bytes.length - done);
    used.push(use((offset + done - at) / PAGE, at, bytes.subarray(done, done + length)));
    done += length;
  }
  return used;
}
