/**
 * Several workers in one shared allocator, and the model that their logs are compared with. It
 * runs in a page as well.
 *
 * @module
 */

import { check } from "../../../src/operations/mod.ts";
import { NO_SPACE } from "../../../src/allocator.ts";
import {
  type SharedAllocatorOptions,
  SharedOffsetAllocator,
} from "../../../src/shared/shared_allocator.ts";
import type { AllocatorOutcome, AllocatorTask } from "./allocator_worker.ts";
import { spawnThread } from "./spawn_thread.ts";

const WORKER = new URL("./allocator_worker.ts", import.meta.url);
const EVENT_WORDS = 4; // as in allocator_worker.ts, which is not to be imported: it would begin

/** Runs so many workers, each with so many steps; throws where they contradict the model. */
export async function runTogether(
  capacity: number,
  options: SharedAllocatorOptions,
  workers: number,
  steps: number,
): Promise<{ operations: number; refused: number }> {
  const allocator = SharedOffsetAllocator.create(capacity, options);
  const words = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
  const marks = words(capacity), mailbox = words(8), counters = words(2);
  const logs = Array.from({ length: workers }, () => words(steps * EVENT_WORDS));
  const threads = await Promise.all(logs.map(() => spawnThread(WORKER)));
  try {
    for (const thread of threads) await thread.receive(); // that it is ready
    for (const [i, thread] of threads.entries()) {
      const task: AllocatorTask = {
        state: allocator.buffer,
        worker: 2 + i,
        seed: 1000 + i,
        steps,
        marks,
        mailbox,
        counters,
        log: logs[i],
      };
      thread.post(task);
    }
    const outcomes: AllocatorOutcome[] = [];
    for (const thread of threads) {
      await thread.receive(); // that it has begun
      outcomes.push(await thread.receive<AllocatorOutcome>());
    }
    const operations = replay(logs, Atomics.load(counters, 0), capacity);
    const refused = outcomes.reduce((sum, outcome) => sum + outcome.refused, 0);
    const live = [...outcomes.flatMap((outcome) => outcome.live), ...mailbox];
    compare(allocator, live.filter((handle) => handle !== 0), marks);
    return { operations: operations + refused, refused };
  } finally {
    for (const thread of threads) await thread.terminate();
  }
}

/**
 * Replays the events of all workers in their order: an allocation counts from when its worker
 * had it, a free from when it was called. Gives how many there were.
 */
function replay(logs: readonly Int32Array[], count: number, capacity: number): number {
  const order: [log: Int32Array, at: number][] = Array(count);
  for (const log of logs) {
    for (let at = 0; at < log.length && log[at + 1] !== 0; at += EVENT_WORDS) {
      order[log[at]] = [log, at];
    }
  }
  const taken = new Uint8Array(capacity);
  for (const [log, at] of order) {
    const [number, kind, offset, size] = log.subarray(at, at + EVENT_WORDS);
    const isAllocation = kind === 1;
    expect(offset >= 0 && offset + size <= capacity, `event ${number} is outside the space`);
    for (let unit = offset; unit < offset + size; unit++) {
      expect(taken[unit] === (isAllocation ? 0 : 1), `event ${number}: unit ${unit} is not so`);
    }
    taken.fill(isAllocation ? 1 : 0, offset, offset + size);
  }
  return count;
}

/** What the allocator says at the end is what the workers have; then all of it is freed. */
function compare(allocator: SharedOffsetAllocator, live: number[], marks: Int32Array): void {
  check(allocator);
  const known = [...allocator.allocations()];
  expect(allocator.allocationCount === known.length, "the number of allocations is wrong");
  const ascending = (a: number, b: number) => a - b;
  const [ours, theirs] = [live, known.map(({ handle }) => handle)].map((handles) =>
    handles.sort(ascending).join()
  );
  expect(ours === theirs, "the workers hold other allocations than the allocator knows");
  const marked = new Int32Array(allocator.capacity);
  for (const { handle, offset, size } of known) marked.fill(handle, offset, offset + size);
  expect(marked.every((handle, unit) => handle === marks[unit]), "the marks are wrong");

  for (const { handle } of known) allocator.free(handle);
  const all = allocator.allocate(allocator.capacity);
  expect(all !== NO_SPACE, "space is lost");
  check(allocator);
}

function expect(holds: boolean, problem: string): void {
  if (!holds) throw new Error(`Not as in the model: ${problem}`);
}
