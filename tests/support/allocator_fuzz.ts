/**
 * Random operations on any allocator, compared after every step with a naive model:
 * an owner per unit, found by looking at all of them.
 */

import { operated } from "./operated.ts";
import { check } from "../../src/operations/mod.ts";
import { type CompactionOptions, type Extent, NO_SPACE } from "../../src/allocator.ts";
import type { AnyAllocator, FuzzRun } from "./fuzz_run.ts";
import { type Random, seeded } from "./random.ts";
import { share } from "./share.ts";

/** Runs the fuzz; a difference throws an error that names the seed and the step. */
export function fuzzAllocator(run: FuzzRun): void {
  const fuzz = new Fuzz(run);
  for (let step = 0; step < share(run.steps); step++) {
    try {
      fuzz.step();
    } catch (cause) {
      throw new Error(`seed ${run.seed}, step ${step}, after ${fuzz.last}`, { cause });
    }
  }
  try {
    fuzz.finish();
  } catch (cause) {
    throw new Error(`seed ${run.seed}, at the end`, { cause });
  }
}

const MAX_CAPACITY = 600;
const ALIGNMENTS = [1, 1, 1, 1, 2, 3, 4, 8, 12, 16, 20, 64, 700];

class Fuzz {
  last = "the start";
  readonly #run: FuzzRun;
  readonly #random: Random;
  #allocator: AnyAllocator;
  #capacity: number;
  #steps = 0;
  /** The live extents by handle. */
  readonly #live = new Map<number, Extent>();
  readonly #alignments = new Map<number, number>();
  /** Handles that were freed; each must be refused. */
  #stale: number[] = [];

  constructor(run: FuzzRun) {
    this.#run = run;
    this.#random = seeded(run.seed);
    this.#capacity = run.capacity;
    this.#allocator = operated(run.make(run.capacity));
  }

