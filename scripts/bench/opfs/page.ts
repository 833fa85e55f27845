/**
 * The page of `bench:opfs`: it has the worker measure, then compares a get through a port with a
 * bare message there and back.
 *
 * @module
 */

import { type MessagePortLike, RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import type { Opening, Round } from "./worker.ts";

/** What is measured. */
export interface Results {
  readonly rounds: readonly Round[];
  readonly openings: readonly Opening[];
  /** Milliseconds of gets from the page, and of bare messages with as many bytes. */
  readonly remote: readonly number[];
  readonly bare: readonly number[];
}

const CALLS = 3000;
const { Worker, fetch } = globalThis as unknown as {
  Worker: new (address: string, options: object) => MessagePortLike;
  fetch(path: string, options: object): Promise<unknown>;
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

/** Asks a worker for something. */
function ask<T>(worker: MessagePortLike, message: unknown, field: string): Promise<T> {
  const answer = next<T>(worker, field);
  worker.postMessage(message);
  return answer;
}

async function run(count: number): Promise<Results> {
  const worker = new Worker("/worker.js", { type: "module" });
  const rounds: Round[] = [];
  for (let n = 0; n < count; n++) {
    const durable = await ask<Round>(worker, { round: n, promised: "power loss" }, "times");
    const others = await ask<Round>(worker, { round: n, promised: "crash" }, "times");
    rounds.push({ ...durable, ...others });
  }
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
