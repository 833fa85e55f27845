/**
 * Measures blobs in the origin private file system of a browser, beside what else keeps blobs
 * there: IndexedDB by `idb-keyval`, SQLite by `@sqlite.org/sqlite-wasm` in its `opfs-sahpool`, the
 * Cache API. Run by Node.
 *
 * ```sh
 * deno task bench:opfs            # in Chromium, 5 rounds
 * deno task bench:opfs firefox 3
 * ```
 *
 * In each round 2,000 blobs of 100 B to 256 KiB, 11 MB in all, are put by 100 in a batch or
 * transaction, 4,000 are got at random, and 100 of 1,000 B are put one by one, each part in turns.
 * A ratio is the median of those of the rounds. Contestants are compared with ours of the same
 * promise: what was acknowledged survives the loss of power (IndexedDB's `durability: "strict"`,
 * SQLite's `synchronous=FULL`), or a crash of the browser only (`"relaxed"`, `NORMAL` with a
 * write-ahead log).
 * A second table has the best of each turn over the rounds: other work on the machine is left out.
 * A third one has the CPU time of all processes of the browser, on Linux.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
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
/** Milliseconds of a tick, in which Linux tells CPU time. */
const TICK = 10;
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
  if (pathname === "/cpu") return { type: "text/plain", body: `${cpuTime()}` };
  if (pathname !== "/") return undefined;
  const body = `<!doctype html><title>Bench</title>` +
    `<script type="module">history.replaceState({}, "", "?${count}"); import("/page.js")</script>`;
  return { type: "text/html", body };
});
const results = JSON.parse(answer) as Results & { readonly failed?: string };
if (results.failed !== undefined) throw new Error(results.failed);
print(results);

/** CPU milliseconds that the programs which this one started took so far; 0 without /proc. */
function cpuTime(): number {
  if (!existsSync("/proc/self/stat")) return 0;
  const parents = new Map<number, number>(), times = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // Behind the name of the program: its state, its parent; user and system time are 11 further.
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)!.split(" ");
      parents.set(Number(name), Number(fields[1]));
      times.set(Number(name), TICK * (Number(fields[11]) + Number(fields[12])));
    } catch {
      // It ended.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid) ?? 0;
    return parent === process.pid || parent > 1 && isBelow(parent);
  };
  return sum([...times].map(([pid, time]) => isBelow(pid) ? time : 0));
}

/** Middle of some numbers. */
function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0);
}

/** A table of ours in milliseconds, and how many times that the others take. */
function printTable(title: string, cell: (name: string, part: keyof Times) => string): void {
  const row = (first: string, cells: readonly string[]) =>
    console.log(`| ${first.padEnd(24)} | ${cells.map((one) => one.padStart(8)).join(" | ")} |`);
  row(title, PARTS);
  row("---", PARTS.map(() => "---:"));
  for (const name of new Set([...Object.values(PAIRS), ...Object.keys(PAIRS)])) {
    row(name, PARTS.map((part) => cell(name, part)));
  }
  console.log("");
}

function print({ rounds, openings, remote, bare }: Results): void {
  const format = (ours: string | undefined, part: keyof Times, time: number, ratio: number) =>
    // What closing costs may be nothing.
    ours === undefined || part === "close" ? `${time.toFixed(0)} ms` : `${ratio.toFixed(1)} x`;
  printTable(`${browser}, ${rounds.length} rounds`, (name, part) => {
    const ours = PAIRS[name], times = rounds.map((round) => sum(round[name].clock[part]));
    const ratios = rounds.map((round, n) => times[n] / sum(round[ours ?? name].clock[part]));
    return format(ours, part, median(times), median(ratios));
  });
  printTable("the best of each turn", (name, part) => {
    const ours = PAIRS[name];
    const best = (name: string) =>
      sum(rounds[0][name].clock[part].map((_, turn) => {
        return Math.min(...rounds.map((round) => round[name].clock[part][turn]));
      }));
    return format(ours, part, best(name), best(name) / best(ours ?? name));
  });
  printTable("CPU time", (name, part) => {
    const ours = PAIRS[name];
    const cpu = (name: string) => sum(rounds.map((round) => sum(round[name].cpu[part])));
    return format(ours, part, cpu(name) / rounds.length, cpu(name) / cpu(ours ?? name));
  });
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
