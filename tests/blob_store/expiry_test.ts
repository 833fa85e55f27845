/**
 * Blobs that expire: by a clock of the test, in every call, over checkpoints, crashes and copies.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MemoryStore } from "../../backends/memory.ts";
import { ConditionFailedError } from "../../src/blob_store/blob_store_errors.ts";
import { blobCodecs } from "../../src/blob_store/blob_codecs.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions } from "../../src/blob_store/types.ts";
import { type DiskState, SimulatedDisk } from "./crash/simulated_disk.ts";
import { bytesOf, contentsOf, copyOf, keysOf, memory } from "./helpers.ts";
import { lookUp, readStore } from "./format_reader.ts";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

/** A store with a clock that is set by hand. */
async function clocked(
  store: MemoryStore = memory(),
  options: BlobStoreOptions = {},
): Promise<{ blobs: BlobStore; clock: { now: number }; store: MemoryStore }> {
  const clock = { now: 1000 };
  const blobs = await BlobStore.open(store, { now: () => clock.now, ...options });
  return { blobs, clock, store };
}

describe("a blob that expires", () => {
  it("is there until its time, and gone from then on", async () => {
    const { blobs, clock, store } = await clocked();
    await blobs.put("never", "1");
    const info = await blobs.put("soon", "22", { expires: 2000, metadata: { a: 1 } });
    assertEquals([info.expires, info.time], [new Date(2000), new Date(1000)]);
    await blobs.put("later", "333", { expires: new Date(3000) });
    assertEquals(await blobs.stat("soon"), info);
    assertStrictEquals("expires" in (await blobs.stat("never"))!, false);
    const check = async (now: number, keys: string[]) => {
      clock.now = now;
      assertEquals(await keysOf(blobs), keys);
      assertEquals(await keysOf(blobs, { limit: 1 }), keys.slice(0, 1));
      assertEquals(await keysOf(blobs, { reverse: true }), keys.toReversed());
      for (const key of ["never", "soon", "later"]) {
        const isThere = keys.includes(key);
        assertStrictEquals(await blobs.has(key), isThere);
        assertStrictEquals(await blobs.stat(key) !== undefined, isThere);
        assertStrictEquals(await blobs.get(key) !== undefined, isThere);
        assertStrictEquals(await blobs.getInto(key, new Uint8Array(9)) !== undefined, isThere);
        assertStrictEquals(await blobs.stream(key) !== undefined, isThere);
        using snapshot = await blobs.read(key);
        assertStrictEquals(snapshot !== undefined, isThere);
      }
      assertEquals([...readStore(contentsOf(store), now).keys()].sort(), keys);
      assertStrictEquals(lookUp(contentsOf(store), "soon", now) !== undefined, now < 2000);
      assertStrictEquals((await blobs.stats()).blobs, 3);
      await blobs.check();
    };
    await check(1999, ["later", "never", "soon"]);
    await check(2000, ["later", "never"]);
    await blobs.close();
    const again = await BlobStore.open(store, { readOnly: true, now: () => clock.now });
    assertEquals(await keysOf(again), ["later", "never"]);
    clock.now = 3000;
    assertEquals(await keysOf(again), ["never"]);
    const { blobs: count, damaged } = await again.verify();
    assertEquals([count, damaged], [1, []]);
    const copy = memory();
    assertEquals((await again.backup(copy)).blobs, 1);
    assertEquals([...readStore(contentsOf(copy)).keys()], ["never"]);
  });

  it("counts as absent for conditions, deletes, renames and copies", async () => {
    const { blobs, clock } = await clocked();
    const { etag } = await blobs.put("a", "1", { expires: 2000 });
    await blobs.put("b", "2", { expires: 2000 });
    await assertRejects(() => blobs.put("a", "x", { ifNoneMatch: "*" }), ConditionFailedError);
    assertEquals((await blobs.rename("b", "c")).expires, new Date(2000));
    assertEquals((await blobs.copy("c", "d")).expires, new Date(2000));
    clock.now = 2000;
    await assertRejects(() => blobs.put("a", "x", { ifMatch: etag }), ConditionFailedError);
    await assertRejects(() => blobs.rename("c", "e"), ConditionFailedError);
    await assertRejects(() => blobs.copy("d", "e"), ConditionFailedError);
    assertStrictEquals(await blobs.delete("c"), false);
    await assertRejects(() => blobs.delete("d", { ifMatch: etag }), ConditionFailedError);
    const put = blobs.put("z", "1"); // a commit is under way: the delete goes into the next one
    assertStrictEquals(await blobs.delete("c"), false);
    await put;
    await blobs.put("a", "new", { ifNoneMatch: "*" });
    assertEquals(await keysOf(blobs), ["a", "z"]);
    assertEquals((await blobs.stat("a"))!.expires, undefined);
    assertEquals((await blobs.sweep()).blobs, 1); // "d": the delete took "c" away
    assertEquals((await blobs.stats()).blobs, 2);
    await blobs.check();
  });

  it("was put with a time that is none", async () => {
    const { blobs, clock } = await clocked();
    for (const expires of [-1, 1.5, NaN, Infinity, 8_640_000_000_000_001, new Date(NaN)]) {
      await assertRejects(() => blobs.put("a", "1", { expires }), RangeError, "expires");
    }
    for (const expires of ["1", null, {}, true]) {
      const options = { expires: expires as unknown as number };
      await assertRejects(() => blobs.put("a", "1", options), TypeError, "expires");
      await assertRejects(
        () => blobs.batch([{ type: "put", key: "a", value: "", ...options }]),
        TypeError,
        "expires",
      );
    }
    await blobs.put("a", "1", { expires: 0 }); // long gone
    assertStrictEquals(await blobs.has("a"), false);
    clock.now = NaN;
    await assertRejects(() => blobs.put("b", "1"), RangeError, "now()");
    assertThrows(() => blobs.watch({ pollMs: 0 }), RangeError, "pollMs");
    const now = 5 as unknown as () => number;
    await assertRejects(() => BlobStore.open(memory(), { now }), TypeError, "now");
  });

  it("changes no byte of a store without any", async () => {
    const make = async (options: BlobStoreOptions) => {
      const store = memory(), blobs = await BlobStore.open(store, { now: () => 5, ...options });
      for (let i = 0; i < 50; i++) await blobs.put(`${i}`, bytesOf(i, 300));
      await blobs.checkpoint();
      await blobs.close();
      return readStore(contentsOf(store)).size + (await rootFeatures(store));
    };
    assertEquals(await make({}), 50);
    const codecs = blobCodecs(); // random bytes do not compress
    assertEquals(await make({ codecs, compress: "gzip" }), 50);
  });
});

