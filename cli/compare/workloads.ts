/**
 * The eight workloads that the benchmark times and a test replays: seeded, so that
 * every runtime, and an allocator in another language, does the very same work.
 *
 * @module
 */

import { type Allocator, NO_SPACE } from "../../src/allocator.ts";

/**
 * Operations on numbered slots. The first `fillCount` fill the allocator; the next
 * `opCount`, the timed pass, leave every slot as full or as empty as they found it,
 * so that they can be repeated.
 */
export interface Trace {
  readonly capacity: number;
  readonly maxAllocations: number;
  readonly slotCount: number;
  readonly fillCount: number;
  readonly opCount: number;
  /** `s >= 0`: allocate into slot `s`. `s < 0`: free slot `~s`, unless it was refused. */
  readonly slots: Int32Array;
  /** Units to allocate; 0 where a slot is freed. */
  readonly sizes: Int32Array;
}

/** Answers of an allocator over the fill and one timed pass. */
export interface Answers {
  /** Sum of the offsets of all allocations that succeeded. */
  readonly offsets: number;
  /** Number of allocations that did not. */
  readonly refused: number;
}

/** A trace by name, and what the C++ reference answers. */
export interface Workload {
  readonly name: string;
  /** Its trait, in a few words. */
  readonly about: string;
  readonly expected: Answers;
  readonly trace: () => Trace;
}

const OPS = 500_000;
const SPACE = 1_073_741_824; // = 2 ** 30

/** The workloads; the sums are those of the reference (`strict` search, in this package). */
export const workloads: readonly Workload[] = [
  {
    name: "churn100",
    about: "100 live",
    expected: { offsets: 37206824943, refused: 0 },
    trace: () => churn(100),
  },
  {
    name: "churn10k",
    about: "10,000 live",
    expected: { offsets: 3238758546734, refused: 0 },
    trace: () => churn(10_000),
  },
  {
    name: "churn100k",
    about: "100,000 live",
    expected: { offsets: 41727283627101, refused: 0 },
    trace: () => churn(100_000),
  },
  {
    name: "fixed",
    about: "one size",
    expected: { offsets: 332562140160, refused: 0 },
    trace: () => churn(10_000, { sizeFrom: () => 256 }),
  },
  {
    name: "fixedb",
    about: "one size, batches",
    expected: { offsets: 332736453888, refused: 0 },
    trace: fixedBatches,
  },
  {
    name: "lifo",
    about: "stack, in bursts",
    expected: { offsets: 1367215259706, refused: 0 },
    trace: lifo,
  },
  {
    name: "mesh",
    about: "meshes, bursts",
    expected: { offsets: 3673436139076, refused: 0 },
    trace: mesh,
  },
  {
    name: "tight",
    about: "97 % full",
    expected: { offsets: 6385985394876, refused: 2700 },
    trace: () => churn(20_000, { capacity: 48_000_000 }),
  },
];

/** Runs the fill and one timed pass. */
export function replay(trace: Trace, allocator: Allocator): Answers {
  const { slots, sizes } = trace;
  const handles = new Int32Array(trace.slotCount);
  let offsets = 0, refused = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i];
    if (slot < 0) {
      if (handles[~slot] !== NO_SPACE) allocator.free(handles[~slot]);
      continue;
    }
    const handle = handles[slot] = allocator.allocate(sizes[i]);
    if (handle === NO_SPACE) refused++;
    else offsets += allocator.offset(handle);
  }
  return { offsets, refused };
}

/** How blocks are chosen in {@linkcode churn}. */
export interface ChurnOptions {
  readonly capacity?: number;
  readonly sizeFrom?: (random: () => number) => number;
}

/** So many live blocks: free one at random, allocate again. */
export function churn(live: number, options: ChurnOptions = {}): Trace {
  const { capacity = SPACE, sizeFrom = mixedSize } = options;
  const tape = new Tape(), random = xorshift(12345);
  for (let slot = 0; slot < live; slot++) tape.allocate(slot, sizeFrom(random));
  tape.endFill();
  while (tape.opCount < OPS) {
    const slot = random() % live;
    tape.free(slot);
    tape.allocate(slot, sizeFrom(random));
  }
  return tape.trace(live, capacity);
}

