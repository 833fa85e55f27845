/** Reading from GPU buffers: one map a tick, order, the pool, failures. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DeviceLostError, GpuOutOfMemoryError, GpuUsage } from "../../backends/webgpu/mod.ts";
import { GpuContext } from "../../backends/webgpu/gpu_context.ts";
import { Readback } from "../../backends/webgpu/readback.ts";
import { type FakeBuffer, FakeDevice } from "./fake_gpu.ts";
import { ticks } from "./gpu_helpers.ts";
import { randomBytes, seeded, withSeed } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

/** What a test reads from. */
interface Setup {
  readonly device: FakeDevice;
  readonly readback: Readback<FakeBuffer>;
  readonly source: FakeBuffer;
  /** What is in `source`. */
  readonly bytes: Uint8Array;
}

/** Runs a test; then no rule may be broken, and no staging buffer left. */
async function withReadback(
  body: (setup: Setup) => Promise<void>,
  { length = 4096, device = new FakeDevice() } = {},
): Promise<void> {
  const source = device.createBuffer({ size: length, usage: GpuUsage.COPY_SRC | 8 });
  const bytes = randomBytes(seeded(1), length);
  source.bytes.set(bytes);
  const readback = new Readback(GpuContext.of(device));
  await body({ device, readback, source, bytes });
  readback.close();
  await ticks();
  assertEquals(device.uncaptured, []);
  assertEquals(device.liveBuffers, [source]);
}

/** Sizes of the staging buffers there are. */
function stagingSizes({ device }: Setup): number[] {
  return device.liveBuffers.filter(({ label }) => label === "read-back").map(({ size }) => size);
}

describe("Readback", () => {
  it("reads any ranges of a tick, from several buffers, with one submit and one map", () =>
    withReadback(async ({ device, readback, source, bytes }) => {
      const other = device.createBuffer({ size: 64, usage: GpuUsage.COPY_SRC });
      other.bytes.fill(9);
      await withSeed(2, async (random) => {
        const ranges = Array.from({ length: 100 }, () => {
          const length = random(50);
          return { offset: random(bytes.length - length + 1), length };
        });
        ranges.push({ offset: 0, length: bytes.length }, { offset: bytes.length - 1, length: 1 });
        const { submit, mapAsync, createBuffer } = device.counts;
        const [theirs, ...read] = await Promise.all([
          readback.read(other, 3, 7),
          ...ranges.map(({ offset, length }) => readback.read(source, offset, length)),
        ]);
        assertEquals([...theirs], Array(7).fill(9));
        ranges.forEach(({ offset, length }, i) => {
          assertSameBytes(read[i], bytes.subarray(offset, offset + length), `at ${offset}`);
          assertStrictEquals(read[i].byteOffset, 0, "memory of its own");
          assertStrictEquals(read[i].buffer.byteLength, length, "memory of its own");
        });
        const { counts } = device;
        assertEquals(
          [counts.submit - submit, counts.mapAsync - mapAsync, counts.createBuffer - createBuffer],
          [1, 1, 1],
        );
      });
      other.destroy();
    }));

  it("reads nothing without the GPU", () =>
    withReadback(async ({ device, readback, source }) => {
      assertStrictEquals((await readback.read(source, 5, 0)).length, 0);
      readback.submit();
      await readback.settled();
      assertEquals([device.counts.submit, device.counts.mapAsync], [0, 0]);
    }));

  it("reads what was there at submit, whatever follows", () =>
    withReadback(async ({ device, readback, source, bytes }) => {
      const expected = bytes.slice(0, 8);
      const before = readback.read(source, 0, 8);
      readback.submit();
      device.queue.writeBuffer(source, 0, new Uint8Array(8).fill(1));
      const after = readback.read(source, 0, 8);
      assertSameBytes(await before, expected, "before the write");
      assertSameBytes(await after, new Uint8Array(8).fill(1), "after it");
    }));

  it("keeps batches apart that are under way together", () =>
    withReadback(async (setup) => {
      const { device, readback, source, bytes } = setup;
      device.hold();
      const reads = [0, 1, 2].map((i) => {
        const read = readback.read(source, i * 10, 10);
        readback.submit();
        return read;
      });
      assertEquals(stagingSizes(setup), [4096, 4096, 4096]);
      await ticks();
      device.release();
      (await Promise.all(reads)).forEach((read, i) => {
        assertSameBytes(read, bytes.subarray(i * 10, i * 10 + 10), `batch ${i}`);
      });
      await readback.read(source, 0, 4096);
      assertEquals(stagingSizes(setup), [4096, 4096, 4096], "all in the pool, one used again");
    }));

  it("pools staging buffers by power of two, at most 16 MiB of them", () =>
    withReadback(async (setup) => {
      const { device, readback, source } = setup;
      for (const length of [1, 4096, 4097, 8000, 5000, 3, 2 ** 20 - 3]) {
        await readback.read(source, 1, length);
        await readback.settled();
      }
      assertEquals(stagingSizes(setup), [4096, 8192, 2 ** 20]);
      await readback.read(source, 0, 2 ** 24);
      await readback.settled();
      assertEquals(stagingSizes(setup), [4096, 8192, 2 ** 20], "too long to be kept");
      const { createBuffer } = device.counts;
      for (let i = 0; i < 3; i++) {
        // 8 MiB each: beside the others there is room for one.
        await Promise.all([0, 1, 2].map((at) => {
          const read = readback.read(source, at, 2 ** 23 - 16);
          readback.submit();
          return read;
        }));
        await readback.settled();
        assertEquals(stagingSizes(setup), [4096, 8192, 2 ** 20, 2 ** 23]);
      }
      assertStrictEquals(device.counts.createBuffer - createBuffer, 3 + 2 + 2);
    }, { length: 2 ** 24 }));

  it("reads more in a tick than a buffer of the device can hold", () =>
    withReadback(async (setup) => {
      const { device, readback, source, bytes } = setup;
      const ranges = [[0, 10_001], [0, 6000], [4001, 4000], [1, 10_000], [9999, 2]];
      const { mapAsync } = device.counts;
      const reads = await Promise.all(
        ranges.map(([offset, length]) => readback.read(source, offset, length)),
      );
      ranges.forEach(([offset, length], i) => {
        assertSameBytes(reads[i], bytes.subarray(offset, offset + length), `range ${i}`);
      });
      // 10,004 + 6000 + 4004 + 10,004 + 4 bytes, at most 10,004 together.
      assertStrictEquals(device.counts.mapAsync - mapAsync, 4);
      assert(stagingSizes(setup).every((size) => size <= 10_004));
    }, { length: 10_004, device: new FakeDevice({ maxBufferSize: 10_006 }) }));

  it("settles after reads of the same tick", () =>
    withReadback(async ({ device, readback, source }) => {
      device.hold();
      let isSettled = false;
      const read = readback.read(source, 0, 4);
      const settled = readback.settled().then(() => isSettled = true);
      await ticks();
      assertStrictEquals(isSettled, false);
      device.release();
      await Promise.all([read, settled]);
    }));

  it("settles once all reads so far have ended, also those that failed", () =>
    withReadback(async ({ device, readback, source }) => {
      device.hold();
      device.failMap();
      let ended = 0;
      const failing = readback.read(source, 0, 4).catch(() => ended++);
      readback.submit();
      const read = readback.read(source, 0, 4).then(() => ended++);
      const settled = readback.settled().then(() => ended);
      await ticks();
      assertStrictEquals(ended, 0);
      device.release();
      await Promise.all([failing, read]);
      assertStrictEquals(await settled, 2);
    }));
});

