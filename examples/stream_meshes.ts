/**
 * Thousands of meshes of varied size that come and go, in three GPU buffers: one of vertices,
 * one of indices, one of the arguments of indirect draws. Beside it the same scene with three
 * buffers for each mesh; every pixel of every frame is compared.
 *
 * ```sh
 * deno run -A examples/stream_meshes.ts
 * node examples/stream_meshes.ts        # Node 24.2 or newer, with the npm package webgpu
 * bun examples/stream_meshes.ts         # the same
 * ```
 *
 * What an engine would take is in `stream_meshes/mesh_buffers.ts`.
 *
 * @module
 */

import process from "node:process";
import { findGpu } from "./stream_meshes/find_gpu.ts";
import { type StreamFigures, streamMeshes } from "./stream_meshes/stream_meshes.ts";
import { formatBytes, formatCount, formatTable } from "./terminal.ts";

function print({ shared, own, mostMeshes, movedBytes, fragmentation }: StreamFigures): void {
  const row = (name: string, figure: (way: typeof shared) => string) => [
    name,
    figure(shared),
    figure(own),
  ];
  console.log(formatTable([
    ["", "three slabs", "own buffers"],
    row("buffers made", ({ made }) => formatCount(made)),
    row("most at a time", ({ buffers }) => formatCount(buffers)),
    row("bytes in them", ({ bytes }) => formatBytes(bytes)),
    row("writes", ({ writes }) => formatCount(writes)),
    row("bytes written", ({ bytesWritten }) => formatBytes(bytesWritten)),
    row("draws", ({ draws }) => formatCount(draws)),
    row("upload", ({ uploadMs }) => `${uploadMs.toFixed(0)} ms`),
    row("draw", ({ drawMs }) => `${drawMs.toFixed(0)} ms`),
  ]));
  const holes = Object.entries(fragmentation)
    .map(([role, value]) => `${role} ${value.toFixed(2)}`).join(", ");
  console.log(`\nat most ${formatCount(mostMeshes)} meshes in a frame; all frames equal`);
  console.log(`compaction moved ${formatBytes(movedBytes)}; fragmentation: ${holes}`);
}

async function main(): Promise<number> {
  const adapter = await (await findGpu())?.requestAdapter();
  if (!adapter) {
    console.error("There is no WebGPU adapter");
    return 1;
  }
  console.log(`on ${adapter.info.description}\n`);
  const device = await adapter.requestDevice(), errors: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    errors.push((event as GPUUncapturedErrorEvent).error.message);
  });
  print(await streamMeshes(device));
  await device.queue.onSubmittedWorkDone();
  device.destroy();
  for (const message of errors) console.error(message);
  return errors.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
