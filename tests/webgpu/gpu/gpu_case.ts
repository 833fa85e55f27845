/**
 * What a case gets that runs on a real GPU: on Deno, Node, Bun and in a web page.
 *
 * @module
 */

/** A device to test on. */
export interface TestGpu {
  readonly device: GPUDevice;
  /** Whether that is one over WebGL2, with what `GpuArena` needs and nothing else. */
  readonly isWebGl?: boolean;
  /** Makes another device, for cases that lose theirs. */
  newDevice(): Promise<GPUDevice>;
}

/** One test. Errors of the device that it does not catch itself fail it. */
export interface GpuCase {
  readonly name: string;
  /** Whether it has nothing to do with alignment, and takes long: it runs on one device only. */
  readonly isLong?: boolean;
  /** Whether it needs what WebGL2 has not: shaders of WebGPU, roles, mapping. */
  readonly isWebGpuOnly?: boolean;
  run(gpu: TestGpu): Promise<void>;
}
