/**
 * What is said where a lock cannot be made, and of a store that is cut off in its header.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { reasonOfLock } from "../../backends/blob_store/lock.ts";
import { codeOf } from "../../backends/file/raw/system.ts";
import { CorruptStoreError } from "../../src/blob_store/blob_store_errors.ts";
import { storageError } from "../support/store_helpers.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";
import { memory, storeOf } from "./helpers.ts";

removeAfterwards();

const SAYS = "unable to open database file", sqlite = process.getBuiltinModule?.("node:sqlite");

/** A right that is missing. */
function missing(code: string) {
  return () => {
    throw Object.assign(new Error(`${code}: it is the ${code} of this test`), { code });
  };
}

describe("a lock that cannot be had", () => {
  it("names the folder that may not be written", () => {
    const lock = newPath(), reason = reasonOfLock(lock, SAYS, missing("EACCES"));
    assertStrictEquals(
      reason,
      `its lock, ${lock}, cannot be made: no right to write in the folder ${
        dirname(lock)
      } (EACCES)`,
    );
    const readOnly = reasonOfLock(lock, "attempt to write a readonly database", missing("EROFS"));
    assertStrictEquals(readOnly?.endsWith(" (EROFS)"), true);
  });

  it("names the file that may not be used", () => {
    const lock = newFile();
    const reason = `its lock, ${lock}, cannot be used: no right to read and write it (EACCES)`;
    assertStrictEquals(reasonOfLock(lock, SAYS, missing("EACCES")), reason);
  });

  it("says nothing of what it does not know", () => {
    assertStrictEquals(reasonOfLock(newPath(), "disk I/O error", missing("EACCES")), undefined);
    assertStrictEquals(reasonOfLock(newFile(), SAYS, () => {}), undefined);
  });

  it({
    name: "is said to be a folder",
    ignore: sqlite === undefined,
    async fn() {
      const path = newPath();
      fs.mkdirSync(`${path}.lock`);
      const opening = () => BlobStore.open(path, { create: true });
      const error = await storageError("open", opening);
      assertStrictEquals(error.message, `Cannot open: its lock, ${path}.lock, is a folder`);
    },
  });
});

it("an error of the system has its code, although Deno 2.2 says it in the message only", () => {
  const bare = new Error("EEXIST: file already exists, open 'x.owner'");
  assertStrictEquals(codeOf(bare), "EEXIST");
  assertStrictEquals(codeOf(Object.assign(new Error("ENOENT: no"), { code: "EPERM" })), "EPERM");
  for (const none of [undefined, null, new Error("Error: no"), new Error("")]) {
    assertStrictEquals(codeOf(none), undefined);
  }
});

describe("a store that is cut off in its header", () => {
  it("is not called empty", async () => {
    const inner = memory(), blobs = await BlobStore.open(inner);
    await blobs.put("a", "bytes");
    await blobs.close();
    const head = new Uint8Array(100);
    inner.read(0, head);
    const reason = "it is cut off in its header, or was never finished: it has 100 bytes";
    const message = `Cannot open the store: ${reason} (at byte 0)`;
    const options = { readOnly: true };
    const inMemory = await assertRejects(
      () => BlobStore.open(storeOf(head), options),
      CorruptStoreError,
    );
    assertStrictEquals(inMemory.message, message);
    const path = newPath();
    fs.writeFileSync(path, head);
    for (const options of [{ readOnly: true }, {}, { create: true }]) {
      const error = await assertRejects(() => BlobStore.open(path, options), CorruptStoreError);
      assertStrictEquals(error.message, message);
    }
    assertEquals(new Uint8Array(fs.readFileSync(path)), head);
  });

  it("is called empty where it is", async () => {
    const opening = () => BlobStore.open(storeOf(new Uint8Array(100)), { readOnly: true });
    const error = await assertRejects(opening, CorruptStoreError);
    assertStrictEquals(
      error.message,
      "Cannot open the store: it is empty, not a blob store (at byte 0)",
    );
  });
});
