/**
 * The file of a blob store: what is done in place and what aside, turns of the event
 * loop, flushes by the speed of the disk, failures, the length seen anew.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { BlobFile, syncFolder } from "../../backends/blob_store/blob_file.ts";
import { Cursor } from "../../backends/file/raw/cursor.ts";
import { Descriptor, handleOf } from "../../backends/file/raw/descriptor.ts";
import { FileIO } from "../../backends/file/raw/file_io.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import { FakeFile } from "../file/fake_file.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import { storeContract } from "../support/store_contract.ts";
import { assertSameBytes, storageError } from "../support/store_helpers.ts";
import { newDescriptor, newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

storeContract("BlobFile", {
  make: (byteLength) => BlobFile.open(newFile(byteLength)),
  skip: {
    sync: "large requests give promises",
    async: "small requests give none",
    copyWithin: "files have none",
    view: "not memory",
  },
});

const MiB = 2 ** 20;

/** A BlobFile over a file whose calls can be made to fail. */
function overFake(byteLength: number): { file: FakeFile; store: BlobFile } {
  const file = new FakeFile(byteLength);
  return { file, store: new BlobFile(new FileIO(new Cursor(file))) };
}

/** A device whose flushes take as long as a test says, by a clock that it turns itself. */
class TimedFile extends Descriptor {
  /** What a flush takes, in milliseconds. */
  took = 0;
  /** Where each flush was done. */
  readonly flushes: string[] = [];
  #now = 0;

  /** Runs a body by this clock. */
  async keepTime(body: () => Promise<void>): Promise<void> {
    const { now } = performance;
    performance.now = () => this.#now;
    try {
      await body();
    } finally {
      performance.now = now;
    }
  }

  override flush(): void {
    this.flushes.push("in place");
    this.#now += this.took;
  }

  override flushAsync(): Promise<void> {
    this.flushes.push("aside");
    this.#now += this.took;
    return Promise.resolve();
  }
}

function overTimed(byteLength: number): { device: TimedFile; store: BlobFile } {
  const device = new TimedFile(handleOf(newDescriptor(byteLength)));
  return { device, store: new BlobFile(new FileIO(device)) };
}

describe("requests to a BlobFile", () => {
  it("give no promise up to 1 MiB, and one above", async () => {
    const store = BlobFile.open(newFile(4 * MiB)), random = seeded(1);
    const model = new Uint8Array(4 * MiB);
    for (const length of [0, 1, 4096, MiB]) {
      const data = randomBytes(random, length), offset = random(MiB);
      assertStrictEquals(store.write(offset, data), undefined);
      model.set(data, offset);
      assertStrictEquals(store.read(offset, new Uint8Array(length)), undefined);
    }
    const data = randomBytes(random, MiB + 1);
    const write = store.write(2 * MiB, data);
    assertInstanceOf(write, Promise);
    await write;
    model.set(data, 2 * MiB);
    const into = new Uint8Array(4 * MiB);
    const read = store.read(0, into);
    assertInstanceOf(read, Promise);
    await read;
    assertSameBytes(into, model, "everything");
    await store.close();
  });

  for (const length of [MiB, 512]) {
    it(`give the event loop a turn after 16 MiB: ${length} bytes each`, async () => {
      const store = BlobFile.open(newFile(MiB)), bytes = new Uint8Array(length);
      const expected = Math.ceil(16 * MiB / (length + 4096));
      let ticked = false;
      for (let round = 0; round < 3; round++) {
        for (let call = 1; call < expected; call++) {
          assertStrictEquals(store.read(0, bytes), undefined, `call ${call}`);
        }
        const turn = store.write(0, bytes);
        assertInstanceOf(turn, Promise);
        setTimeout(() => ticked = true, 0);
        await turn;
      }
      for (let i = 0; i < 20_000 && !ticked; i++) await store.read(0, bytes);
      assert(ticked, "timers run");
      await store.close();
    });
  }

  it("in any order and size agree with a plain array", () =>
    withSeed(7, async (random) => {
      const path = newFile(), store = BlobFile.open(path);
      let model = new Uint8Array(0);
      for (let step = 0; step < 150; step++) {
        const large = random(10) === 0;
        const offset = random(model.length + 1);
        const length = Math.min(random(large ? 3 * MiB : 5000), model.length - offset);
        if (random(12) === 0) {
          const before = model;
          model = new Uint8Array(random(6 * MiB));
          model.set(before.subarray(0, model.length));
          await store.resize(model.length);
        } else if (random(2) === 0) {
          const data = randomBytes(random, length);
          await store.write(offset, data);
          model.set(data, offset);
        } else {
          const into = new Uint8Array(length);
          await store.read(offset, into);
          assertSameBytes(into, model.subarray(offset, offset + length), `step ${step}`);
        }
        if (random(20) === 0) await store.flush();
      }
      await store.close();
      assertSameBytes(fs.readFileSync(path), model, "the file");
    }));

  it("that fail do so as StorageErrors, and do no harm", async () => {
    for (const byteLength of [1000, 2 * MiB]) {
      for (let n = 1; n <= 6; n++) {
        const { file, store } = overFake(2 * byteLength);
        const cause = new Error("EIO: of this test");
        file.calls = 0;
        file.fault = (call) => call === n ? cause : Math.ceil(byteLength / 3);
        const data = new Uint8Array(byteLength).fill(n);
        let failures = 0;
        for (const operation of ["write", "read"] as const) {
          try {
            await store[operation](byteLength, data);
          } catch (error) {
            failures++;
            assert(error instanceof StorageError);
            assertEquals(
              [error.operation, error.offset, error.length, error.cause],
              [operation, byteLength, byteLength, cause],
            );
            await store[operation](byteLength, data);
          }
        }
        assertStrictEquals(failures, 1, `call ${n}, ${byteLength} bytes`);
        assert(file.bytes.subarray(0, byteLength).every((byte) => byte === 0));
        assert(file.bytes.subarray(byteLength).every((byte) => byte === n));
      }
    }
  });
});

