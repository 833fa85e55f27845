/**
 * Random operations on a `TlsfAllocator` of several spans, compared after every step with a
 * naive model: what each unit is, found by looking at all of them.
 *
 * @module
 */

import { allocateAt, applyMove, check, planCompaction } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Extent, NO_SPACE, NotAllocatedError, SpanOverlapError } from "../../src/allocator.ts";
import { TlsfAllocator } from "../../src/allocators/tlsf_allocator.ts";
import { type Random, seeded } from "../support/random.ts";

/** One run. */
export interface SpansRun {
  /** How many units of the allocator are one of the model. */
  readonly unit: number;
  readonly strict: boolean;
  readonly seed: number;
  readonly steps: number;
}

/** Runs the fuzz; a difference throws an error that names the seed and the step. */
export function fuzzSpans(run: SpansRun): void {
  const fuzz = new SpansFuzz(run);
  for (let step = 0; step < run.steps; step++) {
    try {
      fuzz.step();
    } catch (cause) {
      const { seed, unit } = run;
      throw new Error(`seed ${seed}, unit ${unit}, step ${step}, after ${fuzz.last}`, { cause });
    }
  }
}

/** No span reaches beyond. */
const LIMIT = 800;
const ALIGNMENTS = [1, 1, 1, 2, 3, 8, 20];

class SpansFuzz {
  last = "the start";
  readonly #run: SpansRun;
  readonly #random: Random;
  readonly #allocator: TlsfAllocator;
  /** 1: the unit is in a span. */
  readonly #inSpan = new Uint8Array(LIMIT + 1);
  readonly #live = new Map<number, Extent>();
  readonly #alignments = new Map<number, number>();
  #stale: number[] = [];

  constructor(run: SpansRun) {
    const random = seeded(run.seed), first = random(3) === 0 ? 0 : random(60);
    this.#run = run;
    this.#random = random;
    this.#allocator = new TlsfAllocator(first * run.unit, { strict: run.strict });
    this.#inSpan.fill(1, 0, first);
  }

  step(): void {
    const kind = this.#random(1000);
    if (kind < 480) this.#allocate();
    else if (kind < 780) this.#free();
    else if (kind < 850) this.#resize();
    else if (kind < 930) this.#allocateAt();
    else if (kind < 965) this.#addSpan();
    else if (kind < 975) this.#grow();
    else if (kind < 992) this.#compact();
    else if (kind < 997) this.#refuse();
    else this.#reset();
    this.#compare();
  }

