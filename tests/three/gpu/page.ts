/** Runs the cases in a web page, for a driver that reads `results`. */

import { runThreeCases } from "./run_cases.ts";

Object.assign(globalThis, { results: runThreeCases((line) => console.log(line)) });
