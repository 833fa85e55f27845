/**
 * Shaders over regions of `GpuArena`: they read and write their range and nothing else.
 *
 * @module
 */

import {
  drawIndexedArguments,
  GpuArena,
  type GpuRegion,
  GpuUsage,
  GpuVertexStreams,
} from "../../../backends/webgpu/mod.ts";
import { randomBytes, seeded } from "../../support/random.ts";
import { expect, expectSame, expectSameBytes } from "./expect.ts";
import type { GpuCase } from "./gpu_case.ts";

/** Adds to each number of its range the first number of the uniform range. */
const ADD = `
@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;
@group(0) @binding(1) var<uniform> amount: vec4u;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&numbers)) { numbers[id.x] += amount.x; }
}`;

/** Draws triangles in the colour of their vertices, which is exact in bytes. */
const DRAW = `
struct Out { @builtin(position) position: vec4f, @location(0) @interpolate(flat) colour: vec4f }
@vertex fn vertex(@location(0) position: vec2f, @location(1) colour: vec4f) -> Out {
  return Out(vec4f(position, 0, 1), colour);
}
@fragment fn fragment(in: Out) -> @location(0) vec4f { return in.colour; }`;

const SIZE = 64;

function numbersOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

/** The cases. */
export const shaderCases: readonly GpuCase[] = [
  {
    isWebGpuOnly: true,
    name: "a compute shader changes its range and nothing else, wherever it is moved",
    async run({ device }) {
      using arena = new GpuArena(device, { initialSlabBytes: 1024 });
      const random = seeded(1), module = device.createShaderModule({ code: ADD });
      const pipeline = await device.createComputePipelineAsync({
        layout: "auto",
        compute: { module, entryPoint: "main" },
      });
      const make = (length: number, role: "storage" | "uniform") => {
        const bytes = randomBytes(random, length);
        return { bytes, region: arena.allocateFrom(bytes, { role })! };
      };
      let live = Array.from({ length: 40 }, () => make(4 * (1 + random(300)), "storage"));
      const amounts = Array.from({ length: 10 }, () => make(16, "uniform"));
      await arena.upload();
      for (let round = 0; round < 4; round++) {
        const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        live.forEach((one, i) => {
          if (i % 2 !== round % 2) return;
          const amount = amounts[random(amounts.length)];
          pass.setBindGroup(
            0,
            device.createBindGroup({
              layout: pipeline.getBindGroupLayout(0),
              entries: [
                { binding: 0, resource: one.region.binding() },
                { binding: 1, resource: amount.region.binding() },
              ],
            }),
          );
          pass.dispatchWorkgroups(Math.ceil(one.bytes.length / 256));
          const [add] = numbersOf(amount.bytes);
          one.bytes.set(new Uint8Array(numbersOf(one.bytes).map((number) => number + add).buffer));
        });
        pass.end();
        device.queue.submit([encoder.finish()]);
        const contents = await Promise.all(live.map(({ region }) => region.read()));
        contents.forEach((bytes, i) => expectSameBytes(bytes, live[i].bytes, `region ${i}`));

        live.filter((_, i) => i % 3 === 0).forEach(({ region }) => region.free());
        live = live.filter((_, i) => i % 3 > 0);
        await arena.settled();
        const plan = await arena.planCompaction(), copies = device.createCommandEncoder();
        plan.encode(copies);
        device.queue.submit([copies.finish()]);
        await plan.commit();
        expect(plan.moves.length === 0, "a plan that is done has no moves");
        live.push(...Array.from({ length: 6 }, () => make(4 * (1 + random(2000)), "storage")));
        await arena.upload();
      }
      expect(live.some(({ region }) => region.generation > 1), "regions were moved");
    },
  },
  {
    isWebGpuOnly: true,
    name: "draws of meshes in shared buffers are those of a buffer for each mesh",
    async run({ device }) {
      using arena = new GpuArena(device, { initialSlabBytes: 256 });
      const module = device.createShaderModule({ code: DRAW });
      const pipeline = await device.createRenderPipelineAsync({
        layout: "auto",
        vertex: {
          module,
          entryPoint: "vertex",
          buffers: [{
            arrayStride: 12,
            attributes: [
              { format: "float32x2", offset: 0, shaderLocation: 0 },
              { format: "unorm8x4", offset: 8, shaderLocation: 1 },
            ],
          }],
        },
        fragment: { module, entryPoint: "fragment", targets: [{ format: "rgba8unorm" }] },
      });
      const random = seeded(2);
      const meshes = Array.from({ length: 60 }, () => meshOf(3 + random(5), random));
      const regions = meshes.map(({ vertices, indices }, i) => ({
        vertices: arena.allocateFrom(vertices, { role: "vertex", stride: 12 })!,
        indices: arena.allocateFrom(indices, { role: "index", stride: 2 })!,
        draw: arena.allocate(20, { role: "indirect", stride: 20, label: `draw ${i}` })!,
      }));
      // Every third goes again before anything is drawn, so that others are moved.
      for (const one of regions.filter((_, i) => i % 3 === 0)) {
        for (const region of Object.values(one)) region.free();
      }
      const kept = regions.filter((_, i) => i % 3 > 0);
      await arena.upload();
      const plan = await arena.planCompaction(), copies = device.createCommandEncoder();
      plan.encode(copies);
      device.queue.submit([copies.finish()]);
      await plan.commit();
      for (const { vertices, indices, draw } of kept) {
        draw.write(drawIndexedArguments(indices, vertices));
      }
      await arena.upload();
      const shared = await render(device, pipeline, (pass) => {
        const [{ vertices, indices }] = kept;
        pass.setVertexBuffer(0, vertices.buffer);
        pass.setIndexBuffer(indices.buffer, "uint16");
        for (const { draw } of kept) pass.drawIndexedIndirect(draw.buffer, draw.offset);
      });
      const direct = await render(device, pipeline, (pass) => {
        for (const { vertices, indices } of kept) {
          pass.setVertexBuffer(0, vertices.buffer);
          pass.setIndexBuffer(indices.buffer, "uint16");
          const [count, instances, first, base] = drawIndexedArguments(indices, vertices);
          pass.drawIndexed(count, instances, first, base);
        }
      });
      const own: GPUBuffer[] = [];
      const separate = await render(device, pipeline, (pass) => {
        meshes.forEach(({ vertices, indices, count }, i) => {
          if (i % 3 === 0) return;
          const [vertexBuffer, indexBuffer] = [
            bufferOf(device, vertices, GpuUsage.VERTEX),
            bufferOf(device, indices, GpuUsage.INDEX),
          ];
          own.push(vertexBuffer, indexBuffer);
          pass.setVertexBuffer(0, vertexBuffer);
          pass.setIndexBuffer(indexBuffer, "uint16");
          pass.drawIndexed(count);
        });
      });
      for (const buffer of own) buffer.destroy();
      expect(separate.some((byte) => byte !== 0), "something was drawn");
      expectSameBytes(shared, separate, "indirect draws");
      expectSameBytes(direct, separate, "direct draws");
    },
  },
  {
    isWebGpuOnly: true,
    name: "draws of meshes in two streams are those of a buffer for each stream of each mesh",
    async run({ device }) {
      using arena = new GpuArena(device, { initialSlabBytes: 256 });
      const module = device.createShaderModule({ code: DRAW });
      const pipeline = await device.createRenderPipelineAsync({
        layout: "auto",
        vertex: {
          module,
          entryPoint: "vertex",
          buffers: [
            {
              arrayStride: 8,
              attributes: [{ format: "float32x2", offset: 0, shaderLocation: 0 }],
            },
            {
              arrayStride: 4,
              attributes: [{ format: "unorm8x4", offset: 0, shaderLocation: 1 }],
            },
          ],
        },
        fragment: { module, entryPoint: "fragment", targets: [{ format: "rgba8unorm" }] },
      });
      const random = seeded(3),
        streams = new GpuVertexStreams(arena, {
          strides: [8, 4],
          pageVertices: 100,
        });
      const make = () => {
        const { vertices, indices, count } = meshOf(3 + random(5), random), corners = count / 3 + 2;
        const own = [new Uint8Array(8 * corners), new Uint8Array(4 * corners)];
        for (let i = 0; i < corners; i++) {
          own[0].set(vertices.subarray(12 * i, 12 * i + 8), 8 * i);
          own[1].set(vertices.subarray(12 * i + 8, 12 * i + 12), 4 * i);
        }
        const mesh = streams.allocate(corners)!;
        own.forEach((bytes, stream) => mesh.write(stream, bytes));
        const region = arena.allocateFrom(indices, { role: "index", stride: 2 })!;
        return { own, mesh, region, indices, count };
      };
      let live = Array.from({ length: 60 }, make);
      await arena.upload();
      live = live.filter(({ mesh, region }, i) => {
        if (i % 3 > 0) return true;
        mesh.free();
        region.free();
        return false;
      });
      live.push(...Array.from({ length: 20 }, make));
      await arena.upload();
      let binds = 0, page: unknown;
      const shared = await render(device, pipeline, (pass) => {
        for (const { mesh, region, count } of live) {
          if (mesh.page !== page) {
            binds++;
            page = mesh.page;
            mesh.page.regions.forEach(({ buffer, offset, size }, slot) => {
              pass.setVertexBuffer(slot, buffer, offset, size);
            });
          }
          pass.setIndexBuffer(region.buffer, "uint16");
          pass.drawIndexed(count, 1, region.firstElement, mesh.baseVertex);
        }
      });
      const buffers: GPUBuffer[] = [];
      const separate = await render(device, pipeline, (pass) => {
        for (const { own, indices, count } of live) {
          const made = own.map((bytes) => bufferOf(device, bytes, GpuUsage.VERTEX));
          const index = bufferOf(device, indices, GpuUsage.INDEX);
          buffers.push(...made, index);
          made.forEach((buffer, slot) => pass.setVertexBuffer(slot, buffer));
          pass.setIndexBuffer(index, "uint16");
          pass.drawIndexed(count);
        }
      });
      for (const buffer of buffers) buffer.destroy();
      expect(separate.some((byte) => byte !== 0), "something was drawn");
      expect(streams.pages.length > 2 && binds < live.length, `${binds} binds`);
      expectSameBytes(shared, separate, "draws");
    },
  },
  {
    isWebGpuOnly: true,
    name: "one region is for vertices and storage at once",
    async run({ device }) {
      using arena = new GpuArena(device);
      const usage = GpuUsage.VERTEX | GpuUsage.STORAGE;
      const region: GpuRegion<GPUBuffer> = arena.allocateFrom(new Uint32Array(12).fill(7), {
        usage,
        stride: 12,
      })!;
      await arena.upload();
      expectSame(region.buffer.usage & usage, usage, "usage");
      expectSame(region.firstElement, 0, "first element");
      expectSame(region.binding().size, 48, "binding");
    },
  },
];

