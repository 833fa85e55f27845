/**
 * Runs all cases on whatever gives a `GPU`, on devices with the smallest alignments of the
 * adapter and with 256.
 *
 * @module
 */

import { allCases } from "./all_cases.ts";
import type { GpuCase, TestGpu } from "./gpu_case.ts";

/** What a run came to. */
export interface GpuRun {
  readonly passed: number;
  readonly failed: number;
}

/** Runs all cases; `log` gets a line for each. */
export async function runCases(gpu: GPU | undefined, log: (line: string) => void): Promise<GpuRun> {
  const adapter = await gpu?.requestAdapter();
  if (!gpu || !adapter) {
    log("FAILED: there is no adapter");
    return { passed: 0, failed: 1 };
  }
  const smallest = alignmentsOf(adapter.limits);
  const { vendor, architecture, description } = adapter.info;
  log(`adapter: ${[vendor, architecture, description].filter(Boolean).join(", ")}`);
  let passed = 0, failed = 0;
  for (const alignments of isDefault(smallest) ? [undefined] : [smallest, undefined]) {
    const name = alignments === undefined ? "256" : Object.values(alignments).join("/");
    log(`alignment: ${name}`);
    const newDevice = () => makeDevice(gpu, alignments);
    const device = await newDevice();
    let isEnding = false;
    const lost = device.lost.then(({ message }) => {
      if (!isEnding) throw new Error(`the device is lost: ${message}`);
    });
    for (const one of allCases.filter(({ isLong }) => !isLong || alignments === undefined)) {
      const start = performance.now();
      const problem = await Promise.race([
        problemOf(one, { device, newDevice }),
        lost.then(() => undefined, (error) => String(error)),
      ]);
      const time = `${(performance.now() - start).toFixed(0)} ms`;
      if (problem === undefined) passed++;
      else failed++;
      log(problem === undefined ? `  ok ${one.name}, ${time}` : `  FAILED ${one.name}: ${problem}`);
    }
    isEnding = true;
    device.destroy();
  }
  return { passed, failed };
}

type Alignments = Record<
  "minStorageBufferOffsetAlignment" | "minUniformBufferOffsetAlignment",
  number
>;

function alignmentsOf(limits: GPUSupportedLimits): Alignments {
  const { minStorageBufferOffsetAlignment, minUniformBufferOffsetAlignment } = limits;
  return { minStorageBufferOffsetAlignment, minUniformBufferOffsetAlignment };
}

function isDefault(alignments: Alignments): boolean {
  return Object.values(alignments).every((alignment) => alignment === 256);
}

async function makeDevice(gpu: GPU, requiredLimits: Alignments | undefined): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter(); // each makes one device
  if (adapter === null) throw new Error("there is no adapter");
  const device = await adapter.requestDevice(requiredLimits && { requiredLimits });
  const wanted = requiredLimits ?? { minStorageBufferOffsetAlignment: 256 };
  for (const [name, value] of Object.entries(wanted)) {
    const got = device.limits[name as keyof Alignments];
    if (got !== value) throw new Error(`${name} is ${got}, not the ${value} asked for`);
  }
  return device;
}

/** What is wrong with a case: what it throws, or an error of the device. */
async function problemOf({ run }: GpuCase, gpu: TestGpu): Promise<string | undefined> {
  const { device } = gpu, uncaptured: string[] = [];
  const listen = (event: unknown) =>
    uncaptured.push((event as GPUUncapturedErrorEvent).error.message);
  device.addEventListener("uncapturederror", listen);
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  try {
    await run(gpu);
  } catch (error) {
    return (error as Error).stack ?? String(error);
  } finally {
    const scopes = [device.popErrorScope(), device.popErrorScope()];
    await device.queue.onSubmittedWorkDone();
    for (const error of await Promise.all(scopes)) {
      if (error !== null) uncaptured.push(error.message);
    }
    device.removeEventListener("uncapturederror", listen);
  }
  return uncaptured.length === 0 ? undefined : `errors of the device: ${uncaptured.join("; ")}`;
}
