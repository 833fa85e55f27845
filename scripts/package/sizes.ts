/**
 * What users pay for what they import, bundled from the sources, without a `sideEffects` flag.
 *
 * ```sh
 * deno task size
 * ```
 *
 * @module
 */

import { measure, type Page, table } from "./bundles.ts";

/**
 * What is measured, and its limits. NO_SPACE, IdAllocator, SlotPool, FixedPool and report have the
 * promised ones, the others at most 8 % more than they weighed when the limits were set; most of
 * these have less than 1 %.
 */
export const pages: readonly Page[] = [
  { names: "NO_SPACE", entry: ".", limit: 200 },
  { names: "IdAllocator", entry: ".", limit: 3_200 },
  { names: "LinearAllocator", entry: ".", limit: 3_550 },
  { names: "PageAllocator", entry: ".", limit: 4_150 },
  { names: "SlabAllocator", entry: ".", limit: 4_450 },
  { names: "BuddyAllocator", entry: ".", limit: 5_900 },
  { names: "TlsfAllocator", entry: ".", limit: 7_300 },
  { names: "BestFitAllocator", entry: ".", limit: 6_650 },
  { names: "OffsetAllocator", entry: ".", limit: 4_096 },
  { names: "Arena, MemoryStore", entry: ".", limit: 9_010 },
  { names: "*", entry: ".", limit: 41_500 },
  { names: "RangeAllocator", entry: ".", limit: 5_200 },
  { names: "SlotPool", entry: "./pool", limit: 3_600 },
  { names: "FixedPool", entry: "./pool", limit: 5_780 },
  { names: "AsyncPool", entry: "./pool", limit: 3_400 },
  { names: "SharedSlotPool", entry: "./shared", limit: 5_400 },
  { names: "SharedOffsetAllocator", entry: "./shared", limit: 10_000 },
  { names: "report", entry: "./report", limit: 800 },
  { names: "*", entry: "./report", limit: 7_000 },
  { names: "replayTrace", entry: "./trace", limit: 5_950 },
  { names: "storeContract", entry: "./testing", limit: 4_700 },
  { names: "GpuArena", entry: "./webgpu", limit: 18_000 },
  { names: "webGlDevice", entry: "./webgl", limit: 5_000 },
  { names: "streamingBatchedMesh", entry: "./three", limit: 10_900 },
  { names: "streamingBatches", entry: "./three", limit: 13_400 },
  { names: "BlobStore", entry: "./blob-store/core", limit: 56_400 },
  { names: "HttpBlobStore", entry: "./http", limit: 12_900 },
  { names: "HttpStore", entry: "./http", limit: 4_070 },
  { names: "serveBlobs", entry: "./http", limit: 6_200 },
  { names: "serveBlobs, nodeListener", entry: "./http", limit: 6_900 },
  { names: "unstorageDriver", entry: "./unstorage", limit: 1_480 },
  { names: "keyvAdapter", entry: "./keyv", limit: 1_160 },
  { names: "OpfsStore", entry: "./opfs", limit: 4_770 },
  { names: "BlobStore", entry: "./opfs", limit: 60_300 },
  { names: "RemoteBlobStore", entry: "./opfs", limit: 6_560 },
  { names: "SharedBlobStore, serveBlobStore", entry: "./opfs", limit: 68_900 },
  { names: "joinTabs, relayTabs", entry: "./opfs", limit: 2_200 },
  { names: "PostgresStore", entry: "./postgres", limit: 9_050 },
];

if (import.meta.main) {
  const bundles = await measure(pages, "sources");
  console.log(table(bundles));
  const over = bundles.filter(({ byteLength, limit }) => byteLength > limit);
  for (const { names, entry, bundler } of over) {
    console.error(`${names} of ${entry} by ${bundler} is over its limit`);
  }
  Deno.exit(over.length > 0 ? 1 : 0);
}