  step(): void {
    const random = this.#random, kind = random(1000);
    if (kind < 430) this.#allocate();
    else if (kind < 800) this.#free();
    else if (kind < 880) this.#resize();
    else if (kind < 890) this.#allocateMany();
    else if (kind < 900) this.#freeMany();
    else if (kind < 950) this.#allocateAt();
    else if (kind < 965) this.#refuse();
    else if (kind < 985) this.#compact();
    else if (kind < 992) this.#snapshot();
    else if (kind < 997) this.#grow();
    else if (kind < 999) this.#shrink();
    else this.#reset();
    if (this.#steps++ % (this.#run.compareEvery ?? 1) === 0) this.#compare();
  }

  /** Free all, allocate everything. */
  finish(): void {
    this.last = "freeing all";
    for (const handle of [...this.#live.keys()]) this.#release(handle);
    this.#compare();
    expect(this.#allocator.freeSpace === this.#capacity, "some of the space is lost");
    if (this.#run.wholeFits === false) return;
    const regions = [...this.#allocator.freeRegions()];
    expect(regions.length === (this.#capacity > 0 ? 1 : 0), "the free space is not one region");
    if (this.#run.mayRefuse || this.#capacity < (this.#run.minSize ?? 0)) return;
    const handle = this.#allocator.allocate(this.#capacity);
    expect(handle !== NO_SPACE, "the whole space is refused");
    expect(this.#allocator.freeSpace === 0, "the whole space is not the whole");
  }

  /** Small, sometimes nothing, sometimes a large part of the space. */
  #size(): number {
    const random = this.#random;
    const limit = [1, 9, 9, 40, 40, 40, 120, this.#capacity + 2][random(8)];
    return Math.max(this.#run.minSize ?? 0, random(limit));
  }

  #allocate(): void {
    const size = this.#size(), alignment = ALIGNMENTS[this.#random(ALIGNMENTS.length)];
    this.last = `allocate(${size}, ${alignment})`;
    const fits = this.#mustFit(size, alignment);
    const handle = alignment === 1
      ? this.#allocator.allocate(size)
      : this.#allocator.allocate(size, alignment);
    if (handle === NO_SPACE) {
      const isFound = fits || size === 0 && this.#run.fits === undefined;
      const refused = this.#isFull() || this.#run.mayRefuse || !isFound;
      return expect(refused, "space is refused although a free region fits");
    }
    this.#take(handle, size);
    this.#alignments.set(handle, alignment);
    const { offset } = this.#extent(handle);
    expect(offset % alignment === 0, `offset ${offset} is not a multiple of ${alignment}`);
    const mayGive = fits || size === 0 || this.#run.padding === true;
    expect(mayGive, "space is given that the model does not have");
  }

  #allocateMany(): void {
    if (this.#allocator.allocateMany === undefined || this.#run.singly) return;
    const sizes = Array.from({ length: this.#random(8) }, () => this.#size());
    const handles: number[] = [];
    this.last = `allocateMany([${sizes}])`;
    const count = this.#allocator.allocateMany(sizes, handles);
    for (const [i, handle] of handles.slice(0, count).entries()) {
      this.#take(handle, sizes[i]);
      this.#alignments.set(handle, 1);
    }
    if (count === sizes.length) return;
    const refused = this.#isFull() || this.#run.mayRefuse || !this.#mustFit(sizes[count], 1);
    expect(refused, "space is refused although a free region fits");
  }

  #freeMany(): void {
    if (this.#allocator.freeMany === undefined || this.#run.singly) return;
    const handles = [...this.#live.keys()].filter(() => this.#random(3) === 0);
    const [first] = handles, stale = this.#stale[this.#random(this.#stale.length)];
    for (const bad of [first, stale, NO_SPACE, 0.5]) {
      if (bad === undefined || bad !== first && this.#live.has(bad)) continue;
      this.last = `freeMany([${handles}, ${bad}])`;
      expectThrow(() => this.#allocator.freeMany?.([...handles, bad]), "NotAllocatedError");
      this.#compare(); // nothing changed
    }
    this.last = `freeMany([${handles}])`;
    this.#allocator.freeMany(handles);
    for (const handle of handles) this.#forget(handle);
  }

  /** Whether the strategy has to find a place. */
  #mustFit(size: number, alignment: number): boolean {
    const { padding, fits } = this.#run;
    if (padding) return fits?.([...this.#allocator.freeRegions()], size, alignment) ?? false;
    return this.#holes().some(({ offset, size: room }) => {
      const pad = (alignment - offset % alignment) % alignment;
      return pad + size <= room;
    });
  }

  #allocateAt(): void {
    if (this.#allocator.allocateAt === undefined) return;
    const offset = this.#random(this.#capacity + 3), size = this.#size();
    this.last = `allocateAt(${offset}, ${size})`;
    const handle = this.#allocator.allocateAt(offset, size), end = offset + size;
    const blocked = end > this.#capacity || [...this.#live.values()].some((other) => {
      const last = other.offset + other.size;
      if (this.#run.emptyCuts === false && (size === 0 || other.size === 0)) return false;
      if (size === 0) return other.offset < offset && offset < last;
      if (other.size === 0) return offset < other.offset && other.offset < end;
      return other.offset < end && offset < last;
    });
    if (handle === NO_SPACE) {
      const refused = blocked || this.#isFull() || this.#run.padding === true;
      return expect(refused, "a free place is refused");
    }
    expect(!blocked, "a place is given that is taken");
    this.#take(handle, size);
    expect(this.#extent(handle).offset === offset, "another place is given than asked for");
  }

  #free(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    this.last = `free(${handle})`;
    this.#release(handle);
  }

  #resize(): void {
    const handle = this.#any();
    if (handle === undefined) return;
    const size = this.#size(), { offset, size: before } = this.#extent(handle);
    // An empty allocation that cuts nothing may lie within another one.
    const cuts = this.#run.emptyCuts !== false;
    if (before === 0 && !cuts) return;
    this.last = `resize(${handle}, ${size})`;
    const order = [...this.#allocator.allocations()];
    const behind = order.slice(order.findIndex((other) => other.handle === handle) + 1);
    const next = behind.find((other) => other.size > 0 || cuts && !this.#run.padding);
    const fits = offset + size <= (next?.offset ?? this.#capacity);
    const done = this.#allocator.resize(handle, size);
    expect(done === fits || !done && this.#run.padding === true, `resize does not give ${fits}`);
    if (done) this.#live.set(handle, { offset: size === 0 ? this.#emptied(handle) : offset, size });
  }

  /** The offset of an allocation without any units left. */
  #emptied(handle: number): number {
    const { emptyApart, padding } = this.#run, { offset, size } = this.#extent(handle);
    if (padding && emptyApart !== "made so") return this.#allocator.offset(handle);
    return emptyApart === "all" && size > 0 ? 0 : offset;
  }

  /** Freed handles and other numbers are refused, and nothing changes. */
  #refuse(): void {
    const stale = this.#stale[this.#random(this.#stale.length)];
    const handles = [stale, NO_SPACE, -2, 0.5, -0.5, NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53];
    for (const handle of handles) {
      if (handle === undefined || this.#live.has(handle)) continue;
      this.last = `the misuse of handle ${handle}`;
      expectThrow(() => this.#allocator.free(handle), "NotAllocatedError");
      expectThrow(() => this.#allocator.offset(handle), "NotAllocatedError");
      expectThrow(() => this.#allocator.size(handle), "NotAllocatedError");
      expectThrow(() => this.#allocator.resize(handle, 1), "NotAllocatedError");
    }
  }

  #compact(): void {
    const allocator = this.#allocator, random = this.#random;
    if (allocator.planCompaction === undefined || allocator.applyMove === undefined) return;
    const options: CompactionOptions = {
      maxMoves: random(2) === 0 ? random(5) : undefined,
      maxUnits: random(2) === 0 ? random(100) : undefined,
      overlap: random(2) === 0 ? random(2) === 0 : undefined,
      alignmentOf: (handle) => this.#alignments.get(handle) ?? 1,
    };
    this.last = `planCompaction(${JSON.stringify(options)})`;
    const moves = allocator.planCompaction(options);
    this.#compare(); // a plan changes nothing
    const units = moves.reduce((sum, { size }) => sum + size, 0);
    expect(moves.length <= (options.maxMoves ?? Infinity), "the plan has too many moves");
    expect(units <= (options.maxUnits ?? Infinity), "the plan moves too many units");
    for (const move of moves) {
      const { handle, from, to, size } = move;
      this.last = `applyMove(${JSON.stringify(move)})`;
      expect(to < from, "a move does not go down");
      expect(to % (this.#alignments.get(handle) ?? 1) === 0, "a move breaks the alignment");
      if (options.overlap === false) expect(to + size <= from, "a move overlaps itself");
      for (const [other, extent] of this.#live) {
        const apart = extent.offset + extent.size <= to || to + size <= extent.offset;
        expect(other === handle || apart || size === 0, "a move goes where something lies");
      }
      allocator.applyMove(move);
      this.#live.set(handle, { offset: to, size });
      this.#compare();
      expectThrow(() => allocator.applyMove?.(move), "StaleMoveError");
    }
  }

  #snapshot(): void {
    const { restore } = this.#run;
    if (this.#allocator.snapshot === undefined || restore === undefined) return;
    this.last = "snapshot and restore";
    this.#allocator = operated(restore(this.#allocator.snapshot()));
  }

  #grow(): void {
    if (this.#allocator.grow === undefined || this.#capacity >= MAX_CAPACITY) return;
    const additional = this.#random(40);
    this.last = `grow(${additional})`;
    this.#allocator.grow(additional);
    this.#capacity += additional;
  }

  #shrink(): void {
    const allocator = this.#allocator, tail = allocator.tailSpace;
    if (allocator.shrink === undefined || tail === undefined) return;
    this.last = `shrink by more than ${tail}`;
    expectThrow(() => allocator.shrink?.(tail + 1), "RangeError");
    const removed = this.#random(Math.min(tail, 40) + 1);
    this.last = `shrink(${removed}) of ${tail}`;
    allocator.shrink(removed);
    this.#capacity -= removed;
  }

  #reset(): void {
    this.last = "reset()";
    this.#allocator.reset();
    this.#stale = this.#run.reusesHandles ? [] : [...this.#live.keys()];
    this.#live.clear();
    this.#alignments.clear();
  }

  #any(): number | undefined {
    return [...this.#live.keys()][this.#random(this.#live.size)];
  }

  #take(handle: number, size: number): void {
    expect(Number.isInteger(handle) && handle >= 0 && handle < 2 ** 30, `handle ${handle}`);
    expect(!this.#live.has(handle), `handle ${handle} is given twice`);
    const { offset, size: given } = this.#extent(handle);
    expect(given === size, `the size given is ${given}`);
    this.#live.set(handle, { offset, size });
  }

  #release(handle: number): void {
    this.#allocator.free(handle);
    this.#forget(handle);
  }

  #forget(handle: number): void {
    this.#live.delete(handle);
    this.#alignments.delete(handle);
    if (!this.#run.reusesHandles) this.#stale.push(handle);
    if (this.#stale.length > 1000) this.#stale.splice(0, 500);
  }

  #extent(handle: number): Extent {
    return { offset: this.#allocator.offset(handle), size: this.#allocator.size(handle) };
  }

  #isFull(): boolean {
    return this.#live.size >= (this.#run.maxAllocations ?? Infinity);
  }

  /** Free regions of the model: unowned runs, cut where an empty allocation lies. */
  #holes(): Extent[] {
    const owner = this.#owners(), holes: Extent[] = [];
    const cuts = new Set<number>();
    for (const { offset, size } of this.#live.values()) {
      if (size === 0 && this.#run.emptyCuts !== false) cuts.add(offset);
    }
    for (let start = 0; start < this.#capacity;) {
      if (owner[start] !== 0) {
        start++;
        continue;
      }
      let end = start + 1;
      while (end < this.#capacity && owner[end] === 0 && !cuts.has(end)) end++;
      holes.push({ offset: start, size: end - start });
      start = end;
    }
    return holes;
  }

  /** The same regions, once it is sure that they are in order and that none is taken. */
  #apart(regions: Extent[]): Extent[] {
    const owner = this.#owners();
    let position = 0;
    for (const { offset, size } of regions) {
      expect(size > 0 && offset >= position, "freeRegions() is not in address order");
      position = offset + size;
      expect(position <= this.#capacity, "a free region leads out of the space");
      const isFree = owner.subarray(offset, position).every((handle) => handle === 0);
      expect(isFree, "a free region is taken");
    }
    return regions;
  }

  /** The owner of each unit, 0 where there is none. */
  #owners(): Int32Array {
    const owner = new Int32Array(this.#capacity);
    for (const [handle, { offset, size }] of this.#live) {
      expect(offset + size <= this.#capacity, `handle ${handle} leads out of the space`);
      for (let unit = offset; unit < offset + size; unit++) {
        expect(owner[unit] === 0, `unit ${unit} has two owners`);
        owner[unit] = handle + 1;
      }
    }
    return owner;
  }

  #compare(): void {
    const allocator = this.#allocator;
    check(allocator);
    const regions = [...allocator.freeRegions()];
    const holes = this.#run.padding ? this.#apart(regions) : this.#holes();
    const free = holes.reduce((sum, { size }) => sum + size, 0);
    const largest = holes.reduce((most, { size }) => Math.max(most, size), 0);
    expect(allocator.capacity === this.#capacity, `capacity ${allocator.capacity}`);
    expect(allocator.freeSpace === free, `freeSpace ${allocator.freeSpace}, not ${free}`);
    expect(allocator.allocationCount === this.#live.size, "allocationCount");
    expect(allocator.largestFreeRegion() === largest, "largestFreeRegion()");
    expect(
      regions.length === holes.length &&
        holes.every(({ offset, size }, i) =>
          regions[i].offset === offset && regions[i].size === size
        ),
      "freeRegions() differs from the model",
    );
    const ends = [...this.#live.values()].map(({ offset, size }) => offset + size);
    const { offset, size } = holes.at(-1) ?? { offset: 0, size: 0 };
    const last = offset + size === this.#capacity ? size : 0; // padding may be behind an end
    const tail = Math.min(this.#capacity - Math.max(0, ...ends), last);
    expect((allocator.tailSpace ?? tail) === tail, `tailSpace ${allocator.tailSpace}, not ${tail}`);
    let position = 0, count = 0;
    for (const { handle, offset, size } of allocator.allocations()) {
      const extent = this.#live.get(handle);
      expect(extent?.offset === offset && extent.size === size, `extent of handle ${handle}`);
      expect(offset >= position, "allocations() is not in address order");
      position = offset;
      count++;
    }
    expect(count === this.#live.size, "allocations() leaves some out");
  }
}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

function expectThrow(call: () => void, name: string): void {
  try {
    call();
  } catch (error) {
    return expect(error instanceof Error && error.name === name, `${error}, not ${name}`);
  }
  throw new Error(`no ${name}`);
}
