/**
 * How soon a freed handle comes back in the strategies over a table of gaps: handles of few bits,
 * so that all of them are used up, and what slots.ts promises scaled to them.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Allocator } from "../../src/allocator.ts";
import {
  BestFitAllocator,
  OffsetAllocator,
  TlsfAllocator,
  WideOffsetAllocator,
} from "../../src/allocators/mod.ts";
import type { GapTable } from "../../src/gap_table/gap_table.ts";
import {
  AGAIN,
  HANDLE,
  LAST,
  MASK,
  MAX_HANDLE,
  REUSE,
  SLOTS,
  STRIDE,
} from "../../src/gap_table/layout.ts";
import { canDouble, reuseOf } from "../../src/gap_table/slots.ts";
import { allocateMany, check, freeMany, restore, snapshot } from "../../src/operations/mod.ts";
import { LINE_WORDS } from "../../src/shared/line.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { DistanceModel, type HandleSource, LOADS } from "../allocators/handle_distance.ts";
import { type Random, withSeed } from "../support/random.ts";
import { isShared } from "../support/share.ts";

const CAPACITY = 1_000_000;
/** Units that no space has room for. */
const TOO_MANY = 2 ** 40;
/** Bits of a handle in most tests. */
const BITS = 16;
/** A table that doubles lets slots serve again at once only with so many bits, in these tests. */
const MORE_BITS = 18;
/** Words before the table in the state of a shared allocator. */
const SHARED_HEADER: number = 48 + LINE_WORDS;

/** An allocator, and the words of its table as they are now. */
interface Made {
  readonly allocator: Allocator;
  readonly words: () => Int32Array;
}

/** Makes an allocator whose handles have so many bits; with a limit where it takes one. */
type Make = (bits: number, maxAllocations?: number) => Made;

const growing: Readonly<Record<string, Make>> = {
  OffsetAllocator: (bits, maxAllocations) =>
    lowered(new OffsetAllocator(CAPACITY, { maxAllocations }), bits),
  WideOffsetAllocator: (bits, maxAllocations) =>
    lowered(new WideOffsetAllocator(CAPACITY, { maxAllocations }), bits),
  "WideOffsetAllocator beyond 2^32": (bits, maxAllocations) =>
    lowered(new WideOffsetAllocator(2 ** 39, { maxAllocations }), bits),
  BestFitAllocator: (bits, maxAllocations) =>
    lowered(new BestFitAllocator(CAPACITY, { maxAllocations }), bits),
  TlsfAllocator: (bits) => lowered(new TlsfAllocator(CAPACITY), bits),
};

const { TlsfAllocator: _, ...limited } = growing;
const fixed: Readonly<Record<string, Make>> = {
  ...limited,
  SharedOffsetAllocator: (bits, maxAllocations) => shared(bits, { maxAllocations }),
  "SharedOffsetAllocator with a cache": (bits, maxAllocations) =>
    shared(bits, { maxAllocations, cache: { maxBlockSize: 64 } }),
};

/** How handles come and go, with so many kept live. */
type Order = (model: DistanceModel, kept: number, made: Made, random: Random) => void;

/** Each makes some allocations, and keeps as many live as there were. */
const ORDERS: Readonly<Record<string, Order>> = {
  "the newest is freed": (model) => {
    for (let i = 0; i < 100; i++) if (model.take()) model.free(model.live.length - 1);
  },
  "the oldest is freed": (model) => {
    for (let i = 0; i < Math.max(100, model.live.length); i++) {
      if (!model.take()) return;
      model.free(i % model.live.length);
    }
  },
  "any one is freed": (model, _kept, _made, random) => {
    for (let i = 0; i < 100; i++) if (model.take()) model.free(random(model.live.length));
  },
  "in batches": (model, kept, _made, random) => {
    model.takeMany(1 + random(20));
    model.freeFrom(kept);
    if (random(4) === 0) model.freeFrom(random(kept + 1));
    model.takeMany(kept - model.live.length);
  },
  "all but one after a refusal": (model, kept, { allocator, words }) => {
    // The others go to the end of the queue early, so that the one comes soon to its front.
    const one = 7;
    for (let i = 0; i < 100; i++) {
      if (!model.take()) return;
      if ((model.live[kept] & words()[MASK]) !== one) allocator.allocate(TOO_MANY);
      model.free(kept);
    }
  },
};

