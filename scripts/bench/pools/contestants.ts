/**
 * What takes part: the pools of this package, the array that one would write oneself, fresh
 * objects, and pools from npm.
 *
 * @module
 */

import genericPool from "generic-pool";
import reusify from "reusify";
import { Pool as TarnPool } from "tarn";
import { AsyncPool } from "../../../src/pool/async_pool.ts";
import { FixedPool } from "../../../src/pool/fixed_pool.ts";
import { SharedSlotPool } from "../../../src/shared/shared_slot_pool.ts";
import { SlotPool } from "../../../src/pool/slot_pool.ts";
import { LocalSlotCache } from "../../../src/shared/local_slot_cache.ts";

/** What is pooled. */
export class Particle {
  x = 0;
  y = 0;
  vx = 0;
  vy = 0;
  age = 0;
  /** For `reusify`, which links its free objects. */
  next: Particle | null = null;
}

/** The part of a pool that is timed. */
export interface Subject<T> {
  take(): T;
  give(object: T): void;
}

/** Makes a subject; its objects are written by the loop of its kind. */
export interface Contestant<T> {
  readonly name: string;
  readonly make: () => Subject<T>;
}

/** Objects in a pool. */
export const SIZE = 1000;

class ArrayStack implements Subject<Particle> {
  readonly #free: Particle[] = Array.from({ length: SIZE }, () => new Particle());

  take(): Particle {
    return this.#free.pop()!;
  }

  give(object: Particle): void {
    this.#free.push(object);
  }
}

const one = new Particle();

/** Takes and gives the same object all the time: its loop is subtracted from the others. */
export const nothing: Contestant<Particle> = {
  name: "nothing",
  make: () => ({ take: () => one, give: () => {} }),
};

/** The array first. */
export const objects: readonly Contestant<Particle>[] = [
  { name: "array pop and push", make: () => new ArrayStack() },
  { name: "new", make: () => ({ take: () => new Particle(), give: () => {} }) },
  {
    name: "FixedPool, take and give",
    make: () => new FixedPool(SIZE, { create: () => new Particle(), initialize: "eager" }),
  },
  {
    name: "reusify",
    make() {
      const pool = reusify(Particle);
      return { take: () => pool.get(), give: (object) => pool.release(object) };
    },
  },
];

/** A pool with handles. */
export function handlePool(): FixedPool<Particle> {
  return new FixedPool(SIZE, { create: () => new Particle(), initialize: "eager" });
}

/** Slots of 64 numbers. */
export interface SlotSubject {
  acquire(): number;
  view(handle: number): Float32Array;
  release(handle: number): void;
}

const slots = { slotSize: 256, type: Float32Array };

export const slotPools: Readonly<Record<string, () => SlotSubject>> = {
  "SlotPool": () => new SlotPool<Float32Array>(SIZE, slots),
  "LocalSlotCache": () => new LocalSlotCache(SharedSlotPool.create<Float32Array>(SIZE, slots)),
  "SharedSlotPool": () => SharedSlotPool.create<Float32Array>(SIZE, slots),
};

/** A pool that one waits for. */
export interface AsyncSubject {
  acquire(): Promise<Particle>;
  release(object: Particle): void | Promise<void>;
}

const RESOURCES = 8;

/** Pools of 8 objects that are made before they are needed, and never validated. */
export const asyncPools: Readonly<Record<string, () => AsyncSubject>> = {
  "AsyncPool": () =>
    new AsyncPool({
      create: () => Promise.resolve(new Particle()),
      destroy: () => Promise.resolve(),
      min: RESOURCES,
      max: RESOURCES,
    }),
  "generic-pool": () => {
    const factory = {
      create: () => Promise.resolve(new Particle()),
      destroy: () => Promise.resolve(),
    };
    return genericPool.createPool(factory, { min: RESOURCES, max: RESOURCES });
  },
  "tarn": () => {
    const pool = new TarnPool<Particle>({
      create: () => Promise.resolve(new Particle()),
      destroy: () => Promise.resolve(),
      min: RESOURCES,
      max: RESOURCES,
    });
    return {
      acquire: () => pool.acquire().promise,
      release: (object) => void pool.release(object),
    };
  },
};

/** The same for a pool whose objects are made synchronously. */
export function waitingPool(): (work: () => Promise<void>) => Promise<void> {
  const pool = new FixedPool(RESOURCES, { create: () => new Particle() });
  return async (work) => {
    using _handle = await pool.acquireAsync();
    await work();
  };
}
