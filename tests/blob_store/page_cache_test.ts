/**
 * The cache of pages: what it holds is right, and no more than it may.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PageCache } from "../../src/blob_store/page_cache.ts";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

/** A page unlike any other. */
function pageOf(run: number, page: number): Uint8Array {
  const bytes = new Uint8Array(4096).fill(run + page);
  new DataView(bytes.buffer).setFloat64(8, run * 1e6 + page);
  return bytes;
}

/** What the cache has of a page. */
function held(cache: PageCache, run: number, page: number): Uint8Array | undefined {
  const slot = cache.find(run, page);
  if (slot < 0) return undefined;
  const start = cache.startOf(slot);
  return cache.pieceOf(slot).slice(start, start + 4096);
}

describe("a page cache", () => {
  it("holds what was put, up to its budget", async () => {
    for (let seed = 0; seed < share(10); seed++) {
      await withSeed(seed, (random) => {
        const capacity = [1, 2, 3, 16, 255, 256, 257, 600][random(8)];
        const cache = new PageCache(capacity * 4096 + random(4096));
        assertStrictEquals(cache.capacity, capacity);
        let run = 1;
        cache.use(run);
        const put = new Set<number>();
        for (let n = 0; n < 5000; n++) {
          if (random(1000) === 0) {
            cache.use(++run);
            put.clear();
          }
          const page = random(2 * capacity + 5);
          if (random(2) === 0) {
            cache.put(run, page, pageOf(run, page));
            put.add(page);
            assertEquals(held(cache, run, page), pageOf(run, page));
          } else {
            const bytes = held(cache, run, page);
            if (bytes !== undefined) {
              assert(put.has(page), `page ${page} was never put`);
              assertEquals(bytes, pageOf(run, page));
            } else assert(!put.has(page) || put.size > capacity, `page ${page} is gone`);
          }
        }
        const inIt = [...put].filter((page) => cache.find(run, page) >= 0).length;
        assert(inIt <= capacity);
        assert(inIt === Math.min(put.size, capacity), `${inIt} of ${put.size} in ${capacity}`);
        assert(cache.byteLength <= capacity * 4160, `${cache.byteLength} bytes`);
      });
    }
  });

  it("keeps what is used, and lets go of what is not", () => {
    const cache = new PageCache(100 * 4096);
    cache.use(1);
    for (let page = 0; page < 1000; page++) {
      cache.put(1, page, pageOf(1, page));
      for (let hot = 0; hot < 50; hot++) assert(page < hot || cache.find(1, hot) >= 0, `${hot}`);
    }
  });

  it("takes nothing of another run", () => {
    const cache = new PageCache(10 * 4096);
    cache.put(1, 5, pageOf(1, 5));
    assertStrictEquals(cache.find(1, 5), -1, "before it has a run");
    cache.use(2);
    cache.put(1, 5, pageOf(1, 5));
    assertStrictEquals(cache.find(1, 5), -1);
    assertStrictEquals(cache.find(2, 5), -1);
    cache.put(2, 5, pageOf(2, 5));
    cache.use(3);
    assertStrictEquals(cache.find(2, 5), -1);
    assertStrictEquals(cache.find(3, 5), -1);
  });

  it("without room holds nothing", () => {
    const cache = new PageCache(4095);
    cache.use(1);
    cache.put(1, 0, pageOf(1, 0));
    assertStrictEquals(cache.find(1, 0), -1);
    assert(cache.byteLength < 100, `${cache.byteLength} bytes`);
  });
});
