/**
 * `PostgresStore` over a database of a few lines: the contract, commits, writers, readers,
 * arguments.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { Arena } from "../../mod.ts";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import {
  type PostgresClient,
  PostgresStore,
  type PostgresStoreOptions,
  StorageError,
  StoreFencedError,
  StoreLockedError,
  StoreWentBackError,
} from "../../backends/postgres/mod.ts";
import { withSeed } from "../support/random.ts";
import { storeContract } from "../support/store_contract.ts";
import { assertSameBytes } from "../support/store_helpers.ts";
import { FakePostgres, SqlError } from "./fake_postgres.ts";
import { readerAgrees, storesAgree } from "./model.ts";

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

/** A store of zeros, over a database of its own. */
async function make(byteLength: number, options: PostgresStoreOptions = {}) {
  const database = new FakePostgres();
  const store = await PostgresStore.open(database, "s", { create: true, ...options });
  await store.resize(byteLength);
  return { database, store };
}

/** What a store reads. */
async function readAt(store: PostgresStore, offset: number, length: number): Promise<number[]> {
  const into = new Uint8Array(length);
  await store.read(offset, into);
  return [...into];
}

for (
  const [what, options] of Object.entries({
    "usual": {},
    "small pages, no cache": { pageSize: 1024, cacheBytes: 0 },
  })
) {
  storeContract(`PostgresStore, ${what}`, {
    make: async (byteLength) => (await make(byteLength, options)).store,
    makePair: async (byteLength) => {
      const { store, database } = await make(byteLength, options);
      await store.flush();
      const { cacheBytes } = options;
      return [store, await PostgresStore.open(database, "s", { readOnly: true, cacheBytes })];
    },
    skip: { sync: "a database answers later", copyWithin: "it has none", view: "it is elsewhere" },
  });
}

