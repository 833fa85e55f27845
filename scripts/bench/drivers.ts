/**
 * Measures the drivers for unstorage and Keyv beside what people use now: unstorage's `fs` driver
 * and `keyv-file`, with all in one file or with a file for each key. The same calls of the same
 * libraries, in turns, over new folders in each round.
 *
 * ```sh
 * deno task bench:drivers
 * deno task bench:drivers --quick --runtime node
 * ```
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Keyv } from "keyv";
import { KeyvFile } from "keyv-file";
import { createStorage, type Storage } from "unstorage";
import fsDriver from "unstorage/drivers/fs";
import { BlobStore, type Durability } from "../../backends/blob_store/mod.ts";
import { keyvAdapter } from "../../backends/keyv/mod.ts";
import { unstorageDriver } from "../../backends/unstorage/mod.ts";
import { geometricMean, host, runBenchmark } from "./runner.ts";

/** What is measured, and what makes it anew over what an earlier one left. */
interface Contestant<T> {
  readonly name: string;
  open(folder: string): Promise<{ readonly subject: T; close(): Promise<void> }>;
}

/** Calls that are measured together; they get the number of items. */
type Steps<T> = Readonly<Record<string, (subject: T, count: number) => Promise<unknown>>>;

/** Milliseconds of each contestant, in the order of their names. */
interface Table {
  readonly title: string;
  readonly names: readonly string[];
  readonly lines: readonly { readonly step: string; readonly ms: readonly number[] }[];
}

interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly count: number;
  readonly tables: readonly Table[];
}

const LARGE = new Uint8Array(100_000).map((_, i) => i * 31 >>> 3);
const valueOf = (i: number) => ({
  id: i,
  name: `item ${i}`,
  text: "some text of an item ".repeat(12),
});
const keyOf = (i: number) => `users:${i % 10}:${i}`;
/** Each number below `count` once, in an order that jumps. */
const jumps = (count: number) => Array.from({ length: count }, (_, i) => i * 7919 % count);
const inTurn = async (count: number, call: (i: number) => unknown) => {
  for (const i of jumps(count)) await call(i);
};
const together = (count: number, call: (i: number) => unknown) =>
  Promise.all(jumps(count).map(call));

const storageSteps: Steps<Storage> = {
  "setItem, one by one": (it, n) => inTurn(n, (i) => it.setItem(keyOf(i), valueOf(i))),
  "setItem, together": (it, n) => together(n, (i) => it.setItem(keyOf(i), valueOf(i + 1))),
  "setItems": (it, n) =>
    it.setItems(Array.from({ length: n }, (_, i) => ({ key: keyOf(i), value: valueOf(i + 2) }))),
  "getItem": (it, n) => inTurn(n, (i) => it.getItem(keyOf(i))),
  "getItems": (it, n) => it.getItems(Array.from({ length: n }, (_, i) => keyOf(i))),
  "hasItem": (it, n) => inTurn(n, (i) => it.hasItem(keyOf(i))),
  "getMeta": (it, n) => inTurn(n, (i) => it.getMeta(keyOf(i))),
  "getKeys": (it) => inTurn(7, () => it.getKeys()),
  "setItemRaw, 100 kB": (it, n) => inTurn(n / 10, (i) => it.setItemRaw(`raw:${i}`, LARGE)),
  "getItemRaw, 100 kB": (it, n) => inTurn(n / 10, (i) => it.getItemRaw(`raw:${i}`)),
  "removeItem": (it, n) => inTurn(n / 2, (i) => it.removeItem(keyOf(i))),
  "clear": (it) => it.clear(),
};

const keyvSteps: Steps<Keyv> = {
  "set, together": (it, n) => together(n, (i) => it.set(keyOf(i), valueOf(i))),
  "set, ten together": async (it, n) => {
    for (let i = 0; i < n; i += n / 10) await together(10, (j) => it.set(keyOf(i + j), valueOf(j)));
  },
  "setMany": (it, n) =>
    it.setMany(Array.from({ length: n }, (_, i) => ({ key: keyOf(i), value: valueOf(i + 2) }))),
  "get": (it, n) => inTurn(n, (i) => it.get(keyOf(i))),
  "getMany": (it, n) => it.getMany(Array.from({ length: n }, (_, i) => keyOf(i))),
  "has": (it, n) => inTurn(n, (i) => it.has(keyOf(i))),
  "delete, together": (it, n) => together(n / 2, (i) => it.delete(keyOf(i))),
  "clear": (it) => it.clear(),
};

