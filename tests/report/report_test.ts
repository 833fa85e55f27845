/** The figures, the JSON and the walk behind them, against a naive count unit by unit. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocation, Allocator, Extent } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RangeAllocator } from "../../src/allocators/range_allocator.ts";
import { drawMap } from "../../src/report/draw_map.ts";
import { reportSvg } from "../../src/report/report_svg.ts";
import { report, type SizeReport } from "../../src/report/report.ts";
import { cellsOf } from "../../src/util/cells.ts";
import { regionsOf, type ReportRegion } from "../../src/report/regions.ts";
import { reportJson } from "../../src/report/report_json.ts";
import { fixed, scattered } from "./report_helpers.ts";
import { withSeed } from "../support/random.ts";

describe("report", () => {
  it("gives the figures of an allocator", () => {
    const allocator = new OffsetAllocator(1000);
    const [first] = [100, 200, 0].map((size) => allocator.allocate(size));
    allocator.free(first);
    assertEquals(report(allocator), {
      capacity: 1000,
      used: 200,
      free: 800,
      padding: 0,
      fragmentation: 0.125,
      allocations: {
        count: 2,
        min: 0,
        mean: 100,
        max: 200,
        histogram: [{ min: 0, max: 0, count: 1, units: 0 }, {
          min: 128,
          max: 255,
          count: 1,
          units: 200,
        }],
      },
      freeRegions: {
        count: 2,
        min: 100,
        mean: 400,
        max: 700,
        histogram: [
          { min: 64, max: 127, count: 1, units: 100 },
          { min: 512, max: 1023, count: 1, units: 700 },
        ],
      },
    });
  });

  it("takes what is between the free regions of a RangeAllocator as one", () => {
    const ranges = new RangeAllocator(1000);
    ranges.allocate(400);
    ranges.allocate(100);
    ranges.free(100, 200);
    ranges.reserve(999, 1);
    const { used, free, padding, allocations, freeRegions } = report(ranges);
    assertEquals([used, free, padding], [301, 699, 0]);
    const { count, min, max } = allocations;
    assertEquals([count, min, max, freeRegions.count], [3, 1, 200, 2]);
    assertEquals([...regionsOf(ranges, () => "never")], [
      { kind: "used", offset: 0, size: 100 },
      { kind: "free", offset: 100, size: 200 },
      { kind: "used", offset: 300, size: 200 },
      { kind: "free", offset: 500, size: 499 },
      { kind: "used", offset: 999, size: 1 },
    ]);
    assertEquals(reportJson(ranges, { regions: true }).spans, [{ offset: 0, size: 1000 }]);
    assert(reportSvg(ranges).includes("3 taken ranges"));
    assert(drawMap(ranges, { width: 28, height: 1 }).includes("##....####.........-"));
    assertEquals([...regionsOf(new RangeAllocator(0))], []);
  });

  it("knows no units, and no free ones", () => {
    const none = { count: 0, min: 0, mean: 0, max: 0, histogram: [] };
    const empty = report(new OffsetAllocator(0)), full = new OffsetAllocator(10);
    assertEquals([empty.fragmentation, empty.allocations, empty.freeRegions], [0, none, none]);
    full.allocate(10);
    assertEquals([report(full).fragmentation, report(full).freeRegions], [0, none]);
  });

  it("puts sizes beside powers of two into the right class", () => {
    const sizes = [...Array(53).keys()].flatMap((k) => [2 ** k - 1, 2 ** k, 2 ** k + 1]);
    sizes.push(Number.MAX_SAFE_INTEGER);
    for (const size of sizes) {
      const one = { ...fixed({ capacity: size, live: [[0, size]], free: [] }) };
      const { allocations: { histogram: [{ min, max, count, units }] } } = report(one);
      assert(min <= size && size <= max && max === (min === 0 ? 0 : 2 * min - 1), `${size}`);
      assertEquals([count, units], [1, size]);
    }
  });

  it("counts as a naive count does", async () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      await withSeed(seed, (random) => {
        const allocator = scattered(random, 500), figures = report(allocator);
        const live = [...allocator.allocations()], free = [...allocator.freeRegions()];
        const owners = unitOwners(allocator, live, free);
        const units = (owner: string) => owners.filter((one) => one === owner).length;
        assertEquals(figures.capacity, owners.length);
        assertEquals(
          [figures.used, figures.free, figures.padding],
          [units("used"), units("free"), units("padding")],
        );
        checkSizes(figures.allocations, live);
        checkSizes(figures.freeRegions, free);
        const largest = Math.max(0, ...free.map(({ size }) => size));
        assertAlmostEquals(figures.fragmentation, 1 - largest / units("free"));

        const walk = [...regionsOf(allocator)];
        assertEquals(walk.flatMap(({ kind, size }) => Array(size).fill(kind)), owners);
        checkWalk(walk, allocator);
      });
    }
  });
});

describe("regionsOf", () => {
  it("walks spans, and leaves out what is between them", () => {
    const allocator = fixed({
      capacity: 80,
      live: [[5, 10], [40, 15], [100, 20]],
      free: [[15, 5], [120, 5]],
      spans: [[0, 20], [40, 10], [50, 20], [100, 30]],
    });
    const walk = [...regionsOf(allocator)].map(({ kind, offset, size }) => [kind, offset, size]);
    assertEquals(walk, [
      ["padding", 0, 5],
      ["used", 5, 10],
      ["free", 15, 5],
      ["used", 40, 15],
      ["padding", 55, 15],
      ["used", 100, 20],
      ["free", 120, 5],
      ["padding", 125, 5],
    ]);
  });

  it("shows empty allocations, within free regions too", () => {
    const allocator = fixed({ capacity: 10, live: [[0, 0], [4, 0], [10, 0]], free: [[0, 10]] });
    assertEquals([...regionsOf(allocator)].map(({ kind, offset }) => [kind, offset]), [
      ["used", 0],
      ["free", 0],
      ["used", 4],
      ["used", 10],
    ]);
    assertEquals([...regionsOf(fixed({ capacity: 0, live: [], free: [] }))], []);
  });
});

describe("cellsOf", () => {
  it("cuts into cells of equal size, or of one unit more", () => {
    const pieces = [{ offset: 10, size: 4, kind: "a" }, { offset: 20, size: 7, kind: "b" }];
    const cells = cellsOf(pieces, 4).map(({ offset, size, most }) => [offset, size, most]);
    assertEquals(cells, [[10, 2, "a"], [12, 3, "a"], [21, 3, "b"], [24, 3, "b"]]);
    assertEquals(cellsOf(pieces, 100).map(({ size }) => size), Array(11).fill(1));
    assertEquals(cellsOf([], 4), []);
  });

  it("names the kind of most units, of equals the first to have so many", () => {
    const mostOf = (...sizes: [string, number][]) =>
      cellsOf(sizes.map(([kind, size]) => ({ offset: 0, size, kind })), 1)[0].most;
    assertEquals(mostOf(["a", 2], ["b", 2]), "a");
    assertEquals(mostOf(["a", 1], ["b", 2], ["a", 1]), "b");
    assertEquals(mostOf(["a", 1], ["b", 2], ["a", 2]), "a");
  });
});

describe("reportJson", () => {
  it("says what it is, and lists regions where asked to", () => {
    const allocator = fixed({ capacity: 20, live: [[0, 5], [8, 4]], free: [[12, 8]] });
    const plain = reportJson(allocator);
    assertEquals([plain.format, plain.version, plain.regions], ["suballoc-report", 1, undefined]);
    assertEquals(plain.spans, [{ offset: 0, size: 20 }]);
    const labels = (handle: number) => handle === 2 ? "mesh" : undefined;
    assertEquals(reportJson(allocator, { regions: true, labels }).regions, [
      { kind: "used", offset: 0, size: 5, handle: 1 },
      { kind: "padding", offset: 5, size: 3 },
      { kind: "used", offset: 8, size: 4, handle: 2, label: "mesh" },
      { kind: "free", offset: 12, size: 8 },
    ]);
  });

  it("is JSON without loss, and its regions sum up", async () => {
    for (const seed of [11, 12, 13]) {
      await withSeed(seed, (random) => {
        const json = reportJson(scattered(random, 300), { regions: true, labels: String });
        assertEquals(JSON.parse(JSON.stringify(json)), json);
        const sum = (kind: string) =>
          json.regions!.filter((one) => one.kind === kind).reduce((all, { size }) => all + size, 0);
        assertEquals([sum("used"), sum("free"), sum("padding")], [
          json.used,
          json.free,
          json.padding,
        ]);
        assertEquals(json.used + json.free + json.padding, json.capacity);
      });
    }
  });
});

/** What each unit of the spans is, one by one. */
function unitOwners(allocator: Allocator, live: Allocation[], free: Extent[]): string[] {
  const spans = [
    ...(allocator as { spans?(): Iterable<Extent> }).spans?.() ?? [
      { offset: 0, size: allocator.capacity },
    ],
  ];
  const within = (unit: number) => ({ offset, size }: Extent) =>
    unit >= offset && unit < offset + size;
  return spans.flatMap(({ offset, size }) =>
    Array.from({ length: size }, (_, i) => {
      if (live.some(within(offset + i))) return "used";
      return free.some(within(offset + i)) ? "free" : "padding";
    })
  );
}

function checkSizes(sizes: SizeReport, extents: readonly Extent[]): void {
  const all = extents.map(({ size }) => size).sort((a, b) => a - b);
  assertEquals([sizes.count, sizes.min, sizes.max], [all.length, all[0] ?? 0, all.at(-1) ?? 0]);
  assertAlmostEquals(sizes.mean * all.length, all.reduce((a, b) => a + b, 0));
  for (const { min, max, count, units } of sizes.histogram) {
    const inClass = all.filter((size) => size >= min && size <= max);
    assertEquals([count, units], [inClass.length, inClass.reduce((a, b) => a + b, 0)]);
  }
  assertEquals(sizes.histogram.reduce((sum, { count }) => sum + count, 0), all.length);
}

function checkWalk(walk: readonly ReportRegion[], allocator: Allocator): void {
  const handles = walk.flatMap(({ handle }) => handle ?? []);
  assertEquals(handles, [...allocator.allocations()].map(({ handle }) => handle));
  walk.reduce((before, region) => {
    assert(before.offset + before.size <= region.offset, "regions overlap");
    return region;
  });
}
