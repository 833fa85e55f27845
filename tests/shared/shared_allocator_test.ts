/**
 * `SharedOffsetAllocator` in one thread: the contract, the state in a buffer, the caches, and a
 * lock whose holder is gone. What several threads do at once is tested beside this file.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import {
  allocateAsync,
  freeAsync,
  LockAbandonedError,
  SharedOffsetAllocator,
} from "../../src/shared/mod.ts";
import { Lock } from "../../src/shared/lock.ts";
import { LOCK } from "../../src/shared/state.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { seeded } from "../support/random.ts";
import { inTurns, sharedAllocatorRuns } from "./shared_allocator_runs.ts";

const skip = {
  addSpan: "one span, as OffsetAllocator",
  snapshot: "the state is a buffer already",
  compaction: "another worker may be using the bytes",
};
const options = { maxAllocations: 2000, maxCapacity: Number.MAX_SAFE_INTEGER };

allocatorContract("SharedOffsetAllocator", {
  make: (capacity) => SharedOffsetAllocator.create(capacity, options),
  skip,
});

allocatorContract("SharedOffsetAllocator of two workers", {
  make: (capacity) => inTurns(capacity, options, 2),
  skip,
});

allocatorContract("SharedOffsetAllocator with caches", {
  make: (capacity) => inTurns(capacity, { ...options, cache: { maxBlockSize: 64 } }, 2),
  skip,
  padding: true,
});

/** The words before the table. */
function headerOf({ buffer, byteOffset }: SharedOffsetAllocator): Int32Array {
  return new Int32Array(buffer, byteOffset, 48);
}

