/** What plain JavaScript can get wrong: each is an error before anything changes. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync } from "node:fs";
import { MemoryStore } from "../../mod.ts";
import * as full from "../../backends/blob_store/mod.ts";
import * as core from "../../src/blob_store/mod.ts";
import { newPath } from "../support/temporary_files.ts";
import { memory } from "./helpers.ts";

/** What no type lets pass. */
const wrong = (value: unknown) => value as never;

describe("wrong arguments of plain JavaScript", () => {
  it("of a call are refused, and the message names the right one", async () => {
    await using store = await core.BlobStore.open(memory());
    await store.put("tmp/a", "1");
    await store.put("keep", "22");
    const buffer = new Uint8Array(8);
    const list = async (options: unknown) => {
      for await (const { key } of store.list(wrong(options))) await store.delete(key);
    };
    const step = { type: "put", key: "new", value: "x" } as const;
    const calls: [() => unknown, string][] = [
      [() => store.batch(wrong(step)), "an array of steps, got an object of type Object"],
      [() => store.batch(wrong("put")), 'an array of steps, got the string "put"'],
      [() => store.batch(wrong(undefined)), "an array of steps, got undefined"],
      [() => store.batch(wrong([step, "keep"])), 'got the string "keep"'],
      [() => store.batch(wrong([step, null])), '"rename" or "copy", got null'],
      [() => store.batch(wrong([step, { type: "get", key: "a" }])), 'got the string "get"'],
      [() => store.batch(wrong([{ ...step, meta: 1 }])), "metadata"],
      [() => store.batch(wrong([{ type: "delete", key: "keep", value: 1 }])), "got value"],
      [() => list("tmp/"), '{ prefix: "tmp/" }'],
      [() => list({ Prefix: "tmp/" }), "got Prefix"],
      [() => list({ prefix: 1 }), "prefix to be a string"],
      [() => list({ after: 1 }), "after to be a string"],
      [() => list({ limit: "2" }), "limit"],
      [() => list({ reverse: 1 }), "Expected reverse to be a boolean, got 1"],
      [() => list({ reversed: true }), "with reverse, prefix, after, limit, got reversed"],
      [() => list(null), "got null"],
      [() => list(7), "got 7"],
      [() => store.get("keep", wrong({ offset: 1, length: 1 })), "with range, signal, got offset"],
      [() => store.get("keep", wrong(1)), "with range, signal, got 1"],
      [() => store.get("none", wrong({ rang: {} })), "range"],
      [() => store.get("keep", { range: wrong([0, 1]) }), "range to be an object with"],
      [() => store.get("keep", { range: wrong({ start: 0 }) }), "offset"],
      [() => store.get("keep", { range: wrong({ offset: 0, size: 1 }) }), "length"],
      [() => store.get("keep", { range: wrong({ length: 1 }) }), "range.offset"],
      [() => store.stream("keep", wrong({ offset: 1 })), "with range, signal, got offset"],
      [() => store.stream("none", wrong(1)), "with range, signal, got 1"],
      [() => store.getInto("keep", buffer, wrong({ offset: 1 })), "with range, signal, got offset"],
      [() => store.getInto("keep", wrong([])), "buffer"],
      [
        () => store.put("keep", "x", wrong({ type: "image/png" })),
        "with metadata, ifMatch, ifNoneMatch, expires, compress, signal, got type",
      ],
      [
        () => store.put("keep", "x", wrong("image/png")),
        "with metadata, expires, compress, ifMatch, ifNoneMatch, signal, got the string",
      ],
      [
        () => store.put("keep", "x", { ifMatch: wrong(1) }),
        "Expected ifMatch to be a string, got 1",
      ],
      [() => store.put("keep", "x", { ifNoneMatch: wrong("a") }), 'Expected ifNoneMatch to be "*"'],
      [() => store.put("keep", "x", { signal: wrong(1) }), "signal to be an AbortSignal, got 1"],
      [() => store.get("keep", { signal: wrong({}) }), "signal to be an AbortSignal"],
      [() => store.read("keep", wrong({ range: {} })), "with signal, got range"],
      [() => store.read(wrong(7)), "Expected key to be a string, got 7"],
      [() => store.delete("keep", wrong({ ifNoneMatch: "*" })), "got ifNoneMatch"],
      [() => store.delete("keep", { ifMatch: wrong(null) }), "ifMatch to be a string, got null"],
      [() => store.rename("keep", wrong(1)), "Expected to to be a string, got 1"],
      [() => store.rename(wrong(undefined), "b"), "Expected from to be a string, got undefined"],
      [() => store.copy("keep", "b", wrong({ metadata: 1 })), "got metadata"],
      [() => store.batch([], wrong({ ifMatch: "" })), "with signal, got ifMatch"],
      [() => store.batch(wrong([{ type: "rename", key: "a", to: "b" }])), "got key"],
      [() => store.batch(wrong([{ type: "copy", from: "keep" }])), "Expected to to be a string"],
      [() => store.compact(wrong(1000)), "with maxBytes, onProgress, signal, got 1000"],
      [() => store.compact(wrong({ maxByte: 1 })), "maxBytes"],
      [() => store.verify(wrong(() => {})), "with onProgress, signal, got a function"],
      [() => store.verify({ onProgress: wrong(true) }), "onProgress to be a function"],
      [() => store.backup(memory(), wrong({ progress: 1 })), "onProgress"],
      [() => store.backup(memory(), { onProgress: wrong("log") }), "onProgress to be a function"],
      [() => store.backup(wrong("copy.blobs")), "opens files by path"],
      [() => store.backup(wrong(undefined)), "to to be a backing store, got undefined"],
    ];
    for (const [call, message] of calls) {
      await assertRejects(async () => void await call(), TypeError, message);
    }
    assertStrictEquals((await store.stats()).blobs, 2);
    assertEquals(new TextDecoder().decode(await store.get("keep")), "22");
  });

  it("of open are refused before anything is made", async () => {
    const options: [unknown, string][] = [
      [{ creat: true }, "create"],
      [{ readonly: true }, "readOnly"],
      [{ create: "no" }, 'create to be a boolean, got the string "no"'],
      [{ readOnly: 1 }, "readOnly to be a boolean, got 1"],
      [{ create: true, closeStore: 1 }, "closeStore to be a boolean"],
      [{ create: true, durability: true }, "durability"],
      [{ create: true, granule: "64" }, "granule"],
      [{ create: true, maxByteLength: "1" }, "maxByteLength"],
      [{ create: true, checkpointBytes: "1" }, "checkpointBytes"],
      [{ create: true, compactAbove: "1" }, "compactAbove"],
      [{ create: true, readOnly: true }, "readOnly without create"],
      ["create", 'got the string "create"'],
      [null, "got null"],
      [true, "got true"],
    ];
    for (const [given, message] of options) {
      const path = newPath(), store = memory();
      await assertRejects(() => full.BlobStore.open(path, wrong(given)), TypeError, message);
      assert(!existsSync(path) && !existsSync(`${path}.lock`));
      await assertRejects(() => full.BlobStore.open(store, wrong(given)), TypeError, message);
      await assertRejects(() => core.BlobStore.open(store, wrong(given)), TypeError, message);
      assertStrictEquals(store.byteLength, 0);
    }
  });

  it("of what is opened say what to give instead", async () => {
    const targets: [unknown, string, string][] = [
      ["x.blobs", "opens files by path", ""],
      [new URL("file:///x.blobs"), "opens files by path", ""],
      [new ArrayBuffer(8), "wrap it in a MemoryStore", "wrap it in a MemoryStore"],
      [new Uint8Array(8), "wrap it in a MemoryStore", "wrap it in a MemoryStore"],
      [Promise.resolve(memory()), "await it", "await it"],
      [undefined, "got undefined", "got undefined"],
      [null, "got null", "got null"],
      [3, "got 3", "a path, a file: URL or a backing store, got 3"],
      [{}, "an object of type Object", "an object of type Object"],
    ];
    for (const [target, ofCore, ofFull] of targets) {
      await assertRejects(() => core.BlobStore.open(wrong(target)), TypeError, ofCore);
      if (ofFull === "") continue;
      await assertRejects(() => full.BlobStore.open(wrong(target)), TypeError, ofFull);
    }
    await using store = await full.BlobStore.open(memory());
    await assertRejects(() => store.backup(wrong(3)), TypeError, "to to be a path");
    const path = newPath();
    const backup = () => store.backup(path, wrong({ onprogress: 1 }));
    await assertRejects(backup, TypeError, "onProgress");
    assert(!existsSync(path));
  });

  it("of new are told to use open", () => {
    const classes = [core.BlobStore, full.BlobStore] as unknown as (new (to: unknown) => unknown)[];
    for (const Class of classes) {
      for (const target of ["x.blobs", memory(), undefined]) {
        assertThrows(() => new Class(target), TypeError, "await BlobStore.open(...)");
      }
    }
  });
});

describe("both entries of the blob store", () => {
  it("have the same errors, and the one BlobStore is a subclass of the other", async () => {
    const errors = Object.keys(core).filter((name) => name.endsWith("Error"));
    assert(errors.length >= 6);
    for (const name of [...errors, "StorageError"] as (keyof typeof core)[]) {
      assertStrictEquals(core[name], full[name as keyof typeof full], name);
    }
    assertEquals(Object.keys(full).sort(), Object.keys(core).sort());
    assertStrictEquals(Object.getPrototypeOf(full.BlobStore), core.BlobStore);
    await using store = await full.BlobStore.open(new MemoryStore(2 ** 16));
    assert(store instanceof core.BlobStore);
    const put = () => store.put("key", new Uint8Array(2 ** 17));
    assert(await assertRejects(put, full.StoreFullError) instanceof core.StoreFullError);
    await using other = await core.BlobStore.open(memory());
    assert(!(other instanceof full.BlobStore));
  });
});
