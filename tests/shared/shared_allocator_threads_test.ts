/**
 * `SharedOffsetAllocator` in several threads at once: a million operations of which no two ever
 * hold the same unit, and workers that are terminated at random.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import {
  LockAbandonedError,
  type SharedAllocatorOptions,
  SharedOffsetAllocator,
} from "../../src/shared/mod.ts";
import { type Random, withSeed } from "../support/random.ts";
import { runTogether } from "./threads/run_together.ts";
import { spawnThread } from "./threads/spawn_thread.ts";
import { stillness } from "./threads/stillness.ts";

// Deno ends a worker only while it waits for something.
const IN_DENO = "Deno" in globalThis;
/** Rounds of four workers for each kind: the most where they cost least. */
const ROUNDS = IN_DENO ? 20 : "Bun" in globalThis ? 40 : 10;
/** Tests that the rounds are divided among. */
const PARTS = 5;
/** Node tells when a worker has ended. A busy machine may hold one up for long before that. */
const QUIET_MS = "Worker" in globalThis ? 120 : 5;
const WORKER = new URL("./threads/allocator_worker.ts", import.meta.url);

describe("SharedOffsetAllocator, in four threads", () => {
  const kinds: Record<string, SharedAllocatorOptions> = {
    "without caches": { maxAllocations: 1000 },
    "with caches, beyond 32 bits": {
      maxAllocations: 4000,
      cache: { maxBlockSize: 32 },
      maxCapacity: 2 ** 40,
    },
    "with caches, nearly full": { maxAllocations: 900, cache: { maxBlockSize: 32 } },
  };
  const capacities = [16_000, 16_000, 7000];
  Object.entries(kinds).forEach(([name, options], i) => {
    it(`never gives a unit twice, ${name}`, async () => {
      const outcome = await runTogether(capacities[i], options, 4, 85_000);
      assertEquals(outcome.operations, 4 * 85_000);
      if (i === 2) assert(outcome.refused > 0, "the space was never short");
    });
  });
});

/** Workers that allocate and free without end. */
class Crowd {
  readonly allocator: SharedOffsetAllocator;
  readonly #marks: Int32Array;
  readonly #mailbox: Int32Array;
  readonly #counters: Int32Array;
  #lastWorker = 1;
  /** Rounds in which a worker died with the lock. */
  abandoned = 0;

  constructor(capacity: number, options: SharedAllocatorOptions) {
    this.allocator = SharedOffsetAllocator.create(capacity, {
      ...options,
      worker: 1,
      abandonedAfter: 20 + QUIET_MS,
    });
    const words = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
    this.#marks = words(capacity);
    this.#mailbox = words(8);
    this.#counters = words(2);
  }

  /** Starts workers, lets them work for a moment and terminates them one after another. */
  async round(random: Random, size: number): Promise<void> {
    const threads = await Promise.all(Array.from({ length: size }, () => spawnThread(WORKER)));
    const workers: number[] = [];
    for (const thread of threads) {
      await thread.receive(); // that it is ready
      workers.push(this.#lastWorker = 2 + this.#lastWorker % 4000);
      thread.post({
        state: this.allocator.buffer,
        worker: this.#lastWorker,
        seed: random(2 ** 30),
        steps: Infinity,
        pauseEvery: IN_DENO ? 20 : undefined,
        marks: this.#marks,
        mailbox: this.#mailbox,
        counters: this.#counters,
      });
    }
    for (const thread of threads) await thread.receive(); // that it has begun
    const dead = new Set<number>();
    for (const [i, thread] of threads.entries()) {
      await this.#progress(1 + random(300));
      await thread.terminate();
      dead.add(workers[i]);
      if (random(2) === 0 && dead.size === threads.length) await this.#stillness();
      this.#allocateSomething(dead);
    }
    await this.#stillness();
    for (const worker of dead) if (this.allocator.recover(worker)) this.abandoned++;
    this.#startAnew();
  }

  /** Until the workers have done so many operations more, or none for long. */
  async #progress(operations: number): Promise<void> {
    const before = Atomics.load(this.#counters, 1);
    for (let i = 0; i < 20; i++) {
      if (Atomics.load(this.#counters, 1) - before >= operations) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Until nobody works any more. */
  async #stillness(): Promise<void> {
    await stillness(this.#counters, 1, QUIET_MS);
  }

  /** What a survivor does beside the others: it finds out who died with the lock. */
  #allocateSomething(dead: ReadonlySet<number>): void {
    for (let i = 0; i < 100; i++) {
      try {
        const handle = this.allocator.allocate(3);
        if (handle !== NO_SPACE) this.allocator.free(handle);
        return;
      } catch (error) {
        if (!(error instanceof LockAbandonedError)) throw error;
        if (dead.has(error.worker) && this.allocator.recover(error.worker)) this.abandoned++;
      }
    }
    throw new Error("The lock stays with a worker that lives");
  }

  /** Whatever the dead have left is sound; all of it is freed. */
  #startAnew(): void {
    const { allocator } = this;
    check(allocator);
    for (const { handle } of allocator.allocations()) allocator.free(handle);
    allocator.trim();
    check(allocator);
    assertEquals(allocator.freeSpace, allocator.capacity, "space is lost");
    this.#marks.fill(0);
    this.#mailbox.fill(0);
  }
}

describe("SharedOffsetAllocator, whose workers are terminated", () => {
  for (
    const [name, cache] of [["without caches"], ["with caches", { maxBlockSize: 16 }]] as const
  ) {
    const crowd = new Crowd(4000, { maxAllocations: 700, cache });
    for (let part = 1; part <= PARTS; part++) {
      it(`goes on, ${name}, ${part}`, () =>
        withSeed(part, async (random) => {
          for (let round = 0; round < ROUNDS / PARTS; round++) await crowd.round(random, 4);
        }));
    }
    it(`was held up by some, ${name}`, () => {
      if (!IN_DENO) assert(crowd.abandoned > 0, "none died with the lock");
    });
  }
});
