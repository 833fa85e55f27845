/**
 * FileStore and SyncFileStore over files whose calls fall short or fail.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers";
import {
  type FileHandleLike,
  FileStore,
  type OpenFile,
  type SeekableFile,
  SyncFileStore,
} from "../../backends/file/mod.ts";
import { Cursor } from "../../backends/file/raw/cursor.ts";
import { FileIO } from "../../backends/file/raw/file_io.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { FakeFile } from "./fake_file.ts";
import { transfer } from "../support/lost_bytes.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes, storageError } from "../support/store_helpers.ts";
import { newFile, newHandle, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** Both stores; what holds for one holds for the other. */
const stores = [FileStore, SyncFileStore] as const;

/** An error as the system gives it. */
function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it is the ${code} of this test`), { code });
}

function codeOf(error: StorageError): unknown {
  return (error.cause as { code?: string }).code;
}

describe("calls that move fewer bytes than asked", () => {
  for (const Store of stores) {
    // In one call and, through FileStore, a piece at a time.
    for (const byteLength of [5000, 3 * 2 ** 20]) {
      it(`are repeated by ${Store.name}, ${byteLength} bytes`, async () => {
        for (let n = 1; n <= 4; n++) {
          const file = new FakeFile(byteLength + 20);
          const store = Store.from(file);
          const limits = [1, 7, 1000, byteLength - 1];
          file.fault = (call) => call % n === 0 ? limits[call % limits.length] : undefined;
          if (n === 1 && byteLength > 5000) file.fault = () => 99_999;
          const data = randomBytes(seeded(n), byteLength);
          await store.write(10, data);
          assertSameBytes(file.bytes.subarray(10, 10 + byteLength), data, "written");
          assert(file.bytes.subarray(0, 10).every((byte) => byte === 0), "nothing before");
          assert(file.bytes.subarray(-10).every((byte) => byte === 0), "nothing behind");
          const into = new Uint8Array(byteLength);
          await store.read(10, into);
          assertSameBytes(into, data, "read");
        }
      });
    }

    it(`end ${Store.name}'s patience where they move none`, async () => {
      for (const byteLength of [100, 2 ** 21]) {
        const file = new FakeFile(byteLength);
        const store = Store.from(file);
        file.fault = (call) => call > 2 ? 0 : 10;
        const write = await storageError("write", () => store.write(0, new Uint8Array(byteLength)));
        assertEquals([write.offset, write.length], [0, byteLength]);
        assert(write.message.includes("no byte was accepted at 10"), write.message);
        file.fault = () => undefined;
        file.bytes = file.bytes.subarray(0, 50);
        const read = await storageError(
          "read",
          () => store.read(20, new Uint8Array(byteLength - 20)),
        );
        assert(read.message.includes("the file ends at 50"), read.message);
      }
    });
  }

  it("are repeated by FileStore in the thread pool", async () => {
    const handle = await newHandle(4 * 2 ** 20);
    const short: FileHandleLike = {
      fd: handle.fd,
      read: (into, offset, length, position) =>
        handle.read(into, offset, Math.min(length, 333_333), position),
      write: (data, offset, length, position) =>
        handle.write(data, offset, Math.min(length, 333_333), position),
      datasync: () => handle.datasync(),
    };
    const store = FileStore.from(short);
    const data = randomBytes(seeded(1), 3 * 2 ** 20);
    await store.write(99, data);
    const into = new Uint8Array(data.length);
    await store.read(99, into);
    assertSameBytes(into, data, "in pieces");
  });
});

it("a buffer that is transferred while it is written is a failure", async () => {
  for (const first of [1, 333_333]) {
    const file = new FakeFile(3 * 2 ** 20), store = FileStore.from(file);
    file.fault = () => first;
    const data = new Uint8Array(file.bytes.length).fill(7), writing = store.write(0, data);
    transfer(data.buffer);
    const error = await storageError("write", () => writing);
    assertStrictEquals(error.length, file.bytes.length);
    assert(error.cause instanceof TypeError, error.message);
  }
});