/** The orders that are gone through here. */
const SHARED_ORDERS = Object.entries(ORDERS).filter((_, i) => isShared(i));

/** Allocations that are kept live, of so many that there may be. */
const FILLS: Readonly<Record<string, (most: number) => number>> = {
  "nearly empty": (most) => Math.min(2, most - 1),
  "half full": (most) => most >> 1,
  "one slot free": (most) => most - 1,
};

/** Lets handles end at 2^bits. */
function lower(words: Int32Array, bits: number): void {
  const again = words[AGAIN] === 0;
  words[LAST] = 2 ** bits - 1;
  words[REUSE] = reuseOf(words);
  words[AGAIN] = again ? 0 : words[REUSE];
}

function lowered(allocator: Allocator & { readonly table: object }, bits: number): Made {
  const words = () => {
    const { table } = allocator;
    return table instanceof Int32Array ? table : (table as GapTable).words;
  };
  lower(words(), bits);
  return { allocator, words };
}

/** A shared allocator to which is attached once its handles are as they are to be. */
function shared(
  bits: number,
  options: { maxAllocations?: number; cache?: { maxBlockSize: number } },
): Made {
  const { buffer } = SharedOffsetAllocator.create(CAPACITY, options);
  const [, , length] = new Int32Array(buffer),
    words = new Int32Array(buffer, 4 * SHARED_HEADER, length);
  lower(words, bits);
  return { allocator: SharedOffsetAllocator.attach(buffer), words: () => words };
}

/** The allocations between free and next use, at least. */
function promised(words: Int32Array, bits: number): number {
  return (canDouble(words) ? 1e8 : 2 ** 20) * 2 ** (bits - 30);
}

function sourceOf(made: () => Made): HandleSource {
  const isMany = !(made().allocator instanceof SharedOffsetAllocator);
  return {
    take: () => Math.max(0, made().allocator.allocate(1)),
    free: (handle) => made().allocator.free(handle),
    isLive: (handle) => {
      const words = made().words(), slots = words[SLOTS], stride = words[STRIDE];
      const node = words.length - 1 - slots + ((handle & words[MASK]) - slots) * stride;
      return words[node + HANDLE] === handle;
    },
    ...isMany && {
      takeMany: (count: number) => {
        const handles: number[] = [];
        allocateMany(made().allocator, new Array(count).fill(1), handles);
        return handles;
      },
      freeMany: (handles: number[]) => freeMany(made().allocator, handles),
    },
  };
}

/** How many allocations a table takes before it has more than so many slots, or no more at all. */
function roomOf({ allocator, words }: Made, slots: number): number {
  for (let count = 0;; count++) {
    if (allocator.allocate(1) < 0 || words()[SLOTS] > slots) return count;
  }
}

/** Verifies the state, and that no handle came back too soon. */
function verify(model: DistanceModel, made: Made, bits: number): void {
  check(made.allocator);
  assertEquals(made.allocator.allocationCount, model.live.length);
  const least = promised(made.words(), bits), slots = made.words()[SLOTS];
  assert(model.least >= least, `${model.least}, not ${least}, with ${slots} slots`);
}

describe("a handle of a fixed table does not come back soon", () => {
  for (const [name, make] of Object.entries(fixed)) {
    for (const [order, use] of SHARED_ORDERS) {
      it(`${name}: ${order}`, async () => {
        for (const most of [3840, 60, 1]) {
          for (const [fill, keptOf] of Object.entries(FILLS)) {
            await withSeed(most, (random) => {
              const made = make(BITS, most), kept = keptOf(most);
              const model = new DistanceModel(sourceOf(() => made), BITS);
              assert(!canDouble(made.words()));
              model.moveTo(kept, random);
              while (model.count < 70_000 + 2 * most) use(model, kept, made, random);
              verify(model, made, BITS);
              assert(model.returned > 500, `${fill}: only ${model.returned} came back`);
            });
          }
        }
      });
    }

    it(`${name}: in all other ways`, async () => {
      for (const [load, use] of Object.entries(LOADS)) {
        for (const most of [3840, 60]) {
          await withSeed(most, (random) => {
            const made = make(BITS, most), model = new DistanceModel(sourceOf(() => made), BITS);
            use(model, most, 75_000, random);
            verify(model, made, BITS);
            assert(model.returned > 500, `${load}: only ${model.returned} came back`);
          });
        }
      }
    });
  }
});

