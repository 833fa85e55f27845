/** Runs the cases in a web page, for a driver that reads `results`. */

import { runWebGlCases } from "./run_cases.ts";

Object.assign(globalThis, { results: runWebGlCases((line) => console.log(line)) });
