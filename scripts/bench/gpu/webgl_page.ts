/// <reference lib="dom" />
/** Compares `GpuArena` over WebGL2 with plain WebGL2, in a page. */

import { webGlDevice } from "../../../backends/webgl/mod.ts";
import { GpuArena } from "../../../backends/webgpu/mod.ts";
import { seeded } from "../../../tests/support/random.ts";
import { measure, type Measurement, printRows } from "./measure.ts";

const log = (line: string) => console.log(line);

/** Milliseconds that a side takes, until its bytes are in the buffers. */
async function timed(gl: WebGL2RenderingContext, body: () => unknown): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve)); // fences signal in a later task
  const pixel = new Uint8Array(4), start = performance.now();
  await body();
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return performance.now() - start;
}

/** 10,000 ranges are made, filled and freed. */
function manyRanges(gl: WebGL2RenderingContext, most: number): Measurement {
  const random = seeded(most), device = webGlDevice(gl), arena = new GpuArena(device);
  const data = Array.from({ length: 10_000 }, () => {
    return new Uint8Array(64 + 4 * random((most - 64) / 4 + 1)).fill(1);
  });
  return {
    name: `make, fill and free 10,000 ranges of 64 to ${most} bytes`,
    plain: () =>
      timed(gl, () => {
        const buffers = data.map((bytes) => {
          const buffer = gl.createBuffer();
          gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
          gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.DYNAMIC_DRAW);
          return buffer;
        });
        for (const buffer of buffers) gl.deleteBuffer(buffer);
      }),
    arena: () =>
      timed(gl, async () => {
        device.poll();
        const regions = data.map((bytes) => arena.allocateFrom(bytes, { role: "vertex" })!);
        await arena.upload();
        for (const region of regions) region.free();
      }),
    end() {
      arena.close();
      device.destroy();
    },
  };
}

/** 1,000 ranges beside each other are written. */
function neighbours(gl: WebGL2RenderingContext): Measurement {
  const random = seeded(1), device = webGlDevice(gl), arena = new GpuArena(device);
  const data = Array.from({ length: 1000 }, () => new Uint8Array(64 + 4 * random(49)).fill(1));
  const starts: number[] = [];
  const total = data.reduce((sum, { length }) => (starts.push(sum), sum + length), 0);
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, total, gl.DYNAMIC_DRAW);
  const regions = data.map(({ length }) => arena.allocate(length, { role: "vertex" })!);
  const grown = arena.upload();
  return {
    name: "upload 1,000 neighbours",
    plain: () =>
      timed(gl, () => {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        data.forEach((bytes, i) => gl.bufferSubData(gl.ARRAY_BUFFER, starts[i], bytes));
      }),
    arena: async () => {
      await grown;
      return await timed(gl, () => {
        data.forEach((bytes, i) => regions[i].write(bytes));
        return arena.upload();
      });
    },
    end() {
      arena.close();
      device.destroy();
      gl.deleteBuffer(buffer);
    },
  };
}

async function run(): Promise<{ passed: number; failed: number }> {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (gl === null) throw new Error("there is no WebGL2");
  const rows: string[][] = [];
  for (const most of [256, 1024, 4096]) rows.push(await measure(manyRanges(gl, most)));
  rows.push(await measure(neighbours(gl)));
  printRows(rows, log);
  return { passed: rows.length, failed: 0 };
}

Object.assign(globalThis, { results: run() });