describe("PostgresStore: commits", () => {
  it("sends nothing until it is flushed, and then one statement", async () => {
    const { database, store } = await make(100_000);
    await store.flush();
    database.takeSent();
    await store.write(10, bytes(50, 1));
    await store.write(90_000, bytes(50, 2));
    assertEquals(database.takeSent(), []);
    await store.flush();
    assertEquals(database.takeSent(), ["commitRedo"]);
    await store.flush();
    assertEquals(database.takeSent(), []);
    await store.write(0, bytes(50_000, 3));
    await store.flush();
    assertEquals(database.takeSent(), ["commitPages"]);
    await store.close();
  });

  it("folds redo rows into pages, by their number and their bytes", async () => {
    for (const [length, most] of [[10, 1001], [4000, 263]]) {
      const { database, store } = await make(10_000);
      for (let i = 0; i < most; i++) {
        await store.write(i, bytes(length, i));
        await store.flush();
      }
      const folds = database.sent.filter((name) => name === "commitPages").length;
      assertEquals(folds, 1, `${length} bytes`);
      assert(database.tables.redos.get("1")!.size < 10);
      await store.close();
    }
  });

  it("sends early what becomes too much, and a large commit in parts", async () => {
    const { database, store } = await make(100 * 2 ** 20);
    const data = bytes(40 * 2 ** 20, 7);
    await store.write(100, data);
    assert(database.sent.includes("commitPages"));
    const copy = data.slice();
    await Promise.all([0, 1, 2, 3].map((i) => store.write(i * 18 * 2 ** 20, copy)));
    await store.flush();
    for (const { data } of database.tables.pages.get("1")!.values()) {
      assertEquals(data.length, 8192);
    }
    assertEquals(await readAt(store, 90 * 2 ** 20 - 2 ** 24, 2), [7, 7]);
    await store.close();
  });

  it("sends no page of zeros that has no row", async () => {
    const { database, store } = await make(10 * 8192);
    await store.write(0, new Uint8Array(10 * 8192));
    await store.write(8192 * 7, bytes(1, 1));
    await store.flush();
    assertEquals([...database.tables.pages.get("1")!.keys()], [7]);
    await store.write(8192 * 7, new Uint8Array(8192));
    await store.flush();
    assertEquals(await readAt(store, 8192 * 7, 1), [0]);
    await store.close();
  });

  it("resolves a commit whose answer was lost, done or not", async () => {
    for (const when of ["before", "after"] as const) {
      for (const length of [100, 100_000]) {
        const { database, store } = await make(200_000);
        await store.flush();
        const { version } = store;
        await store.write(5, bytes(length, 9));
        let cuts = 2;
        database[when] = (name) => {
          if (name.startsWith("commit") && cuts-- > 0) throw new Error("connection lost");
        };
        await store.flush();
        assertEquals(store.version, version + 1);
        assertEquals(database.tables.stores.get("1")!.version, version + 1);
        assertEquals(await readAt(store, 4, 2), [0, 9]);
        await store.close();
        const again = await PostgresStore.open(database, "s");
        assertEquals(await readAt(again, 4, 2), [0, 9]);
        await again.close();
      }
    }
  });

  it("asks again for reads and for its opening", async () => {
    const database = new FakePostgres(), failed = new Set<string>();
    database.after = (name) => {
      if (failed.has(name)) return;
      failed.add(name);
      throw new Error("connection lost");
    };
    const store = await PostgresStore.open(database, "s", { create: true, cacheBytes: 0 });
    await store.resize(10_000);
    await store.write(0, bytes(10_000, 1));
    await store.flush();
    assertEquals(await readAt(store, 9999, 1), [1]);
    assert(failed.has("open") && failed.has("pages") && failed.has("commitPages"));
    await store.close();
  });

  it("keeps what the server refused, for a flush that follows", async () => {
    for (const length of [100, 100_000]) {
      const { database, store } = await make(200_000);
      await store.flush();
      await store.write(3, bytes(length, 4));
      database.before = (name) => {
        if (name.startsWith("commit")) throw new SqlError("53100");
      };
      const error = await assertRejects(() => store.flush(), StorageError, "class 53100");
      assertEquals(error.operation, "flush");
      database.before = () => {};
      await store.flush();
      await store.close();
      const again = await PostgresStore.open(database, "s");
      assertEquals(await readAt(again, 2, 2), [0, 4]);
      await again.close();
    }
  });

  it("writes nothing more after a commit of unknown outcome", async () => {
    const { database, store } = await make(1000, { retryMs: 30 });
    await store.write(0, bytes(10, 1));
    database.before = () => {
      throw new Error("connection lost");
    };
    await assertRejects(() => store.flush(), StorageError, "the outcome of a commit is unknown");
    database.before = () => {};
    const text = "an earlier commit has an unknown outcome: reopen the store";
    await assertRejects(() => store.write(0, bytes(1, 2)), StorageError, text);
    await assertRejects(() => store.flush(), StorageError, text);
    await store.close();
  });

  it("takes no later commit for one whose first sending arrives late", async () => {
    const { database, store } = await make(1000, { retryMs: 200 });
    await store.write(0, bytes(10, 1));
    let isFirst = true;
    database.before = (name) => {
      if (!name.startsWith("commit")) return;
      if (!isFirst) throw new SqlError("53100");
      isFirst = false;
      throw new Error("connection lost");
    };
    await assertRejects(() => store.flush(), StorageError, "the outcome of a commit is unknown");
    database.before = () => {};
    await assertRejects(() => store.flush(), StorageError, "reopen the store");
    await store.close();
  });
});

