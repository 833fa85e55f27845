/**
 * What `bench:opfs` measures in a worker of a page: blobs in the origin private file system and in
 * IndexedDB, the same bytes, interleaved.
 *
 * @module
 */

import { BlobStore, type MessagePortLike, serveBlobStore } from "../../../backends/opfs/mod.ts";

/** What is used of an IDBRequest and of an IDBTransaction. */
interface IdbRequest<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: () => void;
  onerror: () => void;
  onupgradeneeded: () => void;
}

/** What is used of an IDBTransaction. */
interface IdbTransaction {
  readonly error: unknown;
  oncomplete: () => void;
  onabort: () => void;
  objectStore(name: string): {
    put(value: unknown, key: string): IdbRequest<unknown>;
    get(key: string): IdbRequest<Uint8Array>;
  };
}

/** What is used of an IDBDatabase. */
interface IdbDatabase {
  createObjectStore(name: string): void;
  transaction(name: string, mode: string, options?: { durability: string }): IdbTransaction;
}

/** Milliseconds of each part, ours and IndexedDB's. */
export interface OpfsRound {
  readonly put: readonly [ours: number, idb: number];
  readonly get: readonly [ours: number, idb: number];
  /** Of single puts of 1,000 bytes. */
  readonly single: readonly [ours: number, idb: number];
}

const BLOBS = 2000, BATCH = 100, GETS = 4000, SINGLES = 200;
const scope = globalThis as unknown as MessagePortLike & {
  indexedDB: { open(name: string): IdbRequest<IdbDatabase> };
};

let state = 1;

/** The next of some random numbers from 0 to 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Sizes from 100 bytes to 256 KiB, small ones far more often than large ones. */
const sizes = Array.from(
  { length: BLOBS },
  () => Math.min(262_144, Math.floor(100 / random() ** 1.1)),
);
const bytes = new Uint8Array(262_144).map((_, i) => i * 7);

function settled<T>(request: IdbRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function openIdb(name: string): Promise<IdbDatabase> {
  const request = scope.indexedDB.open(name);
  request.onupgradeneeded = () => request.result.createObjectStore("blobs");
  return await settled(request);
}

/** Puts in one transaction, which is durable then. */
function putIdb(database: IdbDatabase, first: number, count: number, size?: number): Promise<void> {
  const transaction = database.transaction("blobs", "readwrite", { durability: "strict" });
  const store = transaction.objectStore("blobs");
  for (let i = first; i < first + count; i++) store.put(bytes.slice(0, size ?? sizes[i]), `${i}`);
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

let sink = 0;

async function round(n: number): Promise<OpfsRound> {
  const blobs = await BlobStore.open(`bench-${n}.blobs`, { create: true });
  const database = await openIdb(`bench-${n}`);
  const put = [0, 0], get = [0, 0], single = [0, 0];
  for (let i = 0; i < BLOBS; i += BATCH) {
    put[0] += await timed(() =>
      blobs.batch(Array.from({ length: BATCH }, (_, j) => {
        return { type: "put", key: `${i + j}`, value: bytes.subarray(0, sizes[i + j]) } as const;
      }))
    );
    put[1] += await timed(() => putIdb(database, i, BATCH));
  }
  const keys = Array.from({ length: GETS }, () => Math.floor(random() * BLOBS));
  for (let i = 0; i < GETS; i += 100) {
    const some = keys.slice(i, i + 100);
    get[0] += await timed(async () => {
      for (const key of some) sink += (await blobs.get(`${key}`))!.length;
    });
    get[1] += await timed(async () => {
      for (const key of some) {
        const store = database.transaction("blobs", "readonly").objectStore("blobs");
        sink += (await settled(store.get(`${key}`))).length;
      }
    });
  }
  for (let i = 0; i < SINGLES; i += 10) {
    single[0] += await timed(async () => {
      for (let j = 0; j < 10; j++) await blobs.put(`single ${i + j}`, bytes.subarray(0, 1000));
    });
    single[1] += await timed(async () => {
      for (let j = 0; j < 10; j++) await putIdb(database, 100_000 + i + j, 1, 1000);
    });
  }
  await blobs.close();
  const pair = ([ours, idb]: number[]) => [ours, idb] as const;
  return { put: pair(put), get: pair(get), single: pair(single) };
}

scope.addEventListener("message", async ({ data }) => {
  if (data === "ping") scope.postMessage({ pong: bytes.slice(0, 4096) });
  if (data === "serve") {
    serveBlobStore(BlobStore.open("bench-served.blobs", { create: true }));
  }
  const { rounds } = Object(data) as { rounds?: number };
  if (rounds === undefined) return;
  const results: OpfsRound[] = [];
  for (let n = 0; n < rounds; n++) results.push(await round(n));
  scope.postMessage({ results, sink });
});
