/** When a range of a GPU buffer that was freed is used again. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filled, neighbours, ticks, withArena } from "./gpu_helpers.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

describe("GpuArena: deferred free", () => {
  it("reuses a range only once the work submitted before is done", () =>
    withArena({ initialSlabBytes: 64 }, async (arena, device) => {
      const [first] = await neighbours(arena, 4);
      device.hold();
      first.free();
      await ticks();
      assertEquals([arena.stats().retiringBytes, arena.stats().freeBytes], [16, 0]);
      const other = arena.allocate(16, { role: "vertex" })!;
      assert(other.offset >= 64);
      device.release();
      await arena.settled();
      assertStrictEquals(arena.stats().retiringBytes, 0);
      assertStrictEquals(arena.allocate(16, { role: "vertex" })!.offset, 0);
      await arena.upload();
    }));

  it("gives a range back at once that never was on the GPU", () =>
    withArena({}, (arena) => {
      const region = arena.allocate(16, { role: "vertex" })!;
      region.free();
      assertStrictEquals(arena.stats().retiringBytes, 0);
      assertStrictEquals(arena.allocate(16, { role: "vertex" })!.offset, 0);
    }));

  it("waits for reads of the same tick", () =>
    withArena({}, async (arena) => {
      const [region] = await neighbours(arena, 1);
      region.write(filled(16, 1));
      const read = region.read();
      region.free();
      assertSameBytes(await read, filled(16, 1), "read before it was freed");
      await arena.settled();
    }));

  it("frees thousands with one wait", () =>
    withArena({}, async (arena, device) => {
      const regions = await neighbours(arena, 2000);
      device.hold();
      for (const region of regions) region.free();
      await ticks();
      assertStrictEquals(arena.stats().retiringBytes, 32000);
      device.release();
      await arena.settled();
      assertStrictEquals(arena.stats().usedBytes + arena.stats().retiringBytes, 0);
    }));
});
