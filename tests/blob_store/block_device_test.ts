/**
 * Block devices as files and as blob stores: on loop devices, where the machine allows some.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  BlobStore,
  CorruptStoreError,
  StorageError,
  StoreLockedError,
} from "../../backends/blob_store/mod.ts";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import {
  deviceLength,
  deviceNumber,
  isUsableDevice,
} from "../../backends/file/raw/block_device.ts";
import { storeContract } from "../support/store_contract.ts";
import { storageError } from "../support/store_helpers.ts";
import { newFile, removeAfterwards } from "../support/temporary_files.ts";

const devices: string[] = [];
afterAll(() => {
  for (const device of devices) execFileSync("losetup", ["-d", device]);
});
removeAfterwards();

const LENGTH = 8 * 2 ** 20;
const isDeno = "Deno" in globalThis;

/** A loop device of zeros; undefined where the machine allows none. */
function attach(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const { status, stdout } = spawnSync("losetup", ["-f", "--show", newFile(LENGTH)], {
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Runs a test over a loop device. */
async function withDevice(body: (path: string) => Promise<void>): Promise<void> {
  const path = attach();
  if (path === undefined) throw new Error("There is no loop device any more");
  try {
    await body(path);
  } finally {
    execFileSync("losetup", ["-d", path]);
  }
}

const probe = attach(), ignore = probe === undefined;
if (probe !== undefined) execFileSync("losetup", ["-d", probe]);

describe("the length of a block device", () => {
  const stats = { rdev: 7 * 256 + 3 };

  it("is found by the system's files, by the device's number", () => {
    let asked = "";
    const length = deviceLength(stats, () => 1, (path) => {
      asked = path;
      return "131072\n";
    });
    assertEquals([length, asked], [67_108_864, "/sys/dev/block/7:3/size"]);
    assertEquals(deviceNumber({ rdev: 0x10_3ff_45 }), "1023:4165");
    assertEquals(deviceNumber({ rdev: 2 ** 32 * 0x1000 }), "4096:0");
  });

  it("is found byte by byte where the system does not tell", () => {
    const failing = [
      () => {
        throw new Error("ENOENT");
      },
      () => "0",
      () => "no number",
    ];
    for (const readSize of failing) {
      for (const length of [0, 1, 2, 3, 511, 512, 513, 67_108_864, 2 ** 40 + 4096, 2 ** 51 + 1]) {
        let reads = 0;
        const readAt = (position: number) => {
          reads++;
          return position < length ? 1 : 0;
        };
        assertStrictEquals(deviceLength(stats, readAt, readSize), length);
        assert(reads <= 110, `${reads} reads`);
      }
    }
    assertThrows(() => deviceLength(stats, () => 1, () => ""), Error, "no end");
  });

  it("is of use on Linux alone", () => {
    const device = { rdev: 1, isBlockDevice: () => true };
    assertEquals(isUsableDevice(device, "linux"), true);
    assertEquals(isUsableDevice(device, "darwin"), false);
    assertEquals(isUsableDevice({ rdev: 1, isBlockDevice: () => false }, "linux"), false);
  });
});

describe("file stores over a loop device", () => {
  it({
    name: "have its length, and refuse another one",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        for (const Store of [FileStore, SyncFileStore]) {
          const store = await Store.open(path);
          assertEquals([store.byteLength, store.maxByteLength], [LENGTH, LENGTH]);
          await store.write(LENGTH - 3, new Uint8Array([1, 2, 3]));
          await store.flush();
          await storageError("write", () => store.write(LENGTH - 1, new Uint8Array(2)));
          await store.resize(LENGTH);
          for (const length of [0, LENGTH - 512, LENGTH + 1]) {
            const error = await storageError("resize", () => store.resize(length));
            assert(error.message.includes(`a block device keeps its length of ${LENGTH} bytes`));
          }
          await store.reload();
          assertEquals(store.byteLength, LENGTH);
          await store.close();
          const reader = await Store.open(path, { readOnly: true });
          const into = new Uint8Array(3);
          await reader.read(LENGTH - 3, into);
          assertEquals([...into], [1, 2, 3]);
          await reader.close();
        }
      }),
  });

  it({
    name: "empty nothing, and make nothing",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        for (const Store of [FileStore, SyncFileStore]) {
          const open = (options: object) => async () => void await Store.open(path, options);
          const emptied = await storageError("open", open({ create: true, truncate: true }));
          assert(emptied.message.includes("cannot be emptied"), emptied.message);
          const made = await storageError("open", open({ createNew: true }));
          assert(made.message.includes("is there already"), made.message);
          await (await Store.open(path, { create: true })).close();
        }
      }),
  });

  it({
    name: "are alone, where the runtime can ask for that",
    ignore: ignore || isDeno,
    fn: () =>
      withDevice(async (path) => {
        const store = await FileStore.open(path);
        const error = await storageError("open", () => SyncFileStore.open(path));
        assert(error.message.includes("has the block device open, or it is mounted"));
        await (await FileStore.open(path, { readOnly: true })).close();
        await store.close();
        SyncFileStore.open(path).close();
      }),
  });

  if (!ignore) {
    storeContract("FileStore over a loop device", {
      make: (byteLength) => {
        const path = newFile(byteLength);
        const device = execFileSync("losetup", ["-f", "--show", path], { encoding: "utf8" }).trim();
        devices.push(device);
        return FileStore.open(device);
      },
      step: 512,
      skip: {
        resize: "a device keeps its length",
        shrink: "a device keeps its length",
        sync: "it is async",
        copyWithin: "it has none",
        view: "it is elsewhere",
      },
    });
  }
});

