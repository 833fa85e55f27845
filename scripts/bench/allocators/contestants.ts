/**
 * What takes part: `OffsetAllocator`, the npm peers behind the same two methods, and
 * an allocator that does nothing, whose loop is subtracted from all others.
 *
 * @module
 */

import { MemPool } from "@thi.ng/malloc";
import { stop } from "esbuild";
import malloc from "malloc";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import config from "../../../deno.json" with { type: "json" };
import { NO_SPACE } from "../../../src/allocator.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../../../src/allocators/wide_offset_allocator.ts";
import { strategies as all } from "../../../cli/compare/strategies.ts";
import { type Contestant, contestant, type Subject } from "./contestant.ts";
import type { Trace } from "../../../cli/compare/workloads.ts";
import { byEsbuild } from "../../package/bundles.ts";

export const nothing: Contestant = contestant("nothing", () => new Nothing());

/** Strict, so that the work timed is to the last refusal the work whose answers were checked. */
export const narrow: Contestant = contestant(
  "OffsetAllocator",
  ({ capacity, maxAllocations }) => new OffsetAllocator(capacity, { maxAllocations, strict: true }),
);

/** The same work in a space that does not fit in 32 bits. */
export const wide: Contestant = contestant(
  "WideOffsetAllocator",
  ({ maxAllocations }) => new WideOffsetAllocator(2 ** 40, { maxAllocations, strict: true }),
);

/** The same as `narrow`, bundled and minified as for a page. */
export async function bundled(): Promise<Contestant> {
  const code = await byEsbuild(`export { OffsetAllocator } from "${config.name}";`, "sources");
  const folder = mkdtempSync(join(tmpdir(), "bench-bundle-")), path = join(folder, "bundle.mjs");
  writeFileSync(path, code);
  await stop(); // else its process goes on
  try {
    const { OffsetAllocator: Bundled } = await import(pathToFileURL(path).href) as {
      OffsetAllocator: typeof OffsetAllocator;
    };
    return contestant(
      "bundled",
      ({ capacity, maxAllocations }) => new Bundled(capacity, { maxAllocations, strict: true }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every strategy as it comes, the default one first. */
export const strategies: readonly Contestant[] = all.map(({ name, make }) =>
  contestant(name, ({ capacity, maxAllocations }) => make(capacity, maxAllocations))
);

export const peers: readonly Contestant[] = [
  contestant("@thi.ng/malloc", (trace) => new ThingPool(trace)),
  contestant("malloc", (trace) => new MallocPool(trace)),
];

class Nothing implements Subject {
  allocate(size: number): number {
    return size;
  }

  free(_handle: number): void {}
}

/** `@thi.ng/malloc`: a list of free blocks and one of used blocks, inside the buffer. */
class ThingPool implements Subject {
  #pool: MemPool;

  constructor({ capacity }: Trace) {
    this.#pool = new MemPool({ buf: sharedSpace(), end: capacity });
  }

  allocate(size: number): number {
    return this.#pool.malloc(size) || NO_SPACE;
  }

  free(handle: number): void {
    this.#pool.free(handle);
  }
}

/** What is used of `malloc`, which has no types. */
interface Malloc {
  alloc(size: number): number;
  free(address: number): number;
}

type MallocConstructor = new (space: ArrayBuffer, offset: number, length: number) => Malloc;

/**
 * `malloc`: a skip list of free blocks by size, inside the buffer. The heights in the list
 * come from `Math.random()`, so its passes differ a little.
 */
class MallocPool implements Subject {
  #pool: Malloc;

  constructor({ capacity }: Trace) {
    const space = sharedSpace(), length = Math.min(capacity, space.byteLength);
    this.#pool = new (malloc as MallocConstructor)(space, 0, length);
  }

  allocate(size: number): number {
    return this.#pool.alloc(size) || NO_SPACE;
  }

  free(handle: number): void {
    this.#pool.free(handle);
  }
}

let space: ArrayBuffer | undefined;

/**
 * The peers keep their lists inside the memory that they hand out. There is one such
 * memory for all, one after another: no workload has more than 231 MB live, and to
 * wait for the collector at every refill would fill the machine.
 */
function sharedSpace(): ArrayBuffer {
  space ??= new ArrayBuffer(2 ** 29);
  // A zero in front, where they keep their header, makes them begin anew.
  new Uint32Array(space, 0, 1)[0] = 0;
  return space;
}
