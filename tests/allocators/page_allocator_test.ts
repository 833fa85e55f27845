/**
 * What `PageAllocator` does beyond the contract of all allocators: the lowest place always,
 * at real sizes and alignments.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { PageAllocator } from "../../src/allocators/page_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { fuzzAllocator } from "../support/allocator_fuzz.ts";
import { pageAllocatorRuns } from "./page_allocator_runs.ts";
import { withSeed } from "../support/random.ts";

const MAX_PAGES = 2 ** 28;
const SIZES = [2 ** 16, 2 ** 20, MAX_PAGES];

const skip = {
  addSpan: "one span; allocateAt() can keep holes out",
  snapshot: "its owner knows the pages that are taken; allocateAt() takes them again",
  compaction: "a page is its address",
  wide: "a page is a bit: 2^28 of them at most",
};

allocatorContract("PageAllocator", {
  make: (capacity) => new PageAllocator(capacity),
  skip,
  emptyCuts: false,
});

allocatorContract("PageAllocator with maxAllocations", {
  make: (capacity) => new PageAllocator(capacity, { maxAllocations: 2000 }),
  skip,
  emptyCuts: false,
});

describe("PageAllocator", () => {
  it("refuses bad options and too many pages", () => {
    for (const maxAllocations of [0, -1, 1.5, NaN, Infinity, 2 ** 25 - 63]) {
      assertThrows(() => new PageAllocator(8, { maxAllocations }), RangeError, "maxAllocations");
    }
    assertThrows(() => new PageAllocator(MAX_PAGES + 1), RangeError, "capacity");
    const pages = new PageAllocator(8);
    assertThrows(() => pages.grow(MAX_PAGES - 7), RangeError, "additional");
    assertThrows(() => pages.allocateAt(-1, 1), RangeError, "page");
  });

  it("gives the lowest pages that fit, whatever is asked", async () => {
    for (const capacity of [100, 1024, 3000]) {
      await withSeed(capacity, (random) => {
        const pages = new PageAllocator(capacity), taken = new Array<boolean>(capacity).fill(false);
        const live: number[] = [];
        for (let step = 0; step < 3000; step++) {
          if (random(5) < 2 && live.length > 0) {
            const [handle] = live.splice(random(live.length), 1);
            taken.fill(false, pages.offset(handle), pages.offset(handle) + pages.size(handle));
            pages.free(handle);
            continue;
          }
          const size = 1 + random([1, 8, 100][random(3)]);
          const alignment = [1, 1, 3, 12, 64, 4096][random(6)];
          let page = 0;
          while (page + size <= capacity && taken.slice(page, page + size).includes(true)) {
            page += alignment;
          }
          const handle = pages.allocate(size, alignment);
          assertEquals(handle === NO_SPACE, page + size > capacity);
          if (handle === NO_SPACE) continue;
          assertEquals(pages.offset(handle), page);
          taken.fill(true, page, page + size);
          live.push(handle);
        }
        pages.check();
      });
    }
  });

  it("takes one allocation at most where that is asked for", () => {
    const allocator = new PageAllocator(10, { maxAllocations: 1 });
    assert(allocator.allocate(1) !== NO_SPACE);
    assertEquals(allocator.allocate(1), NO_SPACE);
  });

  it("aligns single pages too", () => {
    const pages = new PageAllocator(2 ** 16);
    for (const alignment of [3, 12, 4096]) {
      for (let i = 0; i < 4; i++) {
        assertEquals(pages.offset(pages.allocate(1, alignment)) % alignment, 0);
      }
    }
    const far = new PageAllocator(100);
    assertEquals(far.offset(far.allocate(1, Number.MAX_SAFE_INTEGER)), 0);
    assertEquals(far.allocate(1, Number.MAX_SAFE_INTEGER), NO_SPACE);
    assertEquals(far.allocate(1, 2 ** 32), NO_SPACE);
  });

  it("works at real sizes, from empty to full", () => {
    for (const capacity of SIZES) {
      const pages = new PageAllocator(capacity);
      const all = pages.allocate(capacity);
      assertEquals([pages.freeSpace, pages.allocate(1)], [0, NO_SPACE]);
      pages.free(all);
      assertEquals(pages.largestFreeRegion(), capacity);
      const low = pages.allocate(capacity - 5000), high = pages.allocate(12, 4096);
      assertEquals(pages.offset(high), Math.ceil((capacity - 5000) / 4096) * 4096);
      const gap = pages.offset(high) - (capacity - 5000);
      assertEquals([...pages.freeRegions()], [
        { offset: capacity - 5000, size: gap },
        { offset: pages.offset(high) + 12, size: 4988 - gap },
      ]);
      assertEquals(pages.resize(low, capacity - 5000 + gap), true);
      assertEquals(pages.resize(low, capacity - 5000 + gap + 1), false);
      assertEquals(pages.resize(low, 33), true);
      assertEquals(pages.offset(pages.allocateAt(capacity - 1, 1)), capacity - 1);
      assertEquals(pages.allocateAt(capacity - 2, 2), NO_SPACE);
      assertEquals(pages.offset(pages.allocate(3, 3)), 33);
    }
  });

  it("finds the last page of 2^28 at once", () => {
    const pages = new PageAllocator(MAX_PAGES);
    pages.allocate(MAX_PAGES - 1);
    const first = pages.allocateAt(MAX_PAGES - 1, 1);
    pages.free(first);
    // Word by word this would look at 8 million of them each time.
    for (let i = 0; i < 100_000; i++) {
      const handle = i % 2 === 0 ? pages.allocate(1) : pages.allocate(1, 3);
      assertEquals(pages.offset(handle), MAX_PAGES - 1);
      pages.free(handle);
    }
    assertThrows(() => pages.free(first), NotAllocatedError);
  });

  it("grows to 2^28 with its handles", () => {
    const pages = new PageAllocator(1000), handles: number[] = [];
    for (let i = 0; i < 100; i++) handles.push(pages.allocate(7));
    pages.grow(MAX_PAGES - 1000);
    assertEquals(pages.offset(pages.allocate(MAX_PAGES - 700)), 700);
    assertEquals(pages.freeSpace, 0);
    for (const [i, handle] of handles.entries()) {
      assertEquals([pages.offset(handle), pages.size(handle)], [7 * i, 7]);
      pages.free(handle);
    }
    assertEquals([...pages.freeRegions()], [{ offset: 0, size: 700 }]);
  });

  it("lets empty allocations lie anywhere", () => {
    const pages = new PageAllocator(64), whole = pages.allocateAt(0, 64);
    const empty = pages.allocateAt(10, 0), last = pages.allocateAt(64, 0);
    assertEquals([pages.offset(empty), pages.offset(last)], [10, 64]);
    assertEquals(pages.allocateAt(65, 0), NO_SPACE);
    assertEquals([pages.resize(empty, 1), pages.resize(last, 1)], [false, false]);
    pages.free(whole);
    assertEquals([pages.resize(empty, 54), pages.resize(last, 0)], [true, true]);
    pages.check();
    const none = pages.allocate(-0, 5);
    assert(Object.is(pages.size(none), 0) && Object.is(pages.offset(none), 0));
    const zero = pages.allocateAt(-0, 1);
    assert(Object.is(pages.offset(zero), 0));
  });

  it("lists an empty allocation before one with pages at the same offset", () => {
    for (const sizes of [[0, 5], [5, 0]]) {
      const pages = new PageAllocator(64);
      for (const size of sizes) pages.allocateAt(10, size);
      assertEquals(Array.from(pages.allocations(), ({ size }) => size), [0, 5]);
    }
  });

  it("refuses again at once, until pages are free", () => {
    const pages = new PageAllocator(2 ** 20), handles: number[] = [];
    for (let i = 0; i < 2 ** 20; i++) handles.push(pages.allocate(1));
    for (let i = 0; i < 2 ** 20; i += 2) pages.free(handles[i]);
    // Search by search this would look at half a million regions each time.
    for (let i = 0; i < 100_000; i++) {
      assertEquals([pages.allocate(2 + i % 7), pages.allocate(2, 2 + i % 9)], [NO_SPACE, NO_SPACE]);
    }
    const refused = () => assertEquals([pages.allocate(2, 2), pages.allocate(2)], [-1, -1]);
    const fits = () => {
      const handle = pages.allocate(2, 2);
      assert(handle !== NO_SPACE);
      return handle;
    };
    refused();
    pages.free(handles[5]);
    const pair = fits();
    refused();
    assertEquals(pages.resize(pair, 0), true);
    fits();
    refused();
    pages.grow(2);
    fits();
    refused();
    pages.reset();
    fits();
  });

  it("remembers what it refused by alignment", async () => {
    await withSeed(31, (random) => {
      for (let round = 0; round < 200; round++) {
        const pages = new PageAllocator(100), live: number[] = [];
        for (let i = 0; i < 12; i++) live.push(pages.allocateAt(random(100), 1 + random(9)));
        // More alignments than it remembers.
        for (let step = 0; step < 150; step++) {
          const size = 1 + random(20), alignment = 1 + random(step % 2 === 0 ? 4 : 90);
          let page = 0;
          const free = [...pages.freeRegions()];
          const isFree = () =>
            free.some(({ offset, size: room }) => offset <= page && page + size <= offset + room);
          while (page < 100 && !isFree()) page += alignment;
          const handle = pages.allocate(size, alignment);
          assertEquals(handle === NO_SPACE ? 100 : pages.offset(handle), Math.min(page, 100));
          if (handle !== NO_SPACE && random(20) > 0) pages.free(handle);
        }
      }
    });
  });

  it("keeps a million single pages apart", () => {
    const pages = new PageAllocator(2 ** 20);
    const handles = Array.from({ length: 2 ** 20 }, () => pages.allocate(1));
    assertEquals(pages.allocate(1), NO_SPACE);
    for (let i = 0; i < handles.length; i += 2) pages.free(handles[i]);
    assertEquals([pages.freeSpace, pages.largestFreeRegion()], [2 ** 19, 1]);
    assertEquals(pages.allocate(2), NO_SPACE);
    pages.free(handles[2 ** 20 - 1]);
    assertEquals(pages.offset(pages.allocate(2)), 2 ** 20 - 2);
    pages.reset();
    assertEquals(pages.largestFreeRegion(), 2 ** 20);
  });

  for (const [name, run] of Object.entries(pageAllocatorRuns)) {
    it(`does as a naive model does: ${name}`, () => {
      for (const seed of [101, 202]) fuzzAllocator({ ...run, seed, steps: 10_000 });
    });
  }
});
