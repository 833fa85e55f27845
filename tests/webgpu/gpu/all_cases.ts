/** Every case that runs on real GPUs. */

import { arenaCases } from "./arena_cases.ts";
import type { GpuCase } from "./gpu_case.ts";
import { sceneCases } from "./scene_cases.ts";
import { shaderCases } from "./shader_cases.ts";
import { storeCases } from "./store_cases.ts";

/** All of them, in the order in which they run. */
export const allCases: readonly GpuCase[] = [
  ...storeCases,
  ...arenaCases,
  ...shaderCases,
  ...sceneCases,
];
