/**
 * FileStore and SyncFileStore over real files: every form of a file, opening, sizes
 * beyond 2^32, order.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import {
  type FileOpenOptions,
  FileStore,
  type OpenFile,
  type SeekableFile,
  SyncFileStore,
} from "../../backends/file/mod.ts";
import type { StorageError } from "../../src/arena/backing_store.ts";
import { storeContract } from "../support/store_contract.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { assertSameBytes, NO_SIZES, storageError } from "../support/store_helpers.ts";
import {
  closeAfterwards,
  folder,
  newDescriptor,
  newFile,
  newHandle,
  newPath,
  removeAfterwards,
} from "../support/temporary_files.ts";

removeAfterwards();

/** Opens files as `Deno.FsFile`, where there is Deno. */
const openFsFile = (globalThis as {
  Deno?: {
    openSync(path: string, options: object): SeekableFile & { close(): void };
  };
}).Deno?.openSync;

/** Fails unless a descriptor was refused for what it is; Deno on Windows says EPERM. */
function assertBadDescriptor(error: StorageError, ...others: string[]): void {
  const codes = [...others, "EBADF", ...(process.platform === "win32" ? ["EPERM"] : [])];
  assert(codes.includes(codeOf(error) as string), error.message);
}

function newFsFile(byteLength: number): SeekableFile {
  const file = openFsFile!(newFile(byteLength), { read: true, write: true });
  closeAfterwards(() => file.close());
  return file;
}

// The forms that callers hold are accepted by type.
((_: (file: Deno.FsFile | FileHandle | number) => FileStore) => {})(FileStore.from);
((_: (path: URL, options?: FileOpenOptions) => SyncFileStore) => {})(SyncFileStore.open);

const skipSync = { async: "it is synchronous", copyWithin: "files have none", view: "not memory" };
const skipAsync = { sync: "it is asynchronous", copyWithin: "files have none", view: "not memory" };

/** Two stores over one file. */
async function pairOf<S>(open: (path: string) => S | Promise<S>, path: string): Promise<[S, S]> {
  return [await open(path), await open(path)];
}

storeContract("FileStore of a path", {
  make: (byteLength) => FileStore.open(newFile(byteLength)),
  makePair: (byteLength) => pairOf(FileStore.open, newFile(byteLength)),
  skip: skipAsync,
});
storeContract("FileStore of a descriptor", {
  make: (byteLength) => FileStore.from(newDescriptor(byteLength)),
  skip: skipAsync,
});
storeContract("FileStore of a FileHandle", {
  make: async (byteLength) => FileStore.from(await newHandle(byteLength)),
  skip: skipAsync,
});
storeContract("SyncFileStore of a path", {
  make: (byteLength) => SyncFileStore.open(newFile(byteLength)),
  makePair: (byteLength) => pairOf(SyncFileStore.open, newFile(byteLength)),
  skip: skipSync,
});
storeContract("SyncFileStore of a descriptor", {
  make: (byteLength) => SyncFileStore.from(newDescriptor(byteLength)),
  skip: skipSync,
});
storeContract("SyncFileStore of a FileHandle", {
  make: async (byteLength) => SyncFileStore.from(await newHandle(byteLength)),
  skip: skipSync,
});
if (openFsFile) {
  storeContract("FileStore of a Deno.FsFile", {
    make: (byteLength) => FileStore.from(newFsFile(byteLength)),
    skip: skipAsync,
  });
  storeContract("SyncFileStore of a Deno.FsFile", {
    make: (byteLength) => SyncFileStore.from(newFsFile(byteLength)),
    skip: skipSync,
  });
} else {
  it({ name: "Deno.FsFile: store contract (skipped: only on Deno)", ignore: true, fn() {} });
}

/** Both stores; what holds for one holds for the other. */
const stores = [FileStore, SyncFileStore] as const;

function codeOf(error: StorageError): unknown {
  return (error.cause as { code?: string }).code;
}

