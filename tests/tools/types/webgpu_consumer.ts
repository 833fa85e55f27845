/**
 * What a program with a real `GPUDevice` writes. It is compiled, not run: against Deno's types,
 * `@webgpu/types` and the DOM libraries of TypeScript.
 *
 * @module
 */

import {
  drawArguments,
  drawIndexedArguments,
  encodeUploads,
  GpuArena,
  type GpuBinding,
  GpuBufferStore,
  type GpuCompaction,
  type GpuRegion,
  type GpuUpload,
  GpuUsage,
} from "@suballoc/offset-allocator/webgpu";

/** Fails to compile unless two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
function same<A, B>(_: Same<A, B>): void {}

/** A frame of a program that draws. */
export async function frame(device: GPUDevice, pipeline: GPURenderPipeline): Promise<void> {
  using arena = new GpuArena(device, { maxBytes: 2 ** 28, label: "scene" });
  same<typeof arena, GpuArena<GPUBuffer>>(true);

  const vertices = arena.allocateFrom(new Float32Array(30), { role: "vertex", stride: 20 });
  const indices = arena.allocate(12, { role: "index", stride: 2 });
  const lights = arena.allocate(256, {
    usage: GpuUsage.STORAGE | GpuUsage.UNIFORM,
    label: "lights",
    pinned: true,
  });
  same<typeof indices, GpuRegion<GPUBuffer> | undefined>(true);
  if (!vertices || !indices || !lights) throw new Error("out of space");
  indices.write(new Uint16Array([0, 1, 2]));
  await arena.upload();

  const binding: GpuBinding<GPUBuffer> = lights.binding();
  const entries: GPUBindGroupEntry[] = [{ binding: 0, resource: binding }];
  const layout = pipeline.getBindGroupLayout(0);
  let group = device.createBindGroup({ layout, entries });
  const end: () => void = lights.onRelocate((region) => {
    same<typeof region, GpuRegion<GPUBuffer>>(true);
    group = device.createBindGroup({
      layout,
      entries: [{ binding: 0, resource: region.binding() }],
    });
  });

  const encoder = device.createCommandEncoder();
  const upload: GpuUpload | undefined = encodeUploads(arena, encoder);
  const plan: GpuCompaction<GPUBuffer> = await arena.planCompaction({ maxBytes: 65536 });
  plan.encode(encoder);
  const target: GPUTextureView = device.createTexture({
    size: [4, 4],
    format: "rgba8unorm",
    usage: 16,
  }).createView();
  const pass = encoder.beginRenderPass({
    colorAttachments: [{ view: target, loadOp: "clear", storeOp: "store" }],
  });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.setVertexBuffer(0, vertices.buffer);
  pass.setIndexBuffer(indices.buffer, "uint16", indices.offset, indices.size);
  pass.draw(vertices.elementCount, 1, vertices.firstElement);
  const [count, instances, firstIndex, baseVertex] = drawIndexedArguments(indices, vertices);
  pass.drawIndexed(count, instances, firstIndex, baseVertex);
  const draw = arena.allocateFrom(drawArguments(vertices), { role: "indirect" });
  if (draw?.ready) pass.drawIndirect(draw.buffer, draw.offset);
  pass.end();
  device.queue.submit([encoder.finish()]);
  upload?.submitted();
  await plan.commit();
  end();

  const bytes: Uint8Array<ArrayBuffer> = await vertices.read();
  same<typeof bytes.buffer, ArrayBuffer>(true);

  await using store = new GpuBufferStore(device, { byteLength: 1024 });
  same<typeof store.buffer, GPUBuffer>(true);
  await store.write(1, new Uint8Array(3));
  const given = new GpuBufferStore(device, lights.buffer);
  same<typeof given, GpuBufferStore<GPUBuffer>>(true);
}
