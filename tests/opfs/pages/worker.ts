/**
 * A dedicated worker of the pages of these tests: it does with blob stores what it is told, and
 * serves one where it is told so.
 *
 * @module
 */

import { BlobStore, OpfsStore, serveBlobStore } from "../../../backends/opfs/mod.ts";
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
let blobs: BlobStore | undefined, file: OpfsStore | undefined;

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
  async putOnAndOn(first: number) {
    for (let number = first;; number++) {
      await blobs!.put(`${number}`, bytesFor(number));
      scope.postMessage({ acknowledged: number });
    }
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
