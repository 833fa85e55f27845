/**
 * What is guarded, and where and how each revision has it: the one place that knows of old paths
 * and old calls. A page loads it too: no module of a runtime is imported.
 *
 * @module
 */

import type { Subject } from "../allocators/contestant.ts";
import { churn, type Trace, workloads } from "../../../cli/compare/workloads.ts";

/** The names that the subjects are made of, from whichever module. */
// deno-lint-ignore no-explicit-any -- Revisions differ in their types: what is called is below.
export type Names = Record<string, any>;

/** A revision's layout: where a name is. */
type Layout = Readonly<Record<string, string>>;

/** The layout with a folder for each feature. */
const FOLDERS: Layout = {
  OffsetAllocator: "src/allocators/offset_allocator.ts",
  WideOffsetAllocator: "src/allocators/wide_offset_allocator.ts",
  BestFitAllocator: "src/allocators/best_fit_allocator.ts",
  TlsfAllocator: "src/allocators/tlsf_allocator.ts",
  BuddyAllocator: "src/allocators/buddy_allocator.ts",
  SlabAllocator: "src/allocators/slab_allocator.ts",
  PageAllocator: "src/allocators/page_allocator.ts",
  IdAllocator: "src/allocators/id_allocator.ts",
  LinearAllocator: "src/allocators/linear_allocator.ts",
  SharedOffsetAllocator: "src/shared/shared_allocator.ts",
  SlotPool: "src/pool/slot_pool.ts",
  FixedPool: "src/pool/fixed_pool.ts",
  crc32: "src/util/crc32.ts",
};

/** The layout before, to 56aad78: all in one folder. */
const FLAT: Layout = Object.fromEntries(
  Object.entries(FOLDERS).map(([name, path]) => [name, path.replace(/^src\/\w+\//, "src/")]),
);

/** The module of each name in the sources in a folder, whose URL ends with a slash. */
export function modulesOf(folder: URL, isFile: (url: URL) => boolean): Layout {
  const layout = isFile(new URL(FLAT.OffsetAllocator, folder)) ? FLAT : FOLDERS;
  return Object.fromEntries(
    Object.entries(layout).map(([name, path]) => [name, new URL(path, folder).href]),
  );
}

/** A module that exports all these names, for a bundler. */
export function entryOf(modules: Layout): string {
  return Object.entries(modules)
    .map(([name, url]) => `export { ${name} } from ${JSON.stringify(new URL(url).pathname)};`)
    .join("\n");
}

/** What is raced: a subject of each lane, over some traces. */
export interface Guarded {
  readonly name: string;
  /** The names that it is made of. */
  readonly uses: readonly string[];
  readonly make: (names: Names, trace: Trace) => Subject;
  readonly traces: readonly string[];
}

const ALL: readonly string[] = workloads.map(({ name }) => name);
const SOME = ["churn100", "churn10k", "fixed", "lifo", "mesh"];

/** The traces by name: the eight workloads, and one of single units in a small space. */
export function traceOf(name: string): Trace {
  if (name === "units") return churn(10_000, { capacity: 65_536, sizeFrom: () => 1 });
  return workloads.find((workload) => workload.name === name)!.trace();
}

/**
 * What is guarded. Where a call or an option has another name in the base, try the new one first.
 */
export const guarded: readonly Guarded[] = [
  {
    name: "offset",
    uses: ["OffsetAllocator"],
    make: ({ OffsetAllocator }, { capacity, maxAllocations }) =>
      new OffsetAllocator(capacity, { maxAllocations, strict: true }),
    traces: ALL,
  },
  {
    name: "offset, wide",
    uses: ["OffsetAllocator", "WideOffsetAllocator"],
    make: ({ OffsetAllocator, WideOffsetAllocator = OffsetAllocator }, { maxAllocations }) =>
      new WideOffsetAllocator(2 ** 40, { maxAllocations, strict: true }),
    traces: SOME,
  },
  {
    name: "best fit",
    uses: ["BestFitAllocator"],
    make: ({ BestFitAllocator }, { capacity, maxAllocations }) =>
      new BestFitAllocator(capacity, { maxAllocations }),
    traces: SOME,
  },
  {
    name: "tlsf",
    uses: ["TlsfAllocator"],
    make: ({ TlsfAllocator }, { capacity, maxAllocations }) =>
      new TlsfAllocator(capacity, { initialAllocations: maxAllocations, strict: true }),
    traces: SOME,
  },
  {
    name: "buddy",
    uses: ["BuddyAllocator"],
    make: ({ BuddyAllocator }, { capacity }) => new BuddyAllocator(capacity),
    traces: SOME,
  },
  {
    name: "slab",
    uses: ["OffsetAllocator", "SlabAllocator"],
    make: ({ OffsetAllocator, SlabAllocator }, { capacity, maxAllocations }) =>
      new SlabAllocator(new OffsetAllocator(capacity, { maxAllocations })),
    traces: SOME,
  },
  {
    name: "page",
    uses: ["PageAllocator"],
    make: ({ PageAllocator }, { capacity }) => new PageAllocator(capacity),
    traces: ["units"],
  },
  {
    name: "id",
    uses: ["IdAllocator"],
    make: ({ IdAllocator }, { capacity }) => new IdAllocator(capacity),
    traces: ["units"],
  },
  {
    name: "linear",
    uses: ["LinearAllocator"],
    make: ({ LinearAllocator }, { capacity }) => new LinearAllocator(capacity),
    traces: ["lifo"],
  },
  {
    name: "shared",
    uses: ["SharedOffsetAllocator"],
    make: ({ SharedOffsetAllocator }, { capacity, maxAllocations }) =>
      SharedOffsetAllocator.create(capacity, { maxAllocations }),
    traces: SOME,
  },
  {
    name: "shared, cache",
    uses: ["SharedOffsetAllocator"],
    make: ({ SharedOffsetAllocator }, { capacity, maxAllocations }) =>
      renamed(
        () => SharedOffsetAllocator.create(capacity, { maxAllocations, maxCachedSize: 8192 }),
        () =>
          SharedOffsetAllocator.create(capacity, { maxAllocations, cache: { maxBlockSize: 8192 } }),
      ),
    traces: SOME,
  },
  {
    name: "slot pool",
    uses: ["SlotPool"],
    make: ({ SlotPool }) => {
      const pool = new SlotPool(10_000, { slotSize: 64 });
      return { allocate: () => pool.tryAcquire(), free: (handle) => pool.release(handle) };
    },
    traces: ["units"],
  },
  {
    name: "fixed pool",
    uses: ["FixedPool"],
    make: ({ FixedPool }) => {
      const objects = Array.from({ length: 10_000 }, (_, index) => ({ index }));
      const pool = new FixedPool(10_000, { create: (index: number) => objects[index] });
      return { allocate: () => pool.take().index, free: (index) => pool.give(objects[index]) };
    },
    traces: ["units"],
  },
  {
    name: "crc32",
    uses: ["crc32"],
    make: ({ crc32 }) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      return { allocate: () => crc32(bytes) & 0x3fffffff, free: () => {} };
    },
    traces: ["fixed"],
  },
];

/** The first of some ways to make a subject that the revision at hand knows. */
function renamed(...ways: readonly (() => Subject)[]): Subject {
  for (const way of ways.slice(0, -1)) {
    try {
      return way();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // an option that nobody knows is one
    }
  }
  return ways[ways.length - 1]();
}
