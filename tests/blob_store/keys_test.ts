/**
 * Keys, metadata and listing: what is a key, what comes back as metadata, in which order
 * blobs are listed.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import type { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { Metadata } from "../../src/blob_store/types.ts";
import {
  assertHolds,
  keysOf,
  type Model,
  type Place,
  places,
  scenario,
  sortedKeys,
} from "./helpers.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";

const encoder = new TextEncoder();

describe("keys and metadata", () => {
  const test = (what: string, body: (blobs: BlobStore, place: Place) => Promise<void>) =>
    it(what, () => scenario("memory", places["memory that grows"], body));

  test("any well-formed string of 1 to 1024 bytes is a key", async (blobs, place) => {
    const keys = [
      "\0",
      " ",
      "a/b",
      "..",
      "__proto__",
      "constructor",
      "\ufeff",
      "\u{10FFFF}",
      "\uffff",
      "k".repeat(1024),
      "é".repeat(512),
      "\u{1F40E}".repeat(256),
      "\r\n\t\u2028",
      "e\u0301",
      "\u00e9",
    ];
    const model: Model = new Map(keys.map((key, i) => [key, encoder.encode(`${i}`)]));
    for (const [key, value] of model) await blobs.put(key, value);
    await assertHolds(blobs, model);
    await blobs.close();
    const again = await place.open({ readOnly: true });
    await assertHolds(again, model, "opened again");
    await again.close();
  });

  test("everything else is refused by every call", async (blobs) => {
    const bad: [unknown, typeof TypeError | typeof RangeError][] = [
      ["", RangeError],
      ["k".repeat(1025), RangeError],
      ["é".repeat(513), RangeError],
      ["k".repeat(2 ** 20), RangeError],
      ["a\ud800", TypeError],
      ["\udc00\ud800", TypeError],
      [1, TypeError],
      [undefined, TypeError],
      [null, TypeError],
      [Symbol("key"), TypeError],
      [encoder.encode("key"), TypeError],
    ];
    for (const [value, error] of bad) {
      const key = value as string;
      await assertRejects(() => blobs.put(key, "x"), error, "key");
      await assertRejects(() => blobs.get(key), error, "key");
      await assertRejects(() => blobs.getInto(key, new Uint8Array(1)), error, "key");
      await assertRejects(() => blobs.has(key), error, "key");
      await assertRejects(() => blobs.delete(key), error, "key");
      await assertRejects(() => blobs.stat(key), error, "key");
      await assertRejects(() => blobs.stream(key), error, "key");
      await assertRejects(() => blobs.batch([{ type: "delete", key }]), error, "key");
    }
    for (const value of [undefined, null, 1, {}, [1], { body: 1, bodyUsed: false }]) {
      const source = value as unknown as Uint8Array;
      await assertRejects(() => blobs.put("key", source), TypeError, "value");
    }
    assertEquals(await keysOf(blobs), []);
  });

  test("metadata comes back as JSON has it", async (blobs, place) => {
    const deep: Metadata = { a: [1, -0.5, null, true, { "é\0": "\u{1F40E}" }], "": "" };
    const all: Metadata[] = [null, 0, "", false, [], {}, deep, "x".repeat(4094)];
    for (const [i, metadata] of all.entries()) await blobs.put(`${i}`, "value", { metadata });
    await blobs.put("none", "value", { metadata: undefined });
    await blobs.put("replaced", "value", { metadata: "before" });
    await blobs.put("replaced", "value");
    const check = async (blobs: BlobStore) => {
      for (const [i, metadata] of all.entries()) {
        assertEquals((await blobs.stat(`${i}`))!.metadata, metadata);
      }
      for (const key of ["none", "replaced"]) {
        assertStrictEquals((await blobs.stat(key))!.metadata, undefined);
      }
    };
    await check(blobs);
    await blobs.close();
    let again = await place.open();
    await check(again);
    await again.checkpoint();
    await check(again);
    await again.close();
    again = await place.open({ readOnly: true });
    await check(again);
    await again.close();
  });

  test("metadata that JSON has not, or too much of it, is refused", async (blobs) => {
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    for (const value of [circle, 1n, () => 1, Symbol("a"), { a: 1n }]) {
      const metadata = value as unknown as Metadata;
      await assertRejects(() => blobs.put("key", "x", { metadata }), TypeError, "metadata");
    }
    for (const metadata of ["x".repeat(4095), "é".repeat(2048), Array(3000).fill(1)]) {
      await assertRejects(() => blobs.put("key", "x", { metadata }), RangeError, "metadata");
    }
    assertStrictEquals(await blobs.has("key"), false);
  });
});

/** Where UTF-8 becomes longer, and where UTF-16 and UTF-8 disagree; the least and the greatest. */
const LETTERS = "\0 a b ~ \x7f \x80 \u07ff \u0800 \ud7ff \ue000 \ufffd \uffff \u{10000} \u{10ffff}"
  .split(" ");