describe("a blob store on a loop device", () => {
  it({
    name: "is made where there are zeros, and opened as a file is",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        await assertRejects(() => BlobStore.open(path), CorruptStoreError, "it is empty");
        const before = fs.readdirSync("/dev").sort();
        {
          await using store = await BlobStore.open(path, { create: true });
          assertEquals(fs.readdirSync("/dev").sort(), before);
          for (let i = 0; i < 200; i++) await store.put(`k${i}`, new Uint8Array(i * 50).fill(i));
          assertEquals((await store.stats()).maxByteLength, LENGTH);
        }
        {
          await using store = await BlobStore.open(path, { create: true });
          assertEquals((await store.verify()).blobs, 200);
          for (let i = 0; i < 200; i += 2) await store.delete(`k${i}`);
          await store.compact();
          assertEquals((await store.get("k199"))!.length, 199 * 50);
        }
        await using reader = await BlobStore.open(path, { readOnly: true });
        assertEquals((await reader.stats()).blobs, 100);
        await reader.refresh();
      }),
  });

  it({
    name: "is not made over what is no store",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        const file = SyncFileStore.open(path);
        file.write(0, new TextEncoder().encode("a file system"));
        file.close();
        const error = await assertRejects(() => BlobStore.open(path, { create: true }));
        assert(error instanceof CorruptStoreError, String(error));
        const again = SyncFileStore.open(path, { readOnly: true }), into = new Uint8Array(6);
        again.read(0, into);
        assertEquals(new TextDecoder().decode(into), "a file");
        again.close();
      }),
  });

  it({
    name: "has one writer, in this process and in others",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        const store = await BlobStore.open(path, { create: true });
        const error = await assertRejects(() => BlobStore.open(path), StoreLockedError);
        assertEquals([error.path, error.holder?.pid], [path, process.pid]);
        const waiting = BlobStore.open(path, { waitMs: 20_000 });
        await (await BlobStore.open(path, { readOnly: true })).close();
        await store.close();
        await (await waiting).close();
      }),
  });

  it({
    name: "is refused while another program has the device alone",
    ignore: ignore || isDeno,
    fn: () =>
      withDevice(async (path) => {
        const file = SyncFileStore.open(path);
        await assertRejects(() => BlobStore.open(path, { create: true }), StoreLockedError, path);
        file.close();
        await (await BlobStore.open(path, { create: true })).close();
      }),
  });

  it({
    name: "is full at its end, and takes more once something is deleted",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        await using store = await BlobStore.open(path, { create: true });
        const mega = new Uint8Array(2 ** 20).fill(1);
        let puts = 0;
        await assertRejects(
          async () => {
            for (;; puts++) await store.put(`m${puts}`, mega);
          },
          Error,
          "the store may not grow",
        );
        assert(puts >= 6, `${puts}`);
        await store.delete("m0");
        await store.put("again", mega);
      }),
  });

  it({
    name: "keeps what was acknowledged when its process is killed",
    ignore,
    fn: () =>
      withDevice(async (path) => {
        const child = fileURLToPath(new URL("children/device_writer.ts", import.meta.url));
        const args = isDeno ? ["run", "-A", "--no-check", child] : [child];
        await (await BlobStore.open(path, { create: true })).close();
        for (let round = 0; round < 2; round++) {
          const writer = spawn(process.execPath, [...args, path, `${round}`]);
          let text = "", said = "";
          writer.stderr.on("data", (data) => said += data);
          const ended = new Promise((resolve) => writer.once("close", resolve));
          writer.stdout.on("data", (data) => {
            text += data;
            if (text.split("\n").length > 60) writer.kill("SIGKILL");
          });
          await ended;
          const keys = text.split("\n").slice(0, -1);
          assert(keys.length >= 60, said);
          await using store = await BlobStore.open(path);
          assertEquals((await store.verify()).damaged, []);
          for (const key of keys) assertEquals((await store.get(key))?.[0], key.length, key);
        }
      }),
  });
});

it({
  name: "a backup to a block device is refused: it is there already",
  ignore,
  fn: () =>
    withDevice(async (path) => {
      await using store = await BlobStore.open(newFile(), { create: true });
      await assertRejects(() => store.backup(path), StorageError, "there already");
    }),
});
