/// <reference lib="dom" />
/** Streams tiles through three's BatchedMesh and through ours, in a page; prints what it takes. */

import * as THREE from "three";
import { printTable } from "./measure.ts";
import { liveBytes, names, runTiles, type TileRun, UploadCount } from "./tiles.ts";

const RUNS = 5;

/** The median of a figure of some runs. */
function median(runs: readonly TileRun[], figure: (run: TileRun) => number): number {
  return runs.map(figure).sort((a, b) => a - b)[runs.length >> 1];
}

function table(all: ReadonlyMap<string, TileRun[]>): string[][] {
  const rows = [[
    "",
    "us a replacement",
    "median frame",
    "longest over it",
    "KB a frame",
    "worst",
    "buffers over live",
    "arrays",
    "bytes of an index",
  ]];
  for (const [name, runs] of all) {
    const [{ indexBytes, bufferBytes, arrayBytes }] = runs, live = liveBytes(indexBytes);
    rows.push([
      name,
      (1000 * median(runs, (run) => run.replacement)).toFixed(0),
      `${median(runs, (run) => run.median).toFixed(1)} ms`,
      `${median(runs, (run) => run.longest - run.median).toFixed(1)} ms`,
      (median(runs, (run) => run.meanBytes) / 1000).toFixed(0),
      (median(runs, (run) => run.mostBytes) / 1000).toFixed(0),
      (bufferBytes / live).toFixed(2),
      (arrayBytes / live).toFixed(2),
      String(indexBytes),
    ]);
  }
  return rows;
}

/** Runs all contestants in turns. */
async function run(log: (line: string) => void): Promise<{ passed: number; failed: number }> {
  const renderer = new THREE.WebGLRenderer();
  renderer.setSize(16, 16);
  const uploads = new UploadCount(renderer.getContext() as WebGL2RenderingContext);
  const all = new Map(names.map((name) => [name, [] as TileRun[]]));
  for (let i = 0; i <= RUNS; i++) {
    for (const name of names) {
      // The page is loaded by then, and the garbage of the last run collected.
      await new Promise((resolve) => setTimeout(resolve));
      const one = runTiles(name, renderer, uploads);
      if (i > 0) all.get(name)!.push(one); // the first round compiles
    }
  }
  const live = (liveBytes(4) / 1e6).toFixed(1);
  log(`three r${THREE.REVISION}, WebGLRenderer, nothing drawn; ${live} MB live at 32-bit indices`);
  printTable(table(all), log);
  renderer.dispose();
  return { passed: all.size, failed: 0 };
}

Object.assign(globalThis, { results: run((line) => console.log(line)) });