describe("opening a file", () => {
  for (const Store of stores) {
    const opened = async (path: string | URL, options?: FileOpenOptions) =>
      await Store.open(path, options);

    describe(Store.name, () => {
      it("reads and writes a file that is there, by path and by URL", async () => {
        const path = newFile(3);
        for (const name of [path, pathToFileURL(path)]) {
          const store = await opened(name);
          assertStrictEquals(store.byteLength, 3);
          await store.write(1, new Uint8Array([65]));
          await store.close();
          assertEquals(Array.from(fs.readFileSync(path)), [0, 65, 0]);
        }
      });

      it("creates a file where asked to, and keeps one that is there", async () => {
        const path = newPath();
        const missing = await storageError("open", () => opened(path));
        assertStrictEquals(codeOf(missing), "ENOENT");
        assert(missing.message.includes(path), missing.message);
        assert(missing.message.includes(", pass create: true to make it"), missing.message);
        const unread = await storageError("open", () => opened(path, { readOnly: true }));
        assert(!unread.message.includes("create"), unread.message);
        assert(!fs.existsSync(path));
        for (const byteLength of [0, 5]) {
          const store = await opened(path, { create: true });
          assertStrictEquals(store.byteLength, byteLength);
          await store.resize(5);
          await store.close();
        }
      });

      it("refuses to create anew what is there", async () => {
        const path = newFile(5);
        const error = await storageError("open", () => opened(path, { createNew: true }));
        assertStrictEquals(codeOf(error), "EEXIST");
        assertStrictEquals(fs.statSync(path).size, 5);
        fs.rmSync(path);
        const store = await opened(path, { createNew: true });
        await store.resize(2);
        await store.write(0, new Uint8Array([1, 2]));
        await store.close();
      });

      it("empties a file where asked to", async () => {
        const path = newFile(5);
        const store = await opened(path, { truncate: true });
        assertStrictEquals(store.byteLength, 0);
        assertStrictEquals(fs.statSync(path).size, 0);
        await store.close();
      });

      it("refuses writes and resizes of a file opened read-only", async () => {
        const path = newFile(5);
        const store = await opened(path, { readOnly: true });
        await store.read(0, new Uint8Array(5));
        for (
          const error of [
            await storageError("write", () => store.write(0, new Uint8Array(1))),
            await storageError("resize", () => store.resize(6)),
          ]
        ) {
          assert(error.message.includes("read-only"), error.message);
          assert(error.message.includes(path), error.message);
        }
        await store.close();
        for (const contradiction of ["create", "createNew", "truncate"]) {
          const options = { readOnly: true, [contradiction]: true };
          await assertRejects(() => opened(path, options), TypeError);
        }
        assertStrictEquals(fs.statSync(path).size, 5);
      });

      it("refuses a folder, and what is no path", async () => {
        const writing = await storageError("open", () => opened(folder()));
        // Windows opens a folder as it opens a file: the error is ours, without a code.
        assert(codeOf(writing) === "EISDIR" || writing.message.includes("directory"));
        const reading = await storageError("open", () => opened(folder(), { readOnly: true }));
        assertStrictEquals(codeOf(reading), "EISDIR");
        assertStrictEquals(reading.message, `Cannot open: it is a directory (${folder()})`);
        await storageError("open", () => opened(join(newFile(), "below a file")));
        await assertRejects(() => opened(new URL("https://localhost/x")), TypeError);
        for (const bad of [undefined, null, 7, {}]) {
          await assertRejects(() => opened(bad as unknown as string), TypeError);
        }
      });

      it("refuses what stands for no open file", async () => {
        for (const bad of [undefined, null, "7", {}, { fd: "7" }, [], true]) {
          assertThrows(() => Store.from(bad as OpenFile), TypeError);
        }
        for (const bad of NO_SIZES.filter((value) => typeof value === "number")) {
          assertThrows(() => Store.from(bad as number), RangeError);
        }
        const unused = 2 ** 20 + 7;
        const error = await storageError("open", () => Store.from(unused));
        assertBadDescriptor(error);
      });
    });
  }
});

describe("a file that the caller holds", () => {
  for (const Store of stores) {
    it(`is left open by ${Store.name}.close()`, async () => {
      const fd = newDescriptor(4);
      const handle = await newHandle(4);
      for (const file of [fd, handle]) {
        const store = Store.from(file);
        await store.write(0, new Uint8Array([1, 2, 3, 4]));
        await store.close();
        await storageError("read", () => store.read(0, new Uint8Array(4)));
      }
      const bytes = new Uint8Array(4);
      assertStrictEquals(fs.readSync(fd, bytes, 0, 4, 0), 4);
      assertEquals(Array.from(bytes), [1, 2, 3, 4]);
      assertStrictEquals((await handle.read(bytes, 0, 4, 0)).bytesRead, 4);
    });

    it(`gives errors of ${Store.name} once it is closed, never another file's bytes`, async () => {
      const large = new Uint8Array(2 ** 20 + 1);
      const fd = fs.openSync(newFile(large.length), "r+");
      const ofDescriptor = Store.from(fd);
      const handle = await open(newFile(large.length), "r+");
      const ofHandle = Store.from(handle);
      await handle.close();
      // The handle's old number names another file now.
      const other = newDescriptor(large.length);
      for (const bytes of [large, new Uint8Array(1)]) {
        await storageError("read", () => ofHandle.read(0, bytes));
        await storageError("write", () => ofHandle.write(0, bytes.fill(1)));
      }
      await storageError("resize", () => ofHandle.resize(1));
      await storageError("flush", () => ofHandle.flush());
      assertStrictEquals(fs.fstatSync(other).size, large.length);
      assert(fs.readFileSync(other).every((byte) => byte === 0));

      fs.closeSync(fd);
      const error = await storageError("read", () => ofDescriptor.read(0, new Uint8Array(1)));
      assertBadDescriptor(error);
    });

    it(`may be read-only under ${Store.name}`, async () => {
      const fd = fs.openSync(newFile(2 ** 21), "r");
      const store = Store.from(fd);
      await store.read(0, new Uint8Array(2 ** 21));
      for (const length of [1, 2 ** 21]) {
        const error = await storageError("write", () => store.write(0, new Uint8Array(length)));
        assertBadDescriptor(error);
        assertEquals([error.offset, error.length], [0, length]);
      }
      const error = await storageError("resize", () => store.resize(1));
      assertBadDescriptor(error, "EINVAL");
      assertStrictEquals(store.byteLength, 2 ** 21);
      fs.closeSync(fd);
    });
  }
});

