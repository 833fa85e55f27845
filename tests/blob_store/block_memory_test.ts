/**
 * What is remembered of blocks of pages: as it was learned, and no more than it may be.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { BlockMemory, type KnownLeaf } from "../../src/blob_store/block_memory.ts";
import { compareKeys } from "../../src/blob_store/leaf.ts";
import { randomKeys } from "./run_helpers.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const BLOCKS = 40;

interface Learned {
  readonly leaves: readonly KnownLeaf[];
  readonly damaged: readonly number[];
}

/** Any leaves and damaged pages of a block of 16. */
function randomBlock(random: Random): Learned {
  const leaves: KnownLeaf[] = [], damaged: number[] = [];
  const keys = randomKeys(random, 16);
  for (let page = 0; page < 16; page++) {
    const pages = page % 2 === 0 && random(4) === 0 ? 2 : 1;
    if (random(8) === 0) damaged.push(page);
    else {
      leaves.push({ page, pages, separator: keys[page] });
      page += pages - 1;
    }
  }
  return { leaves, damaged };
}

function assertLearned(memory: BlockMemory, at: number, learned: Learned, random: Random): void {
  const { leaves, damaged } = learned;
  assertStrictEquals(memory.leaves(at), leaves.length);
  assertEquals([...memory.damaged(at)], damaged);
  assertStrictEquals(memory.isDamaged(at), damaged.length > 0);
  leaves.forEach(({ page, pages }, i) => {
    assertEquals([memory.pageOf(at, i), memory.pagesOf(at, i)], [page, pages]);
  });
  for (const key of [...randomKeys(random, 5), ...leaves.map(({ separator }) => separator)]) {
    const below = leaves.filter(({ separator }) => compare(separator, key) <= 0).length;
    assertStrictEquals(memory.leafOf(at, key, key.length), below - 1);
  }
}

it("blocks and first keys are remembered, or all are forgotten", async () => {
  for (let seed = 0; seed < share(5); seed++) {
    await withSeed(seed, (random) => {
      const maxLength = 20_000 + random(100_000), memory = new BlockMemory(BLOCKS, maxLength);
      const blocks = new Map<number, Learned>(), firsts = new Map<number, Uint8Array>();
      let forgotten = 0;
      for (let n = 0; n < 400; n++) {
        const block = random(BLOCKS);
        if (random(10) === 0) {
          memory.forget(block);
          blocks.delete(block);
        } else if (random(2) === 0) {
          const [key] = randomKeys(random, 1);
          memory.learnFirst(block, key);
          firsts.set(block, key);
        } else {
          const learned = randomBlock(random);
          blocks.set(block, learned);
          assertLearned(
            memory,
            memory.learn(block, learned.leaves, learned.damaged),
            learned,
            random,
          );
        }
        // Whatever was forgotten, nothing leads to it.
        let known = 0;
        for (let other = 0; other < BLOCKS; other++) {
          const at = memory.blockAt(other), first = memory.firstAt(other);
          if (at !== 0) assert(blocks.has(other), `block ${other}`);
          if (first !== 0) assert(firsts.has(other), `first key of ${other}`);
          known += Number(at !== 0) + Number(first !== 0);
          if (first !== 0) {
            const key = firsts.get(other)!;
            assertStrictEquals(memory.compareFirst(first, key, key.length), 0);
          }
          if (at !== 0 && n % 10 === 0) assertLearned(memory, at, blocks.get(other)!, random);
        }
        if (known < blocks.size + firsts.size) {
          forgotten++;
          assertStrictEquals(known, 1, "all but the last one");
          for (const other of blocks.keys()) if (memory.blockAt(other) === 0) blocks.delete(other);
          for (const other of firsts.keys()) if (memory.firstAt(other) === 0) firsts.delete(other);
        }
        assert(memory.byteLength <= maxLength + 8 * BLOCKS, `${memory.byteLength} bytes`);
      }
      assert(forgotten > 0);
    });
  }
});

function compare(one: Uint8Array, other: Uint8Array): number {
  return compareKeys(one, one.length, other, other.length);
}
