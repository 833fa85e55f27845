/**
 * The comparison of strategies on a trace; the benchmarks use its strategies and workloads.
 *
 * @module
 */

export { compare } from "./compare.ts";
export { stateBytes } from "./measure.ts";
export type { Absence, Figures, Report } from "./measure.ts";
export { strategies } from "./strategies.ts";
export type { Strategy } from "./strategies.ts";
export { churn, replay, workloads } from "./workloads.ts";
export type { Answers, ChurnOptions, Trace, Workload } from "./workloads.ts";
