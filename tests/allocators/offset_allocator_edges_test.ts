/**
 * What `OffsetAllocator` refuses: arguments by name, and one unit too many.
 *
 * @module
 */

import { allocateAt, applyMove, check } from "../../src/operations/mod.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";

describe("OffsetAllocator at its edges", () => {
  it("names the argument that is wrong", () => {
    const allocator = new OffsetAllocator(8), handle = allocator.allocate(1);
    const wrong: Record<string, () => void> = {
      capacity: () => new OffsetAllocator(-1),
      size: () => allocator.allocate(-1),
      alignment: () => allocator.allocate(1, -1),
      offset: () => allocateAt(allocator, -1, 1),
      additional: () => allocator.grow(-1),
      removed: () => allocator.shrink(-1),
      "move.to": () => applyMove(allocator, { handle, from: 0, to: -1, size: 1 }),
    };
    for (const [name, misuse] of Object.entries(wrong)) {
      assertThrows(misuse, RangeError, `Expected ${name} to be an integer from `);
    }
    for (const misuse of [() => allocateAt(allocator, 1, -1), () => allocator.resize(handle, -1)]) {
      assertThrows(misuse, RangeError, "Expected size to be an integer from 0 to ");
    }
  });

  it("refuses one unit more than there is, of any capacity", () => {
    for (let bit = 0; bit < 53; bit++) {
      const make = bit < 32 ? OffsetAllocator : WideOffsetAllocator;
      const allocator = new make(2 ** bit + 1);
      allocateAt(allocator, 2 ** bit, 1);
      assertEquals(allocator.allocate(2 ** bit + 1), NO_SPACE);
      assertEquals(allocator.offset(allocator.allocate(2 ** bit)), 0);
      assertEquals(allocator.allocate(1), NO_SPACE);
      check(allocator);
    }
  });
});
