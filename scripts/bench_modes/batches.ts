/**
 * `allocateMany` and `freeMany`, 64 at a time, against single calls.
 *
 * @module
 */

import { OffsetAllocator } from "../../src/offset_allocator.ts";
import { type Random, seeded } from "../../tests/random.ts";

/** Many at once against one by one. */
export interface BatchResult {
  readonly name: string;
  readonly ratio: number;
  /** The space in use in the end, as a multiple of that of single calls. */
  readonly highWater: number;
}

const BATCH = 64, GROUPS = 160;

/** Which of the live ones are freed together. */
const choices: Readonly<Record<string, (at: Int32Array, random: Random) => void>> = {
  "allocated together": (at, random) => {
    const first = random(GROUPS) * BATCH;
    for (let i = 0; i < BATCH; i++) at[i] = first + i;
  },
  "any of 10,240": (at, random) => {
    const chosen = new Set<number>();
    while (chosen.size < BATCH) chosen.add(random(GROUPS * BATCH));
    let i = 0;
    for (const slot of chosen) at[i++] = slot;
  },
};

/** Makes the rounds of one contestant; gives the milliseconds of its calls. */
type Drive = (lane: Lane) => number;

interface Lane {
  readonly allocator: OffsetAllocator;
  readonly random: Random;
  readonly choose: (at: Int32Array, random: Random) => void;
  readonly live: Int32Array;
  readonly sizes: readonly Int32Array[];
}

/** Single calls; copied by source, as {@linkcode many}. */
function one({ allocator, random, choose, live, sizes }: Lane): number {
  const at = new Int32Array(64), handles = new Int32Array(64);
  let ms = 0;
  for (let round = 0; round < 1000; round++) {
    choose(at, random);
    for (let i = 0; i < 64; i++) handles[i] = live[at[i]];
    const size = sizes[round & 63], start = performance.now();
    for (let i = 0; i < 64; i++) allocator.free(handles[i]);
    for (let i = 0; i < 64; i++) handles[i] = allocator.allocate(size[i]);
    ms += performance.now() - start;
    for (let i = 0; i < 64; i++) live[at[i]] = handles[i];
  }
  return ms;
}

function many({ allocator, random, choose, live, sizes }: Lane): number {
  const at = new Int32Array(64), handles = new Int32Array(64);
  let ms = 0;
  for (let round = 0; round < 1000; round++) {
    choose(at, random);
    for (let i = 0; i < 64; i++) handles[i] = live[at[i]];
    const size = sizes[round & 63], start = performance.now();
    allocator.freeMany(handles);
    allocator.allocateMany(size, handles);
    ms += performance.now() - start;
    for (let i = 0; i < 64; i++) live[at[i]] = handles[i];
  }
  return ms;
}

/** Measures both ways of choosing. */
export function measureBatches(repeats: number): BatchResult[] {
  return Object.entries(choices).map(([name, choose]) => {
    const lanes = [one, many].map((drive) => {
      const random = seeded(1), allocator = new OffsetAllocator(2 ** 30);
      const sizes = Array.from(
        { length: 64 },
        () => Int32Array.from({ length: BATCH }, () => 1 + random(8185)),
      );
      const live = Int32Array.from(
        { length: GROUPS * BATCH },
        (_, i) => allocator.allocate(sizes[(i / BATCH) & 63][i % BATCH]),
      );
      const copy: Drive = new Function(`/* ${name} */ return ${drive};`)();
      return { lane: { allocator, random, choose, live, sizes }, drive: copy, best: Infinity };
    });
    for (let i = 0; i < repeats; i++) {
      for (const each of lanes) each.best = Math.min(each.best, each.drive(each.lane));
    }
    const [single, batched] = lanes;
    const end = ({ lane: { allocator } }: typeof single) =>
      allocator.capacity - allocator.tailSpace;
    return { name, ratio: batched.best / single.best, highWater: end(batched) / end(single) };
  });
}
