/**
 * The entries that need nothing of a runtime, in a host that has next to nothing. Bundled, and run
 * in workerd and in a context with the globals of the language only.
 *
 * @module
 */

import * as core from "@suballoc/offset-allocator";
import { BlobStore } from "@suballoc/offset-allocator/blob-store/core";
import { AsyncPool, FixedPool, GrowingPool, SlotPool } from "@suballoc/offset-allocator/pool";
import {
  allocateAsync,
  freeAsync,
  LocalSlotCache,
  SharedOffsetAllocator,
  SharedSlotPool,
} from "@suballoc/offset-allocator/shared";

function expect(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

function strategies() {
  const { OffsetAllocator, WideOffsetAllocator, BestFitAllocator, TlsfAllocator } = core;
  const { BuddyAllocator, PageAllocator, IdAllocator } = core;
  const made = [OffsetAllocator, WideOffsetAllocator, BestFitAllocator, TlsfAllocator];
  for (const Strategy of [...made, BuddyAllocator, PageAllocator, IdAllocator]) {
    const allocator = new Strategy(4096), handles = [];
    for (let i = 0; i < 300; i++) handles.push(allocator.allocate(1));
    expect(!handles.includes(core.NO_SPACE), Strategy.name);
    for (const handle of handles) allocator.free(handle);
    core.check(allocator);
    expect(allocator.freeSpace === 4096, `${Strategy.name} has all space again`);
  }
}

function operations() {
  const allocator = new core.OffsetAllocator(1000);
  const handles = [];
  expect(core.allocateMany(allocator, [10, 20, 30, 40], handles) === 4, "all four have a place");
  allocator.free(handles[1]);
  for (const move of core.planCompaction(allocator)) core.applyMove(allocator, move);
  expect(allocator.largestFreeRegion() === 920, "it is compact");
  const restored = core.restore(core.snapshot(allocator));
  expect(restored.freeSpace === 920 && core.trim(restored) >= 0, "it comes back");
}

async function arena() {
  const made = new core.Arena(new core.MemoryStore(64, { maxByteLength: 4096 }), {
    maxByteLength: 4096,
  });
  const regions = Array.from(
    { length: 30 },
    (_, i) => made.allocateFrom(new Uint8Array(99).fill(i)),
  );
  for (let i = 0; i < 30; i += 2) regions[i].free();
  await core.compact(made);
  for (let i = 1; i < 30; i += 2) {
    expect(regions[i].read().every((byte) => byte === i), "its bytes");
  }
  made.close();
}

async function pools() {
  const fixed = new FixedPool(2, { create: () => ({}) }), first = fixed.acquire();
  fixed.acquire();
  const waiting = fixed.acquireAsync();
  first.release();
  expect((await waiting).value !== undefined, "who waits gets an object");
  expect(new GrowingPool({ create: () => [] }).acquire().value.length === 0, "a pool grows");
  const slots = new SlotPool(4, { slotSize: 8 });
  slots.release(slots.acquire());
  expect(await new AsyncPool({ create: () => 1, max: 1 }).use((value) => value) === 1, "a value");
}

async function shared() {
  const allocator = SharedOffsetAllocator.create(1000, { worker: 1 });
  const other = SharedOffsetAllocator.attach(allocator.buffer, { worker: 2 });
  other.free(allocator.allocate(100));
  await freeAsync(allocator, await allocateAsync(other, 100, { timeout: 0 }));
  core.check(allocator);
  expect(allocator.freeSpace === 1000, "all is free");
  const pool = SharedSlotPool.create(8, { slotSize: 8 });
  const cache = new LocalSlotCache(SharedSlotPool.attach(pool.buffer));
  cache.release(cache.acquire());
  cache.trim();
  expect(pool.available === 8, "all slots are free");
}

async function blobs() {
  const memory = () => new core.MemoryStore(0, { maxByteLength: 2 ** 22 });
  const held = memory(), bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
  let store = await BlobStore.open(held);
  await Promise.all(Array.from({ length: 100 }, (_, i) => store.put(`k${i}`, `${i}`)));
  await store.put("large", bytes);
  await store.batch([{ type: "delete", key: "k0" }, { type: "put", key: "é", value: "x" }]);
  await store.compact();
  await store.close();
  store = await BlobStore.open(held);
  const read = await store.get("large");
  expect(read.length === bytes.length && read.every((byte, i) => byte === bytes[i]), "its bytes");
  expect((await store.verify()).damaged.length === 0, "nothing is damaged");
  const copy = memory();
  expect((await store.backup(copy)).blobs === 101, "all is copied");
  await store.close();
}

/** Runs each part; gives what failed, a text each. */
export async function run() {
  const failed = [];
  for (const part of [strategies, operations, arena, pools, shared, blobs]) {
    try {
      await part();
    } catch (error) {
      failed.push(`${part.name}: ${error && error.stack || error}`);
    }
  }
  return failed;
}