describe("PostgresStore: writers", () => {
  it("is refused while a writer is alive, with the name of that one", async () => {
    const { database, store } = await make(100, { holder: "pod-7", lockMs: 1000 });
    await store.flush();
    const error = await assertRejects(() => PostgresStore.open(database, "s"), StoreLockedError);
    assertEquals(error.path, 'the store "s"');
    assertEquals(error.holder?.host, "pod-7");
    assert(error.message.includes("pod-7"), error.message);
    database.now += 999;
    await assertRejects(
      () => PostgresStore.open(database, "s", { lockMs: 1000 }),
      StoreLockedError,
    );
    database.now += 1;
    const next = await PostgresStore.open(database, "s", { lockMs: 1000 });
    await next.close();
    await store.close();
  });

  it("is heard of without a commit, as long as it is open", async () => {
    const { database, store } = await make(100, { lockMs: 30 });
    database.now = 5000;
    await new Promise((resolve) => setTimeout(resolve, 60));
    await assertRejects(() => PostgresStore.open(database, "s", { lockMs: 30 }), StoreLockedError);
    await store.close();
    const next = await PostgresStore.open(database, "s");
    await next.close();
  });

  it("loses the store to one that takes it over, and can write nothing", async () => {
    const { database, store } = await make(50_000, { cacheBytes: 0 });
    await store.write(0, bytes(50_000, 1));
    await store.flush();
    await store.write(0, bytes(10, 2));
    const next = await PostgresStore.open(database, "s", { takeOver: true });
    assertEquals(next.epoch, 2);
    const error = await assertRejects(() => store.flush(), StoreFencedError);
    assertEquals([error.ours, error.theirs], [1, 2]);
    assert(error instanceof StorageError);
    for (
      const call of [
        () => store.write(0, bytes(1, 1)),
        () => store.read(0, bytes(1, 1)),
        () => store.resize(1),
        () => store.flush(),
      ]
    ) await assertRejects(call, StoreFencedError);
    await store.close();
    assertEquals(await readAt(next, 0, 2), [1, 1]);
    await next.close();
  });

  it("says so at a read, too, and not that something is damaged", async () => {
    const { database, store } = await make(50_000, { cacheBytes: 0 });
    await store.write(0, bytes(50_000, 1));
    await store.flush();
    const next = await PostgresStore.open(database, "s", { takeOver: true });
    await assertRejects(() => store.read(20_000, new Uint8Array(1)), StoreFencedError);
    await next.close();
    await store.close();
  });

  it("gives the error to callers of the blob store", async () => {
    const { database, store } = await make(0);
    const blobs = await BlobStore.open(store, { create: true });
    await blobs.put("a", "1");
    const next = await PostgresStore.open(database, "s", { takeOver: true });
    await assertRejects(() => blobs.put("b", "2"), StoreFencedError);
    await assertRejects(() => blobs.put("c", "3"), StoreFencedError);
    const others = await BlobStore.open(next);
    assertEquals((await others.stats()).blobs, 1);
    await others.close();
    await next.close();
  });

  it("stops where the server has gone back, with both versions", async () => {
    const { database, store } = await make(20_000, { cacheBytes: 0 });
    await store.write(0, bytes(20_000, 1));
    await store.flush();
    const before = database.snapshot();
    await store.write(0, bytes(10, 2));
    await store.flush();
    await store.write(0, bytes(10, 3));
    await store.flush();
    database.tables = before;
    await store.write(0, bytes(10, 4));
    const error = await assertRejects(() => store.flush(), StoreWentBackError, "version 1 from 3");
    assertEquals([error.ours, error.theirs], [3, 1]);
    await assertRejects(() => store.read(0, bytes(1, 1)), StoreWentBackError);
    await store.close();
    const again = await PostgresStore.open(database, "s", { takeOver: true });
    assertEquals(await readAt(again, 0, 1), [1]);
    await again.close();
  });

  it("is no writer of a history that somebody else went on with", async () => {
    const { database, store } = await make(20_000, { cacheBytes: 0 });
    const before = database.snapshot();
    await store.write(0, bytes(20_000, 1));
    await store.flush();
    // The server lost the opening too; the next one has the same number and as many commits.
    database.tables = before;
    const row = database.tables.stores.get("1")!;
    Object.assign(row, { epoch: 0, holder: null, session: null });
    const next = await PostgresStore.open(database, "s");
    await next.resize(10);
    await next.flush();
    assertEquals([next.epoch, next.version], [store.epoch, store.version]);
    await assertRejects(() => store.read(0, bytes(10, 5)), StoreFencedError);
    await store.close();
    await next.close();
  });

  it("fails where the store was removed", async () => {
    const { database, store } = await make(10);
    await store.flush();
    assertEquals(await PostgresStore.remove(database, "s"), true);
    assertEquals(await PostgresStore.remove(database, "s"), false);
    await store.write(0, bytes(1, 1));
    await assertRejects(() => store.flush(), StorageError, "the store was removed");
    await assertRejects(() => PostgresStore.open(database, "s"), StorageError, "no store");
    await store.close();
  });
});

