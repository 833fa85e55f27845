/**
 * One heap for four workers, which pass regions to each other without a copy. The same program runs
 * on Deno, on Node, on Bun and, built by a bundler, in a page that is cross-origin isolated.
 *
 * ```sh
 * deno run -A examples/shared_heap/main.ts
 * node examples/shared_heap/main.ts
 * bun examples/shared_heap/main.ts
 * ```
 *
 * @module
 */

import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
import { startWorker } from "./threads.ts";
import type { Heap, Parcel } from "./worker.ts";

const WORKERS = 4, ROUNDS = 4, REGIONS = 100;

async function shareHeap(): Promise<string> {
  const heap: Heap = {
    bytes: new SharedArrayBuffer(2 ** 22),
    state: SharedOffsetAllocator.create(2 ** 22, { maxAllocations: 2000 }).buffer,
  };
  const threads = Array.from({ length: WORKERS }, startWorker);
  for (const thread of threads) thread.post(heap);
  let regions = 0, wrong = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const parcels = await Promise.all(threads.map((thread) => thread.ask<Parcel>(REGIONS)));
    const counts = await Promise.all(
      threads.map((thread, i) => thread.ask<number>(parcels[(i + 1) % WORKERS])),
    );
    for (const count of counts) wrong += count;
    for (const { tokens } of parcels) regions += tokens.length;
  }
  for (const thread of threads) thread.terminate();
  const { allocationCount } = SharedOffsetAllocator.attach(heap.state);
  return `${WORKERS} workers passed on ${regions} regions: ${wrong} wrong, ${allocationCount} left`;
}

const line = await shareHeap();
const { document } = globalThis as unknown as { document?: { body: { textContent: string } } };
if (document === undefined) console.log(line);
else document.body.textContent = line;
