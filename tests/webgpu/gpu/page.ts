/**
 * Runs the cases in a web page, on WebGPU and on WebGL2, for a driver that reads `results`.
 */

import { runThreeCases } from "../../three/gpu/run_cases.ts";
import { runWebGlCases } from "../../webgl/gpu/run_cases.ts";
import { runCases } from "./run_cases.ts";

const log = (line: string) => console.log(line);

async function runAll() {
  const runs = [
    await runCases(navigator.gpu, log),
    await runWebGlCases(log),
    await runThreeCases(log),
  ];
  const sum = (name: "passed" | "failed") => runs.reduce((sum, one) => sum + one[name], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}

Object.assign(globalThis, { results: runAll() });