describe("failing calls", () => {
  for (const Store of stores) {
    for (const code of ["EIO", "ENOSPC"]) {
      for (const byteLength of [1000, 2 ** 21]) {
        it(`${code} at each call reaches the caller of ${Store.name}, ${byteLength}`, async () => {
          for (let n = 1; n <= 12; n++) {
            const file = new FakeFile(3 * byteLength);
            const store = Store.from(file);
            const cause = systemError(code);
            file.calls = 0;
            file.fault = (call) => call === n ? cause : Math.ceil(byteLength / 3);
            const data = new Uint8Array(byteLength).fill(n);
            const attempts = [
              ["write", 0, () => store.write(0, data)],
              ["write", byteLength, () => store.write(byteLength, data)],
              ["read", byteLength, () => store.read(byteLength, data)],
            ] as const;
            let failures = 0;
            for (const [operation, offset, call] of attempts) {
              try {
                await call();
              } catch (error) {
                failures++;
                assert(error instanceof StorageError);
                assertStrictEquals(error.cause, cause);
                assertEquals([error.operation, error.offset, error.length], [
                  operation,
                  offset,
                  byteLength,
                ]);
                assert(error.message.includes(cause.message), error.message);
                // The store itself is none the worse for it.
                await call();
              }
            }
            // Three calls for each of the three attempts.
            assertStrictEquals(failures, n <= 9 ? 1 : 0, `call ${n}`);
            assertStrictEquals(store.byteLength, 3 * byteLength);
            assert(file.bytes.subarray(0, 2 * byteLength).every((byte) => byte === n));
            assert(file.bytes.subarray(2 * byteLength).every((byte) => byte === 0));
          }
        });
      }
    }

    it(`of a resize leave ${Store.name} as long as it was`, async () => {
      for (const byteLength of [50, 200]) {
        const file = new FakeFile(100);
        const store = Store.from(file);
        const cause = systemError("ENOSPC");
        file.fault = (_, what) => what === "truncate" ? cause : undefined;
        const error = await storageError("resize", () => store.resize(byteLength));
        assertEquals([error.cause, error.length], [cause, byteLength]);
        assertStrictEquals(store.byteLength, 100);
        await store.write(99, new Uint8Array(1));
      }
    });

    it(`of a flush are final for ${Store.name}`, async () => {
      const file = new FakeFile(100);
      const store = Store.from(file);
      const cause = systemError("EIO");
      file.fault = (_, what) => what === "sync" ? cause : undefined;
      assertStrictEquals((await storageError("flush", () => store.flush())).cause, cause);
      file.fault = () => undefined;
      const later = await storageError("flush", () => store.flush());
      assertStrictEquals(later.cause, cause);
      assert(later.message.includes("an earlier flush failed"), later.message);
    });

    it(`of a flush are final for ${Store.name}, whatever they throw`, async () => {
      for (const [thrown, text] of [[undefined, "undefined"], ["EIO", "EIO"]]) {
        const file = new FakeFile(100);
        const store = Store.from(file);
        const { syncDataSync } = file;
        file.syncDataSync = () => {
          throw thrown;
        };
        const error = await storageError("flush", () => store.flush());
        assert(error.message.endsWith(`: ${text}`), error.message);
        file.syncDataSync = syncDataSync;
        const later = await storageError("flush", () => store.flush());
        assert(later.message.includes("an earlier flush failed"), later.message);
      }
    });

    it(`of the opening leave nothing open in ${Store.name}`, async () => {
      const file = new FakeFile(100);
      file.fault = () => systemError("EIO");
      await storageError("open", () => Store.from(file));
    });
  }

  it("of a descriptor in the thread pool reach the caller", async () => {
    const fd = fs.openSync(newFile(2 ** 21), fs.constants.O_WRONLY);
    const store = FileStore.from(fd);
    const error = await storageError("read", () => store.read(0, new Uint8Array(2 ** 21)));
    // Deno on Windows says EPERM.
    const codes = process.platform === "win32" ? ["EBADF", "EPERM"] : ["EBADF"];
    assert(codes.includes(codeOf(error) as string), error.message);
    fs.closeSync(fd);
  });

  it("of a flush cannot come from a file that was opened read-only", async () => {
    // Windows: EPERM, as a handle that may not write may not flush.
    const file = new FakeFile(100);
    file.fault = (_, what) => what === "sync" ? systemError("EPERM") : undefined;
    const engine = new FileIO(new Cursor(file), "a file", true), before = file.calls;
    engine.flush();
    await engine.flushAsync();
    assertStrictEquals(file.calls, before);
    for (const Store of [FileStore, SyncFileStore]) {
      const store = await Store.open(newFile(10), { readOnly: true });
      await store.flush();
      await store.close();
      const error = await storageError("flush", () => store.flush());
      assert(error.message.includes("the store is closed"), error.message);
    }
  });

  it("of a look at the length, and of the closing, say so", async () => {
    const file = new FakeFile(100), cause = systemError("EIO");
    const engine = new FileIO(new Cursor(file), "a file", true, () => {
      throw cause;
    });
    file.fault = (_, what) => what === "stat" ? cause : undefined;
    const read = await storageError("read", () => engine.reload());
    assertEquals([read.cause, engine.byteLength], [cause, 100]);
    const close = await storageError("close", () => engine.release());
    assertStrictEquals(close.cause, cause);
    assert(close.message.includes("(a file)"), close.message);
  });

  const full = fs.existsSync("/dev/full") ? undefined : "there is no /dev/full";
  it({
    name: `a full disk is told as such${full ? ` (skipped: ${full})` : ""}`,
    ignore: full !== undefined,
    async fn() {
      const fd = fs.openSync("/dev/full", "r+");
      const disk = (): SeekableFile =>
        Object.assign(new FakeFile(2 ** 22), {
          writeSync: (data: Uint8Array) => fs.writeSync(fd, data, 0, data.length),
        });
      for (const store of [FileStore.from(disk()), SyncFileStore.from(disk())]) {
        for (const length of [1, 2 ** 21]) {
          const error = await storageError("write", () => store.write(7, new Uint8Array(length)));
          assertEquals([codeOf(error), error.offset, error.length], ["ENOSPC", 7, length]);
        }
      }
      fs.closeSync(fd);
    },
  });
});

describe("FileStore", () => {
  it("leaves the event loop free during large transfers", async () => {
    const files: OpenFile[] = [await newHandle(2 ** 25), new FakeFile(2 ** 25)];
    for (const file of files) {
      const store = FileStore.from(file);
      for (const transfer of ["write", "read"] as const) {
        let turns = 0, done = false;
        const count = () => {
          turns++;
          if (!done) setImmediate(count);
        };
        setImmediate(count);
        await store[transfer](0, new Uint8Array(2 ** 25));
        done = true;
        assert(turns > 0, `no other turn during a ${transfer}`);
      }
    }
  });
});