/** A blob store in the folder. */
async function storeIn(folder: string, durability: Durability): Promise<BlobStore> {
  return await BlobStore.open(join(folder, "items.blobs"), { create: true, durability });
}

const storages: readonly Contestant<Storage>[] = [
  ...(["none", "commit"] as const).map((durability): Contestant<Storage> => ({
    name: `blob store, ${durability}`,
    open: async (folder) => {
      const driver = unstorageDriver(await storeIn(folder, durability), { closeStore: true });
      const subject = createStorage({ driver });
      return { subject, close: () => subject.dispose() };
    },
  })),
  {
    name: "fs",
    open: (folder) => {
      const subject = createStorage({ driver: fsDriver({ base: join(folder, "items") }) });
      return Promise.resolve({ subject, close: () => subject.dispose() });
    },
  },
];

const keyvs: readonly Contestant<Keyv>[] = [
  ...(["none", "commit"] as const).map((durability): Contestant<Keyv> => ({
    name: `blob store, ${durability}`,
    open: async (folder) => {
      const store = keyvAdapter(await storeIn(folder, durability), { closeStore: true });
      const subject = new Keyv({ store, throwOnErrors: true });
      return { subject, close: () => subject.disconnect() };
    },
  })),
  ...[false, true].map((separatedFile): Contestant<Keyv> => ({
    name: separatedFile ? "keyv-file, separated" : "keyv-file",
    open: (folder) => {
      const store = new KeyvFile({ filename: join(folder, "items"), separatedFile });
      const subject = new Keyv({ store, throwOnErrors: true });
      return Promise.resolve({ subject, close: () => subject.disconnect() });
    },
  })),
];

await runBenchmark<Report>({
  task: "bench:drivers",
  script: "scripts/bench/drivers.ts",
  measure: async (_, quick) => {
    const count = quick ? 200 : 1000, rounds = quick ? 1 : 5;
    return {
      ...host(),
      count,
      tables: [
        await measure("unstorage", storages, storageSteps, count, rounds),
        await measure("Keyv", keyvs, keyvSteps, count, rounds),
      ],
    };
  },
  print,
});

/** Medians of rounds in which each contestant does everything; what is slow first begins last. */
async function measure<T>(
  title: string,
  contestants: readonly Contestant<T>[],
  steps: Steps<T>,
  count: number,
  rounds: number,
): Promise<Table> {
  const times = contestants.map(() => Object.keys(steps).map((): number[] => []));
  for (let round = -1; round < rounds; round++) { // the first for the compiler
    for (let turn = 0; turn < contestants.length; turn++) {
      const at = (turn + Math.max(round, 0)) % contestants.length;
      const folder = mkdtempSync(join(tmpdir(), "drivers-"));
      try {
        const { subject, close } = await contestants[at].open(folder);
        for (const [i, step] of Object.values(steps).entries()) {
          const start = performance.now();
          await step(subject, count);
          if (round >= 0) times[at][i].push(performance.now() - start);
        }
        await close();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  return {
    title,
    names: contestants.map(({ name }) => name),
    lines: Object.keys(steps).map((step, i) => ({ step, ms: times.map((own) => median(own[i])) })),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Milliseconds of the first, and how many times as long the others take. */
function print(reports: readonly Report[]): void {
  for (const { runtime, cpu, count, tables } of reports) {
    console.log(`\n${runtime}, ${cpu}, ${count} items; x: times as long as the first`);
    for (const { title, names, lines } of tables) {
      console.log(`\n${title.padEnd(22)}${names.map((name) => name.padStart(22)).join("")}`);
      for (const { step, ms: [own, ...others] } of lines) {
        const cells = [`${own.toFixed(2)} ms`, ...others.map((ms) => `${(ms / own).toFixed(2)} x`)];
        console.log(step.padEnd(22) + cells.map((cell) => cell.padStart(22)).join(""));
      }
      const means = names.slice(1).map((_, i) =>
        `${geometricMean(lines.map(({ ms }) => ms[i + 1] / ms[0])).toFixed(2)} x`
      );
      const cells = ["", ...means].map((cell) => cell.padStart(22));
      console.log("geometric mean".padEnd(22) + cells.join(""));
    }
  }
}
