/** Labels, stacks and leaks; and that the wrapper is an allocator like the inner one. */

import {
  allocateAt,
  appendAt,
  applyMove,
  planCompaction,
  restore,
  snapshot,
} from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type GrowableAllocator, NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { formatLeaks } from "../../src/report/format_leaks.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { type Leak, TrackedAllocator } from "../../src/report/tracked_allocator.ts";
import { allocatorContract } from "../support/allocator_contract.ts";
import { regionOf } from "../../src/arena/regions.ts";
import { trackedAllocatorRuns } from "./tracked_allocator_runs.ts";

const FILE = basename(fileURLToPath(import.meta.url));

for (const [name, run] of Object.entries(trackedAllocatorRuns)) {
  const skip = run.restore === undefined
    ? { snapshot: "the inner allocator makes none" }
    : { addSpan: "the inner allocator has one span" };
  const wide = name === "within 32 bits" && { wide: "32 bits" };
  allocatorContract(`TrackedAllocator ${name}`, { ...run, skip: { ...skip, ...wide } });
}

describe("TrackedAllocator", () => {
  it("finds what was not freed, with its label", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(100));
    const [a, b, c] = [10, 20, 30].map((size) => allocator.allocate(size));
    assertEquals(allocator.label(b, "mesh"), b);
    allocator.label(c, "first");
    allocator.label(c, "mesh 7");
    allocator.free(a);
    assertEquals(allocator.leaks(), [
      { handle: b, offset: 10, size: 20, label: "mesh" },
      { handle: c, offset: 30, size: 30, label: "mesh 7" },
    ]);
    const { labelOf } = allocator;
    assertEquals([labelOf(a), labelOf(b), labelOf(c)], [undefined, "mesh", "mesh 7"]);
    allocator.free(b);
    assertEquals(labelOf(b), undefined);
    allocator.reset();
    assertEquals([labelOf(c), allocator.leaks()], [undefined, []]);
  });

  it("takes labels of live allocations only, as strings", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(100));
    const handle = allocator.allocate(10), freed = allocator.allocate(10);
    allocator.free(freed);
    for (const wrong of [freed, NO_SPACE, NaN]) {
      assertThrows(() => allocator.label(wrong, "a"), NotAllocatedError);
    }
    for (const wrong of [undefined, null, 1, {}] as string[]) {
      assertThrows(() => allocator.label(handle, wrong), TypeError, "Expected label");
    }
    assertEquals(allocator.labelOf(handle), undefined);
  });

  it("knows the lines that allocated, and begins with them", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(100), { stacks: true });
    const handles: number[] = [];
    function allocateMesh(): void {
      handles.push(allocator.allocate(10)); // not as a tail call: Bun keeps no frame of those
    }
    allocateMesh();
    handles.push(allocateAt(allocator, 50, 10));
    appendAt(allocator, [70, 80], [5, 5], handles);
    allocator.label(handles[0], "mesh");
    const stacks = allocator.leaks().map(({ stack = "" }) => stack.split("\n"));
    assertEquals(stacks.length, 4);
    for (const [first] of stacks) {
      assertStringIncludes(first, FILE);
      assert(/:\d+:\d+\)?$/.test(first), first);
    }
    const lines = stacks.map(([first]) => Number(first.match(/:(\d+):\d+\)?$/)?.[1]));
    const [mesh, at, append] = lines;
    assertEquals([at - mesh, append - mesh, lines[3] - mesh], [3, 4, 4]);
    assertStringIncludes(stacks[0][0], "allocateMesh");
    assertEquals(stacks.flat().filter((line) => line.includes("tracked_allocator.")), []);
    allocator.free(allocator.leaks()[0].handle);
    assertEquals(allocator.leaks().length, 3);
  });

  it("keeps as many frames as Error.stackTraceLimit says", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(100), { stacks: true });
    const limits = Error as { stackTraceLimit?: number }, before = limits.stackTraceLimit;
    try {
      limits.stackTraceLimit = 1;
      allocator.allocate(1);
    } finally {
      limits.stackTraceLimit = before;
    }
    const [{ stack = "" }] = allocator.leaks();
    assertEquals(stack.split("\n").length, 1);
    assertStringIncludes(stack, FILE);
  });

  it("notes no stack of what was refused, and none that was not asked for", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(10), { stacks: true });
    assertEquals(allocator.allocate(11), NO_SPACE);
    assertEquals(allocateAt(allocator, 5, 6), NO_SPACE);
    assertEquals(allocator.leaks(), []);
    const plain = new TrackedAllocator(new OffsetAllocator(10));
    const handle = plain.allocate(5);
    assertEquals(plain.leaks(), [{ handle, offset: 0, size: 5 }]);
  });

  it("counts what was allocated past it, too", () => {
    const inner = new OffsetAllocator(10), handle = inner.allocate(3);
    const allocator = new TrackedAllocator(inner, { stacks: true });
    assertEquals(allocator.leaks(), [{ handle, offset: 0, size: 3 }]);
  });

  it("has the optional members of the inner allocator, and no others", () => {
    const offsets = new TrackedAllocator(new OffsetAllocator(100));
    const grows: GrowableAllocator = offsets;
    grows.grow(20);
    assertEquals([offsets.capacity, offsets.tailSpace], [120, 120]);
    offsets.shrink(10);
    assertEquals(restore(snapshot(offsets)).capacity, 110);
    const spans: undefined = offsets.spans;
    assertEquals([spans, offsets.addSpan], [undefined, undefined]);
  });

  it("keeps labels where allocations move and are resized", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(100));
    const [first, second] = [10, 20].map((size) => allocator.allocate(size));
    allocator.label(second, "moves");
    allocator.free(first);
    for (const move of planCompaction(allocator)) applyMove(allocator, move);
    allocator.resize(second, 25);
    assertEquals(allocator.leaks(), [{ handle: second, offset: 0, size: 25, label: "moves" }]);
  });

  it("serves an arena, which has labels of its own", () => {
    const allocator = new TrackedAllocator(new OffsetAllocator(4096), { stacks: true });
    const arena = new Arena(new MemoryStore(4096), { allocator });
    const region = arena.allocate(100, { label: "weights" });
    assert(region !== undefined);
    assertEquals(regionOf(arena, region.handle).label, "weights");
    assertStringIncludes(allocator.leaks()[0].stack ?? "", FILE);
    region.free();
    assertEquals(allocator.leaks(), []);
  });
});