/** A fan of triangles in one colour, somewhere in the picture. */
function meshOf(corners: number, random: (limit: number) => number) {
  const vertices = new Uint8Array(12 * corners), view = new DataView(vertices.buffer);
  const x = random(200) / 100 - 1, y = random(200) / 100 - 1, radius = 0.05 + random(100) / 500;
  const colour = 0xff000000 | random(2 ** 24);
  for (let i = 0; i < corners; i++) {
    const angle = i * 2 * Math.PI / corners;
    view.setFloat32(12 * i, x + radius * Math.cos(angle), true);
    view.setFloat32(12 * i + 4, y + radius * Math.sin(angle), true);
    view.setUint32(12 * i + 8, colour >>> 0, true);
  }
  const indices: number[] = [];
  for (let i = 2; i < corners; i++) indices.push(0, i - 1, i);
  const padded = new Uint16Array(indices.length + indices.length % 2);
  padded.set(indices);
  return { vertices, indices: padded, count: indices.length };
}

function bufferOf(device: GPUDevice, data: Uint8Array | Uint16Array, usage: number): GPUBuffer {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength) as Uint8Array<
    ArrayBuffer
  >;
  const buffer = device.createBuffer({ size: bytes.length, usage: usage | GpuUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

/** The pixels of one pass. */
async function render(
  device: GPUDevice,
  pipeline: GPURenderPipeline,
  draw: (pass: GPURenderPassEncoder) => void,
): Promise<Uint8Array> {
  const texture = device.createTexture({
    size: [SIZE, SIZE],
    format: "rgba8unorm",
    usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC,
  });
  const buffer = device.createBuffer({
    size: SIZE * SIZE * 4,
    usage: GpuUsage.MAP_READ | GpuUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginRenderPass({
    colorAttachments: [{ view: texture.createView(), loadOp: "clear", storeOp: "store" }],
  });
  pass.setPipeline(pipeline);
  draw(pass);
  pass.end();
  encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: SIZE * 4 }, [SIZE, SIZE]);
  device.queue.submit([encoder.finish()]);
  await buffer.mapAsync(GPUMapMode.READ);
  const pixels = new Uint8Array(buffer.getMappedRange()).slice();
  buffer.destroy();
  texture.destroy();
  return pixels;
}
