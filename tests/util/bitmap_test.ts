/** `Bitmap`: every operation against a list of booleans, across the borders of its words. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Bitmap } from "../../src/util/bitmap.ts";
import { freeRuns, isFreeRun, longestFreeRun } from "../../src/util/free_runs.ts";
import { type Random, withSeed } from "../support/random.ts";

describe("Bitmap", () => {
  it("does as a list of booleans does, whatever is asked", async () => {
    const capacities = [0, 1, 31, 32, 33, 64, 1000, 1023, 1024, 1025, 1056, 5000];
    for (const [i, capacity] of capacities.entries()) {
      await withSeed(i + 1, (random) => compare(capacity, 400, random));
    }
  });

  it("takes and gives runs across the borders of words and summaries", () => {
    const bitmap = new Bitmap(3 * 32 ** 3);
    const borders = [0, 32, 64, 992, 1024, 2048, 31 * 1024, 32 ** 3, 2 * 32 ** 3];
    const edges = borders.flatMap((border) => [border - 1, border, border + 1]);
    for (const start of edges.filter((edge) => edge >= 0)) {
      for (const end of edges.filter((edge) => edge >= start)) {
        bitmap.take(start, end);
        assertEquals(bitmap.freeCount, bitmap.capacity - (end - start));
        assertEquals(bitmap.first(start), end);
        bitmap.give(start, end);
        assertEquals(bitmap.freeCount, bitmap.capacity);
        assertEquals(bitmap.first(start), start);
      }
    }
    bitmap.check();
    bitmap.take(0, bitmap.capacity);
    for (const start of edges.filter((edge) => edge >= 0)) {
      bitmap.give(start, start + 33);
      assertEquals(bitmap.first(0), start);
      assertEquals([...freeRuns(bitmap)], [{ offset: start, size: 33 }]);
      bitmap.take(start, start + 33);
      assertEquals(bitmap.first(0), -1);
    }
    bitmap.check();
  });

  it("keeps what is taken when it grows by one, a word, a level", () => {
    for (const before of [0, 1, 31, 32, 33, 1024, 1025]) {
      for (const additional of [0, 1, 31, 32, 1000, 32 ** 3]) {
        const bitmap = new Bitmap(before);
        for (let unit = 0; unit < before; unit += 3) bitmap.take(unit, unit + 1);
        const freeCount = bitmap.freeCount;
        bitmap.grow(additional);
        bitmap.check();
        assertEquals(bitmap.capacity, before + additional);
        assertEquals(bitmap.freeCount, freeCount + additional);
        for (let unit = 0; unit < before; unit++) assertEquals(bitmap.has(unit), unit % 3 !== 0);
        if (additional > 0) assert(isFreeRun(bitmap, before, before + additional));
      }
    }
  });
});

/** Random operations, each compared with a list that is searched from its beginning. */
function compare(capacity: number, steps: number, random: Random): void {
  const bitmap = new Bitmap(capacity), isFree = new Array<boolean>(capacity).fill(true);
  const firstFree = (from: number) => isFree.indexOf(true, from);
  const allFree = (start: number, end: number) =>
    end <= capacity && !isFree.slice(start, end).includes(false);
  for (let step = 0; step < steps; step++) {
    const start = random(capacity + 1), room = random([3, 40, capacity + 1][random(3)]);
    const end = Math.min(capacity, start + room), kind = random(4);
    if (kind === 0) {
      const lowest = firstFree(0);
      assertEquals(bitmap.takeFirst(), lowest);
      if (lowest >= 0) isFree[lowest] = false;
    } else if (kind === 1 && allFree(start, end)) {
      bitmap.take(start, end);
      isFree.fill(false, start, end);
    } else if (kind === 2 && !isFree.slice(start, end).includes(true)) {
      if (end === start + 1) bitmap.giveOne(start);
      else bitmap.give(start, end);
      isFree.fill(true, start, end);
    } else if (kind === 3) {
      const count = 1 + random(random(2) === 0 ? 4 : 70), alignment = 1 + random(50);
      let expected = Math.ceil(start / alignment) * alignment;
      while (expected + count <= capacity && !allFree(expected, expected + count)) {
        expected += alignment;
      }
      if (expected + count > capacity) expected = -1;
      assertEquals(bitmap.find(count, alignment, start), expected, `${count} at ${alignment}`);
    }
    bitmap.check();
    assertEquals(bitmap.first(start), firstFree(start));
    assertEquals(isFreeRun(bitmap, start, start + room), allFree(start, start + room));
    assertEquals(bitmap.freeCount, isFree.filter(Boolean).length);
    if (start < capacity) assertEquals(bitmap.has(start), isFree[start]);
  }
  const runs = [...freeRuns(bitmap)];
  assertEquals(runs.reduce((sum, { size }) => sum + size, 0), bitmap.freeCount);
  assertEquals(runs.reduce((most, { size }) => Math.max(most, size), 0), longestFreeRun(bitmap));
  bitmap.reset();
  bitmap.check();
  assertEquals([...freeRuns(bitmap)].length, capacity > 0 ? 1 : 0);
}
