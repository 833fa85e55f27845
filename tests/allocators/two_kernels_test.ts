/** `OffsetAllocator` and `WideOffsetAllocator` have the same words within 32 bits. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NO_SPACE } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { OffsetAllocatorOptions } from "../../src/allocators/offset_allocator_options.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import type { BinTable } from "../../src/gap_table/bin_table.ts";
import { BIN_NEXT, BIN_PREV, LEAF, OFFSET_BINS, SUMMARY } from "../../src/gap_table/layout.ts";
import {
  allocateAt,
  allocateMany,
  applyMove,
  check,
  freeMany,
  planCompaction,
} from "../../src/operations/mod.ts";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

type Either = OffsetAllocator | WideOffsetAllocator;

/**
 * The words of an allocator, but for those that take writes to no node, and the bits of bins: they
 * say which bins may hold a node, and are cleared by searches, each where it comes along.
 */
function wordsOf({ table }: Either): Int32Array {
  const words = (table instanceof Int32Array ? table : (table as BinTable).words).slice();
  words[BIN_PREV] = words[BIN_NEXT] = words[SUMMARY] = 0;
  words.fill(0, LEAF, OFFSET_BINS);
  return words;
}

const kinds: Readonly<Record<string, OffsetAllocatorOptions>> = {
  "a table that grows": {},
  "a fixed table": { maxAllocations: 90 },
  "a strict search": { strict: true },
  "few looks": { maxLooks: 3 },
};

describe("the two kernels go the same way", () => {
  for (const [name, options] of Object.entries(kinds)) {
    it(`with ${name}`, async () => {
      for (let seed = 1; seed <= share(4); seed++) {
        await withSeed(seed, (random) => {
          const both: readonly Either[] = [
            new OffsetAllocator(3000, options),
            new WideOffsetAllocator(3000, options),
          ];
          const live: number[] = [];
          /** Does something with both, which must answer and end alike. */
          const alike = <T>(act: (allocator: Either) => T): T => {
            const [answer, other] = both.map(act);
            assertEquals(other, answer);
            const [words, wide] = both.map(wordsOf);
            // A loop: to compare as objects takes long.
            assertEquals(wide.length, words.length);
            for (let i = 0; i < words.length; i++) assert(wide[i] === words[i], `word ${i}`);
            return answer;
          };
          const note = (handle: number) => handle !== NO_SPACE && live.push(handle);
          const take = () => live.splice(random(live.length), 1)[0];
          for (let step = 0; step < 2500; step++) {
            const kind = random(100), size = random(random(4) === 0 ? 200 : 30);
            if (kind < 45) note(alike((allocator) => allocator.allocate(size)));
            else if (kind < 52) {
              const alignment = 2 ** random(7);
              note(alike((allocator) => allocator.allocate(size, alignment)));
            } else if (kind < 85 && live.length > 0) {
              const handle = take();
              alike((allocator) => allocator.free(handle));
              for (const allocator of both) assertThrows(() => allocator.free(handle));
            } else if (kind < 90 && live.length > 0) {
              const handle = live[random(live.length)];
              alike((allocator) => allocator.resize(handle, size));
            } else if (kind < 92) {
              const offset = random(3000);
              note(alike((allocator) => allocateAt(allocator, offset, size)));
            } else if (kind < 94) {
              const sizes = Array.from({ length: random(9) }, () => random(20));
              alike((allocator) => {
                const handles: number[] = [];
                allocateMany(allocator, sizes, handles);
                return handles;
              }).forEach(note);
            } else if (kind < 96) {
              const handles = Array.from({ length: Math.min(live.length, random(9)) }, take);
              alike((allocator) => freeMany(allocator, handles));
            } else if (kind < 97) {
              const moves = alike((allocator) => planCompaction(allocator, { maxMoves: 3 }));
              for (const move of moves) alike((allocator) => applyMove(allocator, move));
            } else if (kind < 98) alike((allocator) => allocator.grow(size));
            else if (kind < 99) alike((allocator) => allocator.shrink(allocator.tailSpace >> 1));
            else if (random(8) === 0) {
              alike((allocator) => allocator.reset());
              live.length = 0;
            }
            alike(({ capacity, freeSpace, tailSpace }) => [capacity, freeSpace, tailSpace]);
          }
          for (const allocator of both) check(allocator);
        });
      }
    });
  }
});
