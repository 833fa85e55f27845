/** Writes under conditions: judged at the commit, in the order of the calls. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { ConditionFailedError } from "../../src/blob_store/blob_store_errors.ts";
import {
  assertSound,
  bytesOf,
  LateStore,
  memory,
  places,
  RecordingStore,
  scenario,
  streamOf,
  turn,
} from "./helpers.ts";
import { seeded } from "../support/random.ts";
import { share } from "../support/share.ts";

const none = { ifNoneMatch: "*" } as const;

/** The error of a write whose condition does not hold. */
async function refused(write: Promise<unknown>, key: string): Promise<ConditionFailedError> {
  const error = await assertRejects(() => write, ConditionFailedError);
  assertStrictEquals(error.key, key);
  return error;
}

async function textOf(store: BlobStore, key: string): Promise<string | undefined> {
  const bytes = await store.get(key);
  return bytes && new TextDecoder().decode(bytes);
}

for (const [place, make] of Object.entries(places)) {
  describe(`conditions, in ${place}`, () => {
    it("hold or are refused, with the etag that is there", () =>
      scenario(place, make, async (store) => {
        for (const isInRun of [false, true]) {
          const { etag } = await store.put("k", "1", none);
          if (isInRun) await store.checkpoint();
          assertStrictEquals((await refused(store.put("k", "2", none), "k")).etag, etag);
          const other = await refused(store.put("k", "2", { ifMatch: "other" }), "k");
          assertStrictEquals(other.etag, etag);
          assert(other.message.includes(`got the etag ${etag}`), other.message);
          const missing = await refused(store.put("none", "2", { ifMatch: etag }), "none");
          assertStrictEquals(missing.etag, undefined);
          await refused(store.delete("k", { ifMatch: "other" }), "k");
          await refused(store.delete("none", { ifMatch: etag }), "none");
          assertStrictEquals(await textOf(store, "k"), "1");

          const next = await store.put("k", "2", { ifMatch: etag });
          await refused(store.put("k", "3", { ifMatch: etag }), "k");
          assertStrictEquals(await store.delete("k", { ifMatch: next.etag }), true);
          assertStrictEquals(await store.has("k"), false);
        }
      }));

    it("are judged in the order of the calls that share a commit", () =>
      scenario(place, make, async (store) => {
        const results = await Promise.allSettled([
          store.put("k", "1", none),
          store.put("k", "2", none),
          store.delete("k"),
          store.put("k", "3", none),
          store.put("k", "4", none),
          store.rename("k", "l"),
          store.put("k", "5", none),
        ]);
        assertEquals(results.map(({ status }) => status[0]).join(""), "frffrff");
        assertStrictEquals(await textOf(store, "k"), "5");
        assertStrictEquals(await textOf(store, "l"), "3");
      }));

    it("do not see what a batch wrote that was refused", () =>
      scenario(place, make, async (store) => {
        await store.put("a", bytesOf(1, 9000));
        const results = await Promise.allSettled([
          store.batch([
            { type: "put", key: "k", value: "1" },
            { type: "rename", from: "a", to: "b" },
            { type: "copy", from: "b", to: "c" },
            { type: "delete", key: "k", ifMatch: "other" },
          ]),
          store.put("k", "2", none),
          store.rename("b", "c"),
          store.copy("a", "c", none),
        ]);
        assertEquals(results.map(({ status }) => status[0]).join(""), "rfrf");
        await assertSound(store); // the place of "a" is its own
        await store.put("d", bytesOf(2, 9000));
        assertEquals(await store.get("a"), bytesOf(1, 9000));
        assertEquals(await store.get("c"), bytesOf(1, 9000));
        assertStrictEquals(await textOf(store, "k"), "2");
      }));

    it("of a batch: one that fails changes nothing", () =>
      scenario(place, make, async (store) => {
        const { etag } = await store.put("k", "1"), long = bytesOf(1, 200_000);
        const batch = store.batch([
          { type: "put", key: "new", value: streamOf(long), ...none },
          { type: "put", key: "k", value: "2", ifMatch: etag },
          { type: "delete", key: "k", ifMatch: etag }, // it has another one by then
        ]);
        const error = await refused(batch, "k");
        assert(error.etag !== undefined && error.etag !== etag);
        assertStrictEquals(await textOf(store, "k"), "1");
        assertStrictEquals(await store.has("new"), false);
        await assertSound(store); // no place is left over
        await store.batch([
          { type: "put", key: "new", value: streamOf(long), ...none },
          { type: "delete", key: "k", ifMatch: etag },
        ]);
        assertEquals([await store.has("k"), (await store.stat("new"))?.size], [false, 200_000]);
      }));
  });
}

describe("compare and set", () => {
  for (const [name, isLate] of [["at once", false], ["with promises", true]] as const) {
    it(`by 1,000 writers loses no update, over a store that answers ${name}`, async () => {
      const writers = share(1000), random = seeded(writers);
      const inner = memory(), recording = new RecordingStore(inner);
      const over = isLate ? new LateStore(recording, seeded(3), 64) : recording;
      await using store = await BlobStore.open(over);
      await store.put("count", "0");
      let failures = 0;
      await Promise.all(Array.from({ length: writers }, async () => {
        while (true) {
          const snapshot = (await store.read("count"))!, { etag } = snapshot.info;
          const next = `${Number(await snapshot.text()) + 1}`;
          try {
            return await store.put("count", next, { ifMatch: etag });
          } catch (error) {
            assert(error instanceof ConditionFailedError, `${error}`);
            failures++;
            for (let turns = random(100); turns > 0; turns--) await turn();
          }
        }
      }));
      assertStrictEquals(await textOf(store, "count"), `${writers}`);
      assert(failures > writers, `only ${failures} collisions`);
      await assertSound(store);
    });
  }

  it("of one that is made: one of many wins", async () => {
    await using store = await BlobStore.open(memory());
    const puts = Array.from({ length: 100 }, (_, i) => {
      const value = i % 2 === 0 ? `${i}` : streamOf(bytesOf(i, 100_000 + i));
      return store.put("k", value, none).then(({ size }) => size);
    });
    const results = await Promise.allSettled(puts);
    const won = results.filter(({ status }) => status === "fulfilled");
    assertStrictEquals(won.length, 1);
    const { size } = (await store.stat("k"))!;
    assertEquals(won[0], { status: "fulfilled", value: size });
    await assertSound(store);
  });
});

describe("a condition that fails before a long upload", () => {
  it("is refused before the source is read, which is cancelled", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("k", "1");
    let reason: unknown, pulls = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: () => void pulls++,
      cancel: (given) => void (reason = given),
    }, { highWaterMark: 0 });
    const error = await refused(store.put("k", stream, none), "k");
    assertEquals([pulls, reason], [0, error]);
    await refused(store.put("none", streamOf(bytesOf(1, 10)), { ifMatch: "x" }), "none");
  });

  it("is judged again at the commit", async () => {
    await using store = await BlobStore.open(memory());
    let go!: () => void;
    const gate = new Promise<void>((resolve) => go = resolve);
    const slow = async function* () {
      yield bytesOf(1, 100_000);
      await gate;
      yield bytesOf(2, 100_000);
    };
    const put = store.put("k", slow(), none);
    const { etag } = await store.put("k", "quicker");
    go();
    assertStrictEquals((await refused(put, "k")).etag, etag);
    assertStrictEquals(await textOf(store, "k"), "quicker");
    await assertSound(store);
  });
});