/** Batches of 1 to 64 blocks of one size, freed and allocated again. */
function fixedBatches(): Trace {
  const tape = new Tape(), random = xorshift(777), live = 10_000;
  for (let slot = 0; slot < live; slot++) tape.allocate(slot, 256);
  tape.endFill();
  while (tape.opCount < OPS) {
    const count = 1 + random() % 64, batch = new Set<number>();
    while (batch.size < count) batch.add(random() % live);
    for (const slot of batch) tape.free(slot);
    for (const slot of batch) tape.allocate(slot, 256);
  }
  return tape.trace(live);
}

/** Bursts of up to 200 pushes, or as many pops. */
function lifo(): Trace {
  const tape = new Tape(), random = xorshift(999);
  let depth = 0;
  tape.endFill();
  while (tape.opCount < OPS) {
    const burst = 1 + random() % 200, push = (random() & 1) === 1 || depth < 200;
    for (let i = 0; i < burst; i++) {
      if (push) tape.allocate(depth++, mixedSize(random));
      else if (depth > 0) tape.free(--depth);
    }
  }
  while (depth > 0) tape.free(--depth);
  return tape.trace(100_000);
}

/**
 * Meshes come and go in bursts of 10 to 199, between some 3,000 and 5,500 of them. Each
 * is a range of vertices and one of indices, of Pareto-distributed length.
 */
function mesh(): Trace {
  const tape = new Tape(), random = xorshift(4242), slotCount = 12_000;
  const strides = [12, 16, 20, 24, 32];
  const empty = Array.from({ length: slotCount }, (_, i) => slotCount - 1 - i);
  const live: number[] = []; // two slots per mesh: vertices, indices

  const add = () => {
    const uniform = random() / 2 ** 32;
    const vertices = Math.min(65536, Math.floor(24 * Math.pow(1 - uniform, -1 / 1.05)));
    const indices = Math.trunc(vertices * 1.8) * 3, indexSize = vertices < 65536 ? 2 : 4;
    const vertexSlot = empty.pop()!, indexSlot = empty.pop()!;
    tape.allocate(vertexSlot, vertices * strides[random() % 5]);
    tape.allocate(indexSlot, indices * indexSize);
    live.push(vertexSlot, indexSlot);
  };
  const remove = (index: number) => {
    const removed = live.splice(2 * index, 2);
    for (const slot of removed) tape.free(slot);
    empty.push(...removed);
  };

  for (let i = 0; i < 4000; i++) add();
  tape.endFill();
  const atStart = new Set(live);
  while (tape.opCount < OPS) {
    const burst = 10 + random() % 190, count = live.length / 2;
    if ((random() & 1) === 1 ? count < 5500 : count < 3000) {
      for (let i = 0; i < burst && empty.length >= 2; i++) add();
    } else if ((random() & 1) === 1) {
      const first = random() % (count - burst);
      for (let i = 0; i < burst; i++) remove(first);
    } else {
      for (let i = 0; i < burst; i++) remove(random() % (live.length / 2));
    }
  }
  const atEnd = new Set(live);
  for (const slot of live) if (!atStart.has(slot)) tape.free(slot);
  for (const slot of atStart) if (!atEnd.has(slot)) tape.allocate(slot, 1000);
  return tape.trace(slotCount);
}

/** 1 to 8185, small ones more often. */
function mixedSize(random: () => number): number {
  return 1 + (random() & 1023) * ((random() & 7) + 1);
}

/** Marsaglia's xorshift of 32 bits: the same numbers in any language. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Records a trace. */
class Tape {
  #slots: number[] = [];
  #sizes: number[] = [];
  #fillCount = 0;

  /** Operations after the fill. */
  get opCount(): number {
    return this.#slots.length - this.#fillCount;
  }

  allocate(slot: number, size: number): void {
    this.#slots.push(slot);
    this.#sizes.push(size);
  }

  free(slot: number): void {
    this.#slots.push(~slot);
    this.#sizes.push(0);
  }

  /** The timed pass begins here. */
  endFill(): void {
    this.#fillCount = this.#slots.length;
  }

  trace(slotCount: number, capacity = SPACE): Trace {
    return {
      capacity,
      maxAllocations: 256 * 1024,
      slotCount,
      fillCount: this.#fillCount,
      opCount: this.opCount,
      slots: Int32Array.from(this.#slots),
      sizes: Int32Array.from(this.#sizes),
    };
  }
}
