/**
 * What a page of these tests has: workers that are told what to do, and `RemoteBlobStore`.
 *
 * @module
 */

import { BlobStore, joinTabs, RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import type { MessagePortLike } from "../../../backends/opfs/mod.ts";
import type { Answer } from "./worker.ts";

/** What is used of a `Worker`. */
interface WorkerLike extends MessagePortLike {
  terminate(): void;
}

/** A worker that does what it is told. */
export interface Helper {
  readonly worker: WorkerLike;
  /** The numbers that it said were acknowledged. */
  readonly acknowledged: number[];
  call(name: string, ...args: unknown[]): Promise<unknown>;
  /** The name of the error that a call ends with; `"none"` where it ends well. */
  outcome(name: string, ...args: unknown[]): Promise<string>;
}

let calls = 0;

/** Starts a worker; with a shared worker it has ports to those of other tabs. */
export function startHelper(hasRelay = false): Helper {
  const { Worker, SharedWorker } = globalThis as unknown as {
    Worker: new (address: string, options: object) => WorkerLike;
    SharedWorker: new (address: string, options: object) => { readonly port: MessagePortLike };
  };
  const worker = new Worker("/worker.js", { type: "module" });
  const pending = new Map<number, (answer: Answer) => void>(), acknowledged: number[] = [];
  worker.addEventListener("message", ({ data }) => {
    const answer = Object(data) as Answer & { readonly acknowledged?: number };
    if (answer.acknowledged !== undefined) {
      acknowledged.push(answer.acknowledged);
      (globalThis as { onAcknowledged?(number: number): void }).onAcknowledged?.(
        answer.acknowledged,
      );
    } else pending.get(answer.id)?.(answer);
  });
  const answerOf = (name: string, args: unknown[]) => {
    const id = ++calls;
    worker.postMessage({ id, name, args });
    if (hasRelay && name === "share") {
      joinTabs(worker, new SharedWorker("/relay.js", { type: "module" })); // it listens now
    }
    return new Promise<Answer>((resolve) => pending.set(id, resolve));
  };
  return {
    worker,
    acknowledged,
    async call(name, ...args) {
      const { value, error } = await answerOf(name, args);
      if (error === undefined) return value;
      throw Object.assign(new Error(error[1]), { name: error[0] });
    },
    async outcome(name, ...args) {
      return (await answerOf(name, args)).error?.[0] ?? "none";
    },
  };
}

Object.assign(globalThis, { startHelper, RemoteBlobStore, BlobStore });