describe("a handle of a table that can grow comes back late", () => {
  for (const [name, make] of Object.entries(growing)) {
    for (const [order, use] of SHARED_ORDERS) {
      it(`${name}: ${order}`, async () => {
        const tables = [[BITS, 64, 80_000], [BITS, 256, 80_000], [MORE_BITS, 64, 300_000]];
        for (const [bits, slots, steps] of tables) {
          const most = roomOf(make(bits), slots);
          for (const [fill, keptOf] of Object.entries(FILLS)) {
            await withSeed(most, (random) => {
              const made = make(bits), kept = keptOf(most);
              const model = new DistanceModel(sourceOf(() => made), bits);
              model.moveTo(kept, random);
              while (model.count < steps) use(model, kept, made, random);
              assert(canDouble(made.words()));
              verify(model, made, bits);
              assert(model.returned > 500, `${fill}: only ${model.returned} came back`);
            });
          }
        }
      });
    }

    it(`${name}: while it doubles, and in the largest table`, async () => {
      for (const [order, use] of SHARED_ORDERS) {
        for (const seed of [1, 2]) {
          await withSeed(seed, (random) => {
            const made = make(BITS), model = new DistanceModel(sourceOf(() => made), BITS);
            // Some time in each table, then one allocation more than it has room for.
            for (let slots = 64; slots <= 4096; slots *= 2) {
              const kept = roomOf(make(BITS), slots) - 1;
              model.moveTo(kept, random);
              assertEquals(made.words()[SLOTS], slots);
              const end = model.count + 2000 + random(20_000);
              while (model.count < end) use(model, kept, made, random);
              verify(model, made, BITS);
            }
            assert(!canDouble(made.words()), order);
            assert(model.returned > 5000, `${order}: only ${model.returned} came back`);
          });
        }
      }
    });

    it(`${name}: where slots serve again at once, while it doubles`, async () => {
      for (const use of SHARED_ORDERS.map(([, use]) => use)) {
        for (const seed of [1, 2, 3]) {
          await withSeed(seed, (random) => {
            const made = make(MORE_BITS);
            const model = new DistanceModel(sourceOf(() => made), MORE_BITS);
            for (const [slots, steps] of [[64, 15_000 + random(10_000)], [128, 60_000]]) {
              const kept = roomOf(make(MORE_BITS), slots) - 1, end = model.count + steps;
              model.moveTo(kept, random);
              assertEquals(made.words()[SLOTS], slots);
              while (model.count < end) use(model, kept, made, random);
              verify(model, made, MORE_BITS);
            }
          });
        }
      }
    });
  }
});

describe("a handle of a restored allocator comes back late", () => {
  const { BestFitAllocator: _best, TlsfAllocator: _tlsf, ...saved } = growing;
  for (const [name, make] of Object.entries(saved)) {
    it(name, async () => {
      for (const [bits, limit] of [[BITS, 60], [BITS], [MORE_BITS]]) {
        const kept = roomOf(make(bits, limit), 64) - 1;
        for (const [order, use] of SHARED_ORDERS) {
          await withSeed(1, (random) => {
            let made = make(bits, limit);
            const model = new DistanceModel(sourceOf(() => made), bits);
            model.moveTo(kept, random);
            for (let next = 0; model.count < 1.2 * 2 ** bits;) {
              use(model, kept, made, random);
              if (model.count < next) continue;
              next = model.count + 500 + random(20_000);
              made = restored(made, bits);
            }
            verify(model, made, bits);
            assert(model.returned > 500, `${order}: only ${model.returned} came back`);
          });
        }
      }
    });
  }
});

/** The same from a snapshot, which has handles of all bits. */
function restored({ allocator, words }: Made, bits: number): Made {
  lower(words(), Math.log2(MAX_HANDLE + 1));
  const copy = lowered(restore(snapshot(allocator)), bits);
  assertEquals(copy.words()[REUSE], reuseOf(copy.words()));
  return copy;
}
