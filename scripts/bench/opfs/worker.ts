/**
 * What `bench:opfs` measures in a worker of a page: the same blobs in every contestant, in turns.
 *
 * @module
 */

import {
  BlobStore,
  type MessagePortLike,
  OpfsStore,
  serveBlobStore,
  type SyncAccessHandleLike,
} from "../../../backends/opfs/mod.ts";
import { type Contestant, entrants, type Entries, type Promised } from "./contestants.ts";

/** Milliseconds of each part of the work. */
export interface Times {
  put: number;
  get: number;
  /** Of single puts of 1,000 bytes. */
  single: number;
}

/** What opening cost. */
export interface Opening {
  readonly blobs: number;
  readonly fileBytes: number;
  readonly reads: number;
  readonly bytes: number;
  readonly milliseconds: number;
}

/** The times of one round, by the names of the contestants. */
export type Round = Readonly<Record<string, Times>>;

const BLOBS = 2000, BATCH = 100, GETS = 4000, SINGLES = 100;
const scope = globalThis as unknown as MessagePortLike;

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

let sink = 0;

/** One round of those that promise the same: what is left for later by others would slow a flush. */
async function round(n: number, promised: Promised): Promise<Round> {
  const times: Record<string, Times> = {};
  const names = Object.keys(entrants).filter((name) => entrants[name].promised === promised);
  const contestants: [string, Contestant][] = [];
  for (const name of names) {
    times[name] = { put: 0, get: 0, single: 0 };
    const contestant = await entrants[name].open(`bench-${n}-${name.replace(/\W/g, "")}`);
    contestants.push([name, contestant]);
  }
  let turn = 0;
  /** Has everyone do it, each time in another order. */
  const inTurns = async (part: keyof Times, work: (one: Contestant) => Promise<unknown>) => {
    turn++;
    for (let i = 0; i < contestants.length; i++) {
      const [name, one] = contestants[(turn + i) % contestants.length];
      const start = performance.now();
      await work(one);
      times[name][part] += performance.now() - start;
    }
  };
  for (let i = 0; i < BLOBS; i += BATCH) {
    const entries: Entries = sizes.slice(i, i + BATCH).map((size, j) => {
      return [`${i + j}`, bytes.slice(0, size)]; // a buffer of its own: IndexedDB clones all of it
    });
    await inTurns("put", (one) => one.put(entries));
  }
  const keys = Array.from({ length: GETS }, () => `${Math.floor(random() * BLOBS)}`);
  for (let i = 0; i < GETS; i += 100) {
    await inTurns("get", async (one) => sink += await one.get(keys.slice(i, i + 100)));
  }
  const small = bytes.slice(0, 1000);
  for (let i = 0; i < SINGLES; i += 10) {
    await inTurns("single", async (one) => {
      for (let j = 0; j < 10; j++) await one.put([[`single ${i + j}`, small]]);
    });
  }
  for (const [, one] of contestants) await one.close();
  return times;
}

/** What is read of a file until the store in it is open. */
async function opening(blobs: number): Promise<Opening> {
  const path = `opening-${blobs}.blobs`;
  const made = await BlobStore.open(path, { create: true, durability: "none" });
  for (let i = 0; i < blobs; i += 1000) {
    await made.batch(Array.from({ length: 1000 }, (_, j) => {
      return { type: "put", key: `photos/${i + j}`, value: bytes.subarray(0, 200) } as const;
    }));
  }
  await made.close();
  const { storage } = navigator as unknown as {
    storage: { getDirectory(): Promise<{ getFileHandle(name: string): Promise<FileHandle> }> };
  };
  const file = await (await storage.getDirectory()).getFileHandle(path);
  const handle = await file.createSyncAccessHandle();
  let reads = 0, read = 0;
  const counted: SyncAccessHandleLike = {
    read(buffer, options) {
      reads++;
      read += buffer.length;
      return handle.read(buffer, options);
    },
    write: (buffer, options) => handle.write(buffer, options),
    truncate: (size) => handle.truncate(size),
    getSize: () => handle.getSize(),
    flush: () => handle.flush(),
    close: () => handle.close(),
  };
  const start = performance.now();
  const opened = await BlobStore.open(OpfsStore.from(counted), { readOnly: true });
  const found = { reads, bytes: read, milliseconds: performance.now() - start };
  const { fileBytes } = await opened.stats();
  await opened.close();
  handle.close();
  return { blobs, fileBytes, ...found };
}

interface FileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandleLike>;
}

scope.addEventListener("message", async ({ data }) => {
  try {
    if (data === "ping") scope.postMessage({ pong: bytes.slice(0, 4096) });
    if (data === "serve") {
      serveBlobStore(BlobStore.open("bench-served.blobs", { create: true }));
    }
    if (data === "opening") {
      scope.postMessage({ opening: [await opening(1000), await opening(100_000)] });
    }
    const { round: n, promised } = Object(data) as { round: number; promised?: Promised };
    if (promised !== undefined) scope.postMessage({ times: await round(n, promised), sink });
  } catch (error) {
    scope.postMessage({ failed: (error as Error).stack });
  }
});