describe("a large file", () => {
  for (const Store of stores) {
    it(`is addressed by ${Store.name} beyond 2^32 bytes`, async () => {
      const path = newFile();
      const sources: OpenFile[] = [await open(path, "r+")];
      if (openFsFile) sources.push(openFsFile(path, { read: true, write: true }));
      const seed = seeded(1);
      for (const file of sources) {
        const store = Store.from(file);
        await store.resize(0);
        await store.resize(5 * 2 ** 30);
        const small = randomBytes(seed, 16), large = randomBytes(seed, 3 * 2 ** 20);
        const places: [number, Uint8Array][] = [
          [2 ** 31 - 8, small],
          [2 ** 32 - 8, small],
          [2 ** 32 + 2 ** 20, large],
          [5 * 2 ** 30 - small.length, small],
        ];
        for (const [offset, data] of places) await store.write(offset, data);
        for (const [offset, data] of places) {
          const into = new Uint8Array(data.length);
          await store.read(offset, into);
          assertSameBytes(into, data, `at ${offset}`);
        }
        // Nothing was wrapped around to the beginning.
        const start = new Uint8Array(2 ** 22);
        await store.read(0, start);
        assertSameBytes(start, new Uint8Array(2 ** 22), "the beginning");
        await store.close();
        await (file as FileHandle).close();
      }
      fs.rmSync(path);
    });
  }
});

describe("FileStore", () => {
  it("closes only after what is under way, and refuses the rest at once", async () => {
    const path = newFile(2 ** 22);
    const store = await FileStore.open(path);
    const data = new Uint8Array(2 ** 22).fill(7);
    const writes = [store.write(0, data), store.write(0, data)];
    const flush = store.flush();
    const closed = store.close();
    await storageError("write", () => store.write(0, new Uint8Array(1)));
    await closed;
    await Promise.all([...writes, flush]);
    assertSameBytes(fs.readFileSync(path), data, "written before it was closed");
  });

  it("carries out resizes in the order they were asked for", async () => {
    const path = newFile();
    const store = await FileStore.open(path);
    await store.resize(2 ** 22);
    const data = new Uint8Array(2 ** 22).fill(7);
    // The write is under way when its end is cut off: it must not bring that back.
    const write = store.write(0, data);
    const resizes = [10, 30, 20, 40].map((byteLength) => store.resize(byteLength));
    await null;
    await storageError("write", () => store.write(10, new Uint8Array(1)));
    await Promise.all([write, ...resizes]);
    assertStrictEquals(store.byteLength, 40);
    await store.close();
    const expected = new Uint8Array(40).fill(7, 0, 10);
    assertSameBytes(fs.readFileSync(path), expected, "cut off at 10, then grown");
  });

  it("closes at the end of its scope", async () => {
    const store = await FileStore.open(newFile(1));
    await store[Symbol.asyncDispose]();
    await storageError("read", () => store.read(0, new Uint8Array(1)));
    const sync = SyncFileStore.open(newFile(1));
    sync[Symbol.dispose]();
    await storageError("read", () => sync.read(0, new Uint8Array(1)));
  });
});

describe("requests served in place", () => {
  for (const length of [2 ** 20, 512]) {
    it(`leave the event loop its turns: ${length} bytes each`, async () => {
      const store = FileStore.from(newDescriptor(2 ** 20)), bytes = new Uint8Array(length);
      let ticked = false;
      const timer = setTimeout(() => ticked = true, 0);
      // Without turns the timer could not run before the loop ends, however long it is.
      for (let i = 0; i < 20_000 && !ticked; i++) await store.read(0, bytes);
      clearTimeout(timer);
      assert(ticked);
    });
  }
});
