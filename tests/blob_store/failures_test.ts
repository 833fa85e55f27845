/**
 * Blob stores over backing stores whose calls fail: each call in turn, done in part,
 * wholly or not at all, once or from then on.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  applied,
  assertStorageError,
  type Extent,
  FailingStore,
  systemError,
  workload,
} from "./faults.ts";
import {
  assertEmptiable,
  assertHolds,
  assertSound,
  bytesOf,
  copyOf,
  memory,
  type Model,
  streamOf,
} from "./helpers.ts";
import { EVERY } from "../support/share.ts";

const K = 1024;

/** Whether a store holds one of two states. */
async function assertHoldsEither(blobs: BlobStore, one: Model, other: Model, context: string) {
  try {
    await assertHolds(blobs, one, context);
  } catch (error) {
    if (one === other) throw error;
    await assertHolds(blobs, other, context);
  }
}

/** Whether a failure left the store as it was, rather than read-only. */
function takesWrites(blobs: BlobStore): Promise<boolean> {
  return blobs.flush().then(() => true, () => false);
}

interface Faults {
  isAsync: boolean;
  extent: Extent;
  isDead: boolean;
}

/** Runs the workload with a failure at call `n`. Tells whether there was such a call. */
async function fail(n: number, { isAsync, extent, isDead }: Faults): Promise<boolean> {
  const inner = memory(), store = new FailingStore(inner, isAsync, extent);
  const code = n % 2 ? "EIO" : "ENOSPC";
  store.error = systemError(code);
  store.failAt = n;
  store.isDead = isDead;
  const where = (step: string) => `${code} at call ${n}, a ${store.failed}, in ${step}`;
  let blobs: BlobStore | undefined;
  let model: Model = new Map(), attempted = model, rejections = 0, isPoisoned = false;
  try {
    blobs = await BlobStore.open(store, { checkpointBytes: 2 ** 14, granule: 256 });
  } catch (error) {
    rejections++;
    assertStorageError(error, store.error, where("open"));
  }
  let failedIn: string | undefined;
  for (const [name, act, changes] of blobs ? workload : []) {
    const wasPoisoned = isPoisoned;
    if (store.failed === undefined) failedIn = name;
    try {
      await act(blobs!);
      assert(!(wasPoisoned && changes), `${where(name)}: a write is taken after a failed flush`);
      if (changes) model = attempted = applied(model, changes);
      continue;
    } catch (error) {
      rejections++;
      if (attempted === model) attempted = applied(model, changes);
      assertStorageError(error, wasPoisoned ? undefined : store.error, where(name));
    }
    // So does a failed look at the header behind a commit.
    isPoisoned ||= store.failed === "flush" ||
      store.failed === "read" && !await takesWrites(blobs!);
    if (name === "close" || isDead) continue;
    // What was acknowledged is still there to be read.
    for (const [key, bytes] of model) assertEquals(await blobs!.get(key), bytes, where(name));
    if (await takesWrites(blobs!)) await assertSound(blobs!);
  }
  if (store.failed === undefined) return false;
  // Where close cannot make its last checkpoint, it marks the log as complete; where a
  // file cannot be cut off or grow by a step, or the disk is full, less may do.
  const isFull = code === "ENOSPC" && !isDead;
  // Pages of the index that cannot be read together are read one by one.
  const isReadAgain = store.failed === "read" && !isDead;
  const mayDoWithout = isFull || failedIn === "close" || store.failed === "resize" || isReadAgain;
  assert(rejections > 0 || mayDoWithout, `${where(failedIn ?? "open")}: nobody was told`);
  const context = `reopened, ${where("the workload")}`;
  if (!isDead) attempted = model;
  {
    const left = copyOf(inner);
    await using reader = blobs && await BlobStore.open(left, { readOnly: true });
    if (reader) await assertHoldsEither(reader, model, attempted, context);
  }
  await using again = await BlobStore.open(inner);
  await assertHoldsEither(again, model, attempted, context);
  await assertSound(again);
  await again.put("new", bytesOf(1, 30 * K));
  assertEquals((await again.verify()).damaged, []);
  await assertEmptiable(again);
  return true;
}

