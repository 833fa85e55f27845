/**
 * Pools by turns: times as ratios, and the pauses that each brings about.
 *
 * @module
 */

import { cpus } from "node:os";
import { FixedPool } from "../../../src/pool/fixed_pool.ts";
import { seeded } from "../../../tests/support/random.ts";
import {
  asyncPools,
  type AsyncSubject,
  handlePool,
  nothing,
  objects,
  Particle,
  slotPools,
  type SlotSubject,
  type Subject,
  waitingPool,
} from "./contestants.ts";

/** How long to measure. */
export interface Effort {
  readonly repeats: number;
  /** Pairs of operations of one pass. */
  readonly pairs: number;
  /** Operations of which each is timed. */
  readonly timed: number;
}

export const FULL: Effort = { repeats: 40, pairs: 500_000, timed: 10_000_000 };
export const QUICK: Effort = { repeats: 3, pairs: 50_000, timed: 200_000 };

/** One contestant. */
export interface Result {
  readonly name: string;
  /** Nanoseconds for taking and giving one object, less the empty loop. */
  readonly ns: number;
}

/** How long single operations took, in microseconds. */
export interface Pauses {
  readonly name: string;
  readonly p999: number;
  readonly longest: number;
  /** Milliseconds of all operations that took more than 0.1 ms. */
  readonly total: number;
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly objects: readonly Result[];
  readonly slots: readonly Result[];
  /** Acquire and release of pools that one waits for, by one caller. */
  readonly cycles: readonly Result[];
  readonly waiting: readonly Result[];
  readonly pauses: readonly Pauses[];
}

const LIVE = 512;
const CALLERS = 32;
const ORDER = 2 ** 16;
const random = seeded(1);
const order = Int32Array.from({ length: ORDER }, () => random(LIVE));

/** Gives the objects back in random order. */
function driveObjects(
  pool: Subject<Particle>,
  live: Particle[],
  order: Int32Array,
  pairs: number,
): void {
  for (let i = 0; i < pairs; i++) {
    const at = order[i & (order.length - 1)];
    pool.give(live[at]);
    const object = pool.take();
    object.x = i;
    live[at] = object;
  }
}

/** The same loop for each, in a copy made from its source: no company spoils its types. */
function copyOf<F>(name: string, drive: F): F {
  return new Function(`/* ${name} */ return ${drive};`)();
}

interface Lane {
  readonly name: string;
  readonly pass: (pairs: number) => void;
}

function race(lanes: readonly Lane[], effort: Effort): Result[] {
  const best = lanes.map(() => Infinity);
  for (let i = 0; i < effort.repeats; i++) {
    lanes.forEach(({ pass }, lane) => {
      const start = performance.now();
      pass(effort.pairs);
      best[lane] = Math.min(best[lane], (performance.now() - start) * 1e6 / effort.pairs);
    });
  }
  return lanes.slice(1).map(({ name }, i) => ({ name, ns: Math.max(0, best[i + 1] - best[0]) }));
}

function raceObjects(effort: Effort): Result[] {
  const lanes = [nothing, ...objects].map(({ name, make }): Lane => {
    const pool = make(), live = Array.from({ length: LIVE }, () => pool.take());
    const drive = copyOf(name, driveObjects);
    return { name, pass: (pairs) => drive(pool, live, order, pairs) };
  });
  const pool = handlePool(), live = Array.from({ length: LIVE }, () => pool.acquire());
  const pass = (pairs: number) => {
    for (let i = 0; i < pairs; i++) {
      const at = order[i & (ORDER - 1)];
      pool.release(live[at]);
      const handle = pool.acquire();
      handle.value.x = i;
      live[at] = handle;
    }
  };
  return race([...lanes, { name: "FixedPool, acquire and release", pass }], effort);
}

function driveSlots(
  pool: SlotSubject,
  live: Int32Array,
  order: Int32Array,
  pairs: number,
): void {
  for (let i = 0; i < pairs; i++) {
    const at = order[i & (order.length - 1)];
    pool.release(live[at]);
    const handle = pool.acquire();
    pool.view(handle)[i & 63] = i;
    live[at] = handle;
  }
}

