/** `BuddyAllocator`: the contract, the fuzz, and a model of its blocks. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Extent, NO_SPACE, SpanOverlapError } from "../../src/allocator.ts";
import { addSpans, trim } from "../../src/operations/mod.ts";
import { BuddyAllocator } from "../../src/allocators/buddy_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { buddyAllocatorRuns, buddyHabits } from "./buddy_allocator_runs.ts";
import { type Random, withSeed } from "../support/random.ts";

allocatorContract("BuddyAllocator", {
  ...buddyHabits,
  make: (capacity) => new BuddyAllocator(capacity),
  skip: {
    grow: "space is added by addSpan, in blocks",
    allocateAt: "a place is the address of a block",
    snapshot: "OffsetAllocator is the one whose state is kept",
    compaction: "blocks join by themselves",
  },
});

describe("BuddyAllocator", () => {
  for (const [name, run] of Object.entries(buddyAllocatorRuns)) {
    it(`does as the loose model does, ${name}`, () => {
      for (let seed = 1; seed <= 3; seed++) fuzzAllocator({ ...run, seed, steps: 4000 });
    });
  }

  for (const minBlock of [1, 4, 2 ** 40]) {
    it(`has the blocks of a naive model, with blocks of ${minBlock}`, async () => {
      for (let seed = 1; seed <= 6; seed++) {
        await withSeed(seed, (random) => new Model(random, minBlock).run(1500));
      }
    });
  }

  it("has the same blocks whether spans come one by one or all at once", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      await withSeed(seed, (random) => {
        const minBlock = 1 << random(4), spans: { offset: number; size: number }[] = [];
        for (let at = random(40); spans.length < 12; at += random(3) * random(20)) {
          const size = 1 + random(40);
          spans.push({ offset: at, size });
          at += size;
        }
        for (let i = spans.length - 1; i > 0; i--) {
          const j = random(i + 1);
          [spans[i], spans[j]] = [spans[j], spans[i]];
        }
        const [single, joined] = [0, 1].map(() => new BuddyAllocator(0, { minBlock }));
        const live: number[] = [];
        for (const { offset, size } of spans) {
          assertThrows(() => single.addSpan(offset, -1), RangeError);
          single.addSpan(offset, size);
          assertThrows(
            () => single.addSpan(offset + random(size), 1 + random(9)),
            SpanOverlapError,
          );
          single.check();
          const handle = single.allocate(1 + random(9));
          if (handle !== NO_SPACE) live.push(handle);
        }
        for (const handle of live) single.free(handle);
        addSpans(joined, spans);
        assertEquals([...single.spans()], [...joined.spans()]);
        assertEquals([...single.freeRegions()], [...joined.freeRegions()]);
      });
    }
  });

  it("serves one block from spans that touch", () => {
    const allocator = new BuddyAllocator(0);
    allocator.addSpan(0, 32);
    allocator.addSpan(32, 32);
    const whole = allocator.allocate(64);
    assertEquals([allocator.offset(whole), allocator.blockSize(whole)], [0, 64]);
    // Growth behind what is in use, and before it.
    allocator.addSpan(192, 64);
    allocator.addSpan(64, 128);
    assertEquals(allocator.offset(allocator.allocate(128)), 128);
    allocator.free(whole);
    allocator.check();
    assertEquals(allocator.offset(allocator.allocate(128)), 0);
    allocator.reset();
    assertEquals(allocator.offset(allocator.allocate(256)), 0);
  });

  it("keeps what is used where it is when spans join around it", () => {
    const allocator = new BuddyAllocator(0), small = 40;
    const handles: number[] = [], places = new Map<number, number>();
    for (let i = 0; i < 64; i++) {
      allocator.addSpan(64 * (i * 37 % 64), 64);
      const handle = allocator.allocate(1 + i % small);
      places.set(handle, allocator.offset(handle));
      handles.push(handle);
      allocator.check();
    }
    for (const handle of handles) assertEquals(allocator.offset(handle), places.get(handle));
    for (const handle of handles) allocator.free(handle);
    allocator.check();
    assertEquals(allocator.largestFreeRegion(), 4096);
  });

  it("has a block across two spans whose ends made none", () => {
    const allocator = new BuddyAllocator(24, { minBlock: 16 });
    assertEquals(allocator.capacity, 16);
    allocator.addSpan(24, 4);
    assertEquals(allocator.capacity, 16);
    allocator.addSpan(28, 4);
    assertEquals(allocator.capacity, 32);
    assertEquals(allocator.offset(allocator.allocate(32)), 0);
    assertEquals([...allocator.spans()], [{ offset: 0, size: 32 }]);
  });

  it("gives blocks at multiples of their size", () => {
    const allocator = new BuddyAllocator(1000);
    for (const size of [1, 3, 17, 100, 256]) {
      const handle = allocator.allocate(size), block = allocator.blockSize(handle);
      assertEquals(block, 2 ** Math.ceil(Math.log2(size)));
      assertEquals(allocator.offset(handle) % block, 0);
      assertEquals(allocator.size(handle), size);
    }
    allocator.check();
  });

  it("cuts any capacity into blocks and loses none of it", () => {
    for (const capacity of [1, 2, 3, 7, 300, 1023, 1024, 2 ** 31 + 1, 2 ** 53 - 1]) {
      const allocator = new BuddyAllocator(capacity);
      assertEquals([allocator.capacity, allocator.freeSpace], [capacity, capacity]);
      const largest = allocator.largestFreeRegion();
      assert(largest <= capacity && 2 * largest > capacity, `${largest} of ${capacity}`);
      const sizes = [...allocator.freeRegions()].map(({ size }) => size);
      const handles = sizes.map((size) => allocator.allocate(size));
      assert(!handles.includes(NO_SPACE));
      assertEquals(allocator.freeSpace, 0);
      for (const handle of handles) allocator.free(handle);
      assertEquals([...allocator.freeRegions()].map(({ size }) => size), sizes);
      allocator.check();
    }
  });

  it("leaves out what makes no smallest block", () => {
    const allocator = new BuddyAllocator(100, { minBlock: 16 });
    assertEquals(allocator.capacity, 96);
    allocator.addSpan(1000, 40); // 1008 to 1040
    assertEquals(allocator.capacity, 96 + 32);
    assertEquals([...allocator.freeRegions()].slice(-2), [
      { offset: 1008, size: 16 },
      { offset: 1024, size: 16 },
    ]);
    allocator.check();
    assertThrows(() => allocator.addSpan(97, 20), SpanOverlapError);
  });

  it("aligns small blocks to large powers of two without taking the space between", () => {
    const allocator = new BuddyAllocator(1024);
    for (let i = 0; i < 4; i++) {
      const handle = allocator.allocate(1, 256);
      assertEquals([allocator.offset(handle) % 256, allocator.blockSize(handle)], [0, 1]);
    }
    assertEquals(allocator.allocate(1, 256), NO_SPACE);
    assertEquals(allocator.freeSpace, 1020);
  });

  it("keeps what it knows of an allocation while its tables double", () => {
    const allocator = new BuddyAllocator(2 ** 20), extents = new Map<number, number[]>();
    for (let i = 0; i < 3000; i++) {
      const size = 1 + i % 40, handle = allocator.allocate(size, 1 + i % 5);
      extents.set(handle, [allocator.offset(handle), size, allocator.blockSize(handle)]);
    }
    for (const [handle, extent] of extents) {
      const [offset, size] = [allocator.offset(handle), allocator.size(handle)];
      assertEquals([offset, size, allocator.blockSize(handle)], extent);
    }
    allocator.check();
    for (const handle of extents.keys()) allocator.free(handle);
    assertEquals(allocator.blockSize(allocator.allocate(2 ** 20)), 2 ** 20);
  });

  it("refuses again at once, until something is free", () => {
    const allocator = new BuddyAllocator(2 ** 17), handles: number[] = [];
    for (let i = 0; i < 2 ** 17; i++) handles.push(allocator.allocate(1));
    const at = new Map(handles.map((handle) => [allocator.offset(handle), handle]));
    for (let i = 1; i < 2 ** 17; i += 2) allocator.free(at.get(i)!);
    // Search by search this would look at 65,536 blocks each time.
    for (let i = 0; i < 100_000; i++) assertEquals(allocator.allocate(1 + i % 5, 2), NO_SPACE);
    assertEquals(allocator.allocate(1, 2), NO_SPACE);
    allocator.free(at.get(512)!);
    const pair = allocator.allocate(2, 2);
    assertEquals(allocator.offset(pair), 512);
    assertEquals(allocator.allocate(1, 512), NO_SPACE);
    assertEquals(allocator.allocate(1, 3) === NO_SPACE, false);
    assertEquals(allocator.allocate(1, 2), NO_SPACE);
    allocator.addSpan(2 ** 18, 1);
    assertEquals(allocator.offset(allocator.allocate(1, 2)), 2 ** 18);
    assertEquals(allocator.allocate(1, 2), NO_SPACE);
    allocator.reset();
    assert(allocator.allocate(1, 2) !== NO_SPACE);
  });

  it("finds what a smaller block made free after a refusal", () => {
    const allocator = new BuddyAllocator(8), whole = allocator.allocate(8);
    assertEquals(allocator.allocate(1, 5), NO_SPACE);
    assertEquals(allocator.resize(whole, 4), true);
    assertEquals(allocator.offset(allocator.allocate(1, 5)), 5);
  });

  it("knows no -0", () => {
    const allocator = new BuddyAllocator(-0);
    assert(Object.is(allocator.capacity, 0));
    allocator.addSpan(-0, 16);
    const handle = allocator.allocate(-0);
    assert(Object.is(allocator.size(handle), 0) && Object.is(allocator.offset(handle), 0));
    assert(allocator.resize(handle, -0) && Object.is(allocator.size(handle), 0));
    const [span] = allocator.spans();
    assert(Object.is(span.offset, 0));
  });

  it("refuses bad options", () => {
    for (const minBlock of [0, -1, 1.5, 3, 24, NaN, 2 ** 53]) {
      assertThrows(() => new BuddyAllocator(8, { minBlock }), RangeError, "minBlock");
    }
    for (const maxAllocations of [0, -1, 1.5, 2 ** 26]) {
      assertThrows(() => new BuddyAllocator(8, { maxAllocations }), RangeError, "maxAllocations");
    }
  });
});

/** A live allocation and the block that it takes. */
interface Live extends Extent {
  readonly block: Extent;
}