describe("a failing call of the backing store", () => {
  for (const isDead of [false, true]) {
    for (const extent of ["nothing", "half", "all"] as const) {
      for (const isAsync of [false, true]) {
        const how = `${isAsync ? "rejects" : "throws"}, ${extent} of it done`;
        it(`${isDead ? "and all after it " : ""}${how}`, async () => {
          let n = 1;
          while (await fail(n, { isAsync, extent, isDead })) n += EVERY;
          assert(n > 40, `only ${n} calls`);
        });
      }
    }
  }

  for (const extent of ["nothing", "half", "all"] as const) {
    it(`among puts made together, ${extent} of it done, is told to those concerned`, async () => {
      for (let n = 1, hasFailed = true; hasFailed; n++) {
        const inner = memory(), store = new FailingStore(inner, n % 2 === 0, extent);
        const blobs = await BlobStore.open(store);
        store.failAt = store.calls + n;
        const sizes = [10, 5 * K, 70 * K, 100, 9 * K, 0];
        const put = (size: number, i: number) => blobs.put(`${i}`, bytesOf(i, size));
        const ends = await Promise.allSettled(sizes.map(put));
        hasFailed = store.failed !== undefined;
        store.failAt = Infinity;
        const model: Model = new Map();
        for (const [i, end] of ends.entries()) {
          if (end.status === "fulfilled") model.set(`${i}`, bytesOf(i, sizes[i]));
          else assertStorageError(end.reason, undefined, `call ${n}`);
        }
        assertStrictEquals(model.size < sizes.length, hasFailed, `call ${n}: nobody was told`);
        await assertHolds(blobs, model, `call ${n}, a ${store.failed}`);
        if (await takesWrites(blobs)) await assertSound(blobs);
        await using again = await BlobStore.open(copyOf(inner));
        await assertHolds(again, model, `reopened, call ${n}, a ${store.failed}`);
        await assertEmptiable(again);
      }
    });
  }

  it("is told for what it is, and reads go on", async () => {
    const store = new FailingStore(memory(), true, "nothing");
    const blobs = await BlobStore.open(store);
    await blobs.put("key", bytesOf(1, 400 * K));
    store.failAt = store.calls + 1;
    const error = await assertRejects(() => blobs.get("key"), StorageError);
    assertEquals([error.operation, error.cause], ["read", store.error]);
    assertEquals(await blobs.get("key"), bytesOf(1, 400 * K));
    for (const isStream of [true, false]) {
      store.failAt = store.calls + 2;
      const stream = (await blobs.stream("key"))!;
      await assertRejects(() => new Response(stream).arrayBuffer());
      assertStrictEquals(store.failed, "read", `${isStream}`);
      await blobs.put("key", bytesOf(2, 400 * K));
      await blobs.put("key", bytesOf(1, 400 * K));
    }
    await assertEmptiable(blobs);
    await blobs.close();
  });
});

describe("a failing flush", () => {
  it("is final: reads go on, every write is refused", async () => {
    const inner = memory(), store = new FailingStore(inner, false, "nothing");
    const blobs = await BlobStore.open(store, { durability: "none" });
    await blobs.put("a", bytesOf(1, 100));
    await blobs.put("b", bytesOf(2, 100 * K));
    await blobs.flush();
    await blobs.put("c", bytesOf(3, 10));
    // The next flush, whichever call that is.
    const flush = store.flush.bind(store);
    store.flush = () => {
      store.failAt = store.calls + 1;
      return flush();
    };
    const error = await assertRejects(() => blobs.flush(), StorageError);
    assertStrictEquals(error.operation, "flush");
    store.flush = flush;
    for (
      const write of [
        () => blobs.put("d", "x"),
        () => blobs.put("d", streamOf(bytesOf(1, 5 * K))),
        () => blobs.delete("a"),
        () => blobs.batch([{ type: "delete", key: "a" }]),
        () => blobs.flush(),
        () => blobs.checkpoint(),
        () => blobs.compact(),
      ]
    ) {
      const refusal = await assertRejects(write, StorageError, "reopen", `${write}`);
      assertStorageError(refusal, store.error, `${write}`);
    }
    assertEquals(await blobs.get("a"), bytesOf(1, 100));
    assertEquals(await blobs.get("b"), bytesOf(2, 100 * K));
    const verified = await blobs.verify();
    assertStrictEquals(verified.damaged.length, 0);
    await blobs.close().catch((error) => assertStorageError(error, undefined, "close"));
    await using again = await BlobStore.open(inner);
    assertEquals(await again.get("a"), bytesOf(1, 100));
    assertEquals(await again.get("b"), bytesOf(2, 100 * K));
    await assertEmptiable(again);
  });
});
