/** Metadata with a type of its own: `deno check` is a part of the test. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import {
  type BatchOperation,
  type BlobInfo,
  type BlobReader,
  type BlobSnapshot,
  BlobStore,
} from "../../src/blob_store/mod.ts";
import { memory } from "./helpers.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

/** An interface has no index signature, so it is no `Metadata`. */
interface Photo {
  readonly type: string;
  readonly by?: { readonly name: string };
}

removeAfterwards();

describe("a store with metadata of a type", () => {
  it("takes and gives that, interfaces too", async () => {
    await using store = await BlobStore.open<Photo>(memory());
    const info: BlobInfo<Photo> = await store.put("a", "1", { metadata: { type: "image/png" } });
    assertStrictEquals(info.metadata?.type, "image/png");
    const steps: BatchOperation<Photo>[] = [
      { type: "put", key: "b", value: "2", metadata: { type: "x", by: { name: "Ada" } } },
      { type: "copy", from: "b", to: "c" },
      { type: "rename", from: "b", to: "d" },
      { type: "delete", key: "a" },
    ];
    await store.batch(steps);
    const snapshot: BlobSnapshot<Photo> | undefined = await store.read("d");
    assertStrictEquals(snapshot?.info.metadata?.by?.name, "Ada");
    snapshot?.close();
    const names: (string | undefined)[] = [];
    for await (const { metadata } of store.list()) names.push(metadata?.by?.name);
    assertEquals(names, ["Ada", "Ada"]);
    const wrong = [
      // @ts-expect-error: it has no type
      () => store.put("a", "1", { metadata: { by: { name: "Ada" } } }),
      // @ts-expect-error: a string is no photo
      () => store.batch([{ type: "put", key: "a", value: "1", metadata: "x" }]),
      // @ts-expect-error: nothing but "*"
      () => store.put("a", "1", { ifNoneMatch: "etag" }),
      // @ts-expect-error: a delete has no such condition
      () => store.delete("a", { ifNoneMatch: "*" }),
      // @ts-expect-error: a rename has no key
      () => store.batch([{ type: "rename", key: "a", to: "b" }]),
    ];
    assertStrictEquals(wrong.length, 5);
  });

  it("is by path the same, and a reader of less", async () => {
    await using store = await BlobStoreByPath.open<Photo>(newPath(), { create: true });
    await store.put("a", "1", { metadata: { type: "text/plain" } });
    const core: BlobStore<Photo> = store, reader: BlobReader<Photo> = core;
    const any: BlobReader<unknown> = reader;
    const unknown: unknown = (await any.stat("a"))?.metadata;
    assertEquals([unknown, (await reader.stat("a"))?.metadata?.type], [
      { type: "text/plain" },
      "text/plain",
    ]);
  });

  it("is what JSON can say, if no type is named", async () => {
    await using store = await BlobStore.open(memory());
    const { metadata } = await store.put("a", "1", { metadata: [1, { a: null }] });
    assertEquals(metadata, [1, { a: null }]);
    const put = async () => {
      // @ts-expect-error: JSON has no functions
      await store.put("a", "1", { metadata: { call: () => {} } });
    };
    assertStrictEquals(typeof put, "function");
  });
});
