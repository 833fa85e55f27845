/**
 * How long the longest of many calls take, each timed by itself.
 *
 * @module
 */

import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { contestant, type Subject } from "../allocators/contestant.ts";
import { nothing } from "../allocators/contestants.ts";
import { churn, type Trace } from "../../../cli/compare/workloads.ts";

/** The longest calls of one contestant, in microseconds; the clock itself is in all of them. */
export interface TailResult {
  readonly name: string;
  readonly p9999: number;
  readonly longest: number;
  /** Milliseconds of all calls that took more than 0.1 ms. */
  readonly over: number;
}

/** What a program has that makes an object for each block instead. */
class Objects implements Subject {
  readonly #blocks: ({ offset: number; size: number } | undefined)[];
  readonly #free: number[] = [];

  constructor({ maxAllocations }: Trace) {
    this.#blocks = new Array(maxAllocations).fill(undefined);
    for (let i = maxAllocations - 1; i >= 0; i--) this.#free.push(i);
  }

  allocate(size: number): number {
    const at = this.#free.pop()!;
    this.#blocks[at] = { offset: at, size };
    return at;
  }

  free(handle: number): void {
    this.#blocks[handle] = undefined;
    this.#free.push(handle);
  }
}

const contestants = [
  nothing,
  contestant("OffsetAllocator", ({ capacity }) => new OffsetAllocator(capacity, { strict: true })),
  contestant("an object each", (trace) => new Objects(trace)),
];

/** Steps of the histogram to a power of two of nanoseconds. */
const STEPS = 16;

/** Times so many calls of each. */
export function measureTails(timed: number): TailResult[] {
  const trace = churn(10_000), { slots, sizes, fillCount, opCount } = trace;
  return contestants.map(({ name, create, drive }) => {
    const subject = create(trace), handles = new Int32Array(trace.slotCount);
    drive(subject, slots, sizes, 0, fillCount, handles);
    for (let i = 0; i < 4; i++) drive(subject, slots, sizes, fillCount, slots.length, handles);
    const histogram = new Float64Array(64 * STEPS);
    let longest = 0, over = 0;
    for (let done = 0; done < timed; done += opCount) {
      for (let i = fillCount; i < slots.length; i++) {
        const slot = slots[i], start = performance.now();
        if (slot >= 0) handles[slot] = subject.allocate(sizes[i]);
        else subject.free(handles[~slot]);
        const ms = performance.now() - start;
        histogram[Math.max(0, Math.floor(Math.log2(ms * 1e6 + 1) * STEPS))]++;
        if (ms > longest) longest = ms;
        if (ms > 0.1) over += ms;
      }
    }
    return { name, p9999: quantile(histogram, 0.9999), longest: longest * 1000, over };
  });
}

/** The value below which this part of a histogram lies, in microseconds. */
function quantile(histogram: Float64Array, part: number): number {
  let left = histogram.reduce((sum, count) => sum + count, 0) * part, step = 0;
  while (step < histogram.length - 1 && (left -= histogram[step]) > 0) step++;
  return 2 ** ((step + 1) / STEPS) / 1000;
}