describe("SharedOffsetAllocator", () => {
  for (const [name, run] of Object.entries(sharedAllocatorRuns)) {
    it(`does as the model does, ${name}`, () => {
      for (let seed = 1; seed <= 2; seed++) fuzzAllocator({ ...run, seed, steps: 4000 });
    });
  }

  it("gives the offsets and handles of OffsetAllocator", () => {
    const shared = inTurns(5000, { maxAllocations: 300, strict: true }, 3);
    const alone = new OffsetAllocator(5000, { maxAllocations: 300, strict: true });
    const random = seeded(7), live: number[] = [];
    for (let step = 0; step < 20_000; step++) {
      if (live.length > 0 && random(2) === 0) {
        const [handle] = live.splice(random(live.length), 1);
        shared.free(handle);
        alone.free(handle);
      } else {
        const size = random(60), alignment = [1, 1, 4, 12][random(4)];
        const handle = shared.allocate(size, alignment);
        assertEquals(handle, alone.allocate(size, alignment));
        if (handle === NO_SPACE) continue;
        live.push(handle);
        assertEquals(shared.offset(handle), alone.offset(handle));
      }
    }
    assertEquals([...shared.allocations()], [...alone.allocations()]);
  });

  it("lies in a part of a buffer or of a WebAssembly memory, and says how long it is", () => {
    const options = { maxAllocations: 10, cache: { maxBlockSize: 16 }, byteOffset: 64 };
    const byteLength = SharedOffsetAllocator.byteLength(1000, options);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    for (const source of [new SharedArrayBuffer(64 + byteLength + 8), memory]) {
      const bytes = new Uint8Array("buffer" in source ? source.buffer : source).fill(255);
      const made = SharedOffsetAllocator.create(1000, { ...options, buffer: source });
      const other = SharedOffsetAllocator.attach(source, { byteOffset: 64 });
      assertEquals([made.worker, other.worker], [1, 2]);
      assertEquals([made.byteOffset, other.buffer === made.buffer], [64, true]);
      const handle = made.allocate(1000);
      assertEquals(other.offset(handle), 0);
      assertEquals(other.allocate(1), NO_SPACE);
      other.free(handle);
      assertThrows(() => made.free(handle), NotAllocatedError);
      for (let i = 0; i < 10; i++) assert(made.allocate(1) !== NO_SPACE);
      assertEquals(other.allocate(1), NO_SPACE, "more than maxAllocations");
      check(made);
      const around = [...bytes.subarray(0, 64), ...bytes.subarray(64 + byteLength)];
      assert(around.every((byte) => byte === 255));
    }
  });

  it("refuses what is no state, and bad options", () => {
    const { buffer } = SharedOffsetAllocator.create(10, { maxAllocations: 4 });
    const attach = (source: unknown, options = {}) => () =>
      SharedOffsetAllocator.attach(source as SharedArrayBuffer, options);
    for (const source of [undefined, null, 7, new ArrayBuffer(4096), {}, new Uint8Array(4096)]) {
      assertThrows(attach(source), TypeError, "SharedArrayBuffer");
    }
    assertThrows(attach(new SharedArrayBuffer(65536)), TypeError, "shared allocator");
    assertThrows(attach(new SharedArrayBuffer(16)), RangeError, "bytes");
    const { buffer: other } = SharedOffsetAllocator.create(1000), words = new Int32Array(other);
    // The slots of the table, behind a header and the line, and how long that says it is.
    for (const [at, value] of [[48 + 272 + 17, 63], [2, 2 ** 20]]) {
      words[at] = value;
      assertThrows(
        attach(other),
        TypeError,
        "Expected a shared allocator of version 4 at byte 0 of the buffer",
      );
    }
    assertThrows(attach(buffer, { byteOffset: 4 }), RangeError, "multiple of 8");
    assertThrows(attach(buffer, { byteOffset: -8 }), RangeError, "byteOffset");
    assertThrows(attach(buffer, { worker: 0 }), RangeError, "worker");
    assertThrows(attach(buffer, { worker: 4096 }), RangeError, "worker");
    assertThrows(attach(buffer, { abandonedAfter: 0 }), RangeError, "abandonedAfter");
    assertThrows(attach(buffer, { onAbandoned: "wait" }), TypeError, "onAbandoned");
    const older = SharedOffsetAllocator.create(10, { maxAllocations: 4 }).buffer;
    new Int32Array(older)[1] = 2;
    assertThrows(attach(older), TypeError, "a shared allocator of version 4 at byte 0 of the");
    assertThrows(attach(older), TypeError, "buffer, got version 2");
    const cut = new SharedArrayBuffer(buffer.byteLength - 8);
    new Uint8Array(cut).set(new Uint8Array(buffer).subarray(0, cut.byteLength));
    assertThrows(attach(cut), TypeError, "shared allocator");

    const create = (capacity: number, options = {}) => () =>
      SharedOffsetAllocator.create(capacity, options);
    assertThrows(create(-1), RangeError, "capacity");
    assertThrows(create(8, { maxCapacity: 7 }), RangeError, "maxCapacity");
    assertThrows(create(8, { maxAllocations: 0 }), RangeError, "maxAllocations");
    assertThrows(create(8, { cache: { maxBlockSize: 2 ** 20 + 1 } }), RangeError, "maxBlockSize");
    assertThrows(create(8, { buffer: new SharedArrayBuffer(100) }), RangeError, "bytes");
    assertThrows(create(8, { byteOffset: "8" }), TypeError, "byteOffset");
  });

  it("grows to a capacity once, whoever asks", () => {
    const allocator = SharedOffsetAllocator.create(100, { maxAllocations: 8 });
    const other = SharedOffsetAllocator.attach(allocator.buffer);
    allocator.growTo(150);
    other.growTo(150);
    other.growTo(120);
    assertEquals([allocator.capacity, allocator.freeSpace], [150, 150]);
    assertThrows(() => allocator.growTo(2 ** 32), RangeError, "capacity");

    assertThrows(() => allocator.grow(-1), RangeError, "additional");
    const wide = SharedOffsetAllocator.create(2 ** 32, { maxAllocations: 8 });
    wide.growTo(Number.MAX_SAFE_INTEGER);
    assertEquals(wide.largestFreeRegion(), Number.MAX_SAFE_INTEGER);
  });

  it("reports what it was, whatever happens during the iteration", () => {
    const allocator = SharedOffsetAllocator.create(100);
    const handles = [10, 20, 30].map((size) => allocator.allocate(size));
    const sizes: number[] = [];
    for (const { size } of allocator.allocations()) {
      if (sizes.length === 0) handles.forEach((handle) => allocator.free(handle));
      sizes.push(size);
    }
    assertEquals(sizes, [10, 20, 30]);
    assertEquals([...allocator.allocations()], []);
  });
});

