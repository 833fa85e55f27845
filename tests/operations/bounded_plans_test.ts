/**
 * Bounded plans, one after another, reach what a plan without bounds reaches: over every strategy
 * that plans, over spans, through wrappers, and in arenas.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { type Allocator, type CompactionCursor, NO_SPACE } from "../../src/allocator.ts";
import { BestFitAllocator } from "../../src/allocators/best_fit_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { Arena } from "../../src/arena/arena.ts";
import type { AsyncBackingStore } from "../../src/arena/backing_store.ts";
import { compact } from "../../src/arena/compact.ts";
import type { ArenaCompaction } from "../../src/arena/arena_options.ts";
import { applyMove, check, planCompaction } from "../../src/operations/mod.ts";
import { TrackedAllocator } from "../../src/report/tracked_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import { type Random, withSeed } from "../support/random.ts";

const CAPACITY = 4000, SPANS = 4;

/** A strategy whose space is in four pieces, with gaps of ten units between them. */
function spanned(): Allocator {
  const size = CAPACITY / SPANS, allocator = new TlsfAllocator(size);
  for (let i = 1; i < SPANS; i++) allocator.addSpan(i * (size + 10), size);
  return allocator;
}

const strategies: Readonly<Record<string, () => Allocator>> = {
  WideOffsetAllocator: () => new WideOffsetAllocator(CAPACITY),
  "WideOffsetAllocator beyond 32 bits": () => {
    const allocator = new WideOffsetAllocator(2 ** 40 + CAPACITY);
    allocator.allocate(2 ** 40); // pinned below
    return allocator;
  },
  BestFitAllocator: () => new BestFitAllocator(CAPACITY),
  TlsfAllocator: () => new TlsfAllocator(CAPACITY),
  "TlsfAllocator of spans": spanned,
  "TrackedAllocator over OffsetAllocator": () =>
    new TrackedAllocator(new OffsetAllocator(CAPACITY)),
  "RecordingAllocator over TlsfAllocator of spans": () =>
    new RecordingAllocator(spanned(), () => {}),
  "both over WideOffsetAllocator": () =>
    new TrackedAllocator(
      new RecordingAllocator(new WideOffsetAllocator(CAPACITY), () => {}),
    ),
};

/** A hole below every third or so, and some alignments: those of the handles, by handle. */
function fragment(allocator: Allocator, random: Random, isAligned: boolean): Map<number, number> {
  const alignments = new Map<number, number>(), live: number[] = [];
  for (const { handle } of allocator.allocations()) alignments.set(handle, Infinity);
  while (true) {
    const alignment = isAligned ? [1, 4, 16][random(3)] : 1;
    const handle = allocator.allocate(1 + random(60), alignment);
    if (handle === NO_SPACE) break;
    alignments.set(handle, alignment);
    live.push(handle);
  }
  for (const handle of live) if (random(3) > 0) allocator.free(handle);
  return alignments;
}

interface Bounds {
  readonly maxLooks?: number;
  readonly overlap?: boolean;
}

/** Carries out plans until none is left; how many, and for how many looks. */
function carryOut(allocator: Allocator, alignments: Map<number, number>, bounds: Bounds) {
  const alignmentOf = (handle: number) => alignments.get(handle)!;
  let from: CompactionCursor | undefined, looks = 0, plans = 0;
  do {
    const plan = planCompaction(allocator, { ...bounds, alignmentOf, from });
    assert(plan.looks <= (bounds.maxLooks ?? Infinity), "more looks than the bound");
    assert(plan.looks > 0 || plan.length === 0, "a move without a look");
    for (const move of plan) applyMove(allocator, move);
    looks += plan.looks;
    from = plan.next;
    assert(++plans < 50_000, "no end");
  } while (from !== undefined);
  check(allocator);
  return { plans, looks };
}

