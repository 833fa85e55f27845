/**
 * A worker of `bench:opfs`: it has one contestant, and does what the page tells it.
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
import { type Contestant, entrants } from "./contestants.ts";

/** What opening cost. */
export interface Opening {
  readonly blobs: number;
  readonly fileBytes: number;
  readonly reads: number;
  readonly bytes: number;
  readonly milliseconds: number;
}

/** What a worker is told to do: blobs by their numbers. */
export type Task =
  | { readonly open: readonly [entrant: string, name: string] }
  | { readonly put: readonly [first: number, end: number] }
  | { readonly get: readonly number[] }
  | { readonly single: readonly [first: number, end: number] }
  | { readonly close: true };

const BLOBS = 2000, BATCH = 100;
const scope = globalThis as unknown as MessagePortLike;

let state = 1;

/** The next of some random numbers from 0 to 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Sizes from 100 bytes to 256 KiB, 11 MB in all, half of them below 300 bytes. */
const sizes = Array.from(
  { length: BLOBS },
  () => Math.min(262_144, Math.floor(100 / random() ** 1.6)),
);
const bytes = new Uint8Array(262_144).map((_, i) => i * 7);
/** The blobs, each in a buffer of its own: IndexedDB clones all of a buffer. */
const values = sizes.map((size) => bytes.slice(0, size)), small = bytes.slice(0, 1000);

let contestant: Contestant, sink = 0;

async function work(task: Task): Promise<void> {
  if ("open" in task) {
    const [entrant, name] = task.open;
    contestant = await entrants[entrant].open(name);
  } else if ("put" in task) {
    const [first, end] = task.put;
    for (let i = first; i < end; i += BATCH) {
      await contestant.put(values.slice(i, i + BATCH).map((value, j) => [`${i + j}`, value]));
    }
  } else if ("get" in task) sink += await contestant.get(task.get.map(String));
  else if ("single" in task) {
    const [first, end] = task.single;
    for (let i = first; i < end; i++) await contestant.put([[`single ${i}`, small]]);
  } else await contestant.close();
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
    if (data === "ping") return scope.postMessage({ pong: bytes.slice(0, 4096) });
    if (data === "serve") {
      return serveBlobStore(BlobStore.open("bench-served.blobs", { create: true }));
    }
    if (data === "opening") {
      return scope.postMessage({ opening: [await opening(1000), await opening(100_000)] });
    }
    const { task } = Object(data) as { task?: Task };
    if (task === undefined) return; // of the store that is served
    const start = performance.now();
    await work(task);
    scope.postMessage({ done: performance.now() - start, sink });
  } catch (error) {
    scope.postMessage({ failed: (error as Error).stack });
  }
});