describe("SharedOffsetAllocator, asynchronously", () => {
  it("never keeps the lock from other code of the same thread", async () => {
    const allocator = SharedOffsetAllocator.create(1000, { abandonedAfter: 100 });
    const later = Array.from({ length: 5 }, () => allocateAsync(allocator, 10, { timeout: 0 }));
    const now = allocator.allocate(10);
    const microtask = Promise.resolve().then(() => allocator.allocate(10));
    const handles = [now, await microtask, ...await Promise.all(later)];
    assertEquals(new Set(handles).size, 7);
    const freeing = handles.slice(1).map((handle) => freeAsync(allocator, handle));
    allocator.free(now);
    await Promise.all(freeing);
    assertEquals(allocator.freeSpace, 1000);
  });

  it("waits for its turn, and fails as the synchronous calls do", async () => {
    const allocator = SharedOffsetAllocator.create(1000, { worker: 3 });
    const header = headerOf(allocator), word = 9 | 5 << 12;
    header[LOCK] = word;
    const waiting = allocateAsync(allocator, 10, { alignment: 8, timeout: 0 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    Atomics.store(header, LOCK, 0); // it is not woken, but looks again
    const handle = await waiting;
    assertEquals([allocator.size(handle), header[LOCK]], [10, 0]);
    await assertRejects(() => allocateAsync(allocator, -1, { timeout: 0 }), RangeError, "size");
    await assertRejects(
      () => allocateAsync(allocator, 1, { alignment: 0, timeout: 0 }),
      RangeError,
      "alignment",
    );
    await assertRejects(() => freeAsync(allocator, handle + 1), NotAllocatedError);
    assertEquals(await allocateAsync(allocator, 1001, { timeout: 0 }), NO_SPACE);
    assertEquals(header[LOCK], 0);
  });
});

describe("the caches of a SharedOffsetAllocator", () => {
  const options = { cache: { maxBlockSize: 100 }, maxAllocations: 1000 };

  it("give a freed block again, under another handle, at its size", () => {
    const allocator = SharedOffsetAllocator.create(2 ** 20, options);
    const handle = allocator.allocate(50), offset = allocator.offset(handle);
    assertEquals(allocator.size(handle), 50);
    allocator.free(handle);
    assertThrows(() => allocator.free(handle), NotAllocatedError);
    assertThrows(() => allocator.size(handle), NotAllocatedError);
    const again = allocator.allocate(49);
    assert(again !== handle);
    assertEquals([allocator.offset(again), allocator.size(again)], [offset, 49]);
    assertEquals([...allocator.allocations()], [{ handle: again, offset, size: 49 }]);
    assertEquals(allocator.allocationCount, 1);
    check(allocator);
  });

  it("serve those who may not wait, too", async () => {
    const allocator = SharedOffsetAllocator.create(2 ** 20, options);
    const handle = await allocateAsync(allocator, 50, { timeout: 0 }),
      offset = allocator.offset(handle);
    await freeAsync(allocator, handle);
    headerOf(allocator)[LOCK] = 9 | 5 << 12; // somebody has the lock, which nobody asks for
    const again = await allocateAsync(allocator, 50, { timeout: 0 });
    assertEquals([again !== handle, allocator.offset(again)], [true, offset]);
    await freeAsync(allocator, again);
    headerOf(allocator)[LOCK] = 0;
    await assertRejects(() => freeAsync(allocator, again), NotAllocatedError);
    check(allocator);
  });

  it("take a block that another worker allocated, and refuse it freed twice", () => {
    const one = SharedOffsetAllocator.create(2 ** 20, options);
    const two = SharedOffsetAllocator.attach(one.buffer);
    const handle = one.allocate(10), offset = one.offset(handle);
    two.free(handle);
    assertThrows(() => one.free(handle), NotAllocatedError);
    assertEquals(two.offset(two.allocate(10)), offset);
  });

  it("give back what another worker needs, and lose nothing", () => {
    const one = SharedOffsetAllocator.create(64 * 400, options);
    const two = SharedOffsetAllocator.attach(one.buffer);
    const handles: number[] = [];
    for (let i = 0; i < 400; i++) handles.push(one.allocate(64));
    assert(!handles.includes(NO_SPACE));
    handles.forEach((handle) => one.free(handle));
    assert(one.freeSpace < one.capacity, "nothing is cached");
    const all = two.allocate(64 * 400);
    assert(all !== NO_SPACE);
    assertEquals(one.allocate(64), NO_SPACE, "a block that was taken away");
    two.free(all);
    assertEquals(one.freeSpace, one.capacity);
    check(one);
  });

  it("keep no block under a handle of its last generation", () => {
    const one = SharedOffsetAllocator.create(2 ** 20, {
      cache: { maxBlockSize: 8 },
      maxAllocations: 1,
    });
    const seen = new Set<number>();
    for (let i = 0; i < 10_000; i++) {
      const handle = one.allocate(8);
      assert(!seen.has(handle));
      seen.add(handle);
      one.free(handle);
    }
    // The table has two slots: a handle is one of 2^29 generations.
    const words = new Int32Array(one.buffer), [handle] = [one.allocate(8)];
    const at = words.indexOf(handle), last = 2 ** 30 - 1;
    words[at] = last;
    one.free(last);
    assertThrows(() => one.free(last), NotAllocatedError);
    check(one);
    assert(one.allocate(8) !== NO_SPACE, "a worn slot is not renewed");
    check(one);
  });

  it("are passed by where blocks are aligned otherwise", () => {
    const allocator = SharedOffsetAllocator.create(2 ** 20, options);
    allocator.allocate(200);
    const handle = allocator.allocate(7);
    const offset = allocator.offset(handle);
    allocator.free(handle);
    const aligned = allocator.allocate(7, 1024);
    assertEquals(allocator.offset(aligned) % 1024, 0);
    for (const alignment of [0, -1, 0.5, NaN]) {
      assertThrows(() => allocator.allocate(7, alignment), RangeError, "alignment");
    }
    const same = allocator.allocate(7, 1);
    assertEquals(allocator.offset(same), offset);
  });
});

describe("a lock whose holder is gone", () => {
  const holder = 9 | 5 << 12;

  it("is an error, until somebody says that the holder has ended", async () => {
    const allocator = SharedOffsetAllocator.create(100, { abandonedAfter: 5, worker: 3 });
    const header = headerOf(allocator), handle = allocator.allocate(10);
    header[LOCK] = holder;
    for (const use of [() => allocator.allocate(1), () => allocator.free(handle)]) {
      const error = assertThrows(use, LockAbandonedError, "recover(9)");
      assertEquals(error.worker, 9);
    }
    await assertRejects(() => allocateAsync(allocator, 1, { timeout: 0 }), LockAbandonedError);
    await assertRejects(() => freeAsync(allocator, handle), LockAbandonedError);
    assertEquals(allocator.offset(handle), 0);
    assertEquals(allocator.recover(8), false);
    assertEquals(allocator.recover(9), true);
    assertEquals(allocator.recover(9), false);
    assertEquals(allocator.allocationCount, 1);
    assertThrows(() => allocator.recover(0), RangeError, "worker");
  });

  it("is taken by whoever waits, where that is wanted", async () => {
    const options = { abandonedAfter: 5, onAbandoned: "recover" } as const;
    const allocator = SharedOffsetAllocator.create(100, options);
    const header = headerOf(allocator);
    header[LOCK] = holder;
    const handle = allocator.allocate(10);
    assertEquals(allocator.offset(handle), 0);
    header[LOCK] = holder;
    const other = await allocateAsync(allocator, 10, { timeout: 0 });
    header[LOCK] = holder;
    await freeAsync(allocator, other);
    assertEquals([allocator.allocationCount, header[LOCK]], [1, 0]);
  });

  it("is told to a holder that was only stopped", () => {
    const words = new Int32Array(new SharedArrayBuffer(4));
    const rules = { abandonedAfter: 5, seizes: true };
    let repaired = 0;
    const [stopped, other] = [9, 2].map((owner) =>
      new Lock(words, 0, owner, rules, () => repaired++)
    );
    stopped.acquire();
    assertEquals([other.seizeFrom(8), other.seizeFrom(9), repaired], [false, true, 1]);
    assertEquals(assertThrows(() => stopped.release(), LockAbandonedError).worker, 9);
    other.release();
    stopped.acquire();
    other.acquire(); // after five milliseconds
    assertEquals(repaired, 2);
    assertThrows(() => stopped.release(), LockAbandonedError);
    other.release();
    assertEquals(words[0], 0);
  });
});
