/**
 * Crashes of a blob store on a simulated disk: whatever a power loss or a kill leaves,
 * the store opens with what was acknowledged and nothing halved.
 *
 * `deno task crash` goes on for as long as one likes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { crashRun, type OpenStore } from "./crash/crash_run.ts";
import { type Change, type DiskState, SimulatedDisk } from "./crash/simulated_disk.ts";
import { HEADER_LENGTH } from "../../src/blob_store/superblock.ts";
import { PROFILES } from "./crash/workload.ts";

const isDeno = "deno" in process.versions, isBun = "bun" in process.versions;
/**
 * Tests for each profile: five on Deno, another one on one of the others, since the store is the
 * same. With eleven profiles they recover from at least 45,000 images in all.
 */
const TESTS = isDeno ? [0, 1, 2, 3, 4] : [5];
const isTried = (profile: number) => isDeno || profile % 2 === (isBun ? 0 : 1);
/** Images that each test recovers from: few, so that none is long, and fewer elsewhere. */
const IMAGES = isDeno ? 800 : 400;

/** Compresses in place: the order of what is done is that of the calls. */
const openByRuntime: OpenStore = (store, options) => BlobStoreByPath.open(store, options);

describe("a blob store after a crash", () => {
  for (const [number, { name, hasText }] of PROFILES.entries()) {
    if (!isTried(number)) continue;
    // What compresses takes longer.
    for (const test of hasText ? TESTS.slice(0, 1) : TESTS) {
      it(`is as it was acknowledged: ${name}, ${test}`, async () => {
        let images = 0;
        let seed = number + 100 * PROFILES.length * test; // `deno task crash --seed` brings it back
        for (; images < IMAGES; seed += PROFILES.length) {
          images += await crashRun({ open: hasText ? openByRuntime : BlobStore.open, seed });
        }
        assert(images >= IMAGES, `only ${images} images`);
      });
    }
  }
});

describe("a log of several segments", () => {
  const large = new Uint8Array(3000).fill(1); // two of these fill the first segment
  const keysOf = async (disk: SimulatedDisk) => {
    const keys: string[] = [];
    for await (const { key } of (await BlobStore.open(disk)).list()) keys.push(key);
    return keys;
  };

  it("ends where it was torn, though a later segment is whole", async () => {
    const disk = new SimulatedDisk();
    const store = await BlobStore.open(disk, { durability: "none" });
    for (const key of ["a", "b", "c"]) await store.put(key, large);
    const left = surviving(disk.state, (_, i) => i > 0);
    const keys = await keysOf(left);
    assertEquals(keys, ["a", "b", "c"].slice(0, keys.length));
  });

  it("may be cut short at each flush of the commit that makes the second one", async () => {
    const disk = new SimulatedDisk(), states: DiskState[] = [];
    await (await BlobStore.open(disk)).put("a", large);
    const store = await BlobStore.open(disk);
    disk.onOperation = (operation) => {
      if (operation === "flush") states.push(disk.state);
    };
    await store.put("b", large);
    const isHeader = (change: Change) => change.kind === "write" && change.offset < HEADER_LENGTH;
    assert(states.filter(({ changes }) => changes.some(isHeader)).length > 1);
    for (const state of states) {
      for (const isKept of [() => false, isHeader, (c: Change) => !isHeader(c), () => true]) {
        const left = surviving(state, isKept), keys = await keysOf(left);
        assert(keys.join() === "a" || keys.join() === "a,b", keys.join());
        await (await BlobStore.open(left)).put("c", large); // where "b" was
        assertEquals(await keysOf(left), [...keys, "c"]);
      }
    }
  });
});

/** A disk after a crash that kept some of the changes. */
function surviving(
  { durable, changes, count }: DiskState,
  isKept: (change: Change, i: number) => boolean,
): SimulatedDisk {
  const kept = changes.slice(0, count).filter(isKept);
  const disk = SimulatedDisk.unflushed({ durable, changes: kept, count: kept.length });
  disk.flush();
  return disk;
}
