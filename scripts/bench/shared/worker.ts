/**
 * A worker that is timed: it frees and allocates small blocks, or slots, in random order.
 *
 * @module
 */

import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { SharedOffsetAllocator } from "../../../src/shared/shared_allocator.ts";
import { SharedSlotPool } from "../../../src/shared/shared_slot_pool.ts";
import { LocalSlotCache } from "../../../src/shared/local_slot_cache.ts";
import { seeded } from "../../../tests/support/random.ts";
import { openPort } from "../../../tests/shared/threads/open_port.ts";

/** What works. */
export type Kind = "own" | "shared" | "cached" | "slots" | "local";

/** One pass. */
export interface WorkerTask {
  readonly kind: Kind;
  readonly buffer: SharedArrayBuffer;
  /** Becomes 1 when the pass begins. */
  readonly start: Int32Array;
  readonly steps: number;
  readonly seed: number;
}

interface Subject {
  allocate(size: number): number;
  free(handle: number): void;
}

const LIVE = 1000;
const LARGEST = 256;
const ORDER = 2 ** 16;

function subjectOf({ kind, buffer }: WorkerTask): Subject {
  if (kind === "own") return new OffsetAllocator(2 ** 24, { maxAllocations: 20_000 });
  if (kind === "shared" || kind === "cached") return SharedOffsetAllocator.attach(buffer);
  const shared = SharedSlotPool.attach(buffer);
  const pool = kind === "slots" ? shared : new LocalSlotCache(shared);
  return { allocate: () => pool.acquire(), free: (handle) => pool.release(handle) };
}

/** The timed loop. */
function churn(
  subject: Subject,
  live: Int32Array,
  order: Int32Array,
  sizes: Int32Array,
  steps: number,
): void {
  for (let i = 0; i < steps; i += 2) {
    const at = order[i & (ORDER - 1)];
    subject.free(live[at]);
    live[at] = subject.allocate(sizes[(i >> 1) & (ORDER - 1)]);
  }
}

const port = await openPort();
port.listen((task: WorkerTask) => {
  const random = seeded(task.seed), subject = subjectOf(task);
  const order = Int32Array.from({ length: ORDER }, () => random(LIVE));
  const sizes = Int32Array.from({ length: ORDER }, () => 1 + random(LARGEST));
  const live = Int32Array.from({ length: LIVE }, () => subject.allocate(1 + random(LARGEST)));
  churn(subject, live, order, sizes, 20_000);
  port.post("prepared");
  Atomics.wait(task.start, 0, 0);
  const start = performance.now();
  churn(subject, live, order, sizes, task.steps);
  port.post(performance.now() - start);
  for (const handle of live) subject.free(handle);
});
port.post("ready");
