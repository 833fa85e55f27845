/** `SlabAllocator`: the contract, the fuzz, and where slots and slabs have to be. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Allocator, NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { SlabAllocator, type SlabAllocatorOptions } from "../../src/allocators/slab_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { seeded, withSeed } from "../support/random.ts";
import { slabAllocatorRuns } from "./slab_allocator_runs.ts";

const skip = {
  grow: "the parent grows, and its capacity is the one here",
  allocateAt: "a slot is where its slab is",
  addSpan: "the parent has the spans",
  snapshot: "OffsetAllocator is the one whose state is kept",
  compaction: "a slab cannot move under its slots",
};

allocatorContract("SlabAllocator", {
  make: (capacity) => new SlabAllocator(new WideOffsetAllocator(capacity)),
  padding: true,
  skip,
});

allocatorContract("SlabAllocator of small slabs", {
  make: (capacity) =>
    new SlabAllocator(new WideOffsetAllocator(capacity), {
      classes: [1, 2, 4, 8],
      slotsPerSlab: 2,
    }),
  padding: true,
  skip: { ...skip, resize: "not beyond a slot" },
});

describe("SlabAllocator", () => {
  for (const [name, run] of Object.entries(slabAllocatorRuns)) {
    it(`does as the loose model does, ${name}`, () => {
      for (let seed = 1; seed <= 3; seed++) fuzzAllocator({ ...run, seed, steps: 2500 });
    });
  }

  it("refuses only where no slot of the class is free and the parent is full", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      await withSeed(seed, (random) => {
        const parent = new OffsetAllocator(300 + random(300));
        const options = { classes: [3, 6, 10], slotsPerSlab: 1 + random(6), keepEmpty: random(3) };
        const allocator = new SlabAllocator(parent, options), live: number[] = [];
        for (let step = 0; step < 3000; step++) {
          if (random(100) < 45 && live.length > 0) {
            allocator.free(live.splice(random(live.length), 1)[0]);
            continue;
          }
          const size = 1 + random(random(4) === 0 ? 60 : 10),
            alignment = [1, 1, 2, 3, 5][random(5)];
          const before = allocator.slabReport();
          const handle = allocator.allocate(size, alignment);
          if (handle !== NO_SPACE) {
            assertEquals(allocator.offset(handle) % alignment, 0);
            live.push(handle);
            continue;
          }
          const slot = before.find((row) => row.size >= size && row.size % alignment === 0);
          const smallest = options.classes.find((size_) => size_ >= size) ?? 0;
          if (slot !== undefined && slot.size <= 2 * smallest) assertEquals(slot.free, 0);
          for (const { offset, size: room } of parent.freeRegions()) {
            const start = Math.ceil(offset / alignment) * alignment;
            assert(start + size > offset + room, `${size} at ${alignment} would fit at ${start}`);
          }
        }
      });
    }
  });

  it("takes the first class that has room, and cuts slabs into slots without a gap", () => {
    const parent = new OffsetAllocator(10_000);
    const allocator = new SlabAllocator(parent, { classes: [16, 24, 100], slotsPerSlab: 8 });
    const offsets = Array.from({ length: 8 }, () => allocator.offset(allocator.allocate(20)));
    assertEquals(offsets, offsets.map((_, i) => offsets[0] + 24 * i));
    assertEquals(parent.allocationCount, 1);
    assertEquals(parent.freeSpace, 10_000 - 8 * 24);
    assertEquals(allocator.freeSpace, 10_000 - 8 * 24);
    allocator.allocate(24); // a second slab
    assertEquals(allocator.slabReport().map(({ slabs, used, free }) => [slabs, used, free]), [
      [0, 0, 0],
      [2, 9, 7],
      [0, 0, 0],
    ]);
    allocator.allocate(101); // no slot
    assertEquals(parent.allocationCount, 3);
    allocator.check();
  });

  it("takes no slot of more than twice the size for an alignment", () => {
    const allocator = new SlabAllocator(new OffsetAllocator(10_000), { classes: [8, 16, 64] });
    const inSlot = allocator.allocate(5, 16), inParent = allocator.allocate(5, 64);
    assertEquals([inSlot, inParent].map((handle) => allocator.resize(handle, 16)), [true, true]);
    assertEquals(allocator.slabReport().map(({ used }) => used), [0, 1, 0]);
  });

  it("has classes at most a quarter larger than what they are for, by default", () => {
    const allocator = new SlabAllocator(new OffsetAllocator(2 ** 24), { slotsPerSlab: 1 });
    const sizes = allocator.slabReport().map(({ size }) => size);
    assertEquals([sizes[0], sizes.at(-1)], [8, 2048]);
    for (let i = 1; i < sizes.length; i++) {
      assert(sizes[i - 1] < 32 || sizes[i] <= 1.25 * sizes[i - 1], `${sizes[i]}`);
    }
  });

  it("gives empty slabs back, but for those it keeps", () => {
    for (const keepEmpty of [0, 1, 3]) {
      const parent = new OffsetAllocator(100_000);
      const allocator = new SlabAllocator(parent, { keepEmpty, slotsPerSlab: 4 });
      const handles = Array.from({ length: 40 }, () => allocator.allocate(64));
      assertEquals(parent.allocationCount, 10);
      for (const handle of handles) allocator.free(handle);
      assertEquals(parent.allocationCount, keepEmpty);
      assertEquals([...allocator.freeRegions()], [{ offset: 0, size: 100_000 }]);
      allocator.trim();
      assertEquals(parent.allocationCount, 0);
      allocator.check();
    }
  });

  it("does not ask the parent at the border of a slab", () => {
    const parent = counting(new OffsetAllocator(100_000));
    const allocator = new SlabAllocator(parent.allocator, { slotsPerSlab: 2 });
    for (let i = 0; i < 3; i++) allocator.allocate(64);
    const calls = parent.calls();
    for (let i = 0; i < 100; i++) allocator.free(allocator.allocate(64));
    for (let i = 0; i < 100; i++) {
      const pair = [allocator.allocate(64), allocator.allocate(64)];
      for (const handle of pair) allocator.free(handle);
    }
    assert(parent.calls() - calls <= 1, `${parent.calls() - calls} calls`);
  });

  it("shares the parent with others, and leaves what is theirs", () => {
    const parent = new OffsetAllocator(10_000), theirs = parent.allocate(500);
    const one = new SlabAllocator(parent), two = new SlabAllocator(parent, { classes: [10] });
    const random = seeded(3), handles: number[] = [];
    for (let i = 0; i < 100; i++) {
      handles.push(one.allocate(random(40)));
      two.allocate(10);
    }
    one.reset();
    assertThrows(() => one.free(handles[0]), NotAllocatedError);
    assertEquals([one.allocationCount, two.allocationCount], [0, 100]);
    two.check();
    two.reset();
    assertEquals(parent.size(theirs), 500);
    assertEquals(parent.allocationCount, 1);
  });

  it("grows with its parent", () => {
    const parent = new OffsetAllocator(16);
    const allocator = new SlabAllocator(parent);
    assertEquals(allocator.allocate(100), NO_SPACE);
    parent.grow(10_000);
    assertEquals(allocator.capacity, 10_016);
    assert(allocator.allocate(100) !== NO_SPACE);
  });

  it("does not give -0 back", () => {
    const allocator = new SlabAllocator(new OffsetAllocator(1000), { classes: [8] });
    const inSlot = allocator.allocate(-0), inParent = allocator.allocate(-0, 100);
    assertEquals(allocator.parent.allocationCount, 2);
    for (const handle of [inSlot, inParent]) {
      assert(Object.is(allocator.size(handle), 0));
      assert(allocator.resize(handle, 1) && allocator.resize(handle, -0));
      assert(Object.is(allocator.size(handle), 0));
    }
  });

  it("counts what a parent pads a slab with once the slab is given back", () => {
    const parent = new BuddyAllocator(1024);
    const allocator = new SlabAllocator(parent, { classes: [10], slotsPerSlab: 10 });
    allocator.free(allocator.allocate(10)); // a block of 128
    assertEquals(allocator.freeSpace, 1024 - 28);
    allocator.trim();
    assertEquals(allocator.freeSpace, 1024);
    allocator.check();
  });

  it("refuses bad options", () => {
    const parent = new OffsetAllocator(100);
    const bad: SlabAllocatorOptions[] = [
      { classes: [] },
      { classes: [0] },
      { classes: [8, 8] },
      { classes: [8, 4] },
      { classes: [2 ** 17] },
      { classes: [1.5] },
      { slotsPerSlab: 0 },
      { slotsPerSlab: 33 },
      { keepEmpty: -1 },
      { maxAllocations: 0 },
    ];
    for (const options of bad) assertThrows(() => new SlabAllocator(parent, options), RangeError);
    assertThrows(() => new SlabAllocator(undefined as unknown as Allocator), TypeError, "parent");
  });
});

/** An allocator that counts how often it is asked for space or given some back. */
function counting(inner: Allocator): { allocator: Allocator; calls: () => number } {
  let calls = 0;
  const allocator = new Proxy(inner, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (name === "allocate" || name === "free") calls++;
      return member.bind(target);
    },
  });
  return { allocator, calls: () => calls };
}
