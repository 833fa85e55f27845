/**
 * Sends mixed requests to a blob server in a process of its own, each answer compared with what was
 * put, and watches the memory of the server: `tests/http/load_test.ts`, longer.
 *
 * ```sh
 * deno task bench:serve                                # 100,000 requests to each kind of server
 * deno task bench:serve --requests 5000 --only Deno.serve
 * ```
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, type LoadReport } from "../../tests/http/load.ts";
import { commandOf } from "./runner.ts";

/** The servers, and the runtime that each runs on. */
const KINDS: readonly (readonly [kind: string, runtime: string])[] = [
  ["Deno.serve", "deno"],
  ["node:http", "deno"],
  ["node:http", "node"],
  ["Bun.serve", "bun"],
  ["node:http", "bun"],
];
/** How often the memory is looked at, and by how much the last half may lie above the first. */
const LOOK_MS = 500, MOST_GROWTH = 64 * 2 ** 20;

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: `${Date.now() % 1e6}` },
    only: { type: "string", default: "" },
  },
});
const requests = Number(values.requests), seed = Number(values.seed);
console.log(`${requests} requests to each, seed ${seed}`);
for (const [kind, runtime] of KINDS) {
  const name = `${kind} on ${runtime}`;
  if (name.includes(values.only)) await measure(name, kind, runtime);
}

async function measure(name: string, kind: string, runtime: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "serve-" });
  const [program, ...args] = commandOf(runtime);
  const script = join(import.meta.dirname!, "../../tests/http/shutdown_server.ts");
  const server = new Deno.Command(program, {
    args: [...args, script, kind, join(folder, "x.blobs"), "batch"],
    stdout: "piped",
  }).spawn();
  try {
    const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!/at http:\S+ \d+\n/.test(said)) {
      const { value, done } = await lines.read();
      if (done) throw new Error(`${name} does not start: ${said}`);
      said += value;
    }
    const [, url, pid] = /at (http:\S+) (\d+)\n/.exec(said)!;
    const memory: number[] = [];
    const timer = setInterval(() => memory.push(residentBytes(pid)), LOOK_MS);
    const report = await load(url, requests, seed);
    clearInterval(timer);
    console.log(`${name}: ${lineOf(report, memory)}`);
    Deno.kill(Number(pid), "SIGTERM");
    const { code } = await server.status;
    if (code !== 0) throw new Error(`${name} ended with ${code}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Bytes of memory that a process has. */
function residentBytes(pid: string): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kilobytes) * 1024;
}

function lineOf({ answers, updates, seconds }: LoadReport, memory: readonly number[]): string {
  const most = (part: readonly number[]) => Math.max(...part) / 2 ** 20;
  // The first quarter fills caches and compiles.
  const quarter = memory.length >> 2;
  const before = most(memory.slice(quarter, 2 * quarter)), after = most(memory.slice(3 * quarter));
  const sent = Object.values(answers).reduce((sum, count) => sum + count);
  if ((after - before) * 2 ** 20 > MOST_GROWTH) {
    throw new Error(`the memory grows: ${before.toFixed()} MiB, then ${after.toFixed()} MiB`);
  }
  const rate = (sent / seconds).toFixed();
  return `${sent} requests, ${rate}/s, ${updates} updates, no answer wrong; memory at most ` +
    `${before.toFixed()} MiB in the second quarter, ${after.toFixed()} in the last\n` +
    `  ${Object.entries(answers).sort().map(([name, count]) => `${name}: ${count}`).join(", ")}`;
}
