/**
 * The page of `bench:opfs`: it has the worker measure, then compares a get through a port with a
 * bare message there and back.
 *
 * @module
 */

import { type MessagePortLike, RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import type { OpfsRound } from "./worker.ts";

const ROUNDS = 3, CALLS = 2000;
const { Worker, fetch } = globalThis as unknown as {
  Worker: new (address: string, options: object) => MessagePortLike;
  fetch(path: string, options: object): Promise<unknown>;
};

/** Middle of some numbers. */
function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

/** The next message of a worker that has a field. */
function next<T>(worker: MessagePortLike, field: string): Promise<T> {
  return new Promise((resolve) => {
    const listen = ({ data }: { readonly data: unknown }) => {
      if (!(field in Object(data))) return;
      worker.removeEventListener("message", listen);
      resolve((data as Record<string, T>)[field]);
    };
    worker.addEventListener("message", listen);
  });
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

async function run(): Promise<string[]> {
  const worker = new Worker("/worker.js", { type: "module" });
  worker.postMessage({ rounds: ROUNDS });
  const results = await next<OpfsRound[]>(worker, "results");
  const lines = (["put", "get", "single"] as const).map((part) => {
    const ours = median(results.map((round) => round[part][0]));
    const ratio = median(results.map((round) => round[part][1] / round[part][0]));
    return `${part}: ours ${ours.toFixed(0)} ms, IndexedDB ${ratio.toFixed(1)} times that`;
  });
  worker.postMessage("serve");
  const blobs = await RemoteBlobStore.connect(worker);
  await blobs.put("a", new Uint8Array(4096));
  const bare: number[] = [], remote: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    bare.push(
      await timed(async () => {
        const answer = next(worker, "pong");
        worker.postMessage("ping");
        await answer;
      }),
    );
    remote.push(await timed(() => blobs.get("a")));
  }
  const ratio = median(remote) / median(bare);
  lines.push(
    `get of 4 KiB from the page: ${(1000 * median(remote)).toFixed(0)} us, ` +
      `${ratio.toFixed(2)} times a bare message there and back`,
  );
  return lines;
}

run().catch((error) => [`it failed: ${error}`]).then((lines) => {
  void fetch("/answer", { method: "POST", body: lines.join("\n") });
});
