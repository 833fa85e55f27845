/** The map of an allocator, as pictures that can be read here. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { drawMap } from "../../src/report/draw_map.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { withSeed } from "../support/random.ts";
import { fixed, scattered } from "./report_helpers.ts";

const small = fixed({ capacity: 48, live: [[0, 6], [8, 8], [20, 3]], free: [[16, 4], [24, 24]] });

describe("drawMap", () => {
  it("draws used, free and padded units", () => {
    assertEquals(
      drawMap(small, { width: 24, height: 8 }),
      `
     0  ######~~########
    16  ....###~........
    32  ................

       # used        17  35.4 %
       ~ padding      3   6.3 %
       . free        28  58.3 %
       + several, at least half used
       - several, less than half used
       1 a cell`.slice(1),
    );
  });

  it("tells cells that hold several things", () => {
    const cells = fixed({ capacity: 32, live: [[0, 4], [4, 2], [8, 1]], free: [[6, 2], [9, 23]] });
    assertEquals(
      drawMap(cells, { width: 20, height: 1 }).split("\n").filter((_, i) => i === 0 || i === 7),
      ["     0  ##-+........", "       2.667 a cell"],
    );
  });

  it("gives letters to labels, the largest first", () => {
    const labels = (handle: number) => [undefined, "mesh", "\x1b[2Jglyphs", undefined][handle];
    assertEquals(
      drawMap(small, { width: 24, height: 8, labels }),
      `
     0  bbbbbb~~aaaaaaaa
    16  ....###~........
    32  ................

       a \\x1b[2Jglyphs          8  16.7 %
       b mesh                   6  12.5 %
       # other allocations      3   6.3 %
       ~ padding                3   6.3 %
       . free                  28  58.3 %
       + several, at least half used
       - several, less than half used
       1 a cell`.slice(1),
    );
  });

  it("gives no letter to the 27th label, and cells of several the one with most", () => {
    const live = Array.from({ length: 30 }, (_, i): [number, number] => [40 * i, 40]);
    const many = fixed({ capacity: 1200, live, free: [] });
    const labels = (handle: number) => `label ${handle}`.padStart(9);
    const lines = drawMap(many, { width: 68, height: 1, labels }).split("\n");
    assertEquals(lines[0], "     0  aabbccddeeffgghhiijjkkllmmnnooppqqrrssttuuvvwwxxyyzz########");
    assert(lines.some((line) => /# other allocations +160 /.test(line)), lines.join("\n"));
    // Each cell has two and a half of them, and no free unit.
    const [row] = drawMap(many, { width: 20, height: 1, labels }).split("\n");
    assertEquals(row.length, 20);
    assert(/^ {5}0 {2}[a-z#]{12}$/.test(row), row);
  });

  it("begins rows with offsets, across spans too", () => {
    const spans = fixed({
      capacity: 24,
      live: [[1000, 10], [5004, 4]],
      free: [[1010, 2], [5000, 4], [5008, 4]],
      spans: [[1000, 12], [5000, 12]],
    });
    assertEquals(drawMap(spans, { width: 20 }).split("\n").slice(0, 2), [
      "  1000  ##########..",
      "  5000  ....####....",
    ]);
  });

  it("has colours where asked to, one for each run", () => {
    const [row] = drawMap(small, { width: 24, height: 8, colour: true }).split("\n");
    assertEquals(row, "     0  \x1b[32m######\x1b[0m\x1b[33m~~\x1b[0m\x1b[32m########\x1b[0m");
  });

  it("fills its size, whatever the capacity", () => {
    for (const capacity of [0, 1, 7, 1000, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER]) {
      const allocator = new WideOffsetAllocator(capacity);
      const lines = drawMap(allocator, { width: 50, height: 5 }).split("\n");
      const rows = lines.slice(0, lines.indexOf(""));
      assert(rows.every((row) => row.length <= 50) && rows.length <= 5);
      if (capacity >= 1000) assertEquals(rows.map((row) => row.length), Array(5).fill(50));
      assertEquals(rows.join("").match(/\./g)?.length ?? 0, Math.min(capacity, cellsIn(rows)));
    }
  });

  it("shows each unit where a cell is one", async () => {
    for (const seed of [1, 2, 3, 4]) {
      await withSeed(seed, (random) => {
        const allocator = scattered(random, 300), lines = drawMap(allocator).split("\n");
        const cells = lines.slice(0, lines.indexOf("")).map((row) => row.slice(8)).join("");
        assertEquals(cells.length, allocator.capacity);
        assertEquals(cells.split(".").length - 1, allocator.freeSpace);
        const used = [...allocator.allocations()].reduce((sum, { size }) => sum + size, 0);
        assertEquals(cells.split("#").length - 1, used);
      });
    }
  });

  it("refuses a bad size", () => {
    for (const width of [19, 1001, NaN, 20.5]) {
      assertThrows(() => drawMap(small, { width }), RangeError, "width");
    }
    assertThrows(() => drawMap(small, { height: 0 }), RangeError, "height");
    assertThrows(() => drawMap(small, { height: "2" as unknown as number }), TypeError, "height");
  });
});

function cellsIn(rows: readonly string[]): number {
  return rows.reduce((sum, row) => sum + row.length - row.lastIndexOf("  ") - 2, 0);
}
