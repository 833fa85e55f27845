/**
 * The workloads of the benchmark: half a million operations each, with the offsets and
 * the refusals of the C++ reference.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { replay, workloads } from "../scripts/workloads.ts";
import { OffsetAllocator } from "../src/offset_allocator.ts";

describe("OffsetAllocator answers as the reference over", () => {
  for (const { name, about, trace, expected } of workloads) {
    it(`${name}: ${about}`, () => {
      const work = trace(), { capacity, maxAllocations } = work;
      const allocator = new OffsetAllocator(capacity, { maxAllocations, strict: true });
      assertEquals(replay(work, allocator), expected);
    });
  }
});

describe("a workload", () => {
  for (const { name, trace } of workloads) {
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
