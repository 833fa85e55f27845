/**
 * What only a real context can show: that the rules of WebGL2 are what the tests take them for,
 * and that draws see the bytes.
 *
 * @module
 */

import { keepFilled } from "../../../backends/webgl/mod.ts";
import { DeviceLostError, GpuArena } from "../../../backends/webgpu/mod.ts";
import { seeded } from "../../support/random.ts";
import { expect, expectFailure, expectSame, expectSameBytes } from "../../webgpu/gpu/expect.ts";
import { newContext, type PageDevice, polledDevice } from "./contexts.ts";

/** One test, on a context of its own. */
export interface WebGlCase {
  readonly name: string;
  run(gl: WebGL2RenderingContext): Promise<void>;
}

const SIZE = 64;

const VERTEX = `#version 300 es
layout(location = 0) in vec2 position;
layout(location = 1) in vec4 colour;
layout(std140) uniform Shift { vec4 shift; };
flat out vec4 shade;
void main() { gl_Position = vec4(position + shift.xy, 0, 1); shade = colour; }`;

const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 shade;
out vec4 result;
void main() { result = shade; }`;

/** Compiles the program that draws coloured triangles. */
function programOf(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram()!;
  for (
    const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const
  ) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  expect(gl.getProgramParameter(program, gl.LINK_STATUS), "the program links");
  gl.uniformBlockBinding(program, gl.getUniformBlockIndex(program, "Shift"), 0);
  return program;
}

function pixelsOf(gl: WebGL2RenderingContext): Uint8Array {
  const pixels = new Uint8Array(SIZE * SIZE * 4);
  gl.readPixels(0, 0, SIZE, SIZE, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return pixels;
}

/** A triangle somewhere, in a colour that is exact in bytes: positions, colour. */
function triangle(random: (below: number) => number): Float32Array<ArrayBuffer> {
  const [x, y, r, g, b] = [16, 16, 255, 255, 255].map((below) => random(below));
  return new Float32Array(
    [[0, 0], [1, 0], [0, 1]].flatMap(([dx, dy]) => [
      ...[(x + dx * 3) / 10 - 1, (y + dy * 3) / 10 - 1],
      ...[r / 255, g / 255, b / 255, 1],
    ]),
  );
}

/** Draws regions of an arena as they lie, and the same triangles out of buffers of their own. */
class Scene {
  readonly gl: WebGL2RenderingContext;
  readonly program: WebGLProgram;

  constructor(gl: WebGL2RenderingContext) {
    this.gl = gl;
    this.program = programOf(gl);
  }

  begin(): void {
    const { gl } = this;
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
  }

  draw(
    vertices: [WebGLBuffer, number],
    indices: [WebGLBuffer, number],
    shift: [WebGLBuffer, number],
  ) {
    const { gl } = this;
    gl.bindBufferRange(gl.UNIFORM_BUFFER, 0, shift[0], shift[1], 16);
    gl.bindBuffer(gl.ARRAY_BUFFER, vertices[0]);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 24, vertices[1]);
    gl.vertexAttribPointer(1, 4, gl.FLOAT, false, 24, vertices[1] + 8);
    gl.enableVertexAttribArray(0);
    gl.enableVertexAttribArray(1);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices[0]);
    gl.drawElements(gl.TRIANGLES, 3, gl.UNSIGNED_SHORT, indices[1]);
  }
}

const INDICES = new Uint16Array([0, 1, 2]);

/** Streams triangles through an arena; each frame is compared with plain buffers. */
async function stream(gl: WebGL2RenderingContext, device: PageDevice): Promise<void> {
  const scene = new Scene(gl), random = seeded(1);
  const arena = new GpuArena(device, { initialSlabBytes: 1024, trimAfter: 2 });
  const make = () => {
    const vertices = triangle(random), shift = new Float32Array([random(8) / 10, 0, 0, 0]);
    return {
      vertices,
      shift,
      regions: [
        arena.allocateFrom(vertices, { role: "vertex", stride: 24 })!,
        arena.allocateFrom(INDICES, { role: "index", stride: 2 })!,
        arena.allocateFrom(shift, { role: "uniform" })!,
      ],
    };
  };
  let live = Array.from({ length: 40 }, make), moved = 0, lit = 0;
  for (let frame = 0; frame < 8; frame++) {
    live = live.filter(({ regions }) => {
      if (random(3) > 0) return true;
      for (const region of regions) region.free();
      return false;
    });
    await arena.settled();
    if (frame % 2 === 1) {
      const plan = await arena.planCompaction({ maxMoves: 20 });
      const encoder = device.createCommandEncoder();
      plan.encode(encoder);
      device.queue.submit([encoder.finish()]);
      moved += plan.moves.length;
      await plan.commit();
    }
    while (live.length < 40 + frame * 8) live.push(make());
    await arena.upload();
    scene.begin();
    for (const { regions } of live) {
      const [vertices, indices, shift] = regions.map(({ buffer, offset }) =>
        [buffer.handle, offset] as [WebGLBuffer, number]
      );
      scene.draw(vertices, indices, shift);
    }
    const pixels = pixelsOf(gl);
    scene.begin();
    for (const { vertices, shift } of live) {
      const own = ([[gl.ARRAY_BUFFER, vertices], [gl.ELEMENT_ARRAY_BUFFER, INDICES], [
        gl.UNIFORM_BUFFER,
        shift,
      ]] as const).map(([target, data]) => {
        const buffer = gl.createBuffer()!;
        gl.bindBuffer(target, buffer);
        gl.bufferData(target, data, gl.STATIC_DRAW);
        return [buffer, 0] as [WebGLBuffer, number];
      });
      scene.draw(own[0], own[1], own[2]);
      for (const [buffer] of own) gl.deleteBuffer(buffer);
    }
    expectSameBytes(pixels, pixelsOf(gl), `frame ${frame}`);
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] + pixels[i + 1] + pixels[i + 2]) lit++;
  }
  expect(moved > 0, "regions were moved");
  expect(lit > 1000, `pixels are lit, got ${lit}`);
  arena.close();
}

/** The cases. */
export const webGlCases: readonly WebGlCase[] = [
  {
    name: "triangles streamed through an arena look like those in buffers of their own",
    async run(gl) {
      const device = polledDevice(gl);
      await stream(gl, device);
      device.destroy();
    },
  },
  {
    name: "no copy leads from one kind of buffer to the other",
    run(gl) {
      const [a, b] = [gl.createBuffer(), gl.createBuffer()];
      gl.bindBuffer(gl.COPY_WRITE_BUFFER, a);
      gl.bufferData(gl.COPY_WRITE_BUFFER, 16, gl.DYNAMIC_DRAW);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, b);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, 16, gl.DYNAMIC_DRAW);
      gl.bindBuffer(gl.COPY_READ_BUFFER, b);
      gl.copyBufferSubData(gl.COPY_READ_BUFFER, gl.COPY_WRITE_BUFFER, 0, 0, 16);
      expectSame(gl.getError(), gl.INVALID_OPERATION, "the error");
      return Promise.resolve();
    },
  },
  {
    name: "a fence signals in a later task",
    async run(gl) {
      const device = polledDevice(gl);
      let isDone = false;
      const done = device.queue.onSubmittedWorkDone().then(() => isDone = true);
      for (let i = 0; i < 100; i++) {
        device.poll();
        await Promise.resolve();
      }
      expect(!isDone, "not in its own");
      await done;
      device.destroy();
    },
  },
  {
    name: "bindings are as they were",
    async run(gl) {
      const device = polledDevice(gl), arena = new GpuArena(device);
      const array = gl.createVertexArray(),
        [own, elements] = [gl.createBuffer(), gl.createBuffer()];
      gl.bindVertexArray(array);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, elements);
      gl.bindBuffer(gl.ARRAY_BUFFER, own);
      gl.bindBuffer(gl.COPY_READ_BUFFER, own);
      gl.bindBuffer(gl.COPY_WRITE_BUFFER, own);
      const regions = (["vertex", "index", "uniform"] as const).map((role) =>
        arena.allocateFrom(new Uint8Array(64).fill(1), { role })!
      );
      await arena.upload();
      for (const region of regions) {
        expectSameBytes(await region.read(), new Uint8Array(64).fill(1), "read");
      }
      const bound = (name: number) => gl.getParameter(name);
      expectSame(bound(gl.VERTEX_ARRAY_BINDING), array, "vertex array");
      expectSame(bound(gl.ELEMENT_ARRAY_BUFFER_BINDING), elements, "elements");
      expectSame(bound(gl.ARRAY_BUFFER_BINDING), own, "array buffer");
      expectSame(bound(gl.UNIFORM_BUFFER_BINDING), null, "uniforms");
      expectSame(bound(gl.COPY_READ_BUFFER_BINDING), own, "copies from");
      expectSame(bound(gl.COPY_WRITE_BUFFER_BINDING), own, "copies to");
      arena.close();
      device.destroy();
    },
  },
  {
    name: "a context that is lost ends its device",
    async run(gl) {
      const device = polledDevice(gl), arena = new GpuArena(device);
      const region = arena.allocateFrom(new Uint8Array(64), { role: "index" })!;
      await arena.upload();
      gl.getExtension("WEBGL_lose_context")!.loseContext();
      const error = await expectFailure(() => region.read(), "DeviceLostError");
      expect(error instanceof DeviceLostError, "of the class");
      await device.lost;
      await expectFailure(() => arena.upload(), "DeviceLostError");
    },
  },
  {
    name: "a context that is restored has its regions again",
    async run(gl) {
      const device = polledDevice(gl, { restores: true }), arena = new GpuArena(device);
      const regions = (["vertex", "index", "uniform"] as const).map((role, i) => {
        const region = arena.allocateOrThrow(64, { role });
        keepFilled(region, () => region.write(new Uint8Array(64).fill(i + 1)));
        return region;
      });
      await arena.upload();
      const lost = new Promise((resolve) =>
        gl.canvas.addEventListener("webglcontextlost", resolve)
      );
      const extension = gl.getExtension("WEBGL_lose_context")!;
      extension.loseContext();
      await lost;
      await new Promise((resolve) => setTimeout(resolve, 20));
      const restored = new Promise<void>((resolve) => {
        device.onRestored(() => void arena.upload().then(resolve));
      });
      extension.restoreContext();
      await restored;
      for (const [i, region] of regions.entries()) {
        expectSameBytes(await region.read(), new Uint8Array(64).fill(i + 1), `region ${i}`);
      }
      await stream(gl, device);
      arena.close();
      device.destroy();
    },
  },
];

/** Runs a case; returns what was wrong with it. */
export async function problemOfCase({ run }: WebGlCase): Promise<string | undefined> {
  const gl = newContext();
  try {
    await run(gl);
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
  const error = gl.getError();
  return error === 0 || gl.isContextLost() ? undefined : `GL error ${error}`;
}
