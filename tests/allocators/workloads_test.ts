/**
 * The workloads of the benchmark: half a million operations each, with the offsets and
 * the refusals of the C++ reference.
 *
 * @module
 */

import { check } from "../../src/operations/mod.ts";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { strategies } from "../../cli/compare/strategies.ts";
import { replay, type Trace, workloads } from "../../cli/compare/workloads.ts";
import type { Allocator } from "../../src/allocator.ts";
import { sharedOf } from "../support/share.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";

describe("OffsetAllocator answers as the reference over", () => {
  for (const { name, about, trace, expected } of sharedOf(workloads)) {
    it(`${name}: ${about}`, () => {
      const work = trace(), { capacity, maxAllocations } = work;
      const allocator = new OffsetAllocator(capacity, { maxAllocations, strict: true });
      assertEquals(replay(work, allocator), expected);
    });
  }
});

describe("a workload", () => {
  for (const { name, trace } of sharedOf(workloads)) {
    it(`${name} leaves every slot as it found it`, () => {
      const { slots, slotCount, fillCount } = trace(), held = new Uint8Array(slotCount);
      const run = (operations: Int32Array) => {
        for (const slot of operations) {
          const taken = slot >= 0, index = taken ? slot : ~slot;
          if (held[index] === Number(taken)) throw new Error(`Slot ${index} is taken or empty`);
          held[index] = Number(taken);
        }
      };
      run(slots.subarray(0, fillCount));
      const filled = held.slice();
      run(slots.subarray(fillCount));
      assertEquals(held, filled);
    });
  }
});

describe("every strategy stands a workload", () => {
  // These cannot do all of the work: they refuse, and what they give must be sound.
  const refusing: Record<string, string> = {
    LinearAllocator: "space in the middle comes back late",
  };

  for (const { name, make } of strategies) {
    it(`${name}: ${refusing[name] ?? "with no refusal where a third is free"}`, () => {
      for (const { name: workload, trace } of sharedOf(workloads)) {
        const work = trace();
        const allocator = makeFor(work, make);
        if (allocator === undefined) continue;
        const { refused } = replay(work, allocator);
        check(allocator);
        if (!(name in refusing) && workload !== "tight") assertEquals(refused, 0, workload);
        for (const { handle } of allocator.allocations()) allocator.free(handle);
        assertEquals(allocator.freeSpace, allocator.capacity);
      }
    });
  }
});

/** An allocator for a workload; undefined where its capacity is beyond the strategy. */
function makeFor(
  { capacity, maxAllocations }: Trace,
  make: (capacity: number, room?: number) => Allocator,
): Allocator | undefined {
  try {
    return make(capacity, maxAllocations);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
