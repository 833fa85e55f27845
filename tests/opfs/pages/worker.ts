/**
 * A dedicated worker of the pages of these tests: it does with blob stores what it is told, and
 * serves one where it is told so.
 *
 * @module
 */

import {
  BlobStore,
  ConnectionLostError,
  OpfsStore,
  serveBlobStore,
  SharedBlobStore,
} from "../../../backends/opfs/mod.ts";
import type { MessagePortLike } from "../../../backends/opfs/mod.ts";
import { bytesFor } from "./bytes_for.ts";

/** What a worker is told. */
export interface Command {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** What it answers. */
export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  /** The name and the message of an error. */
  readonly error?: readonly [name: string, message: string];
}

const scope = globalThis as unknown as MessagePortLike;
let blobs: BlobStore | SharedBlobStore | undefined, file: OpfsStore | undefined;
let isServed = false;
/** Messages posted through ports and through channels. */
const posted = { ports: 0, channels: 0 };

/** Counts the messages that go through ports of one kind. */
function count(kind: "ports" | "channels", { prototype }: { readonly prototype: MessagePortLike }) {
  const { postMessage } = prototype;
  prototype.postMessage = function (...args) {
    posted[kind]++;
    return postMessage.apply(this, args);
  };
}

/** Appends the name of this worker to the log of a store once it has the file open. */
async function logOwner(shared: SharedBlobStore, name: string): Promise<void> {
  while (!shared.isOwner) await new Promise((resolve) => setTimeout(resolve, 5));
  const log = await shared.get("log"), { etag } = await shared.stat("log") ?? {};
  const text = log === undefined ? name : `${new TextDecoder().decode(log)} ${name}`;
  await shared.put("log", text, etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag });
}

const commands: Readonly<Record<string, (...args: never[]) => unknown>> = {
  async open(path: string, options?: object) {
    blobs = await BlobStore.open(path, options);
  },
  async openFile(path: string, options?: object) {
    file = await OpfsStore.open(path, options);
  },
  closeFile: () => file!.close(),
  close: () => blobs!.close(),
  put: async (key: string, value: string) => void await blobs!.put(key, value),
  async get(key: string) {
    const bytes = await blobs!.get(key);
    return bytes && new TextDecoder().decode(bytes);
  },
  async count() {
    return (await blobs!.stats()).blobs;
  },
  /** Puts without an end, and tells of each that was acknowledged. */
  async putOnAndOn(first: number, until = Infinity) {
    let unknown = 0;
    for (let number = first; number < until; number++) {
      try {
        await blobs!.put(`${number}`, bytesFor(number));
        scope.postMessage({ acknowledged: number });
      } catch (error) {
        if (!(error instanceof ConnectionLostError && error.isOutcomeUnknown)) throw error;
        unknown++;
      }
    }
    return unknown;
  },
  /** Shares a store with other tabs, and serves it to the page, too. */
  share(path: string, options: object = {}, name = "") {
    count("ports", MessagePort as unknown as { prototype: MessagePortLike });
    count("channels", BroadcastChannel as unknown as { prototype: MessagePortLike });
    const opened = SharedBlobStore.open(path, options);
    if (!isServed) serveBlobStore(opened, scope);
    isServed = true;
    return opened.then((shared) => {
      blobs = shared;
      if (name !== "") void logOwner(shared, name);
    });
  },
  isOwner: () => (blobs as SharedBlobStore).isOwner,
  posted: () => posted,
  /** Does nothing else for so many milliseconds. */
  block(milliseconds: number) {
    for (const start = performance.now(); performance.now() - start < milliseconds;);
  },
  /** Which of these are missing or damaged. */
  async missing(numbers: readonly number[]) {
    const wrong: number[] = [];
    for (const number of numbers) {
      const found = await blobs!.get(`${number}`).catch(() => undefined), bytes = bytesFor(number);
      if (found?.length !== bytes.length || !found.every((byte, i) => byte === bytes[i])) {
        wrong.push(number);
      }
    }
    await blobs!.check();
    const { damaged } = await blobs!.verify();
    return [...wrong, ...damaged.map(({ key }) => Number(key))];
  },
  /** Fills the store until it is full; then whatever must go on, does. */
  async fill(size: number) {
    const value = new Uint8Array(size);
    let puts = 0, problem = "";
    try {
      for (; puts < 100_000; puts++) await blobs!.put(`${puts}`, value);
    } catch (error) {
      problem = String(error);
    }
    for (let i = 0; i < 20; i++) await blobs!.delete(`${i}`);
    await blobs!.put("in freed room", value);
    const got = (await blobs!.get("in freed room"))!.length;
    for (let i = 20; i < 60; i++) await blobs!.delete(`${i}`);
    await blobs!.compact();
    await blobs!.check();
    return { puts, problem, got, blobs: (await blobs!.stats()).blobs };
  },
  /** A store with some of everything, for other readers. */
  async example() {
    for (let i = 0; i < 300; i++) await blobs!.put(`${i}`, bytesFor(i), { metadata: { i } });
    for (let i = 0; i < 300; i += 3) await blobs!.delete(`${i}`);
    await blobs!.put("large", new Uint8Array(300_000).fill(7));
    await blobs!.put("empty", "");
  },
  async backup(to: string) {
    return await blobs!.backup(to);
  },
  serve: () => serveBlobStore(blobs!, scope),
  serveAt: (path: string, options?: object) => serveBlobStore(BlobStore.open(path, options), scope),
};

scope.addEventListener("message", async ({ data }) => {
  const { id, name, args } = Object(data) as Partial<Command>;
  if (name === undefined || !Object.hasOwn(commands, name)) return;
  try {
    const value = await commands[name](...args as never[]);
    scope.postMessage({ id, value });
  } catch (error) {
    scope.postMessage({ id, error: [(error as Error).name, String(error)] });
  }
});
