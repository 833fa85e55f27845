/**
 * Runs on WebGL2, in a page, what only it has, and the cases of WebGPU that go without shaders.
 *
 * @module
 */

import { allCases } from "../../webgpu/gpu/all_cases.ts";
import type { GpuCase } from "../../webgpu/gpu/gpu_case.ts";
import type { GpuRun } from "../../webgpu/gpu/run_cases.ts";
import { newContext, type PageDevice, polledDevice } from "./contexts.ts";
import { problemOfCase, webGlCases } from "./webgl_cases.ts";

/** Runs all cases; `log` gets a line for each. */
export async function runWebGlCases(log: (line: string) => void): Promise<GpuRun> {
  let passed = 0, failed = 0;
  const tell = (name: string, start: number, problem: string | undefined) => {
    if (problem === undefined) passed++;
    else failed++;
    const time = `${(performance.now() - start).toFixed(0)} ms`;
    log(
      problem === undefined
        ? `  ok WebGL2: ${name}, ${time}`
        : `  FAILED WebGL2: ${name}: ${problem}`,
    );
  };
  const gl = newContext(), device = polledDevice(gl);
  log(`WebGL2: ${gl.getParameter(gl.VERSION)}`);
  for (const one of allCases.filter(({ isWebGpuOnly }) => !isWebGpuOnly)) {
    const start = performance.now();
    tell(one.name, start, await problemOf(one, gl, device));
  }
  device.destroy();
  for (const one of webGlCases) {
    const start = performance.now();
    tell(one.name, start, await problemOfCase(one));
  }
  return { passed, failed };
}

/** What is wrong with a case: what it throws, or an error of the context. */
async function problemOf(
  { run }: GpuCase,
  gl: WebGL2RenderingContext,
  device: PageDevice,
): Promise<string | undefined> {
  const as = (one: PageDevice) => one as unknown as GPUDevice;
  try {
    await run({
      device: as(device),
      isWebGl: true,
      newDevice: () => Promise.resolve(as(polledDevice(newContext()))),
    });
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
  const error = gl.getError();
  return error === 0 ? undefined : `GL error ${error}`;
}