/** The features that the root of a store says. */
async function rootFeatures(store: MemoryStore): Promise<number> {
  const { describeStore } = await import("./format_reader.ts");
  return describeStore(contentsOf(store)).root.features;
}

describe("a sweep", () => {
  it("deletes what has expired, in steps, and frees its space", async () => {
    const { blobs, clock, store } = await clocked();
    for (let i = 0; i < 300; i++) {
      const expires = i % 3 === 0 ? undefined : 2000 + i;
      await blobs.put(`${i}`.padStart(3, "0"), bytesOf(i, 1000), { expires });
      if (i === 150) await blobs.checkpoint();
    }
    assertEquals(await blobs.sweep(), { blobs: 0, bytes: 0, done: true });
    clock.now = 2250;
    const due = (await blobs.stats()).blobs - (await keysOf(blobs)).length;
    assertStrictEquals(due, 167);
    let swept = 0;
    for (let done = false; !done;) {
      const report = await blobs.sweep({ limit: 20 });
      ({ done } = report);
      assert(report.blobs <= 20 && report.bytes === 1000 * report.blobs);
      swept += report.blobs;
      await blobs.check();
    }
    assertStrictEquals(swept, due);
    assertEquals([(await blobs.stats()).blobs, await blobs.sweep()], [300 - due, {
      blobs: 0,
      bytes: 0,
      done: true,
    }]);
    assertEquals(readStore(contentsOf(store)).size, 300 - due);
    assertEquals(await blobs.sweep({ limit: 0 }), { blobs: 0, bytes: 0, done: false });
    const signal = AbortSignal.abort("enough");
    assertStrictEquals(await blobs.sweep({ signal }).catch((error) => error), "enough");
    await assertRejects(() => blobs.sweep({ limit: -1 }), RangeError, "limit");
    await assertRejects(async () => {
      const reader = await BlobStore.open(copyOf(store), { readOnly: true });
      await reader.sweep();
    }, Error);
  });

  it("comes with each checkpoint", async () => {
    const { blobs, clock } = await clocked(memory(), { checkpointBytes: 20_000 });
    for (let i = 0; i < 100; i++) await blobs.put(`a${i}`, bytesOf(i, 500), { expires: 2000 });
    clock.now = 2000;
    for (let i = 0; i < 100; i++) await blobs.put(`b${i}`, bytesOf(i, 500));
    await blobs.checkpoint();
    assertStrictEquals((await blobs.stats()).blobs, 100);
    await blobs.check();
  });
});