/** What blocks there must be, found from the live ones alone. */
class Model {
  readonly #random: Random;
  readonly #unit: number;
  readonly #allocator: BuddyAllocator;
  readonly #live = new Map<number, Live>();
  readonly #spans: Extent[] = [];

  constructor(random: Random, minBlock: number) {
    this.#random = random;
    this.#unit = minBlock;
    this.#allocator = new BuddyAllocator(0, { minBlock });
    this.#addSpans();
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      const kind = this.#random(100);
      if (kind < 45) this.#allocate();
      else if (kind < 85) this.#free();
      else if (kind < 97) this.#resize();
      else if (kind < 99) this.#addSpans();
      else if (this.#random(3) === 0) trim(this.#allocator);
      else if (this.#random(10) === 0) {
        this.#allocator.reset();
        this.#live.clear();
      }
      this.#compare(step);
    }
  }

  #allocate(): void {
    const unit = this.#unit, random = this.#random;
    const size = random(4) === 0 ? random(120) * unit : random(12 * unit);
    const alignment = [1, 1, 2, 3, 12, 64][random(6)] * (unit < 8 ? 1 : unit);
    const fits = this.#freeBlocks().some(({ offset, size: room }) =>
      up(offset, alignment) + Math.max(size, 1) <= offset + room
    );
    const handle = this.#allocator.allocate(size, alignment);
    assertEquals(handle !== NO_SPACE, fits, `allocate(${size}, ${alignment})`);
    if (handle === NO_SPACE) return;
    assertEquals(this.#allocator.offset(handle) % alignment, 0);
    this.#take(handle, size);
  }

  #free(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    this.#allocator.free(handle);
    this.#live.delete(handle);
  }

  /** In place, where the blocks that are free allow it. */
  #resize(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    const { offset, block } = this.#live.get(handle)!;
    const size = this.#random(40 * this.#unit);
    // Up through the buddies, for as long as the block is the lower one and the other is free.
    let room = block.size;
    const free = this.#freeBlocks();
    const units = Math.max(size, 1);
    while (offset + units > block.offset + room) {
      const isLower = block.offset % (2 * room) === 0;
      const buddy = free.some((other) =>
        other.offset === block.offset + room && other.size === room
      );
      const isOneRoot = this.#roots().some((root) =>
        root.offset <= block.offset && block.offset + 2 * room <= root.offset + root.size
      );
      if (!isLower || !buddy || !isOneRoot) break;
      room *= 2;
    }
    const fits = offset + units <= block.offset + room;
    assertEquals(this.#allocator.resize(handle, size), fits, `resize to ${size}`);
    if (fits) this.#take(handle, size);
    assertEquals(this.#allocator.offset(handle), offset);
  }

  /** One span or several, often touching others, and with ends that make no smallest block. */
  #addSpans(): void {
    const random = this.#random,
      spans = Array.from({ length: 1 + random(3) }, () => {
        const near = this.#spans[random(this.#spans.length)];
        const offset = near !== undefined && random(2) === 0
          ? near.offset + near.size
          : this.#odd(random(1000));
        return { offset, size: this.#odd(random(100)) };
      });
    const overlap = spans.some((span, i) =>
      [...this.#spans, ...spans.slice(0, i)].some((other) =>
        Math.max(other.offset, span.offset) <
          Math.min(other.offset + other.size, span.offset + span.size)
      )
    );
    if (overlap) {
      assertThrows(() => addSpans(this.#allocator, spans), SpanOverlapError);
    } else {
      if (spans.length > 1) addSpans(this.#allocator, spans);
      else this.#allocator.addSpan(spans[0].offset, spans[0].size);
      this.#spans.push(...spans.filter(({ size }) => size > 0));
    }
  }

  /** So many smallest blocks, at times some units more. */
  #odd(blocks: number): number {
    return blocks * this.#unit + (this.#random(3) === 0 ? this.#random(this.#unit) : 0);
  }

  /** The spans, those that touch as one. */
  #merged(): Extent[] {
    const merged: Extent[] = [];
    for (const span of this.#spans.toSorted((a, b) => a.offset - b.offset)) {
      const last = merged.at(-1);
      if (last !== undefined && last.offset + last.size === span.offset) {
        merged[merged.length - 1] = { offset: last.offset, size: last.size + span.size };
      } else merged.push(span);
    }
    return merged;
  }

  #any(): number | undefined {
    return [...this.#live.keys()][this.#random(this.#live.size)];
  }

  /** Notes an allocation: its block is the smallest one that holds it. */
  #take(handle: number, size: number): void {
    const offset = this.#allocator.offset(handle);
    assertEquals(this.#allocator.size(handle), size);
    let block = this.#unit;
    while (Math.floor(offset / block) * block + block < offset + Math.max(size, 1)) block *= 2;
    assertEquals(this.#allocator.blockSize(handle), block);
    const start = Math.floor(offset / block) * block;
    this.#live.set(handle, { offset, size, block: { offset: start, size: block } });
  }

  /** The largest blocks that lie in the spans. */
  #roots(): Extent[] {
    const roots: Extent[] = [];
    for (const { offset, size } of this.#merged()) {
      for (let start = up(offset, this.#unit); start + this.#unit <= offset + size;) {
        let block = this.#unit;
        while (start % (2 * block) === 0 && start + 2 * block <= offset + size) block *= 2;
        roots.push({ offset: start, size: block });
        start += block;
      }
    }
    return roots.sort((a, b) => a.offset - b.offset);
  }

  #freeBlocks(): Extent[] {
    const live = [...this.#live.values()].map(({ block }) => block);
    const freeIn = (block: Extent): Extent[] => {
      const end = block.offset + block.size;
      const inside = live.filter(({ offset, size }) =>
        offset < end && block.offset < offset + size
      );
      if (inside.length === 0) return [block];
      if (inside.length === 1 && inside[0].size === block.size) return [];
      const size = block.size / 2;
      return [
        ...freeIn({ offset: block.offset, size }),
        ...freeIn({ offset: block.offset + size, size }),
      ];
    };
    return this.#roots().flatMap(freeIn);
  }

  #compare(step: number): void {
    const allocator = this.#allocator, free = this.#freeBlocks();
    allocator.check();
    assertEquals([...allocator.freeRegions()], free, `step ${step}`);
    assertEquals(allocator.freeSpace, free.reduce((sum, { size }) => sum + size, 0));
    assertEquals(allocator.largestFreeRegion(), Math.max(0, ...free.map(({ size }) => size)));
    assertEquals(allocator.capacity, this.#roots().reduce((sum, { size }) => sum + size, 0));
    assertEquals([...allocator.spans()], this.#merged());
    const live = [...this.#live].map(([handle, { offset, size }]) => ({ handle, offset, size }));
    assertEquals([...allocator.allocations()], live.sort((a, b) => a.offset - b.offset));
  }
}

function up(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
