/** A device over WebGL2: what WebGL does otherwise than WebGPU, one test each. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { keepFilled, type WebGlDevice, webGlDevice } from "../../backends/webgl/mod.ts";
import {
  DeviceLostError,
  encodeUploads,
  GpuArena,
  GpuBufferStore,
  GpuOutOfMemoryError,
  GpuUsage,
} from "../../backends/webgpu/mod.ts";
import { storeContract } from "../support/store_contract.ts";
import { checkArenaModel } from "../webgpu/gpu/arena_model.ts";
import { FakeGl, type FakeGlBuffer, FakeVertexArray } from "./fake_gl.ts";
import { seeded } from "../support/random.ts";
import { ByteRanges } from "../../backends/webgl/byte_ranges.ts";

const { COPY_SRC, COPY_DST, INDEX, VERTEX, UNIFORM, MAP_READ, MAP_WRITE } = GpuUsage;
const ARRAY = 0x8892, ELEMENT_ARRAY = 0x8893, COPY_READ = 0x8f36, COPY_WRITE = 0x8f37;

/** A device over a context that polls it in each task in which a fence signals. */
function make(options = {}): { gl: FakeGl; device: WebGlDevice<FakeGlBuffer> } {
  const gl = new FakeGl(), device = webGlDevice(gl, options);
  gl.onTask = () => device.poll();
  return { gl, device };
}

storeContract("GpuBufferStore on WebGL2", {
  make: (byteLength) => {
    const { gl, device } = make();
    gl.isFast = true;
    return new GpuBufferStore(device, { byteLength, usage: INDEX });
  },
  skip: { view: "the bytes are on the GPU", sync: "the GPU answers later" },
});

describe("GpuArena on WebGL2, against a model", () => {
  for (let seed = 1; seed <= 8; seed++) {
    it(`holds every byte, seed ${seed}`, async () => {
      const { gl, device } = make();
      await checkArenaModel(device, { seed, steps: 400, every: 25, isWebGl: true });
      assertEquals(gl.errors, []);
      device.destroy();
      assertEquals([gl.live.size, gl.listeners], [0, 0]);
    });
  }
});

