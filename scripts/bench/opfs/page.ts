/**
 * The page of `bench:opfs`: it has workers do the same in turns, then compares a get through a port
 * with a bare message there and back.
 *
 * @module
 */

import { type MessagePortLike, RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import { entrants, type Promised } from "./contestants.ts";
import type { Opening, Task } from "./worker.ts";

/** Milliseconds of each turn of each part of the work. */
export interface Times {
  readonly put: number[];
  readonly get: number[];
  /** Of single puts of 1,000 bytes. */
  readonly single: number[];
  /** What was left for later. */
  readonly close: number[];
}

/** The times of one round, by the names of the contestants. */
export type Round = Readonly<Record<string, { readonly clock: Times; readonly cpu: Times }>>;

/** What is measured. */
export interface Results {
  readonly rounds: readonly Round[];
  readonly openings: readonly Opening[];
  /** Milliseconds of gets from the page, and of bare messages with as many bytes. */
  readonly remote: readonly number[];
  readonly bare: readonly number[];
}

const BLOBS = 2000, GETS = 4000, SINGLES = 100, CALLS = 3000;
const { Worker, fetch } = globalThis as unknown as {
  Worker: new (address: string, options: object) => MessagePortLike & { terminate(): void };
  fetch(path: string, options: object): Promise<{ text(): Promise<string> }>;
};

/** The next message of a worker that has a field. */
function next<T>(worker: MessagePortLike, field: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const listen = ({ data }: { readonly data: unknown }) => {
      const fields = Object(data) as Record<string, T>;
      if ("failed" in fields) reject(new Error(String(fields.failed)));
      if (!(field in fields)) return;
      worker.removeEventListener("message", listen);
      resolve(fields[field]);
    };
    worker.addEventListener("message", listen);
  });
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

/** CPU milliseconds that all processes of the browser took so far. */
async function cpuTime(): Promise<number> {
  return Number(await (await fetch("/cpu", {})).text());
}

/** Asks a worker for something. */
function ask<T>(worker: MessagePortLike, message: unknown, field: string): Promise<T> {
  const answer = next<T>(worker, field);
  worker.postMessage(message);
  return answer;
}

/**
 * Has those that promise the same do the same, in turns, for some rounds. Each has a worker of its
 * own: what one does later, in the background, is not counted for another one.
 */
async function compare(names: readonly string[], rounds: number): Promise<Round[]> {
  const workers = names.map(() => new Worker("/worker.js", { type: "module" }));
  const results: Round[] = [];
  let turn = 0;
  for (let n = 0; n < rounds; n++) {
    const noTimes = (): Times => ({ put: [], get: [], single: [], close: [] });
    const round: Round = Object.fromEntries(
      names.map((name) => [name, { clock: noTimes(), cpu: noTimes() }]),
    );
    const inTurns = async (part: keyof Times | "open", taskOf: (name: string) => Task) => {
      turn++; // each time in another order
      for (let i = 0; i < names.length; i++) {
        const j = (turn + i) % names.length;
        const before = await cpuTime();
        const time = await ask<number>(workers[j], { task: taskOf(names[j]) }, "done");
        if (part === "open") continue;
        round[names[j]].clock[part].push(time);
        round[names[j]].cpu[part].push(await cpuTime() - before);
      }
    };
    await inTurns("open", (name) => ({ open: [name, `${n}-${name.replace(/\W/g, "")}`] }));
    for (let i = 0; i < BLOBS; i += 500) await inTurns("put", () => ({ put: [i, i + 500] }));
    for (let i = 0; i < GETS; i += 500) {
      const keys = Array.from({ length: 500 }, () => Math.floor(Math.random() * BLOBS));
      await inTurns("get", () => ({ get: keys }));
    }
    for (let i = 0; i < SINGLES; i += 25) {
      await inTurns("single", () => ({ single: [i, i + 25] }));
    }
    await inTurns("close", () => ({ close: true }));
    results.push(round);
  }
  for (const worker of workers) worker.terminate();
  return results;
}

async function run(count: number): Promise<Results> {
  const promises: readonly Promised[] = ["power loss", "crash"], groups: Round[][] = [];
  for (const promised of promises) {
    const names = Object.keys(entrants).filter((name) => entrants[name].promised === promised);
    groups.push(await compare(names, count));
  }
  const rounds = groups[0].map((round, n) => ({ ...round, ...groups[1][n] }));
  const worker = new Worker("/worker.js", { type: "module" });
  const openings = await ask<Opening[]>(worker, "opening", "opening");
  worker.postMessage("serve");
  const blobs = await RemoteBlobStore.connect(worker);
  await blobs.put("a", new Uint8Array(4096));
  const bare: number[] = [], remote: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    bare.push(await timed(() => ask(worker, "ping", "pong")));
    remote.push(await timed(() => blobs.get("a")));
  }
  return { rounds, openings, remote, bare };
}

const { search } = (globalThis as unknown as { location: { search: string } }).location;
run(Number(search.slice(1)))
  .catch((error) => ({ failed: `${error?.stack ?? error}` }))
  .then((results) => fetch("/answer", { method: "POST", body: JSON.stringify(results) }));