describe("PostgresStore: reads", () => {
  it("gathers those of one turn into one statement", async () => {
    const { database, store } = await make(2 ** 20, { cacheBytes: 0 });
    await store.write(0, bytes(2 ** 20, 1));
    await store.flush();
    database.takeSent();
    const reads = Array.from({ length: 200 }, (_, i) => readAt(store, i * 5000, 3));
    assertEquals((await Promise.all(reads)).every((read) => read.join() === "1,1,1"), true);
    assertEquals(database.takeSent(), ["pages"]);
    await store.read(0, new Uint8Array(2 ** 20));
    assertEquals(database.takeSent(), ["pages"]);
    await store.close();
  });

  it("asks for a page once, as long as it is cached", async () => {
    const { database, store } = await make(2 ** 20, { cacheBytes: 16 * 8192 });
    await store.write(0, bytes(2 ** 20, 1));
    await store.flush();
    await readAt(store, 0, 8192 * 16);
    database.takeSent();
    await readAt(store, 0, 8192 * 16);
    assertEquals(database.takeSent(), []);
    await readAt(store, 8192 * 16, 1); // takes the place of the first page
    await readAt(store, 8192, 1);
    assertEquals(database.takeSent(), ["pages"]);
    await readAt(store, 0, 1);
    assertEquals(database.takeSent(), ["pages"]);
    await store.close();
  });

  it("makes statistics once, after the first MiB", async () => {
    const { database, store } = await make(4 * 2 ** 20);
    for (let i = 0; i < 8; i++) {
      await store.write(i * 2 ** 19, bytes(2 ** 19, 1));
      await store.flush();
    }
    assertEquals(database.sent.filter((name) => name === "analyze").length, 1);
    assertEquals(database.sent.indexOf("analyze"), database.sent.indexOf("commitPages") + 2);
    await store.close();
  });

  it("agrees with a plain array over writes, resizes, flushes and reopenings", async () => {
    for (const [pageSize, cacheBytes] of [[1024, 0], [1024, 4096], [8192, 2 ** 20]]) {
      for (const seed of [1, 2, 3]) {
        await withSeed(
          seed,
          (random) => storesAgree(new FakePostgres(), random, { pageSize, cacheBytes }, 300),
        );
      }
    }
  });
});