describe("webGlDevice", () => {
  it("refuses what is no WebGL2 context, and options that nobody knows", () => {
    for (const wrong of [undefined, null, {}, { createBuffer() {} }]) {
      assertThrows(() => webGlDevice(wrong as never), TypeError, "WebGL2RenderingContext");
    }
    assertThrows(
      () => webGlDevice(new FakeGl(), { restore: true } as never),
      TypeError,
      "restores",
    );
    assertThrows(() => new GpuArena(new FakeGl() as never), TypeError, "webGlDevice()");
  });

  it("refuses what WebGL2 has not, when it is asked for", async () => {
    const { device } = make(), arena = new GpuArena(device);
    for (const role of ["storage", "indirect"] as const) {
      assertThrows(() => arena.allocate(4, { role }), TypeError, "Expected usage to be one that");
    }
    assertThrows(() => arena.allocate(4, { usage: INDEX | VERTEX }), TypeError, "INDEX without");
    assertThrows(() => new GpuBufferStore(device, { byteLength: 4 }), TypeError, "STORAGE");
    const encoder = device.createCommandEncoder();
    assertThrows(() => encodeUploads(arena, encoder), TypeError, "MAP_WRITE");
    const buffer = device.createBuffer({ size: 4, usage: VERTEX });
    await assertRejects(() => buffer.mapAsync(2), Error, "MAP_READ");
    assertThrows(() => device.createBuffer({ size: 4, usage: MAP_WRITE }), TypeError, "MAP_WRITE");
    device.destroy();
  });

  it("copies within each kind on the GPU, and between the kinds through memory", async () => {
    const { gl, device } = make(), usage = COPY_SRC | COPY_DST;
    const buffers = [VERTEX, INDEX, MAP_READ, UNIFORM, INDEX, COPY_SRC, MAP_READ].map((one) =>
      device.createBuffer({ size: 64, usage: one | usage })
    );
    const models = buffers.map(() => new Uint8Array(64));
    const random = seeded(1);
    for (let step = 0; step < 600; step++) {
      const from = random(buffers.length), to = (from + 1 + random(buffers.length - 1)) % 7;
      const at = random(64), target = random(64), size = random(65 - Math.max(at, target));
      const encoder = device.createCommandEncoder();
      if (step % 4 === 0) {
        const data = Uint8Array.from({ length: size }, () => random(256));
        device.queue.writeBuffer(buffers[to], target, data);
        models[to].set(data, target);
      } else if (step % 17 === 1) {
        encoder.clearBuffer(buffers[to], target, size);
        models[to].fill(0, target, target + size);
      } else {
        encoder.copyBufferToBuffer(buffers[from], at, buffers[to], target, size);
        models[to].set(models[from].slice(at, at + size), target);
      }
      device.queue.submit([encoder.finish()]);
    }
    assertEquals(gl.errors, []);
    for (const i of [2, 6]) {
      await buffers[i].mapAsync(1);
      assertEquals(new Uint8Array(buffers[i].getMappedRange()), models[i]);
      assertEquals(new Uint8Array(buffers[i].getMappedRange(8, 4)), models[i].slice(8, 12));
      buffers[i].unmap();
    }
    device.destroy();
    assertEquals(gl.live.size, 0);
  });

  it("leaves every binding as it found it", async () => {
    const { gl, device } = make(), array = new FakeVertexArray();
    const [own, elements, ofNone] = [1, 2, 3].map(() => gl.createBuffer());
    gl.bindBuffer(ELEMENT_ARRAY, ofNone);
    gl.bindVertexArray(array);
    gl.bindBuffer(ELEMENT_ARRAY, elements);
    for (const target of [ARRAY, COPY_READ, COPY_WRITE]) gl.bindBuffer(target, own);
    const arena = new GpuArena(device, { initialSlabBytes: 64 });
    const regions = (["vertex", "index", "uniform"] as const).flatMap((role) =>
      [1, 2, 3].map((value) => arena.allocateFrom(new Uint8Array(40).fill(value), { role })!)
    );
    await arena.upload();
    for (const region of regions) assertEquals((await region.read())[39] > 0, true);
    regions[0].free();
    await arena.settled();
    const plan = await arena.planCompaction(), encoder = device.createCommandEncoder();
    plan.encode(encoder);
    device.queue.submit([encoder.finish()]);
    await plan.commit();
    assertEquals(gl.errors, []);
    assertStrictEquals(gl.array, array);
    assertStrictEquals(array.element, elements);
    assertStrictEquals(gl.noArray.element, ofNone);
    for (const target of [ARRAY, COPY_READ, COPY_WRITE]) {
      assertStrictEquals(gl.bound.get(target), own);
    }
    device.destroy();
  });

  it("notices a size that was not granted, with an error and without", async () => {
    for (const isSilent of [false, true]) {
      const { gl, device } = make(), arena = new GpuArena(device);
      const before = gl.live.size;
      Object.assign(gl, { most: 1000, isSilent });
      const region = arena.allocateFrom(new Uint8Array(8).fill(7), { role: "vertex" })!;
      await assertRejects(() => arena.upload(), GpuOutOfMemoryError, "granted 0 bytes");
      assertEquals(gl.live.size, before);
      gl.most = Infinity;
      await arena.upload();
      assertEquals([...await region.read()], [7, 7, 7, 7, 7, 7, 7, 7]);
      device.destroy();
    }
  });

  it("takes no error of the program for its own", async () => {
    const { gl, device } = make(), arena = new GpuArena(device);
    gl.bufferData(ARRAY, 4, 0x88e4); // nothing is bound
    arena.allocate(4, { role: "vertex" });
    await arena.upload();
    device.destroy();
  });

  it("resolves what waits in a later task, at a call or a poll", async () => {
    const gl = new FakeGl(), device = webGlDevice(gl);
    let done = 0;
    for (const end of [() => device.poll(), () => void device.createCommandEncoder()]) {
      const waiting = device.queue.onSubmittedWorkDone().then(() => done++), before = done;
      device.poll();
      await Promise.resolve();
      assertEquals(done, before);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(done, before); // no timer of its own
      end();
      await waiting;
    }
    assertEquals([done, gl.fences], [2, 0]);
    device.destroy();
  });

  it("submits all of an encoder or, where a buffer cannot be used, nothing", async () => {
    const { gl, device } = make(), usage = VERTEX | COPY_SRC | COPY_DST;
    const [a, b, c] = [1, 2, 3].map((value) => {
      const buffer = device.createBuffer({ size: 4, usage });
      device.queue.writeBuffer(buffer, 0, new Uint8Array(4).fill(value));
      return buffer;
    });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(a, 0, b, 0, 4);
    encoder.copyBufferToBuffer(c, 0, b, 0, 4);
    c.destroy();
    for (const wrong of [undefined, "x", [7], [undefined], [encoder]]) {
      assertThrows(() => device.queue.submit(wrong as never), TypeError, "finish()");
    }
    const commands = encoder.finish();
    assertThrows(() => device.queue.submit([commands]), Error, "a buffer was destroyed");
    device.pushErrorScope("validation");
    device.queue.submit([commands]);
    assert((await device.popErrorScope())?.message.includes("destroyed"));
    assertEquals([...b.handle.bytes], [2, 2, 2, 2]);
    assertThrows(() => encoder.copyBufferToBuffer(a, 0, b, 2, 4), RangeError, "size");
    assertThrows(() => encoder.copyBufferToBuffer(a, 0, a, 2, 2), TypeError, "two buffers");
    assertThrows(() => c.handle, Error, "it was destroyed");
    device.destroy();
    assertEquals(gl.live.size, 0);
  });
});