/** Keys in no order, and the next one found by looking at all. */
class NaiveKeys {
  readonly keys: Map<string, Uint8Array> = new Map();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A string of 1 to `length` letters, or of none. */
  anyKey(length: number): string {
    const letters = length === 0 ? 0 : 1 + this.#random(length);
    return Array.from({ length: letters }, () => LETTERS[this.#random(LETTERS.length)]).join("");
  }

  /** The key that follows `last` among those with a prefix. */
  next(last: string | undefined, prefix = "", reverse = false): string | undefined {
    const sign = reverse ? -1 : 1, passed = last === undefined ? undefined : encoder.encode(last);
    let best: string | undefined, bytes: Uint8Array | undefined;
    for (const [key, own] of this.keys) {
      if (!key.startsWith(prefix)) continue;
      if (passed !== undefined && sign * Buffer.compare(own, passed) <= 0) continue;
      if (bytes !== undefined && sign * Buffer.compare(own, bytes) >= 0) continue;
      [best, bytes] = [key, own];
    }
    return best;
  }
}

describe("listing", () => {
  it("is in the order of UTF-8 bytes, by prefix, after, limit", () =>
    scenario("memory", places["memory that grows"], async (blobs) => {
      const keys = ["b", "a", "a/1", "a/2", "a/10", "a0", "\uffff", "\u{10000}", "é", "\0", "aa"];
      for (const key of keys) await blobs.put(key, key);
      const sorted = sortedKeys(keys);
      assertEquals(sorted.slice(-2), ["\uffff", "\u{10000}"]); // UTF-16 has it the other way
      for (const prefix of [undefined, "", "a", "a/", "a/1", "b", "c", "\u{10000}", "\uffff"]) {
        for (const after of [undefined, "\0", "a", "a/1", "a/15", "b", "~", "\u{10FFFF}"]) {
          for (const reverse of [undefined, false, true]) {
            const expected = sorted.filter((key) =>
              key.startsWith(prefix ?? "") &&
              (after === undefined ||
                key !== after && sortedKeys([key, after])[reverse ? 1 : 0] === after)
            );
            if (reverse) expected.reverse();
            for (const limit of [undefined, 0, 1, 3, 100]) {
              const options = { prefix, after, limit, reverse };
              const keys = await keysOf(blobs, options);
              assertEquals(keys, expected.slice(0, limit), JSON.stringify(options));
            }
          }
        }
      }
      for await (const info of blobs.list()) {
        assertEquals(info, await blobs.stat(info.key));
      }
    }));

  it("refuses options that are none", () =>
    scenario("memory", places["memory that grows"], async (blobs) => {
      await assertRejects(() => keysOf(blobs, { limit: -1 }), RangeError, "limit");
      await assertRejects(() => keysOf(blobs, { limit: 1.5 }), RangeError, "limit");
      const one = 1 as unknown as string;
      await assertRejects(() => keysOf(blobs, { prefix: one }), TypeError, "prefix");
      await assertRejects(() => keysOf(blobs, { after: one }), TypeError, "after");
      for (const value of [1, 0, "true", null]) {
        const reverse = value as unknown as boolean;
        await assertRejects(() => keysOf(blobs, { reverse }), TypeError, "reverse to be a boolean");
      }
    }));

  // The order is kept in blocks of 512: whichever key is deleted may be the first of one.
  it("loses no key and keeps none, whichever are deleted of many", () =>
    scenario("memory", places["memory that grows"], async (blobs) => {
      const keys = sortedKeys(Array.from({ length: 2000 }, (_, i) => `${i * 7919 % 2003}`));
      const puts = keys.map((key) => blobs.put(key, ""));
      await Promise.all(puts);
      assertEquals(await keysOf(blobs), keys);
      for (const step of [7, 3, 2, 1]) {
        const gone = keys.filter((_, i) => i % step === 0);
        for (const key of gone) {
          assertStrictEquals(await blobs.delete(key), true);
          keys.splice(keys.indexOf(key), 1);
        }
        assertEquals(await keysOf(blobs), keys);
      }
    }));

  it("gives at each step the next key of a model, either way, while blobs come and go", () =>
    scenario("memory", places["memory that grows"], (blobs) =>
      withSeed(1, async (random) => {
        const model = new NaiveKeys(random);
        const put = (key: string) => (model.keys.set(key, encoder.encode(key)), blobs.put(key, ""));
        const first = Array.from({ length: 1500 }, () => put(model.anyKey(4)));
        await Promise.all(first);
        for (let round = 0; round < share(200); round++) {
          const prefix = random(3) ? model.anyKey(random(3)) : undefined;
          const after = random(2) ? model.anyKey(4) : undefined;
          const limit = random(4) ? 1 + random(40) : undefined, reverse = random(2) === 1;
          const options = { prefix, after, limit, reverse }, context = JSON.stringify(options);
          let last = after, steps = 0;
          for await (const { key } of blobs.list(options)) {
            assertStrictEquals(key, model.next(last, prefix, reverse), context);
            last = key;
            steps++;
            if (random(2)) await put(model.anyKey(4));
            // Often the key at hand, or the one that would be next.
            const gone = [last, model.next(last, prefix, reverse), model.anyKey(4)][random(3)] ??
              "";
            if (model.keys.delete(gone)) assertStrictEquals(await blobs.delete(gone), true);
          }
          if (steps !== limit) assertStrictEquals(model.next(last, prefix, reverse), undefined);
        }
        assertEquals((await keysOf(blobs, { reverse: true })).reverse(), await keysOf(blobs));
      })));

  it("goes on while the store changes", () =>
    scenario("memory", places["a late store"], async (blobs) => {
      const name = (i: number) => `key ${String(i).padStart(5, "0")}`;
      for (let i = 0; i < 1200; i++) void blobs.put(name(i), `${i}`);
      await blobs.flush();
      const seen: string[] = [];
      for await (const { key } of blobs.list()) {
        const i = Number(key.slice(4));
        seen.push(key);
        if (i % 10 !== 0) continue;
        await blobs.delete(key); // behind
        await blobs.delete(name(i + 5)); // ahead: must not be given
        await blobs.put(`${name(i + 7)} new`, "x"); // ahead: must be given
      }
      assertEquals(seen, sortedKeys(seen), "out of order");
      assertStrictEquals(new Set(seen).size, seen.length, "given twice");
      const whole = Array.from({ length: 1200 }, (_, i) => name(i)).filter((_, i) => i % 10 !== 5);
      assertEquals(seen.filter((key) => !key.endsWith("new")), whole);
      assertStrictEquals(seen.filter((key) => key.endsWith("new")).length, 120);
    }));
});
