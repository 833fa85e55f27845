/**
 * Arenas over every strategy, alone and behind others, compared with a model.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { MemoryStore } from "../../backends/memory.ts";
import type { Allocator } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import { compact } from "../../src/arena/compact.ts";
import { regionsOf } from "../../src/arena/regions.ts";
import type { Region } from "../../src/arena/region.ts";
import { check } from "../../src/operations/mod.ts";
import { canOperate } from "../../src/operations/operate.ts";
import { bases, layeredRuns } from "../allocators/layered_runs.ts";
import { type Random, seeded } from "../support/random.ts";

const CAPACITY = 4000, MOST = 16_000;

/** A region and the bytes that it must have. */
interface Entry {
  readonly region: Region<MemoryStore>;
  bytes: Uint8Array;
}

class Model {
  readonly arena: Arena<MemoryStore, Allocator>;
  readonly #random: Random;
  readonly #live: Entry[] = [];

  constructor(arena: Arena<MemoryStore, Allocator>, random: Random) {
    this.arena = arena;
    this.#random = random;
  }

  step(): void {
    const kind = this.#random(100), index = this.#random(this.#live.length);
    const entry = this.#live[index];
    if (entry === undefined || kind < 40) this.#allocate();
    else if (kind < 70) {
      this.#expect(entry);
      this.#live.splice(index, 1);
      entry.region.free();
    } else if (kind < 85) this.#resize(entry);
    else if (kind < 97) this.#write(entry);
    else this.#compact();
  }

  /** All regions have their bytes, and lie apart. */
  compare(): void {
    const { arena } = this;
    if (canOperate(arena.allocator, "check")) check(arena.allocator);
    let end = 0;
    for (const { offset, size } of regionsOf(arena)) {
      if (size === 0) continue;
      assert(offset >= end, "two regions overlap");
      end = offset + size;
    }
    assert(end <= arena.byteLength, "a region leads out of the store");
    for (const entry of this.#live) this.#expect(entry);
    assertEquals([...regionsOf(arena)].length, this.#live.length);
  }

  freeAll(): void {
    for (const entry of this.#live.splice(0)) {
      this.#expect(entry);
      entry.region.free();
    }
    assertEquals([...regionsOf(this.arena)].length, 0);
  }

  #expect({ region, bytes }: Entry): void {
    const { bytes: got } = region;
    let same = got.length === bytes.length;
    for (let i = 0; same && i < bytes.length; i++) same = got[i] === bytes[i];
    assert(same, `the region at ${region.offset} has other bytes`);
  }

  #bytes(): Uint8Array {
    const size = this.#random([1, 8, 40, 300][this.#random(4)]);
    return new Uint8Array(size).fill(this.#random(256));
  }

  #allocate(): void {
    const bytes = this.#bytes(), alignment = [1, 1, 2, 8, 64][this.#random(5)];
    const region = this.arena.allocateFrom(bytes, { alignment });
    if (region === undefined) return;
    if (bytes.length > 0) assertEquals(region.offset % alignment, 0);
    this.#live.push({ region, bytes });
  }

  #resize(entry: Entry): void {
    const { region, bytes } = entry, size = this.#bytes().length;
    if (!region.resize(size)) return assertEquals(region.size, bytes.length);
    const kept = Math.min(size, bytes.length);
    entry.bytes = region.read();
    assertEquals(entry.bytes.subarray(0, kept), bytes.subarray(0, kept));
  }

  #write({ region, bytes }: Entry): void {
    const at = this.#random(bytes.length + 1);
    const data = new Uint8Array(this.#random(bytes.length - at + 1)).fill(this.#random(256));
    region.write(data, at);
    bytes.set(data, at);
  }

  #compact(): void {
    if (!canOperate(this.arena.allocator, "planCompaction")) return;
    const bounds = [{}, { maxMoves: this.#random(4) }][this.#random(2)];
    compact(this.arena, { ...bounds, overlap: this.#random(2) === 0 });
  }
}

const strategies = { ...bases, ...layeredRuns };

/** The strategies that an arena is fuzzed over, by name. */
export const arenaStrategies: readonly string[] = Object.keys(strategies);

/**
 * Runs the fuzz over the strategy of a name; a difference throws an error that names the seed and
 * the step.
 */
export function fuzzArena(name: string, seed: number, steps: number): void {
  let step = 0;
  try {
    const store = new MemoryStore(CAPACITY, { maxByteLength: MOST });
    const allocator: Allocator & { readonly grow?: unknown } = strategies[name].make(CAPACITY);
    const growth = allocator.grow === undefined ? {} : { maxByteLength: MOST };
    const arena = new Arena(store, { allocator, ...growth });
    const model = new Model(arena, seeded(seed));
    for (; step < steps; step++) {
      model.step();
      if (step % 50 === 0) model.compare();
    }
    model.compare();
    model.freeAll();
    model.compare();
  } catch (cause) {
    throw new Error(`seed ${seed}, step ${step}: ${(cause as Error).message}`, { cause });
  }
}
