/**
 * Runs the cases of three in a page.
 *
 * @module
 */

import type { GpuRun } from "../../webgpu/gpu/run_cases.ts";
import { threeCases } from "./cases.ts";

/** Runs all cases; `log` gets a line for each. */
export async function runThreeCases(log: (line: string) => void): Promise<GpuRun> {
  let passed = 0, failed = 0;
  for (const { name, run } of threeCases()) {
    const start = performance.now();
    try {
      await run();
      passed++;
      log(`  ok three ${name}, ${(performance.now() - start).toFixed(0)} ms`);
    } catch (error) {
      failed++;
      log(`  FAILED three ${name}: ${error}\n${(error as Error)?.stack ?? ""}`);
    }
  }
  return { passed, failed };
}
