/**
 * Measures blobs in the origin private file system of a browser, beside what else keeps blobs there:
 * IndexedDB by `idb-keyval`, SQLite by `@sqlite.org/sqlite-wasm` in its `opfs-sahpool`, the Cache API.
 * Run by Node.
 *
 * ```sh
 * deno task bench:opfs            # in Chromium, 5 rounds
 * deno task bench:opfs firefox 3
 * ```
 *
 * In each round 2,000 blobs of 100 B to 256 KiB, 11 MB in all, are put by 100 in a batch or transaction,
 * 4,000 are got at random, and 100 of 1,000 B are put one by one, each part in turns. A ratio is the
 * median of those of the rounds. Contestants are compared with ours of the same promise: what was
 * acknowledged survives the loss of power (IndexedDB's `durability: "strict"`, SQLite's
 * `synchronous=FULL`), or a crash of the browser only (`"relaxed"`, `NORMAL` with a write-ahead log).
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { askBrowser } from "../ci/browser/ask_browser.ts";
import { bundleWorker } from "../ci/browsers/bundle_worker.ts";
import type { Results, Times } from "./opfs/page.ts";

/** Each contestant, and ours of the same promise. */
const PAIRS: Readonly<Record<string, string>> = {
  "IndexedDB, strict": "ours, commit",
  "SQLite, FULL": "ours, commit",
  "SQLite, FULL, WAL": "ours, commit",
  "IndexedDB, relaxed": "ours, none",
  "SQLite, NORMAL, WAL": "ours, none",
  "Cache API": "ours, none",
};
const PARTS = ["put", "get", "single", "close"] as const;

const [browser = "chromium", count = "5"] = process.argv.slice(2);
const scripts: Readonly<Record<string, string>> = {
  "/worker.js": await bundleWorker("scripts/bench/opfs/worker.ts"),
  "/page.js": await bundleWorker("scripts/bench/opfs/page.ts"),
};
const wasm = createRequire(import.meta.url).resolve("@sqlite.org/sqlite-wasm/sqlite3.wasm");
const answer = await askBrowser(browser, ({ pathname }) => {
  if (pathname in scripts) return { type: "text/javascript", body: scripts[pathname] };
  if (pathname === "/sqlite3.wasm") return { type: "application/wasm", body: readFileSync(wasm) };
  if (pathname !== "/") return undefined;
  const body = `<!doctype html><title>Bench</title>` +
    `<script type="module">history.replaceState({}, "", "?${count}"); import("/page.js")</script>`;
  return { type: "text/html", body };
});
const results = JSON.parse(answer) as Results & { readonly failed?: string };
if (results.failed !== undefined) throw new Error(results.failed);
print(results);

/** Middle of some numbers. */
function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

function print({ rounds, openings, remote, bare }: Results): void {
  const row = (...cells: string[]) =>
    console.log(
      `| ${cells.map((cell, i) => i === 0 ? cell.padEnd(20) : cell.padStart(10)).join(" | ")} |`,
    );
  row(`${browser}, ${rounds.length} rounds`, ...PARTS);
  row("---", ...PARTS.map(() => "---:"));
  const cellsOf = (cell: (part: keyof Times) => string) => PARTS.map(cell);
  for (const name of Object.keys(rounds[0])) {
    const ours = PAIRS[name];
    const time = (part: keyof Times) =>
      `${median(rounds.map((one) => one[name][part])).toFixed(0)} ms`;
    const ratio = (part: keyof Times) => {
      if (part === "close") return time(part); // it may be nothing
      return `${median(rounds.map((one) => one[name][part] / one[ours][part])).toFixed(1)} x`;
    };
    row(name, ...cellsOf(ours === undefined ? time : ratio));
  }
  const ratio = median(remote) / median(bare);
  console.log(
    `get of 4 KiB from the page: ${(1000 * median(remote)).toFixed(0)} us, ` +
      `${ratio.toFixed(2)} times a bare message there and back`,
  );
  for (const { blobs, fileBytes, reads, bytes, milliseconds } of openings) {
    console.log(
      `opening ${blobs} blobs in ${fileBytes} bytes: ` +
        `${reads} reads of ${bytes} bytes, ${milliseconds.toFixed(1)} ms`,
    );
  }
}
