/**
 * `allocateMany` and `freeMany`, 64 at a time, against single calls.
 *
 * @module
 */

import { allocateMany, freeMany } from "../../../src/operations/batch.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { type Random, seeded } from "../../../tests/support/random.ts";

/** Many at once against one by one. */
export interface BatchResult {
  readonly name: string;
  readonly ratio: number;
  /** The space in use in the end, as a multiple of that of single calls. */
  readonly highWater: number;
}

const BATCH = 64, ROUNDS = 1000;

/** Chooses those of the live ones that are freed together. */
type Choose = (at: Int32Array, live: number, random: Random) => void;

const together: Choose = (at, live, random) => {
  const first = random(live / BATCH) * BATCH;
  for (let i = 0; i < BATCH; i++) at[i] = first + i;
};

const any: Choose = (at, live, random) => {
  const chosen = new Set<number>();
  while (chosen.size < BATCH) chosen.add(random(live));
  at.set([...chosen]);
};

/** How many are live, and which are freed together. */
const works: readonly { name: string; live: number; choose: Choose }[] = [
  { name: "allocated together", live: 10_240, choose: together },
  { name: "any of 10,240", live: 10_240, choose: any },
  { name: "any of 1,024,000", live: 1_024_000, choose: any },
];

/** Frees what the handles name, and allocates these sizes into them. */
type Swap = (allocator: OffsetAllocator, handles: Int32Array, sizes: Int32Array) => void;

const one: Swap = (allocator, handles, sizes) => {
  for (let i = 0; i < handles.length; i++) allocator.free(handles[i]);
  for (let i = 0; i < handles.length; i++) handles[i] = allocator.allocate(sizes[i]);
};

const many: Swap = (allocator, handles, sizes) => {
  freeMany(allocator, handles);
  allocateMany(allocator, sizes, handles);
};

interface Lane {
  readonly swap: Swap;
  readonly allocator: OffsetAllocator;
  readonly random: Random;
  readonly choose: Choose;
  readonly live: Int32Array;
  readonly sizes: readonly Int32Array[];
}

/** Makes so many rounds; gives the milliseconds of their calls. */
function drive({ swap, allocator, random, choose, live, sizes }: Lane): number {
  const at = new Int32Array(BATCH), handles = new Int32Array(BATCH);
  let ms = 0;
  for (let round = 0; round < ROUNDS; round++) {
    choose(at, live.length, random);
    for (let i = 0; i < BATCH; i++) handles[i] = live[at[i]];
    const start = performance.now();
    swap(allocator, handles, sizes[round % sizes.length]);
    ms += performance.now() - start;
    for (let i = 0; i < BATCH; i++) live[at[i]] = handles[i];
  }
  return ms;
}

/** Measures all of them. */
export function measureBatches(repeats: number): BatchResult[] {
  return works.map(({ name, live: count, choose }) => {
    const lanes = [one, many].map((swap) => {
      const random = seeded(1), allocator = new OffsetAllocator(2 ** 32 - 1);
      const sizes = Array.from(
        { length: 64 },
        () => Int32Array.from({ length: BATCH }, () => 1 + random(2000)),
      );
      const live = Int32Array.from(
        { length: count },
        (_, i) => allocator.allocate(sizes[(i / BATCH) & 63][i % BATCH]),
      );
      return { lane: { swap, allocator, random, choose, live, sizes }, best: Infinity };
    });
    for (let i = 0; i < repeats; i++) {
      for (const each of lanes) each.best = Math.min(each.best, drive(each.lane));
    }
    const [single, batched] = lanes;
    const end = ({ lane: { allocator } }: typeof single) =>
      allocator.capacity - allocator.tailSpace;
    return { name, ratio: batched.best / single.best, highWater: end(batched) / end(single) };
  });
}