describe("PostgresStore: readers", () => {
  it("see what was committed, at a reload", async () => {
    const { database, store } = await make(100_000);
    await store.write(0, bytes(100_000, 1));
    await store.flush();
    const reader = await PostgresStore.open(database, "s", { readOnly: true });
    assertEquals([reader.byteLength, await readAt(reader, 0, 1)], [100_000, [1]]);
    for (let i = 2; i < 20; i++) {
      const length = i % 3 === 0 ? 50_000 : 100;
      await store.write(i, bytes(length, i));
      await store.flush();
      await reader.reload();
      assertEquals(await readAt(reader, i, 1), [i], `commit ${i}`);
      assertEquals(reader.version, store.version);
    }
    await reader.close();
    await store.close();
  });

  it("ask for nothing that has not changed", async () => {
    const { database, store } = await make(100_000);
    await store.write(0, bytes(100_000, 1));
    await store.flush();
    const reader = await PostgresStore.open(database, "s", { readOnly: true });
    await readAt(reader, 0, 100_000);
    await store.write(50_000, bytes(20_000, 2));
    await store.flush();
    await reader.reload();
    database.takeSent();
    await readAt(reader, 0, 40_000);
    await readAt(reader, 80_000, 20_000);
    assertEquals(database.takeSent(), []);
    assertEquals(await readAt(reader, 49_999, 2), [1, 2]);
    assertEquals(database.takeSent(), ["pages"]);
    await reader.close();
    await store.close();
  });

  it("take nothing over, and write nothing", async () => {
    const { database, store } = await make(100);
    await store.flush();
    const reader = await PostgresStore.open(database, "s", { readOnly: true });
    await assertRejects(() => reader.write(0, bytes(1, 1)), StorageError, "read-only");
    await assertRejects(() => reader.resize(1), StorageError, "read-only");
    await reader.flush();
    await reader.close();
    await store.write(0, bytes(1, 1));
    await store.flush();
    await store.close();
  });

  it("stop where the server has gone back", async () => {
    const { database, store } = await make(100);
    await store.flush();
    const before = database.snapshot();
    await store.write(0, bytes(1, 1));
    await store.flush();
    const reader = await PostgresStore.open(database, "s", { readOnly: true });
    database.tables = before;
    await assertRejects(() => reader.reload(), StoreWentBackError, "version 1 from 2");
    await reader.close();
    await store.close();
  });

  it("agree with what was committed, beside a writer and their own reads", async () => {
    for (const seed of [1, 2, 3, 4]) {
      await withSeed(seed, (random) => readerAgrees(new FakePostgres(), random, 250));
    }
  });

  it("serve a blob store that is refreshed", async () => {
    const { database, store } = await make(0);
    const blobs = await BlobStore.open(store, { create: true });
    await blobs.put("a", "1");
    const reader = await PostgresStore.open(database, "s", { readOnly: true });
    const others = await BlobStore.open(reader, { readOnly: true });
    for (let i = 0; i < 30; i++) {
      await blobs.put(`k${i}`, bytes(i * 400, i));
      await others.refresh();
      assertEquals((await others.get(`k${i}`))?.length, i * 400);
    }
    await others.close();
    await reader.close();
    await blobs.close();
    await store.close();
  });
});

it("an arena over a PostgresStore works as over a file", async () => {
  const { database, store } = await make(0);
  const arena = new Arena(store, { maxByteLength: 2 ** 20 });
  const regions = await Promise.all(
    [1, 2, 3].map((value) => arena.allocateFrom(bytes(3000, value))),
  );
  await arena.flush();
  assertEquals([...(await regions[1]!.read(0, 2))!], [2, 2]);
  await store.close();
  const again = await PostgresStore.open(database, "s", { readOnly: true });
  const all = new Uint8Array(again.byteLength);
  await again.read(0, all);
  assertEquals(all.filter((byte) => byte === 3).length, 3000);
  await again.close();
});

