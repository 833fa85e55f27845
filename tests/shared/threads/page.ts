/**
 * Shared memory in a web page, which is cross-origin isolated: its main thread may not sleep.
 * For a driver that reads `results`.
 *
 * @module
 */

import { check } from "../../../src/operations/mod.ts";
import { MemoryStore } from "../../../backends/memory.ts";
import { NO_SPACE } from "../../../src/allocator.ts";
import { Arena } from "../../../src/arena/arena.ts";
import {
  allocateAsync,
  freeAsync,
  LockAbandonedError,
  SharedOffsetAllocator,
} from "../../../src/shared/mod.ts";
import { LOCK } from "../../../src/shared/state.ts";
import type { Parcel } from "./arena_worker.ts";
import { mark, unmark } from "./marks.ts";
import { runTogether } from "./run_together.ts";
import { spawnThread } from "./spawn_thread.ts";
import { regionFromToken } from "../../../src/arena/region_token.ts";
import { stillness } from "./stillness.ts";

const words = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));

/** The main thread beside two workers that never rest: it never blocks, or waits a moment. */
async function mainThread(isAsync: boolean): Promise<void> {
  const allocator = SharedOffsetAllocator.create(4000, { maxAllocations: 700, worker: 1 });
  const marks = words(4000), mailbox = words(8), counters = words(2);
  const module = new URL("./allocator_worker.ts", import.meta.url);
  const threads = await Promise.all([2, 3].map(() => spawnThread(module)));
  for (const [i, thread] of threads.entries()) {
    await thread.receive();
    const state = allocator.buffer, steps = Infinity;
    thread.post({ state, worker: 2 + i, seed: i, steps, marks, mailbox, counters });
  }
  for (const thread of threads) await thread.receive();
  for (let i = 0; i < 3000; i++) {
    const size = i % 30;
    const handle = isAsync
      ? await allocateAsync(allocator, size, { timeout: 0 })
      : allocator.allocate(size);
    if (handle === NO_SPACE) continue;
    const offset = allocator.offset(handle);
    mark(marks, offset, size, handle);
    unmark(marks, offset, size, handle);
    if (isAsync) await freeAsync(allocator, handle);
    else allocator.free(handle);
  }
  for (const thread of threads) await thread.terminate();
  await stillness(counters, 1, 100);
  for (const worker of [2, 3]) allocator.recover(worker);
  check(allocator);
  for (const { handle } of allocator.allocations()) allocator.free(handle);
  expect(allocator.freeSpace === 4000, "space is lost");
}

async function abandonedLock(): Promise<void> {
  const allocator = SharedOffsetAllocator.create(100, { abandonedAfter: 20 });
  new Int32Array(allocator.buffer)[LOCK] = 9;
  const attempts = [() => allocator.allocate(1), () => allocateAsync(allocator, 1, { timeout: 0 })];
  for (const attempt of attempts) {
    const error = await Promise.resolve().then(attempt).catch((error) => error);
    expect(error instanceof LockAbandonedError && error.worker === 9, `gave ${error}`);
  }
  expect(
    allocator.recover(9) && await allocateAsync(allocator, 1, { timeout: 0 }) !== NO_SPACE,
    "not recovered",
  );
}

async function tokens(): Promise<void> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 16, shared: true });
  const store = new MemoryStore(memory), maxByteLength = 2 ** 20;
  const allocator = SharedOffsetAllocator.create(store.byteLength, { maxAllocations: 500 });
  const arena = new Arena(store, { allocator, maxByteLength });
  const thread = await spawnThread(new URL("./arena_worker.ts", import.meta.url));
  await thread.receive();
  thread.post({ state: allocator.buffer, memory, worker: 2, maxByteLength });
  await thread.receive();
  thread.post({ parcels: [], sizes: [4, 400, 100_000] });
  for (const { token, content } of await thread.receive<Parcel[]>()) {
    using region = regionFromToken(arena, token);
    expect(region.view(Int32Array).every((number) => number === content), "other bytes");
  }
  expect(allocator.freeSpace === allocator.capacity && allocator.capacity > 65536, "not grown");
  await thread.terminate();
}

function expect(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}

const cases: Record<string, () => Promise<unknown>> = {
  "four workers never get a unit twice": () =>
    runTogether(16_000, { maxAllocations: 1000 }, 4, 30_000),
  "nor do they with caches": () =>
    runTogether(7000, { maxAllocations: 900, cache: { maxBlockSize: 32 } }, 4, 30_000),
  "the main thread allocates beside busy workers": () => mainThread(true),
  "also where it has to wait": () => mainThread(false),
  "it is told of a lock whose holder is gone": abandonedLock,
  "regions go from a worker to the page by token": tokens,
};

async function run(): Promise<{ passed: number; failed: number }> {
  let passed = 0, failed = 0;
  if (!(globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated) {
    throw new Error("The page is not isolated");
  }
  for (const [name, body] of Object.entries(cases)) {
    const start = performance.now();
    const problem = await body().then(() => undefined, (error) => error.stack);
    if (problem === undefined) passed++;
    else failed++;
    const time = `${(performance.now() - start).toFixed(0)} ms`;
    console.log(problem === undefined ? `  ok ${name}, ${time}` : `  FAILED ${name}: ${problem}`);
  }
  return { passed, failed };
}

Object.assign(globalThis, { results: run() });
