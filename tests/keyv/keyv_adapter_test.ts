/**
 * The adapter under the real Keyv. Keyv's own suite for adapters runs as a step of its own.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Keyv } from "keyv";
import { BlobStore } from "../../src/blob_store/mod.ts";
import { keyvAdapter, type KeyvAdapterOptions } from "../../backends/keyv/mod.ts";
import { assertEmptiable, keysOf, memory } from "../blob_store/helpers.ts";

/** A Keyv that throws what an adapter rejects with. */
function keyvOf(store: BlobStore, options?: KeyvAdapterOptions, namespace = "keyv"): Keyv {
  return new Keyv({ store: keyvAdapter(store, options), namespace, throwOnErrors: true });
}

/** Everything that an iteration gives. */
async function entriesOf(keyv: Keyv): Promise<[string, unknown][]> {
  const entries: [string, unknown][] = [];
  for await (const entry of keyv.iterator!({})) entries.push(entry);
  return entries;
}

describe("Keyv over a blob store", () => {
  it("sets, gets, has and deletes", async () => {
    await using store = await BlobStore.open(memory());
    const keyv = keyvOf(store);
    assertEquals(await keyv.get("a"), undefined);
    assertEquals(await keyv.has("a"), false);
    for (const value of ["text", 0, false, null, { a: [1] }, "\ufeffü☃"]) {
      assertEquals(await keyv.set("a", value), true);
      assertEquals(await keyv.get("a"), value);
    }
    assertEquals(await keyv.has("a"), true);
    assertEquals(await keyv.delete("a"), true);
    assertEquals(await keyv.delete("a"), false);
    assertEquals(await keyv.has("a"), false);
    await assertEmptiable(store);
  });

  it("does so with many", async () => {
    await using store = await BlobStore.open(memory());
    const keyv = keyvOf(store);
    const { commits } = await store.stats();
    await keyv.setMany([{ key: "a", value: 1 }, { key: "b", value: 2 }, { key: "c", value: 3 }]);
    assertEquals((await store.stats()).commits, commits + 1, "each had a commit of its own");
    assertEquals(await keyv.getMany(["c", "x", "a"]), [3, undefined, 1]);
    assertEquals(await keyv.hasMany(["c", "x", "a"]), [true, false, true]);
    assertEquals(await keyv.deleteMany(["a", "x"]), true);
    assertEquals(await keyv.deleteMany(["a", "x"]), false);
    assertEquals(await keysOf(store), ["keyv:b", "keyv:c"]);
  });

  it("lets values expire in the store, too", async () => {
    let now = Date.now();
    await using store = await BlobStore.open(memory(), { now: () => now });
    const keyv = keyvOf(store);
    await keyv.set("a", 1, 1000);
    await keyv.setMany([{ key: "b", value: 2, ttl: 2000 }, { key: "c", value: 3, ttl: 0 }]);
    assertEquals(await keysOf(store), ["keyv:a", "keyv:b", "keyv:c"]);
    now += 1500;
    assertEquals(await keysOf(store), ["keyv:b", "keyv:c"]);
    assertEquals(await keyv.getMany(["a", "b", "c"]), [undefined, 2, 3]);
    now += 1e9;
    assertEquals(await keysOf(store), ["keyv:c"]);
  });

  it("keeps namespaces apart, and what is before all keys", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("other", "not ours");
    const one = keyvOf(store, { prefix: "kv/" }, "one");
    const two = keyvOf(store, { prefix: "kv/" }, "two");
    for (const keyv of [one, two]) {
      await keyv.set("a", keyv.namespace);
      await keyv.set("b", keyv.namespace);
    }
    assertEquals(await keysOf(store), ["kv/one:a", "kv/one:b", "kv/two:a", "kv/two:b", "other"]);
    assertEquals(await entriesOf(one), [["a", "one"], ["b", "one"]]);
    await one.clear();
    assertEquals(await one.get("a"), undefined);
    assertEquals(await two.get("a"), "two");
    const all = keyvAdapter(store, { prefix: "kv/" }), keys: string[] = [];
    for await (const [key] of all.iterator()) keys.push(key);
    assertEquals(keys, ["two:a", "two:b"]);
    await all.clear();
    assertEquals(await keysOf(store), ["other"]);
  });

  it("clears thousands, and iterates while they go", async () => {
    await using store = await BlobStore.open(memory());
    const keyv = keyvOf(store);
    await keyv.setMany(Array.from({ length: 2500 }, (_, i) => ({ key: `${i}`, value: i })));
    let seen = 0;
    for await (const [key] of keyv.iterator!({})) {
      seen++;
      await keyv.delete(key);
    }
    assertEquals(seen, 2500);
    await keyv.setMany(Array.from({ length: 2500 }, (_, i) => ({ key: `${i}`, value: i })));
    await keyv.clear();
    assertEquals(await keysOf(store), []);
  });

  it("tells of what the store refuses", async () => {
    await using store = await BlobStore.open(memory());
    const keyv = keyvOf(store), long = "x".repeat(1025);
    await assertRejects(() => keyv.set(long, 1), RangeError);
    await assertRejects(() => keyvAdapter(store).set("a", 7), TypeError, "a string, as Keyv");
    const quiet = new Keyv({ store: keyvAdapter(store) }), errors: Error[] = [];
    quiet.on("error", (error: Error) => errors.push(error));
    assertEquals(await quiet.set(long, 1), false);
    assertEquals(errors.map(({ name }) => name), ["RangeError"]);
  });

  it("closes the store only if it is told so", async () => {
    for (const closeStore of [false, true]) {
      await using store = await BlobStore.open(memory());
      await keyvOf(store, { closeStore }).disconnect();
      if (closeStore) await assertRejects(() => store.has("a"), Error, "the store is closed");
      else assertEquals(await store.has("a"), false);
    }
  });

  it("takes a store that is being opened", async () => {
    const opening = BlobStore.open(memory());
    const keyv = new Keyv({ store: keyvAdapter(opening, { closeStore: true }) });
    await keyv.set("a", 1);
    assertEquals(await keyv.get("a"), 1);
    assertEquals(await entriesOf(keyv), [["a", 1]]);
    assertEquals(await keysOf(await opening), ["keyv:a"]);
    await keyv.disconnect();
    await assertRejects(async () => (await opening).has("a"), Error, "the store is closed");
    const locked = keyvAdapter(Promise.reject(new Error("locked")));
    await new Promise((resolve) => setTimeout(resolve)); // nothing is unhandled
    await assertRejects(() => locked.get("a"), Error, "locked");
  });

  it("is made of what makes sense", async () => {
    await using store = await BlobStore.open(memory());
    const given: [unknown, unknown, string][] = [
      ["a.blobs", {}, "store to be a blob store"],
      [store, { prefix: 7 }, "prefix to be a string"],
      [store, { base: "a" }, "prefix"],
      [store, { closeStore: 1 }, "closeStore to be a boolean"],
    ];
    for (const [target, options, message] of given) {
      const make = () => keyvAdapter(target as BlobStore, options as KeyvAdapterOptions);
      assertThrows(make, TypeError, message);
    }
    assert(keyvAdapter(store).on("error", () => {}) !== undefined);
  });
});