describe("formatLeaks", () => {
  const leak = (handle: number, size: number, label?: string, stack?: string): Leak => ({
    handle,
    offset: handle * 10,
    size,
    ...label === undefined ? {} : { label },
    ...stack === undefined ? {} : { stack },
  });

  it("groups by label and stack, the largest first", () => {
    const leaks = [
      leak(1, 1),
      leak(2, 10, "mesh", "at load (a.ts:1:2)\nat main (a.ts:9:1)"),
      leak(3, 5, "mesh", "at reload (a.ts:5:2)"),
      leak(4, 10, "mesh", "at load (a.ts:1:2)\nat main (a.ts:9:1)"),
    ];
    assertEquals(
      formatLeaks(leaks),
      [
        "4 allocations live, 26 units",
        '  2 "mesh", 20 units: 20..30 (handle 2), 40..50 (handle 4)',
        "    at load (a.ts:1:2)",
        "    at main (a.ts:9:1)",
        '  1 "mesh", 5 units: 30..35 (handle 3)',
        "    at reload (a.ts:5:2)",
        "  1 without a label, 1 unit: 10..11 (handle 1)",
      ].join("\n"),
    );
    assertEquals(formatLeaks(leaks, { most: 1 }).split("\n").slice(4), [
      "  and 2 allocations more, 6 units",
    ]);
  });

  it("is short for many, and harmless to a terminal", () => {
    const many = Array.from({ length: 1000 }, (_, i) => leak(i, 1, "\x1b[31mred"));
    const text = formatLeaks(many);
    assert(text.length < 400 && !text.includes("\x1b"), text);
    assertStringIncludes(text, '1000 "\\x1b[31mred", 1000 units: 0..1 (handle 0)');
    assertEquals(formatLeaks([]), "No allocation is live");
  });
});
