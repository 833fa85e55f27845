/** Runs the comparisons on Deno, Node or Bun. */

import process from "node:process";
import { findGpu } from "../../../examples/stream_meshes/find_gpu.ts";
import { runMeasurements } from "./measure.ts";

const { failed } = await runMeasurements(await findGpu(), (line) => console.log(line));
process.exit(failed);
