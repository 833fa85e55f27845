/**
 * Damage of bytes that are somewhere in a store.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { SyncBackingStore } from "../../src/arena/backing_store.ts";
import { contentsOf } from "../blob_store/helpers.ts";

/** Flips a bit of these bytes, wherever they lie in the store. */
export function damage(store: SyncBackingStore, bytes: Uint8Array): void {
  const contents = contentsOf(store);
  const at = contents.findIndex((_, i) => bytes.every((byte, j) => contents[i + j] === byte));
  assert(at >= 0, "the bytes are not in the store");
  store.write(at, Uint8Array.of(contents[at] ^ 1));
}
