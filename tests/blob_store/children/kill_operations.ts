/**
 * What the child of the kill test does to its store, by number: its parent knows what
 * the store then holds.
 *
 * @module
 */

import type { BatchOperation } from "../../../src/blob_store/types.ts";
import { type Random, randomBytes, seeded } from "../../support/random.ts";

/** One call. */
export type Operation =
  | { readonly type: "batch"; readonly operations: readonly BatchOperation[] }
  | BatchOperation
  | { readonly type: "checkpoint" }
  | { readonly type: "compact" };

/** How the store is opened: small enough that every round has checkpoints. */
export const OPTIONS = { checkpointBytes: 32768, compactAbove: 0.2 } as const;

const KEYS = 40;
const SIZES = [0, 1, 40, 300, 4096, 4097, 9000, 30000, 65536, 65537];

/** The operation of a number. */
export function operation(number: number): Operation {
  const random = seeded(number), kind = random(100);
  if (kind < 3) return { type: "checkpoint" };
  if (kind < 6) return { type: "compact" };
  if (kind >= 20) return change(random);
  return { type: "batch", operations: Array.from({ length: 1 + random(4) }, () => change(random)) };
}

function change(random: Random): BatchOperation {
  const key = `key ${random(KEYS)}`, kind = random(12);
  if (kind < 2) return { type: "delete", key };
  if (kind < 4) {
    return { type: kind === 2 ? "rename" : "copy", from: `key ${random(KEYS)}`, to: key };
  }
  const size = SIZES[random(SIZES.length)], metadata = { size, n: random(1000) };
  return { type: "put", key, value: randomBytes(random, size), metadata };
}

/** What the store holds: the bytes and the metadata of each key. */
export type Model = Map<string, { readonly bytes: Uint8Array; readonly metadata: unknown }>;

/** Does an operation to the model; nothing where there is nothing to rename or to copy. */
export function apply(model: Model, number: number): void {
  const done = operation(number), after = new Map(model);
  if (done.type === "checkpoint" || done.type === "compact") return;
  for (const change of done.type === "batch" ? done.operations : [done]) {
    if ("to" in change) {
      const blob = after.get(change.from);
      if (blob === undefined) return;
      if (change.type === "rename") after.delete(change.from);
      after.set(change.to, blob);
    } else if (change.type === "delete") after.delete(change.key);
    else {
      const { key, value, metadata } = change;
      after.set(key, { bytes: value as Uint8Array, metadata });
    }
  }
  model.clear();
  for (const [key, blob] of after) model.set(key, blob);
}
