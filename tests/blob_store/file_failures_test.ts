/**
 * Blob stores over files whose calls move less than asked, or fail.
 *
 * @module
 */

import { assert, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { isDiskFull } from "../../src/blob_store/store_file.ts";
import { applied, assertStorageError, systemError, workload } from "./faults.ts";
import { assertEmptiable, assertHolds, bytesOf, type Model, storeOf } from "./helpers.ts";
import { FakeFile } from "../file/fake_file.ts";

const K = 1024;

describe("a disk without room", () => {
  it("is told from other failures, by the names that systems and browsers give it", () => {
    const named = (name: string) => Object.assign(new Error("no"), { name });
    const full = [systemError("ENOSPC"), systemError("EDQUOT"), named("QuotaExceededError")];
    for (const cause of full) {
      const outer = new StorageError("write", 0, 1, "no", { cause: new Error("no", { cause }) });
      assert(isDiskFull(cause) && isDiskFull(outer), `${cause}`);
    }
    for (const other of [systemError("EIO"), named("AbortError"), undefined, "ENOSPC"]) {
      assert(!isDiskFull(other), `${other}`);
    }
  });
});

describe("a file whose calls fall short or fail", () => {
  for (const Store of [SyncFileStore, FileStore]) {
    it(`${Store.name}: short transfers are nothing special`, async () => {
      const file = new FakeFile(0);
      file.fault = (call, what) => what === "sync" ? undefined : [1000, 7, 60_000][call % 3];
      const blobs = await BlobStore.open(Store.from(file));
      let model: Model = new Map();
      for (const [, act, changes] of workload.slice(0, -1)) {
        await act(blobs);
        model = applied(model, changes);
      }
      await assertHolds(blobs, model);
      await using again = await BlobStore.open(storeOf(file.bytes));
      await assertHolds(again, model);
      await assertEmptiable(blobs);
      await blobs.close();
    });

    it(`${Store.name}: a failure at each call of the system`, async () => {
      for (let n = 1, hasFailed = true; hasFailed; n += 3) {
        const file = new FakeFile(0), store = Store.from(file), cause = systemError("EIO");
        const blobs = await BlobStore.open(store, { granule: 256 });
        const first = file.calls;
        hasFailed = false;
        file.fault = (call) => {
          if (call !== first + n) return 9000;
          hasFailed = true;
          return cause;
        };
        let model: Model = new Map();
        for (const [name, act, changes] of workload) {
          try {
            await act(blobs);
            model = applied(model, changes);
          } catch (error) {
            assert(hasFailed, `call ${n}, ${name}: ${error}`);
            assertStorageError(error, undefined, `call ${n}, ${name}`);
          }
        }
        file.fault = () => undefined;
        await using again = await BlobStore.open(storeOf(file.bytes));
        await assertHolds(again, model, `call ${n}`);
        await assertEmptiable(again);
      }
    });
  }

  const full = fs.existsSync("/dev/full") ? undefined : "there is no /dev/full";
  it({
    name: `a full disk is told as such${full ? ` (skipped: ${full})` : ""}`,
    ignore: full !== undefined,
    async fn() {
      const fd = fs.openSync("/dev/full", "r+");
      const file = new FakeFile(0), write = file.writeSync.bind(file);
      let isFull = false;
      file.writeSync = (data) => isFull ? fs.writeSync(fd, data, 0, data.length) : write(data);
      const blobs = await BlobStore.open(SyncFileStore.from(file));
      await blobs.put("a", bytesOf(1, 100 * K));
      await blobs.put("b", bytesOf(2, 100));
      isFull = true;
      const model: Model = new Map([["a", bytesOf(1, 100 * K)], ["b", bytesOf(2, 100)]]);
      for (const size of [1, 100 * K]) {
        const error = await assertRejects(() => blobs.put("a", bytesOf(9, size)), StorageError);
        for (let e: unknown = error; e instanceof Error; e = e.cause) {
          if ("code" in e) assertStrictEquals(e.code, "ENOSPC");
        }
        await assertHolds(blobs, model, "while the disk is full");
      }
      await blobs.close().catch((error) => assertStorageError(error, undefined, "close"));
      fs.closeSync(fd);
      await using again = await BlobStore.open(storeOf(file.bytes));
      await assertHolds(again, model, "afterwards");
      await assertEmptiable(again);
    },
  });
});
