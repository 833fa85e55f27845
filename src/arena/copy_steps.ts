/**
 * Copies within a store, by itself or through memory.
 *
 * @module
 */

import type { BackingStore } from "./backing_store.ts";
import type { Steps } from "../util/steps.ts";

/** Bytes copied at a time through memory, where the store cannot copy by itself. */
const MAX_SCRATCH = 262_144; // = 2 ** 18

/** Copies bytes to a range that lies lower or apart: forward, so that overlap does no harm. */
export function* copySteps(
  store: BackingStore,
  from: number,
  to: number,
  length: number,
): Steps<void> {
  if (store.copyWithin !== undefined) {
    yield store.copyWithin(from, to, length);
    return;
  }
  const scratch = new Uint8Array(Math.min(length, MAX_SCRATCH));
  for (let done = 0; done < length; done += scratch.length) {
    const piece = scratch.subarray(0, length - done);
    yield store.read(from + done, piece);
    yield store.write(to + done, piece);
  }
}
