/**
 * What bundlers for browsers take for the entries that need a runtime: the same names, and a
 * sentence that says what is missing.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as blobStore from "../../backends/blob_store/mod.ts";
import * as blobStoreInPage from "../../backends/blob_store/browser.ts";
import * as file from "../../backends/file/mod.ts";
import * as fileInPage from "../../backends/file/browser.ts";
import { MemoryStore } from "../../backends/memory.ts";
import * as command from "../../cli/mod.ts";
import * as commandInPage from "../../cli/browser.ts";

/** Names of a module, and of what its classes have themselves. */
function namesOf(module: Record<string, unknown>): string[] {
  return Object.entries(module).flatMap(([name, value]) => {
    const isClass = typeof value === "function" && /^class\b/.test(String(value));
    const statics = isClass ? Object.getOwnPropertyNames(value) : [];
    return [name, ...statics.map((member) => `${name}.${member}`)];
  }).sort();
}

describe("the entries in a browser", () => {
  it("have the same names as elsewhere", () => {
    assertEquals(namesOf(fileInPage), namesOf(file));
    assertEquals(namesOf(blobStoreInPage), namesOf(blobStore));
    assertEquals(namesOf(commandInPage), namesOf(command));
    assertEquals(commandInPage.VERSION, command.VERSION);
  });

  it("say what is missing", async () => {
    const { FileStore, SyncFileStore } = fileInPage, { BlobStore } = blobStoreInPage;
    const errors = [
      await assertRejects(() => FileStore.open(), TypeError),
      assertThrows(() => FileStore.from(), TypeError),
      assertThrows(() => SyncFileStore.open(), TypeError),
      assertThrows(() => SyncFileStore.from(), TypeError),
      await assertRejects(() => BlobStore.open("a.blobs"), TypeError),
      await assertRejects(() => BlobStore.open(new URL("file:///a.blobs")), TypeError),
      await assertRejects(() => commandInPage.main(), TypeError),
      await assertRejects(() => commandInPage.run(), TypeError),
    ];
    for (const { message } of errors) {
      assertMatch(message, /needs Deno, Node or Bun: in a page use/);
    }
  });

  it("keep blobs in a backing store", async () => {
    const { BlobStore } = blobStoreInPage;
    const memory = () => new MemoryStore(0, { maxByteLength: 2 ** 24 });
    const store = await BlobStore.open(memory());
    assertEquals(store instanceof BlobStore, true);
    await store.put("greeting", "hello");
    const copy = memory();
    await store.backup(copy);
    await assertRejects(() => store.backup("copy.blobs"), TypeError, "needs Deno, Node or Bun");
    await store.close();
    const other = await BlobStore.open(copy);
    assertEquals((await other.get("greeting"))?.length, 5);
    await other.close();
  });
});
