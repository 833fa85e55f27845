/**
 * What takes long can be ended by a signal, and tells how far it is: the store goes on, and nothing
 * half made is left that opens.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import {
  BlobStore as BlobStoreByPath,
  salvageBlobs as salvageByPath,
} from "../../backends/blob_store/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { CorruptBlobError, CorruptStoreError } from "../../src/blob_store/blob_store_errors.ts";
import { salvageBlobs } from "../../src/blob_store/salvage_blobs.ts";
import type { ProgressOptions } from "../../src/blob_store/types.ts";
import { bytesOf, copyOf, memory } from "./helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** A signal that is aborted when it was looked at so many times. */
function abortedAfter(looks: number): { signal: AbortSignal; looks: () => number } {
  const controller = new AbortController(), { signal } = controller;
  let count = 0;
  const check = signal.throwIfAborted.bind(signal);
  signal.throwIfAborted = () => {
    if (count++ === looks) controller.abort(new Error("enough"));
    check();
  };
  return { signal, looks: () => count };
}

/** A store of some MiB with holes, and what it holds. */
async function makeStore() {
  const store = memory(2 ** 26), blobs = await BlobStore.open(store, { compactAbove: 1 });
  const model = new Map<string, Uint8Array>();
  for (let i = 0; i < 60; i++) {
    const bytes = bytesOf(i, i % 10 === 0 ? 2_200_000 : 20_000);
    await blobs.put(`${i}`, bytes);
    model.set(`${i}`, bytes);
  }
  for (let i = 0; i < 60; i += 20) {
    await blobs.delete(`${i}`);
    model.delete(`${i}`);
  }
  await blobs.checkpoint();
  return { store, blobs, model };
}

async function assertHolds(blobs: BlobStore, model: Map<string, Uint8Array>): Promise<void> {
  await blobs.check();
  let count = 0;
  for await (const { key } of blobs.list()) {
    assertEquals(await blobs.get(key), model.get(key), key);
    count++;
  }
  assertStrictEquals(count, model.size);
}

type Work = (blobs: BlobStore, options: ProgressOptions) => Promise<unknown>;
const works: Record<string, Work> = {
  "verify": (blobs, options) => blobs.verify(options),
  "check": (blobs, options) => blobs.check(options),
  "compact": (blobs, options) => blobs.compact(options),
  "backup": (blobs, options) => blobs.backup(memory(2 ** 26), options),
};

describe("long work", () => {
  for (const [name, work] of Object.entries(works)) {
    it(`ends with its signal wherever it is, and the store goes on: ${name}`, async () => {
      const { store, blobs, model } = await makeStore();
      const counted = abortedAfter(Infinity);
      await work(await BlobStore.open(copyOf(store)), { signal: counted.signal });
      const all = counted.looks();
      assert(all >= 2, `it looked ${all} times`);
      for (const looks of [0, all >> 1, all - 1]) {
        const { signal } = abortedAfter(looks);
        const opened = await BlobStore.open(copyOf(store), { compactAbove: 1 });
        await assertRejects(() => work(opened, { signal }), Error, "enough");
        await opened.put("more", "1");
        await opened.delete("more");
        await assertHolds(opened, model);
        await work(opened, {});
        await assertHolds(opened, model);
        await opened.close();
      }
      await blobs.close();
    });

    it(`tells how far it is: ${name}`, async () => {
      const { blobs } = await makeStore(), told: [number, number][] = [];
      await work(blobs, { onProgress: (done, total) => void told.push([done, total]) });
      assert(told.length > 0);
      told.forEach(([done, total], i) => {
        assert(done <= total && done >= (told[i - 1]?.[0] ?? 0), `${done} of ${total}`);
      });
      assert(told.at(-1)![0] > 1_000_000, `${told.at(-1)}`);
      const wrong = { onProgress: 1 } as unknown as ProgressOptions;
      await assertRejects(() => work(blobs, wrong), TypeError, "onProgress");
      const signal = {} as unknown as AbortSignal;
      await assertRejects(() => work(blobs, { signal }), TypeError, "signal");
      await blobs.close();
    });
  }

  it("leaves no half store where a backup or a salvage ends", async () => {
    const { store, blobs, model } = await makeStore();
    const copies = [
      (options: ProgressOptions, to: ReturnType<typeof memory>) => blobs.backup(to, options),
      (options: ProgressOptions, to: ReturnType<typeof memory>) => salvageBlobs(store, to, options),
    ];
    for (const copy of copies) {
      const counted = abortedAfter(Infinity);
      await copy({ signal: counted.signal }, memory(2 ** 26));
      for (const looks of [counted.looks() >> 1, counted.looks() - 1]) {
        const to = memory(2 ** 26), { signal } = abortedAfter(looks);
        await assertRejects(() => copy({ signal }, to), Error, "enough");
        await assertRejects(() => BlobStore.open(to, { create: false }), CorruptStoreError);
        assertEquals((await copy({}, to) as { blobs: number }).blobs, model.size);
        await assertHolds(await BlobStore.open(to, { create: false }), model);
      }
    }
    await blobs.close();
  });

  it("leaves no half store where a blob is damaged", async () => {
    const { store, blobs } = await makeStore(), to = memory(2 ** 26);
    const bytes = bytesOf(59, 20_000), all = new Uint8Array(store.byteLength);
    store.read(0, all);
    const at = all.findIndex((_, i) =>
      bytes.subarray(0, 64).every((byte, n) => all[i + n] === byte)
    );
    store.write(at, Uint8Array.of(all[at] ^ 1));
    await assertRejects(() => blobs.backup(to), CorruptBlobError);
    await assertRejects(() => BlobStore.open(to, { create: false }), CorruptStoreError);
    await blobs.close();
  });

  it("leaves no file where a backup or a salvage by path ends", async () => {
    const path = newPath();
    const blobs = await BlobStoreByPath.open(path, { create: true });
    for (let i = 0; i < 20; i++) await blobs.put(`${i}`, bytesOf(i, 300_000));
    const to = newPath();
    for (const looks of [0, 3, 10]) {
      const { signal } = abortedAfter(looks);
      await assertRejects(() => blobs.backup(to, { signal }), Error, "enough");
      const again = abortedAfter(looks);
      await assertRejects(() => salvageByPath(path, to, { signal: again.signal }), Error, "enough");
      assertEquals(existsSync(to), false);
      assertEquals(readdirSync(dirname(to)).filter((name) => name.endsWith(".new")), []);
    }
    assertStrictEquals((await blobs.backup(to)).blobs, 20);
    await blobs.close();
  });
});
