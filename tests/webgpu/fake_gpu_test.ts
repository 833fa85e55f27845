/** The fake device: each rule of WebGPU that it holds the arena to, broken once. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { GpuUsage } from "../../backends/webgpu/mod.ts";
import { type FakeBuffer, FakeDevice } from "./fake_gpu.ts";

const { COPY_SRC, COPY_DST, MAP_READ, MAP_WRITE, STORAGE } = GpuUsage;
const BOTH = COPY_SRC | COPY_DST;

type Encoder = ReturnType<FakeDevice["createCommandEncoder"]>;

/** Runs a body; the device must have complained once, or not at all. */
function complaint(device: FakeDevice, body: () => unknown): string | undefined {
  body();
  const [message, ...more] = device.uncaptured.splice(0);
  assertEquals(more, []);
  return message;
}

function submit(device: FakeDevice, record: (encoder: Encoder) => void): void {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish() as never]);
}

describe("FakeDevice", () => {
  const device = new FakeDevice();
  const make = (usage = BOTH, size = 64): FakeBuffer => device.createBuffer({ size, usage });
  const write = (buffer: FakeBuffer, value: number) => {
    device.queue.writeBuffer(buffer, 0, new Uint8Array(buffer.size).fill(value));
  };

  it("writes at the call, copies at submit, in that order", () => {
    const [a, b] = [make(), make()];
    write(a, 1);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(a, 0, b, 8, 8);
    encoder.clearBuffer(b, 12, 4);
    write(a, 2);
    write(b, 3);
    assertStrictEquals(b.bytes[8], 3);
    device.queue.submit([encoder.finish() as never]);
    assertEquals([...b.bytes.slice(6, 18)], [3, 3, 2, 2, 2, 2, 0, 0, 0, 0, 3, 3]);
    assertEquals(device.uncaptured, []);
  });

  it("refuses copies that WebGPU refuses, with all commands beside them", async () => {
    const [a, b] = [make(), make()], other = new FakeDevice();
    const foreign = other.createBuffer({ size: 64, usage: BOTH });
    write(b, 5);
    const wrong: [string, (encoder: Encoder) => void][] = [
      ["within one buffer", (encoder) => encoder.copyBufferToBuffer(a, 0, a, 32, 8)],
      ["COPY_SRC", (encoder) => encoder.copyBufferToBuffer(make(COPY_DST), 0, b, 0, 8)],
      ["COPY_SRC and COPY_DST", (encoder) => encoder.copyBufferToBuffer(b, 0, make(STORAGE), 0, 8)],
      ["range 2+8", (encoder) => encoder.copyBufferToBuffer(a, 2, b, 0, 8)],
      ["range 0+6", (encoder) => encoder.copyBufferToBuffer(a, 0, b, 0, 6)],
      ["range 60+8", (encoder) => encoder.copyBufferToBuffer(a, 0, b, 60, 8)],
      ["another device", (encoder) => encoder.copyBufferToBuffer(foreign, 0, b, 0, 8)],
      ["clearBuffer", (encoder) => encoder.clearBuffer(b, 2, 4)],
    ];
    for (const [message, record] of wrong) {
      device.pushErrorScope("validation"); // finish and submit both complain
      submit(device, (encoder) => {
        encoder.clearBuffer(b);
        record(encoder);
      });
      const error = await device.popErrorScope();
      assert(error?.message.includes(message), `${error?.message}, not ${message}`);
      assertStrictEquals(b.bytes[0], 5, message);
    }
  });

  it("refuses writes that a real device refuses, or crashes on", () => {
    const buffer = make();
    const at = (offset: number, length: number) => () =>
      device.queue.writeBuffer(buffer, offset, new Uint8Array(length));
    assert(complaint(device, at(2, 4))?.includes("range"));
    assert(complaint(device, at(0, 6))?.includes("range"));
    assert(complaint(device, at(64, 4))?.includes("range"));
    const shared = new Uint8Array(new SharedArrayBuffer(8)) as never;
    assertThrows(() => device.queue.writeBuffer(buffer, 0, shared), Error, "fixed memory");
    assertThrows(() =>
      device.queue.writeBuffer(buffer, 0, new DataView(new ArrayBuffer(4)) as never)
    );
    assert(complaint(device, () => write(make(STORAGE), 1))?.includes("COPY_DST"));
    buffer.destroy();
    assert(complaint(device, at(0, 4))?.includes("destroyed"));
  });

  it("submits commands once, and none that name a buffer that is destroyed or mapped", () => {
    const [a, b] = [make(), make()];
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(a, 0, b, 0, 8);
    const commands = encoder.finish();
    device.queue.submit([commands as never]);
    assert(complaint(device, () => device.queue.submit([commands as never]))?.includes("twice"));
    assert(complaint(device, () => encoder.clearBuffer(b))?.includes("finished"));
    const late = device.createCommandEncoder();
    late.copyBufferToBuffer(a, 0, b, 0, 8);
    a.destroy();
    const end = () => device.queue.submit([late.finish() as never]);
    assert(complaint(device, end)?.includes("destroyed"));
    const staging = make(MAP_WRITE | COPY_SRC);
    void staging.mapAsync(2);
    const use = () => submit(device, (encoder) => encoder.copyBufferToBuffer(staging, 0, b, 0, 8));
    assert(complaint(device, use)?.includes("pending"));
  });

  it("maps what can be mapped, once the GPU has come so far", async () => {
    const source = make(), staging = make(MAP_READ | COPY_DST);
    write(source, 7);
    submit(device, (encoder) => encoder.copyBufferToBuffer(source, 0, staging, 0, 64));
    await staging.mapAsync(1);
    assertStrictEquals(new Uint8Array(staging.getMappedRange())[63], 7);
    await assertRejects(() => staging.mapAsync(1), Error, "mapped");
    staging.unmap();
    assertThrows(() => staging.getMappedRange(), Error, "unmapped");
    await assertRejects(() => source.mapAsync(1), Error, "usage");
    await assertRejects(() => staging.mapAsync(1, 4), Error, "range");
    device.failMap();
    await assertRejects(() => staging.mapAsync(1), Error, "failed");
    assertStrictEquals(device.uncaptured.splice(0).length, 3);
    const written = device.createBuffer({
      size: 8,
      usage: MAP_WRITE | COPY_SRC,
      mappedAtCreation: true,
    });
    new Uint8Array(written.getMappedRange()).fill(3);
    written.unmap();
    assertEquals([...written.bytes], Array(8).fill(3));
  });

  it("makes buffers within its limits, and reports errors to the innermost scope", async () => {
    const wrong: [number, number][] = [[2 ** 29, BOTH], [-4, BOTH], [8, 0], [8, 0x400], [
      8,
      MAP_READ | STORAGE,
    ], [8, MAP_WRITE | COPY_DST]];
    for (const [size, usage] of wrong) {
      assert(complaint(device, () => make(usage, size))?.startsWith("createBuffer"));
    }
    device.pushErrorScope("validation");
    device.pushErrorScope("out-of-memory");
    device.failAllocation(2);
    make();
    const invalid = make();
    write(invalid, 1);
    const [memory, validation] = [device.popErrorScope(), device.popErrorScope()];
    assert((await memory)?.message.includes("no memory"));
    assert((await validation)?.message.includes("invalid"));
    await assertRejects(() => device.popErrorScope());
    assertEquals(device.uncaptured, []);
  });

  it("holds back what it tells, and tells nothing once it is lost", async () => {
    const gpu = new FakeDevice(), told: string[] = [];
    gpu.hold();
    void gpu.queue.onSubmittedWorkDone().then(() => told.push("done"));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    assertEquals(told, []);
    gpu.release();
    for (let i = 0; i < 10; i++) await Promise.resolve();
    assertEquals(told, ["done"]);
    const buffer = gpu.createBuffer({ size: 8, usage: BOTH });
    void gpu.queue.onSubmittedWorkDone().then(() => told.push("never"));
    gpu.lose("unplugged");
    assertStrictEquals((await gpu.lost).message, "unplugged");
    gpu.release();
    gpu.queue.writeBuffer(buffer, 0, new Uint8Array(8).fill(1));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    assertEquals([told, [...buffer.bytes]], [["done"], Array(8).fill(0)]);
    assertStrictEquals(gpu.liveBuffers.length, 1);
    buffer.destroy();
    assertStrictEquals(gpu.liveBuffers.length, 0);
  });
});