describe("PostgresStore: arguments", () => {
  const database = new FakePostgres();
  const open = (name: unknown, options?: unknown, client: unknown = database) =>
    PostgresStore.open(client as PostgresClient, name as string, options as PostgresStoreOptions);

  it("refuses what is no client, no name, no option", async () => {
    await assertRejects(() => open("s", {}, {}), TypeError, "with query or unsafe, got an object");
    await assertRejects(() => open("s", {}, null), TypeError, "got null");
    await assertRejects(() => open(""), TypeError, "Expected name");
    await assertRejects(() => open("a\0b"), TypeError, "Expected name");
    await assertRejects(() => open(5), TypeError, "Expected name");
    await assertRejects(() => open("s", { cache: 1 }), TypeError, "cacheBytes");
    await assertRejects(() => open("s", { create: 1 }), TypeError, "create");
    await assertRejects(() => open("s", { holder: 1 }), TypeError, "holder");
    await assertRejects(
      () => open("s", { pageSize: 3000 }),
      RangeError,
      "a power of two, got 3000",
    );
    await assertRejects(() => open("s", { pageSize: 512 }), RangeError, "from 1024 to 65536");
    await assertRejects(() => open("s", { cacheBytes: -1 }), RangeError, "cacheBytes");
    await assertRejects(() => open("s", { lockMs: 0 }), RangeError, "lockMs");
    await assertRejects(() => open("s", { retryMs: 2 ** 31 }), RangeError, "retryMs");
    await assertRejects(() => open("s", { readOnly: true, create: true }), TypeError, "readOnly");
    assertThrows(
      () => new (PostgresStore as unknown as new (a: number) => unknown)(5),
      TypeError,
      "PostgresStore.open",
    );
    assertEquals(database.sent, []);
    await assertRejects(() => open("s"), StorageError, 'no store "s", pass create: true');
  });

  it("says that tables are missing", async () => {
    const client = { query: () => Promise.reject(new SqlError("42P01")) };
    await assertRejects(() => open("s", {}, client), StorageError, "PostgresStore.install(client)");
  });

  it("quotes names in its SQL", () => {
    const sql = PostgresStore.sql({ schema: 'a"b', prefix: "x y_" });
    assert(sql.includes('"a""b"."x y_store"'), sql);
    assert(PostgresStore.sql().includes('"suballoc_page"'));
    for (const prefix of ["p".repeat(59), "a\0"]) {
      assertThrows(() => PostgresStore.sql({ prefix }), RangeError, "prefix");
    }
    assertThrows(() => PostgresStore.sql({ schema: "" }), RangeError, "schema");
    assertThrows(() => PostgresStore.sql({ schema: 5 as unknown as string }), TypeError, "schema");
    assertThrows(
      () => PostgresStore.sql({ scheme: "a" } as object),
      TypeError,
      "schema",
    );
  });

  it("installs statement by statement, and over tables that come to be there", async () => {
    const texts: string[] = [];
    const client = {
      unsafe(text: string) {
        texts.push(text);
        return texts.length === 1 ? Promise.reject(new SqlError("23505")) : Promise.resolve([]);
      },
    };
    await PostgresStore.install(client);
    assertEquals(texts.map((text) => `${text};\n`).join("\n"), PostgresStore.sql());
    const refused = { unsafe: () => Promise.reject(new SqlError("42501")) };
    await assertRejects(() => PostgresStore.install(refused), StorageError, "class 42501");
  });
});

it("a store copies Buffers, whose slice copies nothing", async () => {
  const { database, store } = await make(1000);
  const data = Buffer.from("0123456789").subarray(2, 8);
  await store.write(3, data);
  data.fill(0);
  await store.flush();
  const [redo] = [...database.tables.redos.get("1")!];
  const padded = Buffer.concat([Buffer.from("xyz"), redo[1]]).subarray(3);
  database.tables.redos.get("1")!.set(redo[0], padded);
  await store.close();
  const again = await PostgresStore.open(database, "s");
  assertEquals(Buffer.from(await readAt(again, 3, 6)).toString(), "234567");
  await again.close();
});

it("a store keeps its pages as they are, whatever a client does with its buffers", async () => {
  const { database, store } = await make(20_000);
  const data = bytes(20_000, 1);
  await store.write(0, data);
  data.fill(9);
  await store.flush();
  const into = new Uint8Array(20_000);
  await store.read(0, into);
  assertSameBytes(into, bytes(20_000, 1), "after the caller used its buffer again");
  assertEquals(database.tables.pages.get("1")!.get(0)!.data[0], 1);
  await store.close();
});
