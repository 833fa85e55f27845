/**
 * Arguments of plain JavaScript that do harm, and what an allocator shows before and after.
 *
 * @module
 */

import type { Allocator } from "../../src/allocator.ts";
import type { Random } from "./random.ts";

/** An allocator as plain JavaScript sees it. */
export type Loose = Allocator & Record<string, (...args: unknown[]) => unknown>;

/** Everything that an allocator shows. */
export function stateOf(allocator: Allocator): Record<string, unknown> {
  const loose = allocator as Loose;
  const { capacity, freeSpace, allocationCount } = allocator;
  return {
    counts: [capacity, freeSpace, allocationCount, allocator.largestFreeRegion()],
    live: [...allocator.allocations()],
    free: [...allocator.freeRegions()],
    spans: typeof loose.spans === "function" ? [...loose.spans() as Iterable<unknown>] : [],
    slabs: typeof loose.slabReport === "function" ? loose.slabReport() : [],
  };
}

/** Values that are wrong in every place; `touch` is what they do when they are asked. */
export function hostile(touch: () => unknown): unknown[] {
  const fail = () => {
    touch();
    throw new Error("asked");
  };
  const wrong = [NaN, Infinity, -Infinity, -1.5, 0.5, 2 ** 53, -(2 ** 53), 1e300, -(2 ** 31)];
  return [
    ...wrong,
    ...["1", "", "NaN", null, true, 1n, Symbol("1"), [1], [], {}, () => 1, new Date(0)],
    { valueOf: touch },
    { valueOf: fail, toString: fail },
    { [Symbol.toPrimitive]: touch },
    Object.create(null),
    Object.defineProperty({}, "constructor", { get: fail }),
    new Proxy({}, { get: fail, has: fail, ownKeys: fail }),
    new Number(1),
  ];
}

/** A few calls as they should be. */
export function disturb(
  allocator: Allocator,
  live: number[],
  freed: number[],
  random: Random,
  least = 0,
): void {
  for (let i = 0; i < 3; i++) {
    if (random(2) === 0 && live.length > 0) {
      const [handle] = live.splice(random(live.length), 1);
      allocator.free(handle);
      freed.push(handle);
    } else {
      const handle = allocator.allocate(least + random(20), 1 + random(3));
      if (handle >= 0) live.push(handle);
    }
  }
}
