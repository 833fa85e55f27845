/** Runs the comparisons in a web page. */

import { runMeasurements } from "./measure.ts";

Object.assign(globalThis, { results: runMeasurements(navigator.gpu, (line) => console.log(line)) });
