/**
 * All drawings of the guides, by the names of their files.
 *
 * @module
 */

import { drawArena } from "./arena.ts";
import { drawBins } from "./bins.ts";
import { drawBitmap } from "./bitmap.ts";
import { drawBlobFile } from "./blob_file.ts";
import { drawGrowth } from "./growth.ts";
import { drawRing } from "./ring.ts";
import { drawState } from "./state.ts";
import { drawStrategies } from "./strategies.ts";

/** Draws them all. */
export async function drawings(): Promise<Map<string, string>> {
  return new Map([
    ["bins.svg", drawBins()],
    ["bitmap.svg", drawBitmap()],
    ["ring.svg", drawRing()],
    ["state.svg", drawState()],
    ["strategies.svg", drawStrategies()],
    ["arena.svg", drawArena()],
    ["blob_file.svg", await drawBlobFile()],
    ["growth.svg", drawGrowth()],
  ]);
}