/** Nothing is left that a plan of these bounds could move. */
function expectAtRest(
  allocator: Allocator,
  alignments: Map<number, number>,
  { overlap = true }: Bounds,
  isOneSpan: boolean,
): void {
  const all = [...allocator.allocations()];
  for (const { offset, size } of allocator.freeRegions()) {
    for (const { handle, offset: from, size: units } of all) {
      const alignment = alignments.get(handle)!, to = Math.ceil(offset / alignment) * alignment;
      const fits = alignment !== Infinity && from > offset && to + units <= offset + size;
      const slides = overlap && isOneSpan && from === offset + size && to < from;
      assert(!fits && !slides, `${units} units at ${from} can move to ${to}`);
    }
  }
}

describe("bounded plans", () => {
  it("without moves look at everything, and have nothing to go on with", () => {
    const allocator = new OffsetAllocator(1000),
      handles = Array.from({ length: 9 }, () => {
        return allocator.allocate(10);
      });
    for (const handle of handles.slice(0, 4)) allocator.free(handle);
    const plan = planCompaction(allocator, { maxMoves: 0 });
    assertEquals([[...plan], plan.next], [[], undefined]);
  });

  for (const [name, make] of Object.entries(strategies)) {
    it(`end where one without bounds ends: ${name}`, async () => {
      const isOneSpan = !name.includes("spans");
      for (let seed = 1; seed <= 6; seed++) {
        for (const maxLooks of [undefined, 1, 7, 100]) {
          for (const [overlap, isAligned] of [[true, false], [true, true], [false, false]]) {
            await withSeed(seed, (random) => {
              const allocator = make(), bounds = { maxLooks, overlap };
              const alignments = fragment(allocator, random, isAligned);
              const regions = allocator.allocationCount;
              const { plans, looks } = carryOut(allocator, alignments, bounds);
              expectAtRest(allocator, alignments, bounds, isOneSpan);
              assert(looks > regions / 2, "looks that are not counted");
              assert(looks <= 5 * regions * (2 + plans), "too many looks");
              if (!overlap || isAligned || !isOneSpan) return;
              assertEquals([...allocator.freeRegions()].length, 1);
            });
          }
        }
      }
    });
  }
});

/** A store that answers later. */
function later(store: MemoryStore): AsyncBackingStore {
  return {
    get byteLength() {
      return store.byteLength;
    },
    read: (offset, bytes) => Promise.resolve(store.read(offset, bytes)),
    write: (offset, bytes) => Promise.resolve(store.write(offset, bytes)),
  };
}

describe("bounded compactions of an arena", () => {
  const makers = {
    OffsetAllocator: () => new OffsetAllocator(CAPACITY),
    BestFitAllocator: () => new BestFitAllocator(CAPACITY),
    "TrackedAllocator over TlsfAllocator": () => new TrackedAllocator(new TlsfAllocator(CAPACITY)),
  };
  for (const [name, make] of Object.entries(makers)) {
    for (const isAsync of [false, true]) {
      it(`keep every byte and end: ${name}, ${isAsync ? "async" : "sync"}`, () =>
        withSeed(9, async (random) => {
          for (const maxLooks of [1, 5, 60]) {
            const memory = new MemoryStore(CAPACITY), store = isAsync ? later(memory) : memory;
            const arena = new Arena(store as MemoryStore, { allocator: make() });
            const regions = [];
            for (let value = 1;; value++) {
              const bytes = new Uint8Array(1 + random(60)).fill(value);
              const region = await arena.allocateFrom(bytes);
              if (region === undefined) break;
              regions.push({ region, bytes });
            }
            const kept = regions.filter(({ region }) => random(3) === 0 || void region.free());
            let calls = 0, next: CompactionCursor | undefined;
            do {
              const done: ArenaCompaction = await compact(arena, { maxLooks, from: next });
              assert(done.moves <= maxLooks, "more moves than looks");
              next = done.next;
              assert(++calls < 50_000, "no end");
            } while (next !== undefined);
            assert(calls > kept.length / maxLooks, "a call looked at more than the bound");
            assertEquals([...arena.allocator.freeRegions()].length, 1);
            for (const { region, bytes } of kept) assertEquals(await region.read(), bytes);
          }
        }));
    }
  }
});
