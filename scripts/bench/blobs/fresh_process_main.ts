/**
 * What a fresh process does for the benchmark: see `fresh_process.ts`.
 *
 * @module
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { contestants } from "./contestants.ts";
import type { OpenStore } from "./open_store.ts";
import type { Task, TaskReport } from "./fresh_process.ts";
import { OurStore } from "./our_store.ts";
import { SPREADS, Work } from "./work.ts";

const task: Task = JSON.parse(process.argv[2]);
const all = await contestants(task.addons);
const { open } = all.find(({ name }) => name === task.contestant)!;
const isFill = task.action === "crash" && task.round === 0;

const before = await usedBytes();
const start = performance.now();
const store = await open(task.folder, "durable");
const value = await store.get(task.key);
const ms = performance.now() - start;
if ((value === undefined) !== isFill) throw new Error(`Expected the blob ${task.key}`);

const report: TaskReport = store instanceof OurStore
  ? {
    ms,
    indexBytes: (await store.store.stats()).indexBytes,
    heapBytes: await usedBytes() - before,
  }
  : { ms };
if (task.action === "crash") await write(store);
writeSync(1, JSON.stringify(report));
if (task.action === "crash") process.kill(process.pid, "SIGKILL");
await store.close();

/** Commits of 100 each: all blobs, or overwrites of some. */
async function write(store: OpenStore): Promise<void> {
  const spread = SPREADS.find(({ name }) => name === task.spread)!;
  const work = new Work(spread, task.count!, 1 + task.round!);
  const changes = isFill ? work.puts(0, work.count) : work.overwrites(task.write!);
  for (let begin = 0; begin < changes.length; begin += 100) {
    await store.commit(changes.slice(begin, begin + 100));
  }
}

/** Bytes of memory in use: on Bun of the whole process, since its own accounts are estimates. */
async function usedBytes(): Promise<number> {
  const { Bun, gc } = globalThis as {
    Bun?: { gc(isSynchronous: boolean): void };
    gc?: () => void;
  };
  // What a collection frees is given back a moment later, and counted by the next.
  for (let i = 0; i < 2; i++) {
    if (Bun) Bun.gc(true);
    else gc?.();
    await setTimeout(100);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return Bun ? rss : heapUsed + external;
}