  #allocate(): void {
    const { unit, strict } = this.#run, random = this.#random;
    const size = random([2, 8, 8, 30, 100][random(5)]);
    const alignment = ALIGNMENTS[random(ALIGNMENTS.length)];
    this.last = `allocate(${size}, ${alignment})`;
    const fits = size === 0 ||
      this.#holes().some(({ offset, size: room }) =>
        Math.ceil(offset / alignment) * alignment + size <= offset + room
      );
    const handle = this.#allocator.allocate(
      size * unit,
      alignment === 1 ? alignment : alignment * unit,
    );
    if (handle === NO_SPACE) return assert(strict || !fits, "refused although a region fits");
    assert(fits, "given although no region fits");
    this.#take(handle, this.#allocator.offset(handle) / unit, size);
    this.#alignments.set(handle, alignment);
    assertEquals(this.#live.get(handle)!.offset % alignment, 0);
  }

  #allocateAt(): void {
    const { unit } = this.#run, random = this.#random;
    const offset = random(LIMIT), size = random(random(2) === 0 ? 3 : 30), end = offset + size;
    this.last = `allocateAt(${offset}, ${size})`;
    // A place of no units is at 0, in a span, or at an end of one.
    const isInside = size > 0
      ? this.#room(offset) >= size
      : offset === 0 || this.#inSpan[offset] === 1 || this.#inSpan[offset - 1] === 1;
    const isFree = [...this.#live.values()].every((other) =>
      size === 0 && other.size === 0 || end <= other.offset || other.offset + other.size <= offset
    );
    const handle = allocateAt(this.#allocator, offset * unit, size * unit);
    assertEquals(handle !== NO_SPACE, isInside && isFree);
    if (handle !== NO_SPACE) this.#take(handle, offset, size);
  }

  #free(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    this.last = `free(${handle})`;
    this.#allocator.free(handle);
    this.#live.delete(handle);
    this.#stale.push(handle);
  }

  #resize(): void {
    const handle = this.#any(), { unit } = this.#run;
    if (handle === undefined) return;
    const { offset, size: before } = this.#live.get(handle)!, size = this.#random(40);
    this.last = `resize(${handle}, ${size})`;
    const order = [...this.#allocator.allocations()];
    const next = order[order.findIndex((other) => other.handle === handle) + 1];
    const room = Math.min(this.#room(offset), (next?.offset ?? Infinity) / unit - offset);
    const done = this.#allocator.resize(handle, size * unit);
    assertEquals(done, size <= Math.max(room, before));
    const isMoved = size === 0 && before > 0; // to 0, out of the way
    if (done) this.#live.set(handle, { offset: isMoved ? 0 : offset, size });
  }

  #addSpan(): void {
    const { unit } = this.#run;
    const [start, end] = this.#place(), size = Math.min(end, LIMIT) - start;
    this.last = `addSpan(${start}, ${size})`;
    const overlaps = this.#inSpan.subarray(start, start + size).includes(1);
    const add = () => this.#allocator.addSpan(start * unit, size * unit);
    if (overlaps) {
      const error = assertThrows(add, SpanOverlapError);
      assertEquals(error.span, { offset: start * unit, size: size * unit });
      const existing = [...this.#allocator.spans()].find(({ offset }) =>
        offset === error.existing.offset
      );
      assertEquals(error.existing, existing);
      const { offset, size: units } = error.existing;
      assert(offset < (start + size) * unit && start * unit < offset + units);
      return;
    }
    add();
    this.#inSpan.fill(1, start, start + size);
    assertThrows(add, SpanOverlapError);
  }

  /** Where a span may be added: within a part that is in none, or anywhere. */
  #place(): [start: number, end: number] {
    const random = this.#random, missing = runs(this.#inSpan, 0), anywhere = random(LIMIT);
    if (missing.length === 0) return [anywhere, anywhere + 1];
    const { offset, size } = missing[random(missing.length)], end = offset + size;
    const length = 1 + random(Math.min(size, 60)); // short ones, so that there are many
    switch (random(6)) {
      case 0:
        return [offset, offset + length]; // touches what is below
      case 1:
        return [end - length, end]; // touches what is above
      case 2:
        return size < 60 ? [offset, end] : [offset, offset + length]; // fills the part
      case 3:
      case 4: { // apart from both
        const start = offset + random(size - length + 1);
        return [start, start + length];
      }
      default:
        return [anywhere, anywhere + 1 + random(30)];
    }
  }

  #grow(): void {
    const end = this.#inSpan.lastIndexOf(1) + 1;
    const additional = Math.min(this.#random(20), LIMIT - end);
    this.last = `grow(${additional})`;
    this.#allocator.grow(additional * this.#run.unit);
    this.#inSpan.fill(1, end, end + additional);
  }

  #compact(): void {
    const { unit } = this.#run, maxMoves = this.#random(6);
    this.last = `planCompaction({ maxMoves: ${maxMoves} })`;
    const alignmentOf = (handle: number) => (this.#alignments.get(handle) ?? 1) * unit;
    const moves = planCompaction(this.#allocator, { maxMoves, alignmentOf });
    assert(moves.length <= maxMoves);
    this.#compare(); // a plan changes nothing
    for (const move of moves) {
      this.last = `applyMove(${JSON.stringify(move)})`;
      const { handle, from, to, size } = move;
      assert(to < from && to % alignmentOf(handle) === 0);
      assertEquals({ offset: from / unit, size: size / unit }, this.#live.get(handle));
      applyMove(this.#allocator, move);
      this.#live.set(handle, { offset: to / unit, size: size / unit });
      this.#compare();
    }
  }

  /** Freed handles are refused; so are the numbers of walls, whatever their sign. */
  #refuse(): void {
    const handles = this.#stale.filter((handle) => !this.#live.has(handle));
    for (let handle = -300; handle < 300; handle++) {
      if (!this.#live.has(handle)) handles.push(handle);
    }
    for (const handle of handles) {
      this.last = `the misuse of handle ${handle}`;
      assertThrows(() => this.#allocator.free(handle), NotAllocatedError);
      assertThrows(() => this.#allocator.resize(handle, 1), NotAllocatedError);
      assertThrows(() => this.#allocator.offset(handle), NotAllocatedError);
    }
  }

  #reset(): void {
    this.last = "reset()";
    this.#allocator.reset();
    this.#stale.push(...this.#live.keys());
    this.#live.clear();
    this.#alignments.clear();
  }

  #any(): number | undefined {
    return [...this.#live.keys()][this.#random(this.#live.size)];
  }

  #take(handle: number, offset: number, size: number): void {
    assert(handle > 0 && !this.#live.has(handle) && !this.#stale.includes(handle), `${handle}`);
    this.#live.set(handle, { offset, size });
  }

  /** Units from an offset to the end of the span that it is in. */
  #room(offset: number): number {
    const end = this.#inSpan.indexOf(0, offset);
    return end - offset;
  }

  /** What is in a span and in no allocation, cut where an empty allocation lies. */
  #holes(): Extent[] {
    const isFree = this.#inSpan.slice(), cuts: number[] = [];
    for (const { offset, size } of this.#live.values()) {
      if (size === 0) cuts.push(offset);
      const taken = isFree.subarray(offset, offset + size);
      assert(!taken.includes(0), `what is at ${offset} is not its alone`);
      taken.fill(0);
    }
    return runs(isFree, 1, new Set(cuts));
  }

  #compare(): void {
    const allocator = this.#allocator, { unit } = this.#run;
    const inUnits = ({ offset, size }: Extent) => ({ offset: offset / unit, size: size / unit });
    const sum = (extents: Extent[]) => extents.reduce((total, { size }) => total + size * unit, 0);
    check(allocator);
    const holes = this.#holes(), spans = runs(this.#inSpan, 1);
    assertEquals([...allocator.spans()].map(inUnits), spans);
    assertEquals([...allocator.freeRegions()].map(inUnits), holes);
    assertEquals(allocator.capacity, sum(spans));
    assertEquals(allocator.freeSpace, sum(holes));
    assertEquals(allocator.allocationCount, this.#live.size);
    const largest = holes.reduce((most, { size }) => Math.max(most, size), 0);
    assertEquals(allocator.largestFreeRegion(), largest * unit);
    let position = 0, count = 0;
    for (const allocation of allocator.allocations()) {
      const { offset, size } = inUnits(allocation), extent = this.#live.get(allocation.handle);
      assert(extent?.offset === offset && extent.size === size, `handle ${allocation.handle}`);
      assert(offset >= position, "allocations() is not in address order");
      assertEquals(allocator.offset(allocation.handle), allocation.offset);
      assertEquals(allocator.size(allocation.handle), allocation.size);
      position = offset;
      count++;
    }
    assertEquals(count, this.#live.size);
  }
}

/** The runs of units that are `wanted`, cut at some offsets. */
function runs(units: Uint8Array, wanted: number, cuts?: ReadonlySet<number>): Extent[] {
  const found: Extent[] = [];
  for (let start = 0; start < LIMIT;) {
    let end = start;
    while (end < LIMIT && units[end] === wanted && !(end > start && cuts?.has(end))) end++;
    if (end > start) found.push({ offset: start, size: end - start });
    start = Math.max(end, start + 1);
  }
  return found;
}