describe("Readback on a failing device", () => {
  it("tells that there is no memory to read into, and goes on", () =>
    withReadback(async (setup) => {
      const { device, readback, source, bytes } = setup;
      device.failAllocation();
      const reads = [readback.read(source, 0, 5), readback.read(source, 9, 5000)];
      for (const result of await Promise.allSettled(reads)) {
        assert(result.status === "rejected" && result.reason instanceof GpuOutOfMemoryError);
        assertStrictEquals(result.reason.requested, 8192);
      }
      assertEquals(stagingSizes(setup), []);
      assertSameBytes(await readback.read(source, 0, 5), bytes.subarray(0, 5), "the next read");
    }, { length: 8192 }));

  it("tells of a map that failed, with its cause, and goes on", () =>
    withReadback(async (setup) => {
      const { device, readback, source, bytes } = setup;
      device.failMap();
      const error = await assertRejects(
        () => readback.read(source, 0, 5),
        Error,
        "Cannot read from the GPU: the copy could not be mapped",
      );
      assertStrictEquals((error.cause as Error).message, "mapAsync failed");
      assertEquals(stagingSizes(setup), []);
      assertSameBytes(await readback.read(source, 0, 5), bytes.subarray(0, 5), "the next read");
    }));

  it("tells of a buffer that cannot be read; only to the reads beside it", () =>
    withReadback(async ({ device, readback, source, bytes }) => {
      const gone = device.createBuffer({ size: 64, usage: GpuUsage.COPY_SRC });
      gone.destroy();
      const good = readback.read(source, 0, 5);
      readback.submit();
      const bad = readback.read(gone, 0, 5);
      await assertRejects(() => bad, Error, "Cannot read from the GPU: submit: the buffer is");
      assertSameBytes(await good, bytes.subarray(0, 5), "the batch before");
    }));

  it("rejects what is under way or open when the device is lost, and whatever follows", () =>
    withReadback(async ({ device, readback, source }) => {
      await readback.read(source, 0, 4); // one in the pool
      device.hold();
      const underWay = readback.read(source, 0, 4);
      await ticks();
      const open = readback.read(source, 0, 4);
      device.lose("unplugged");
      const results = await Promise.allSettled([underWay, open]);
      results.push(...await Promise.allSettled([readback.read(source, 0, 4)]));
      for (const result of results) {
        assert(result.status === "rejected" && result.reason instanceof DeviceLostError);
      }
      await readback.settled();
    }));

  it("rejects what is under way or open when it is closed, and whatever follows", () =>
    withReadback(async (setup) => {
      const { device, readback, source } = setup;
      await readback.read(source, 0, 4);
      device.hold();
      const underWay = readback.read(source, 0, 4);
      readback.submit();
      await ticks();
      const open = readback.read(source, 0, 4);
      readback.close();
      readback.close();
      const later = readback.read(source, 0, 0);
      device.release();
      for (const read of [underWay, open, later]) {
        await assertRejects(() => read, Error, "Cannot read from the GPU: the arena or store was");
      }
      await readback.settled();
      assertEquals(stagingSizes(setup), []);
    }));
});