describe("a sweep that is cut short", () => {
  it("leaves what had not expired, at each step of the disk", async () => {
    const disk = new SimulatedDisk(), states: DiskState[] = [], clock = { now: 1000 };
    const options = { now: () => clock.now };
    const blobs = await BlobStore.open(disk, options);
    for (let i = 0; i < 30; i++) {
      const expires = i % 2 === 0 ? undefined : 2000;
      await blobs.put(`${i}`, bytesOf(i, 400 * (i % 15)), { expires });
      if (i === 15) await blobs.checkpoint();
    }
    clock.now = 2000;
    disk.onOperation = () => states.push(disk.state);
    assertStrictEquals((await blobs.sweep({ limit: 7 })).blobs, 7);
    await blobs.sweep();
    await blobs.checkpoint();
    disk.onOperation = undefined;
    states.push(disk.state);
    const counts = new Set<number>();
    for (const { durable, changes, count } of states) {
      for (const kept of [0, 0.5, 1]) {
        const left = { durable, changes: changes.slice(0, Math.round(kept * count)) };
        const after = SimulatedDisk.unflushed({ ...left, count: left.changes.length });
        const store = await BlobStore.open(after, options);
        assertEquals((await keysOf(store)).length, 15);
        for (let i = 0; i < 30; i += 2) {
          assertEquals(await store.get(`${i}`), bytesOf(i, 400 * (i % 15)));
        }
        counts.add((await store.stats()).blobs);
        await store.check();
      }
    }
    assertEquals([...counts].sort(), [15, 23, 30]);
  });
});

describe("a store with blobs that expire", () => {
  it("does as a map with a clock does", async () => {
    for (let seed = 0; seed < share(10); seed++) {
      await withSeed(seed, async (random) => {
        const model = new Map<string, { bytes: Uint8Array; expires: number }>();
        const store = memory(), clock = { now: 1000 };
        const options = { now: () => clock.now, checkpointBytes: 2 ** (11 + random(6)) };
        let blobs = await BlobStore.open(store, options);
        for (let step = 0; step < 200; step++) {
          clock.now += random(3) === 0 ? random(50) : 0;
          const key = `${random(30)}`, kind = random(20);
          const isThere = (model.get(key)?.expires ?? 0) > clock.now;
          if (kind < 8) {
            const bytes = bytesOf(step, random(2) === 0 ? random(100) : random(9000));
            const expires = random(3) === 0 ? Infinity : clock.now + random(200);
            const given = expires === Infinity ? undefined : expires;
            await blobs.put(key, bytes, { expires: given });
            model.set(key, { bytes, expires });
          } else if (kind < 10) {
            assertStrictEquals(await blobs.delete(key), isThere);
            model.delete(key);
          } else if (kind < 12) await blobs.sweep({ limit: random(5) });
          else if (kind < 13) await blobs.checkpoint();
          else if (kind < 14) await blobs.compact();
          else if (kind < 15) {
            await blobs.close();
            blobs = await BlobStore.open(store, options);
          } else if (isThere && kind < 18) {
            const to = `${random(30)}`, isCopy = random(2) === 0;
            await (isCopy ? blobs.copy(key, to) : blobs.rename(key, to));
            const blob = model.get(key)!;
            if (!isCopy) model.delete(key);
            model.set(to, blob);
          } else {
            assertEquals(await blobs.get(key), isThere ? model.get(key)!.bytes : undefined);
          }
          if (step % 20 !== 0) continue;
          const alive = [...model].filter(([, { expires }]) => expires > clock.now);
          assertEquals(await keysOf(blobs), alive.map(([key]) => key).sort());
          await blobs.check();
          const read = readStore(contentsOf(store), clock.now);
          for (const [key, { bytes }] of alive) assertEquals(read.get(key)?.bytes, bytes);
        }
        clock.now = 8_640_000_000_000_000;
        await blobs.sweep();
        const left = [...model].filter(([, { expires }]) => expires === Infinity);
        assertStrictEquals((await blobs.stats()).blobs, left.length);
        await blobs.close();
      });
    }
  });
});