function raceSlots(effort: Effort): Result[] {
  const same = new Float32Array(64), numbers = new Int32Array(LIVE);
  const empty: SlotSubject = { acquire: () => 1, view: () => same, release: () => {} };
  const arrays = Array.from({ length: LIVE }, () => new Float32Array(64));
  const drive = copyOf("nothing", driveSlots);
  const lanes: Lane[] = [
    { name: "nothing", pass: (pairs) => drive(empty, numbers, order, pairs) },
    {
      name: "new Float32Array(64)",
      pass(pairs) {
        for (let i = 0; i < pairs; i++) {
          const array = new Float32Array(64);
          array[i & 63] = i;
          arrays[order[i & (ORDER - 1)]] = array;
        }
      },
    },
    ...Object.entries(slotPools).map(([name, make]): Lane => {
      const pool = make(), live = Int32Array.from({ length: LIVE }, () => pool.acquire());
      const drive = copyOf(name, driveSlots);
      return { name, pass: (pairs) => drive(pool, live, order, pairs) };
    }),
  ];
  return race(lanes, effort);
}

/** One pass of a lane that is waited for. */
interface AsyncLane {
  readonly name: string;
  readonly pass: (count: number) => Promise<void>;
}

async function raceAsync(lanes: readonly AsyncLane[], effort: Effort): Promise<Result[]> {
  const count = Math.ceil(effort.pairs / 20), best = lanes.map(() => Infinity);
  for (let i = 0; i < Math.ceil(effort.repeats / 2); i++) {
    for (const [lane, { pass }] of lanes.entries()) {
      const start = performance.now();
      await pass(count);
      best[lane] = Math.min(best[lane], (performance.now() - start) * 1e6 / count);
    }
  }
  return lanes.map(({ name }, i) => ({ name, ns: best[i] }));
}

/** One caller, who takes an object and gives it back. */
async function driveAsync(pool: AsyncSubject, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const object = await pool.acquire();
    object.x = i;
    await pool.release(object);
  }
}

function raceCycles(effort: Effort): Promise<Result[]> {
  const lanes = Object.entries(asyncPools).map(([name, make]): AsyncLane => {
    const pool = make(), drive = copyOf(name, driveAsync);
    return { name, pass: (count) => drive(pool, count) };
  });
  return raceAsync(lanes, effort);
}

/** Four callers for each object. */
function raceWaiting(effort: Effort): Promise<Result[]> {
  const lane = (name: string, use: (work: () => Promise<void>) => Promise<void>): AsyncLane => ({
    name,
    async pass(count) {
      await Promise.all(Array.from({ length: CALLERS }, async () => {
        for (let done = 0; done < count / CALLERS; done++) await use(async () => {});
      }));
    },
  });
  const lanes = Object.entries(asyncPools).map(([name, make]): AsyncLane => {
    const pool = make();
    return lane(name, async (work) => {
      const object = await pool.acquire();
      await work();
      await pool.release(object);
    });
  });
  return raceAsync([...lanes, lane("FixedPool, acquireAsync", waitingPool())], effort);
}

/** Times every single operation, with 10,000 objects live that come and go. */
function pauses(effort: Effort): Pauses[] {
  const count = effort.timed, times = new Float32Array(count), size = 10_000;
  const next = Int32Array.from({ length: ORDER * 4 }, () => random(size));
  const kinds: Record<string, Subject<Particle>> = {
    "new": { take: () => new Particle(), give: () => {} },
    "FixedPool, take and give": new FixedPool(size + 1, {
      create: () => new Particle(),
      initialize: "eager",
    }),
  };
  const results: Pauses[] = [];
  for (const [name, subject] of Object.entries(kinds)) {
    const live = Array.from({ length: size }, () => subject.take());
    const step = (i: number) => {
      const at = next[i & (next.length - 1)];
      subject.give(live[at]);
      const object = subject.take();
      object.x = i;
      live[at] = object;
    };
    for (let i = 0; i < 200_000; i++) step(i);
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      step(i);
      times[i] = (performance.now() - start) * 1000;
    }
    const total = times.reduce((sum, time) => time > 100 ? sum + time : sum, 0) / 1000;
    times.sort();
    results.push({
      name,
      p999: times[Math.floor(count * 0.999)],
      longest: times[count - 1],
      total,
    });
  }
  return results;
}

/** Measures everything. */
export async function measure(runtime: string, effort: Effort): Promise<Report> {
  return {
    runtime,
    cpu: cpus()[0].model,
    objects: raceObjects(effort),
    slots: raceSlots(effort),
    cycles: await raceCycles(effort),
    waiting: await raceWaiting(effort),
    pauses: pauses(effort),
  };
}
