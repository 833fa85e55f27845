/**
 * Stands in for `backends/memory.ts` where the suites of the blob store run in a browser: what they
 * make in memory they make in files of the origin private file system, as long as there are some.
 *
 * @module
 */

import { afterEach } from "@std/testing/bdd";
import { MemoryStore as InMemory } from "../../../backends/memory.ts";
import { OpfsStore } from "../../../backends/opfs/mod.ts";
import { rootFolder } from "../../../backends/opfs/browser_files.ts";
import type { SyncBackingStore } from "../../../src/arena/backing_store.ts";

/** Files that are open at once. */
const FILES = 48;

const idle: OpfsStore[] = [], used: OpfsStore[] = [];

/** How many stores were made in files, and in memory for want of one. */
export const made = { inFiles: 0, inMemory: 0 };

/** Opens the files, before the tests begin. */
export async function openFiles(): Promise<void> {
  const folder = await (await rootFolder()).getDirectoryHandle("memory", { create: true });
  for (let i = 0; i < FILES; i++) {
    const file = await folder.getFileHandle(`${i}`, { create: true });
    idle.push(OpfsStore.from(await file.createSyncAccessHandle!()));
  }
}

/** Takes the files back that tests had: for what registers them. */
export function takeBackAfterEach(): void {
  afterEach(() => {
    for (const store of used.splice(0)) {
      store.resize(0);
      idle.push(store);
    }
  });
}

/** A store that says it is in memory, and is in a file. */
export class MemoryStore implements SyncBackingStore {
  readonly #store: SyncBackingStore;
  readonly maxByteLength: number;

  constructor(bytes: number | ArrayBufferLike, options: { maxByteLength?: number } = {}) {
    const { maxByteLength } = options, file = typeof bytes === "number" ? idle.pop() : undefined;
    if (file === undefined) {
      made.inMemory++;
      this.#store = new InMemory(bytes as number, options);
    } else {
      made.inFiles++;
      used.push(file);
      file.resize(bytes as number);
      this.#store = file;
    }
    const isFixed = maxByteLength === undefined && typeof bytes === "number";
    this.maxByteLength = isFixed ? bytes : maxByteLength ?? Infinity;
  }

  get byteLength(): number {
    return this.#store.byteLength;
  }

  read(offset: number, into: Uint8Array): void {
    this.#store.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    this.#store.write(offset, data);
  }

  resize(byteLength: number): void {
    if (byteLength > this.maxByteLength) {
      throw new RangeError(`Expected byteLength up to ${this.maxByteLength}, got ${byteLength}`);
    }
    this.#store.resize!(byteLength);
  }

  flush(): void {
    this.#store.flush?.();
  }
}
