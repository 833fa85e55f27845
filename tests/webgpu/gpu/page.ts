/** Runs the cases in a web page, for a driver that reads `results`. */

import { runCases } from "./run_cases.ts";

Object.assign(globalThis, { results: runCases(navigator.gpu, (line) => console.log(line)) });
