/**
 * Operations of an `OffsetAllocator`, so many as the first argument says, after some to warm up.
 * With `control` as the second argument each makes one object besides.
 *
 * @module
 */

import { allocateMany, freeMany } from "../../../src/operations/mod.ts";
import process from "node:process";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";

const LIVE = 1000, BATCH = 64;
const operations = Number(process.argv[2]), isControl = process.argv[3] === "control";

// Within 31 bits: what is larger, as an offset may be, V8 keeps as an object when it is returned.
const allocators = [
  new OffsetAllocator(2 ** 30, { maxAllocations: 4 * LIVE }),
  new OffsetAllocator(2 ** 30, { maxAllocations: 4 * LIVE }),
];
const handles = new Int32Array(LIVE);
const sizes = new Int32Array(BATCH), batch = new Int32Array(BATCH);
const state = Int32Array.of(1);
let kept: { handle: number } | undefined;

/** An integer in [0, limit), with no number on the heap. */
function random(limit: number): number {
  state[0] = Math.imul(state[0], 1664525) + 1013904223;
  return (state[0] >>> 8) % limit;
}

/** So many operations of every kind that a program calls often. */
function work(allocator: OffsetAllocator, count: number): void {
  for (let i = 0; i < LIVE; i++) handles[i] = allocator.allocate(1 + random(8000));
  for (let done = 0; done < count; done += 5) {
    const at = random(LIVE), handle = handles[at];
    if (allocator.offset(handle) + allocator.size(handle) > allocator.capacity) throw new Error();
    allocator.resize(handle, 1 + random(8000));
    if (isControl) kept = { handle };
    allocator.free(handle);
    handles[at] = random(4) === 0
      ? allocator.allocate(1 + random(8000), 1 << random(8))
      : allocator.allocate(1 + random(8000));
    if (done % 1000 !== 0) continue;
    for (let i = 0; i < BATCH; i++) sizes[i] = random(500);
    allocateMany(allocator, sizes, batch);
    freeMany(allocator, batch);
  }
  for (let i = 0; i < LIVE; i++) allocator.free(handles[i]);
}

for (let i = 0; i < 3; i++) for (const allocator of allocators) work(allocator, 500_000); // warm
for (const allocator of allocators) work(allocator, operations / allocators.length);
if (isControl && kept === undefined) throw new Error("nothing was made");
