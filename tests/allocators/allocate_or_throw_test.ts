/**
 * What all strategies share: allocating or throwing, and checks of what should always hold.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runInNewContext } from "node:vm";
import { MemoryStore } from "../../backends/memory.ts";
import { allocateOrThrow, NO_SPACE, OutOfSpaceError } from "../../src/allocator.ts";
import { expectInvariant } from "../../src/util/expect_invariant.ts";
import { LinearAllocator } from "../../src/allocators/linear_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { SharedSlotPool } from "../../src/shared/shared_slot_pool.ts";
import { SlabAllocator } from "../../src/allocators/slab_allocator.ts";
import { LocalSlotCache } from "../../src/shared/local_slot_cache.ts";

describe("allocateOrThrow", () => {
  it("refuses what is no allocator", () => {
    for (const wrong of [undefined, null, 7, "x", {}]) {
      const message = "Expected allocator to be an allocator, got ";
      assertThrows(() => allocateOrThrow(wrong as never, 1), TypeError, message);
    }
  });

  it("gives the handle, or an error with what is free", () => {
    const allocator = new OffsetAllocator(100);
    const handles = [10, 20, 30].map((size) => allocateOrThrow(allocator, size));
    assertEquals(handles.map((handle) => allocator.offset(handle)), [0, 10, 30]);
    allocator.free(handles[1]);
    const aligned = allocateOrThrow(allocator, 8, 16);
    assertStrictEquals(allocator.offset(aligned) % 16, 0);
    allocator.free(aligned);

    const error = assertThrows(() => allocateOrThrow(allocator, 50), OutOfSpaceError);
    const { name, requested, alignment, largestFree, totalFree } = error;
    assertEquals([name, requested, alignment, largestFree, totalFree], [
      "OutOfSpaceError",
      50,
      1,
      40,
      60,
    ]);
    assertStrictEquals(
      error.message,
      "Cannot allocate 50 units: 60 are free, 40 of them in the largest region",
    );
    const other = assertThrows(() => allocateOrThrow(allocator, 40, 64), OutOfSpaceError);
    assertStrictEquals(
      other.message,
      "Cannot allocate 40 units at a multiple of 64: 60 are free, 40 of them in the largest region",
    );
    assertThrows(() => allocateOrThrow(allocator, -1), RangeError);
    check(allocator);
  });
});

describe("check", () => {
  it("names what does not hold", () => {
    expectInvariant(true, "one is not one");
    assertThrows(() => expectInvariant(false, "a is b"), Error, "Broken invariant: a is b");
  });

  it("finds what others did to the parent of a slab allocator", () => {
    const parent = new OffsetAllocator(2 ** 16), slabs = new SlabAllocator(parent);
    slabs.allocate(8);
    const large = slabs.allocate(2 ** 13);
    slabs.check();
    const own = [...parent.allocations()].find(({ size }) => size === 2 ** 13)!;
    assert(large > 0 && parent.resize(own.handle, 2 ** 12));
    assertThrows(() => slabs.check(), Error, "Broken invariant: a size is wrong");
  });

  it("finds what others wrote into the memory of shared slots", () => {
    const damages: Record<string, (words: Int32Array, at: number) => void> = {
      "a handle does not name its slot": (words, at) => words[at]++,
      "a slot is lost, or there twice": (words, at) => words[at] = ~words[at],
    };
    for (const [message, damage] of Object.entries(damages)) {
      const pool = SharedSlotPool.create(4, { slotSize: 8 });
      const words = new Int32Array(pool.buffer);
      // No other word is like the handle, once it has had some generations.
      let handle = pool.tryAcquire();
      for (let i = 0; i < 77; i++) {
        pool.release(handle);
        handle = pool.tryAcquire();
      }
      const at = words.indexOf(handle);
      assertStrictEquals(words.lastIndexOf(handle), at);
      damage(words, at);
      assertThrows(() => pool.check(), Error, `Broken invariant: ${message}`);
    }
  });
});

describe("bounds", () => {
  it("of a linear allocator are those it was made with", () => {
    const linear = new LinearAllocator(100, { maxAllocations: 2 });
    assert(linear.allocate(10) > 0 && linear.allocate(10) > 0);
    assertStrictEquals(linear.allocate(10), NO_SPACE);
    assertStrictEquals(linear.allocateTop(50), NO_SPACE);
    linear.check();
    linear.free([...linear.allocations()].at(-1)!.handle);
    assert(linear.allocate(90) !== NO_SPACE, "what was refused has left something behind");
    linear.check();
  });

  it("of a worker's pool are those of the shared one", () => {
    const shared = SharedSlotPool.create(4, { slotSize: 8 }), pool = new LocalSlotCache(shared);
    const handle = pool.tryAcquire();
    assertStrictEquals(pool.offset(handle), shared.offset(handle));
    pool.release(handle);
    assertThrows(() => pool.offset(handle), Error, `${handle}`);
  });
});

describe("bytes", () => {
  it("may be of another realm", () => {
    const store = new MemoryStore(8), bytes: Uint8Array = runInNewContext("Uint8Array.of(1, 2)");
    assert(!(bytes instanceof Uint8Array));
    store.write(3, bytes);
    const into: Uint8Array = runInNewContext("new Uint8Array(3)");
    store.read(2, into);
    assertEquals([...into], [0, 1, 2]);
    const words: Uint8Array = runInNewContext("new Uint16Array(3)");
    assertThrows(() => store.read(0, words), TypeError, "Uint16Array");
  });
});