describe("a resize of a BlobFile", () => {
  it("is done in place", async () => {
    const path = newFile(100), store = BlobFile.open(path);
    for (const byteLength of [200, 50, 0]) {
      assertStrictEquals(store.resize(byteLength), undefined);
      assertEquals([store.byteLength, fs.statSync(path).size], [byteLength, byteLength]);
    }
    await store.close();
  });

  it("to less waits for what is under way, and those behind it wait too", async () => {
    const path = newFile(4 * MiB), store = BlobFile.open(path);
    const write = store.write(0, new Uint8Array(4 * MiB).fill(7));
    assertStrictEquals(store.resize(5 * MiB), undefined);
    const resizes = [10, 30, 20, 40].map((byteLength) => store.resize(byteLength));
    for (const resize of resizes) assertInstanceOf(resize, Promise);
    await storageError("write", () => store.write(10, new Uint8Array(1)));
    await Promise.all([write, ...resizes]);
    assertSameBytes(fs.readFileSync(path), new Uint8Array(40).fill(7, 0, 10), "cut off at 10");
    await new Promise((resolve) => setTimeout(resolve));
    assertStrictEquals(store.resize(1), undefined, "in place again");
    await store.close();
  });

  it("that fails leaves the length", async () => {
    for (const underWay of [0, 1]) {
      for (const byteLength of [50, 4 * MiB]) {
        const { file, store } = overFake(3 * MiB);
        file.fault = (_, what) => what === "truncate" ? new Error("ENOSPC") : undefined;
        const write = underWay ? store.write(0, new Uint8Array(2 * MiB)) : undefined;
        await storageError("resize", () => store.resize(byteLength));
        assertStrictEquals(store.byteLength, 3 * MiB);
        await write;
      }
    }
  });
});