describe("webGlDevice whose context is lost", () => {
  it("is lost with it, as a WebGPU device, unless it restores", async () => {
    const { gl, device } = make(), arena = new GpuArena(device);
    const region = arena.allocateFrom(new Uint8Array(8), { role: "index" })!;
    await arena.upload();
    const read = region.read(), settled = arena.settled();
    assertEquals(gl.lose(), false);
    await assertRejects(() => read, DeviceLostError, "WebGL context was lost");
    await settled;
    await assertRejects(() => arena.upload(), DeviceLostError);
    assertEquals([device.isLost, gl.listeners], [true, 0]);
    assertThrows(() => device.onRestored(() => {}), TypeError, "{ restores: true }");
    assertThrows(() => keepFilled(region, () => {}), TypeError, "{ restores: true }");
    assertThrows(() => keepFilled({} as never, () => {}), TypeError, "of a WebGL device");
    arena.close();
  });

  it("notices a loss before its event", async () => {
    const { gl, device } = make(), arena = new GpuArena(device);
    gl.isLost = true;
    arena.allocate(8, { role: "index" });
    await assertRejects(() => arena.upload(), DeviceLostError);
  });

  it("comes back with its buffers, and regions are filled again", async () => {
    const { gl, device } = make({ restores: true }), arena = new GpuArena(device);
    const roles = ["vertex", "index", "uniform"] as const, calls: string[] = [];
    const regions = roles.map((role, i) => {
      const region = arena.allocateOrThrow(16, { role });
      keepFilled(region, () => {
        calls.push(role);
        region.write(new Uint8Array(16).fill(i + 1));
      });
      return region;
    });
    const freed = arena.allocateOrThrow(16, { role: "vertex" });
    keepFilled(freed, () => calls.push("freed"));
    const stop = keepFilled(regions[0], () => calls.push("stopped"));
    const forgotten = arena.allocateFrom(new Uint8Array(4).fill(9), { role: "vertex" })!;
    await arena.upload();
    const handle = regions[0].buffer.handle, read = regions[1].read();
    freed.free();
    stop();
    assertEquals(gl.lose(), true);
    assertThrows(() => regions[0].buffer.handle, Error, "it is lost");
    await assertRejects(() => read, Error, "could not be mapped");
    // Nothing is in the way of a program that goes on.
    const late = arena.allocateFrom(new Uint8Array(4).fill(8), { role: "uniform" })!;
    keepFilled(late, (region) => region.write(new Uint8Array(4).fill(5)));
    await arena.upload();
    calls.length = 0;
    let uploads = 0;
    device.onRestored(() => {
      uploads++;
      void arena.upload();
    });
    gl.restore();
    assertEquals(calls, ["vertex", "index", "uniform"]);
    assertEquals([uploads, device.isLost, regions[0].buffer.handle === handle], [1, false, false]);
    for (const [i, region] of regions.entries()) {
      assertEquals(await region.read(), new Uint8Array(16).fill(i + 1));
    }
    assertEquals([...await late.read()], [5, 5, 5, 5]);
    assertEquals([...await forgotten.read()], [0, 0, 0, 0]);
    arena.close();
    device.destroy();
    assertEquals([gl.errors, gl.live.size], [[], 0]);
  });

  it("is lost for good where its buffers do not come back", async () => {
    const { gl, device } = make({ restores: true }), arena = new GpuArena(device);
    arena.allocate(16, { role: "vertex" });
    await arena.upload();
    gl.lose();
    gl.most = 4;
    gl.restore();
    assert((await device.lost).message.includes("could not be restored"));
    await assertRejects(() => arena.upload(), DeviceLostError);
  });
});

describe("ByteRanges", () => {
  it("agrees with one flag a byte", () => {
    const ranges = new ByteRanges(), flags = new Array<boolean>(60).fill(false);
    const random = seeded(3);
    for (let step = 0; step < 2000; step++) {
      const start = random(61), end = start + random(61 - start), isIn = random(2) === 0;
      ranges.set(start, end, isIn);
      flags.fill(isIn, start, end);
      let at = 0;
      for (const piece of ranges.pieces(0, 60)) {
        assertEquals(piece.start, at);
        for (; at < piece.end; at++) {
          assertEquals(flags[at], piece.isIn, `step ${step}, byte ${at}`);
        }
      }
      assertEquals(at, 60);
    }
  });
});
