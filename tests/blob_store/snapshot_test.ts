/** `read`: what is known of a blob and its bytes, of one version, beside a busy writer. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { BlobChangedError, TooManySnapshotsError } from "../../src/blob_store/blob_store_errors.ts";
import type { BlobSnapshot } from "../../src/blob_store/blob_reader.ts";
import {
  assertSound,
  bytesOf,
  collect,
  LateStore,
  memory,
  places,
  scenario,
  turn,
} from "./helpers.ts";
import { seeded } from "../support/random.ts";
import { share } from "../support/share.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

const K = 1024;
const SIZES = [0, 1, 3 * K, 65536, 65537, 300 * K];

async function snapshotOf(store: BlobStore, key: string): Promise<BlobSnapshot> {
  const snapshot = await store.read(key);
  assert(snapshot !== undefined, `${key} is missing`);
  return snapshot;
}

for (const [place, make] of Object.entries(places)) {
  describe(`a snapshot, in ${place}`, () => {
    it("has what put returned, and every form of the bytes", () =>
      scenario(place, make, async (store) => {
        for (const size of SIZES) {
          const bytes = bytesOf(size, size);
          const info = await store.put("k", bytes, { metadata: { size } });
          assertEquals(info, (await store.stat("k"))!);
          assertEquals((await snapshotOf(store, "k")).info, info);
          const ways: ((snapshot: BlobSnapshot) => Promise<Uint8Array>)[] = [
            (one) => one.bytes(),
            (one) => collect(one.stream()),
            async (one) => new Uint8Array(await one.arrayBuffer()),
          ];
          for (const way of ways) {
            const snapshot = await snapshotOf(store, "k");
            assertSameBytes(await way(snapshot), bytes, `${size} bytes`);
            assertThrows(() => snapshot.stream(), TypeError, "its snapshot is closed");
          }
        }
        const info = await store.put("json", '{"a":["é"]}');
        assertStrictEquals(await (await snapshotOf(store, "json")).text(), '{"a":["é"]}');
        assertEquals(await (await snapshotOf(store, "json")).json(), { a: ["é"] });
        assertEquals(info.metadata, undefined);
        assertStrictEquals(await store.read("none"), undefined);
      }));

    it("keeps its version, whatever becomes of the key", () =>
      scenario(place, make, async (store) => {
        for (const size of [3 * K, 65537, 300 * K]) {
          const bytes = bytesOf(size, size), info = await store.put("k", bytes);
          using snapshot = await snapshotOf(store, "k");
          await store.put("k", bytesOf(1, size));
          await store.delete("k");
          await store.checkpoint();
          for (let i = 0; i < 6; i++) await store.put(`${i}`, bytesOf(i, size));
          await store.compact();
          assertEquals(snapshot.info, info);
          const range = { offset: size - 100, length: 50 };
          assertSameBytes(await snapshot.bytes(range), bytes.subarray(-100, -50), "a range");
          assertSameBytes(await collect(snapshot.stream()), bytes, "all");
          await assertSound(store);
        }
      }));
  });
}

describe("a snapshot", () => {
  it("is of one moment, beside a writer of the same process", async () => {
    const late = new LateStore(memory(), seeded(5), 4);
    await using store = await BlobStore.open(late, { durability: "none" });
    const random = seeded(23), rounds = share(1000);
    await store.put("k", bytesOf(0, 10), { metadata: 0 });
    let isOver = false;
    const writer = (async () => {
      for (let n = 1; !isOver; n++) {
        const size = [10, 5000, 70_000][random(3)];
        await store.put("k", bytesOf(n, size), { metadata: n });
      }
    })();
    let apart = 0;
    for (let round = 0; round < rounds; round++) {
      const { size } = (await store.stat("k"))!;
      if (round % 4 === 0) await turn();
      if ((await collect(await store.stream("k"))).length !== size) apart++;
      const { info, stream } = await open(store);
      if (round % 4 === 0) await turn();
      const bytes = await collect(stream);
      assertStrictEquals(bytes.length, info.size);
      assertSameBytes(bytes, bytesOf(info.metadata as number, info.size), `round ${round}`);
    }
    isOver = true;
    await writer;
    assert(apart > 0, "stat and stream were always of one version");
    await assertSound(store);
  });

  it("is refused beyond the limit, and room again once one is closed or read", async () => {
    await using store = await BlobStore.open(memory(), { maxSnapshots: 3 });
    await store.put("k", "x");
    const ways: ((snapshot: BlobSnapshot) => unknown)[] = [
      (one) => one.close(),
      (one) => one[Symbol.dispose](),
      (one) => one.text(),
      (one) => one.stream().cancel(),
      (one) => collect(one.stream()),
    ];
    assertStrictEquals(await store.read("none"), undefined); // it counts for nothing
    const open = [await snapshotOf(store, "k"), await snapshotOf(store, "k")];
    for (const way of ways) {
      open.push(await snapshotOf(store, "k"));
      const error = await assertRejects(() => store.read("k"), TooManySnapshotsError, "3 snapsh");
      assertStrictEquals(error.limit, 3);
      await way(open.pop()!);
    }
    for (const snapshot of open) {
      snapshot.close();
      snapshot.close();
    }
    await Promise.all([1, 2, 3].map(() => snapshotOf(store, "k")));
  });

  it("stays open until all of its streams have ended, and behind a read of a range", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("k", bytesOf(1, 100 * K));
    const snapshot = await snapshotOf(store, "k");
    assertStrictEquals((await snapshot.bytes({ offset: 10, length: 5 })).length, 5);
    const one = snapshot.stream({ offset: 1, length: 2 }), other = snapshot.stream();
    await collect(one);
    assertStrictEquals((await snapshot.bytes({ offset: 0, length: 5 })).length, 5);
    await other.cancel();
    await assertRejects(() => snapshot.bytes(), TypeError, "closed");
  });

  it("that is closed ends its streams with an error", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("k", bytesOf(1, 600 * K));
    const snapshot = await snapshotOf(store, "k"), reader = snapshot.stream().getReader();
    assertStrictEquals((await reader.read()).value!.length, 256 * K);
    snapshot.close();
    await assertRejects(() => reader.read(), TypeError, "its snapshot is closed");
    await store.delete("k");
    await assertSound(store);
  });

  it("refuses a range that is none, and is open still", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("k", "abc");
    const snapshot = await snapshotOf(store, "k");
    assertThrows(() => snapshot.stream({ offset: 4 }), RangeError, "range.offset");
    await assertRejects(() => snapshot.bytes({ start: 0 } as never), TypeError, "got start");
    assertStrictEquals(await snapshot.text(), "abc");
  });
});

describe("a snapshot of a reader", () => {
  it("has info and bytes of one version, though the writer came in between", async () => {
    const inner = memory();
    await using writer = await BlobStore.open(inner, { durability: "none" });
    for (const size of [10, 5000, 65536]) {
      await writer.put("k", bytesOf(1, size), { metadata: 1 });
      await writer.checkpoint();
      await using reader = await BlobStore.open(inner, { readOnly: true });
      // Its place is another blob's by now.
      await writer.put("k", bytesOf(2, size), { metadata: 2 });
      await writer.checkpoint();
      for (let i = 0; i < 4; i++) await writer.put(`${i}`, bytesOf(i + 3, size));
      const snapshot = await snapshotOf(reader, "k");
      await writer.put("k", bytesOf(9, size));
      await writer.checkpoint();
      for (let i = 0; i < 4; i++) await writer.put(`${i}`, bytesOf(i + 9, size));
      const { info } = snapshot, bytes = await snapshot.bytes();
      assertSameBytes(bytes, bytesOf(info.metadata as number, size), `${size} bytes`);
    }
  });

  it("fails where what is behind the first chunk is gone: other bytes never come", async () => {
    const inner = memory();
    await using writer = await BlobStore.open(inner, { durability: "none", compactAbove: 1 });
    const size = 200 * K;
    await writer.put("k", bytesOf(1, size));
    await writer.checkpoint();
    await using reader = await BlobStore.open(inner, { readOnly: true });
    const snapshot = await snapshotOf(reader, "k");
    await writer.delete("k");
    await writer.checkpoint();
    await writer.put("other", bytesOf(2, size));
    assertSameBytes(
      await snapshot.bytes({ offset: 5, length: 60_000 }),
      bytesOf(1, size).subarray(5, 60_005),
      "the first chunk",
    );
    await assertRejects(() => snapshot.bytes(), BlobChangedError, '"k"');
  });
});

async function open(store: BlobStore) {
  const snapshot = await snapshotOf(store, "k");
  return { info: snapshot.info, stream: snapshot.stream() };
}
