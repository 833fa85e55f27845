/**
 * Arenas under random operations, one after another and many at once, against a model.
 *
 * @module
 */

import { compact } from "../../src/arena/compact.ts";
import { check } from "../../src/operations/mod.ts";
import { assert, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { ArenaOptions } from "../../src/arena/arena_options.ts";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import {
  assertAllCanBeHad,
  assertAllExpected,
  type Expected,
  PlainStore,
  SlowStore,
} from "./arena_helpers.ts";
import { type Random, randomBytes, withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { regionOf, regionsOf } from "../../src/arena/regions.ts";
import { newDescriptor, newFile, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** One random operation on an arena and a model of it. */
async function randomStep(
  arena: Arena<BackingStore>,
  live: Expected[],
  random: Random,
  maxSize: number,
): Promise<void> {
  const index = random(live.length);
  const expected = live[index];
  const kind = random(10);
  if (expected === undefined || kind < 3) {
    const size = random(8) === 0 ? random(4) : random(maxSize);
    const alignment = [1, 1, 2, 8, 12, 64][random(6)];
    if (random(2) === 0) {
      const bytes = randomBytes(random, size);
      const region = await arena.allocateFrom(bytes, { alignment });
      if (region) live.push({ region, bytes });
    } else {
      const region = await arena.allocate(size, { alignment, label: "filled later" });
      if (region) live.push({ region, bytes: await region.read() });
    }
    const { region } = live.at(-1) ?? {};
    if (region) assertStrictEquals(region.offset % region.alignment, 0);
    return;
  }
  const { region, bytes } = expected;
  assertStrictEquals(region.size, bytes.length);
  const at = random(bytes.length + 1);
  const length = random(bytes.length - at + 1);
  if (kind < 5) {
    const data = randomBytes(random, length);
    await region.write(data, at);
    bytes.set(data, at);
  } else if (kind < 7) {
    assertSameBytes(await region.read(at, length), bytes.subarray(at, at + length), "read");
    const into = new Uint8Array(length);
    await region.readInto(into, at);
    assertSameBytes(into, bytes.subarray(at, at + length), "readInto");
  } else if (kind < 8) {
    const size = random(maxSize);
    if (await region.resize(size)) {
      const kept = Math.min(size, bytes.length);
      const now = await region.read();
      assertSameBytes(now.subarray(0, kept), bytes.subarray(0, kept), "kept by resize");
      expected.bytes = now;
    } else assertStrictEquals(region.size, bytes.length);
    assertStrictEquals(region.offset % region.alignment, 0);
  } else if (kind < 9) {
    const error = random(2) ? [bytes.length + 1, 0] : [bytes.length, 1];
    await assertRejects(async () => await region.write(new Uint8Array(error[1]), error[0]));
    await assertRejects(async () => await region.readInto(new Uint8Array(error[1]), error[0]));
  } else {
    live.splice(index, 1);
    assertSameBytes(await region.read(), bytes, "before it is freed");
    // Freed while a write is under way, which must not hit who gets the space next.
    const write = region.write(randomBytes(random, bytes.length));
    await Promise.all([region.free(), write]);
    await assertRejects(async () => await region.read(), NotAllocatedError);
  }
}

async function randomCompaction(arena: Arena<BackingStore>, random: Random): Promise<void> {
  const bounds = [{}, { maxMoves: random(5) }, { maxBytes: random(2000) }][random(3)];
  const { moves, bytes } = await compact(arena, { ...bounds, overlap: random(2) === 0 });
  assert(moves <= (bounds.maxMoves ?? Infinity), "no more moves than allowed");
  assert(bytes <= (bounds.maxBytes ?? Infinity), "no more bytes than allowed");
  check(arena.allocator);
}

const options: ArenaOptions[] = [{}, { unit: 16 }, { unit: 12 }, { maxByteLength: 60_000 }, {
  unit: 64,
  maxByteLength: 60_000,
}];
const start = 20_000;

const backends: [name: string, make: (random: Random) => BackingStore, steps: number][] = [
  ["MemoryStore", () => new MemoryStore(start, { maxByteLength: 100_000 }), 1500],
  ["SyncFileStore", () => SyncFileStore.open(newFile(start)), 700],
  ["FileStore", () => FileStore.from(newDescriptor(start)), 700],
  ["SlowStore", (random) => new SlowStore(start, random), 300],
];

describe("Arena against a model", () => {
  for (const [name, make, steps] of backends) {
    for (const [seed, option] of options.entries()) {
      it(`one operation after another: ${name}, ${JSON.stringify(option)}`, () =>
        withSeed(seed, async (random) => {
          const store = make(random);
          const arena = new Arena(store, { ...option, closeStore: true });
          const live: Expected[] = [];
          for (let step = 0; step < steps; step++) {
            if (random(50) === 0) await randomCompaction(arena, random);
            await randomStep(arena, live, random, 2500);
            if (step % 50 === 0) {
              await assertAllExpected(live);
              check(arena.allocator);
              const order = [...regionsOf(arena)].map((region) => region.handle);
              assertStrictEquals(order.length, live.length);
              for (const { region } of live) {
                assertStrictEquals(regionOf(arena, region.handle), region);
              }
            }
          }
          assert(!option.maxByteLength || arena.byteLength > start, "it grew");
          assert(arena.byteLength <= (option.maxByteLength ?? start), "no further than allowed");
          await assertAllCanBeHad(arena);
          await arena.close();
        }));
    }
  }

  for (const [name, make, steps] of backends.slice(2)) {
    for (const [seed, option] of options.entries()) {
      it(`many operations at once: ${name}, ${JSON.stringify(option)}`, () =>
        withSeed(100 + seed, async (random) => {
          const arena = new Arena(make(random), { ...option, closeStore: true });
          const lives: Expected[][] = Array.from({ length: 8 }, () => []);
          let working = lives.length;
          const compactor = async () => {
            while (working > 0) {
              await randomCompaction(arena, random);
              await new Promise((resolve) => setTimeout(resolve));
            }
          };
          const worker = async (live: Expected[]) => {
            for (let step = 0; step < steps / 3; step++) {
              await randomStep(arena, live, random, 1200);
            }
            working--;
          };
          const ends = await Promise.allSettled([compactor(), ...lives.map(worker)]);
          working = 0;
          for (const end of ends) if (end.status === "rejected") throw end.reason;
          await assertAllExpected(lives.flat());
          await assertAllCanBeHad(arena);
          await arena.close();
        }));
    }
  }

  it("copies through memory as the store would by itself", () =>
    withSeed(1, async (random) => {
      const store = new PlainStore(start);
      const arena = new Arena(store);
      const live: Expected[] = [];
      for (let step = 0; step < 1000; step++) {
        if (random(20) === 0) await randomCompaction(arena, random);
        await randomStep(arena, live, random, 2500);
      }
      await assertAllExpected(live);
      await assertAllCanBeHad(arena);
    }));
});
