/**
 * Reads the same tiles through the same slow server in a page of Chromium: a published store, a
 * PMTiles archive by `pmtiles`, a table of SQLite by `sql.js-httpvfs`. Run by Node.
 *
 * ```sh
 * deno task bench:http
 * deno task bench:http --counts 1000,100000 --rounds 3 --latency 60
 * deno task bench:http --folder /tmp/tiles   # keeps the files, and takes those that are there
 * ```
 *
 * Requests and bytes are counted by the server, which waits before each answer and lets caches keep
 * it. Each tile is compared with what was written. Medians of 5 rounds, interleaved.
 *
 * @module
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { askBrowser } from "../ci/browser/ask_browser.ts";
import { bundleWorker } from "../ci/browsers/bundle_worker.ts";
import { makeFiles } from "./http/make_files.ts";
import type { Cost, Report } from "./http/page.ts";
import { serveSlowly } from "./http/slow_server.ts";
import { COUNTS } from "./http/tiles.ts";

const FORMATS = ["blobs", "pmtiles", "sqlite"];
/** The steps as the page names them, and how many times a step does what its row says. */
const STEPS: readonly (readonly [name: string, label: string, times: number])[] = [
  ["first", "open and the first tile", 1],
  ["cold", "a tile elsewhere", 30],
  ["warm", "the same tiles again, each", 30],
  ["near", "10 × 10 neighbours", 1],
  ["list", "1,000 keys and sizes", 1],
];

const { values } = parseArgs({
  options: {
    counts: { type: "string", default: COUNTS.join() },
    rounds: { type: "string", default: "5" },
    latency: { type: "string", default: "30" },
    folder: { type: "string" },
  },
});
const counts = values.counts.split(",").map(Number);
const unknown = counts.filter((count) => !COUNTS.includes(count));
if (unknown.length > 0) throw new RangeError(`--counts are of ${COUNTS}, not ${unknown}`);
const latency = Number(values.latency), rounds = Number(values.rounds);
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "http-"));
mkdirSync(folder, { recursive: true });
try {
  for (const count of counts) {
    if (existsSync(join(folder, `${count}.sqlite`))) continue;
    const start = performance.now();
    await makeFiles(folder, count);
    const seconds = (performance.now() - start) / 1000;
    console.log(`${count} tiles written in ${seconds.toFixed(1)} s`);
  }
  console.log(`${latency} ms before each answer, medians of ${rounds} rounds`);
  print(await measure());
} finally {
  if (values.folder === undefined) rmSync(folder, { recursive: true });
}

/** Has a page of Chromium read the files. */
async function measure(): Promise<Report> {
  const page = await bundleWorker("scripts/bench/http/page.ts");
  const sqlite = dirname(fileURLToPath(import.meta.resolve("sql.js-httpvfs")));
  const { origin, look, close } = await serveSlowly(folder, latency);
  const answer = await askBrowser("chromium", ({ pathname }) => {
    const json = (value: unknown) => ({ type: "application/json", body: JSON.stringify(value) });
    const ofSqlite = (name: string, type: string) => ({
      type,
      body: readFileSync(join(sqlite, name)),
    });
    switch (pathname) {
      case "/":
        return {
          type: "text/html",
          body: `<!doctype html><title>Bench</title><script type="module" src="/page.js"></script>`,
        };
      case "/page.js":
        return { type: "text/javascript", body: page };
      case "/task":
        return json({ origin, counts, rounds });
      case "/seen":
        return json(look());
      case "/sqlite.worker.js":
        return ofSqlite("sqlite.worker.js", "text/javascript");
      case "/sql-wasm.wasm":
        return ofSqlite("sql-wasm.wasm", "application/wasm");
      default:
        return undefined;
    }
  });
  close();
  const report = JSON.parse(answer);
  if (typeof report.error === "string") throw new Error(report.error);
  return report;
}

/** Middle of some numbers. */
function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

/** What a step took: requests, kilobytes, milliseconds. */
function cell(costs: readonly (Cost | undefined)[], times: number): string {
  const middle = (field: keyof Cost) => median(costs.map((cost) => cost![field])) / times;
  if (costs.some((cost) => cost === undefined)) return "-";
  const requests = Number(middle("requests").toFixed(1));
  return `${requests}, ${(middle("bytes") / 1000).toFixed(1)} kB, ${middle("ms").toFixed(0)} ms`;
}

function print(report: Report): void {
  const rows = counts.flatMap((count) => [
    ["", ""],
    [`${count.toLocaleString("en")} tiles`, ...FORMATS],
    ...STEPS.map(([name, label, times]) => [
      label,
      ...FORMATS.map((format) => cell(report[format][count].map((costs) => costs[name]), times)),
    ]),
  ]);
  for (const [label, ...cells] of rows) {
    console.log([label.padEnd(28), ...cells.map((text) => text.padStart(27))].join("").trimEnd());
  }
  const first = report.blobs[counts.at(-1)!].map((costs) => costs.first);
  const trips = latency > 0 ? median(first.map(({ ms }) => ms)) / latency : NaN;
  console.log(`\nfirst tile of the largest store: ${trips.toFixed(1)} times the latency`);
  process.exitCode = 0;
}