describe("a flush of a BlobFile", () => {
  it("is done in place as long as the disk is quick, and aside otherwise", () => {
    const { device, store } = overTimed(8);
    const steps: [took: number, where: string][] = [
      [0, "aside"], // nothing is known yet
      [0.2, "in place"],
      [0.9, "in place"],
      [3, "in place"],
      [0.6, "aside"], // too slow to come back
      [0.4, "aside"],
      [0.2, "in place"],
    ];
    return device.keepTime(async () => {
      for (const [took, where] of steps) {
        device.took = took;
        const answer = store.flush();
        assertStrictEquals(answer instanceof Promise, where === "aside", `${took} ms`);
        await answer;
      }
      assertEquals(device.flushes, steps.map(([, where]) => where));
    });
  });

  it("gives the event loop a turn after 10 ms", () => {
    const { device, store } = overTimed(8);
    device.took = 0.25;
    return device.keepTime(async () => {
      await store.flush();
      for (let round = 0; round < 3; round++) {
        for (let i = 1; i < 40; i++) assertStrictEquals(store.flush(), undefined, `flush ${i}`);
        const turn = store.flush();
        assertInstanceOf(turn, Promise);
        await turn;
      }
    });
  });

  it("waits for the transfers under way", async () => {
    const { device, store } = overTimed(8 * MiB);
    await device.keepTime(async () => {
      await store.flush();
      await store.flush();
    });
    const write = Promise.resolve(store.write(0, new Uint8Array(8 * MiB)))
      .then(() => void device.flushes.push("written"));
    await store.flush();
    await write;
    assertEquals(device.flushes, ["aside", "in place", "written", "aside"]);
  });

  it("that failed is final, in place and aside", async () => {
    for (const before of [0, 1]) {
      const { file, store } = overFake(100);
      for (let i = 0; i < before; i++) await store.flush();
      const cause = new Error("EIO: of this test");
      file.fault = (_, what) => what === "sync" ? cause : undefined;
      assertStrictEquals((await storageError("flush", () => store.flush())).cause, cause);
      file.fault = () => undefined;
      const later = await storageError("flush", () => store.flush());
      assertStrictEquals(later.cause, cause);
      assert(later.message.includes("an earlier flush failed"), later.message);
    }
  });
});

describe("a BlobFile", () => {
  it("that only reads sees another length when it looks anew", async () => {
    const path = newFile(10);
    const writer = BlobFile.open(path), reader = BlobFile.open(path, { readOnly: true });
    writer.resize(20);
    writer.write(15, new Uint8Array([7]));
    const into = new Uint8Array(1);
    await storageError("read", () => reader.read(15, into));
    reader.reload();
    assertStrictEquals(reader.byteLength, 20);
    reader.read(15, into);
    assertStrictEquals(into[0], 7);
    await storageError("write", () => reader.write(0, into));
    await storageError("resize", () => reader.resize(1));
    await writer.close();
    await reader.close();
    await storageError("read", () => reader.reload());
  });

  it("closes after what is under way", async () => {
    const path = newFile(4 * MiB), store = BlobFile.open(path);
    const data = new Uint8Array(4 * MiB).fill(7);
    const work = [store.write(0, data), store.flush()];
    const closed = store.close();
    await storageError("write", () => store.write(0, new Uint8Array(1)));
    await closed;
    await Promise.all(work);
    assertSameBytes(fs.readFileSync(path), data, "written before it was closed");
  });

  it("is refused where there is none, or a folder", async () => {
    const path = newPath();
    const missing = await storageError("open", () => BlobFile.open(path));
    assertStrictEquals((missing.cause as { code?: string }).code, "ENOENT");
    await storageError("open", () => BlobFile.open(dirname(path)));
    await storageError("open", () => BlobFile.open(dirname(path), { readOnly: true }));
  });
});

describe("syncFolder", () => {
  it("makes a folder durable, and says where there is none", async () => {
    const path = newPath();
    syncFolder(dirname(path));
    const error = await storageError("flush", () => syncFolder(join(path, "none")));
    assertStrictEquals((error.cause as { code?: string }).code, "ENOENT");
  });

  // The system has files and folders that it cannot make durable, and says EINVAL.
  const isLinux = process.platform === "linux";
  it({
    name: `does nothing where there is no such thing${isLinux ? "" : " (skipped: only on Linux)"}`,
    ignore: !isLinux,
    fn() {
      const fd = fs.openSync("/proc", "r");
      assertThrows(() => fs.fsyncSync(fd), Error);
      fs.closeSync(fd);
      syncFolder("/proc");
    },
  });
});
