/**
 * What the tests of the example that serves blobs share.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { contentsOf } from "../blob_store/helpers.ts";

/** Runs an action and gives what it complained of. */
export async function complaints(action: () => Promise<unknown>): Promise<string> {
  const { error } = console, lines: string[] = [];
  console.error = (...values: unknown[]) => lines.push(values.join(" "));
  try {
    await action();
  } finally {
    console.error = error;
  }
  return lines.join("\n");
}

/** Flips a bit of these bytes, wherever they lie in the store. */
export function damage(store: SyncBackingStore, bytes: Uint8Array): void {
  const contents = contentsOf(store);
  const at = contents.findIndex((_, i) => bytes.every((byte, j) => contents[i + j] === byte));
  assert(at >= 0, "the bytes are not in the store");
  store.write(at, Uint8Array.of(contents[at] ^ 1));
}
