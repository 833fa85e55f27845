/**
 * What the child of the kill test does to its store, by number: its parent knows what
 * the store then holds.
 *
 * @module
 */

import type { BatchOperation } from "../../../src/blob_store/types.ts";
import { type Random, randomBytes, seeded } from "../../support/random.ts";

/** One change. */
type Change = Extract<BatchOperation, { readonly key: string }>;

/** One call. */
export type Operation =
  | { readonly type: "batch"; readonly operations: readonly Change[] }
  | Change
  | { readonly type: "checkpoint" | "compact" };

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

function change(random: Random): Change {
  const key = `key ${random(KEYS)}`;
  if (random(6) === 0) return { type: "delete", key };
  const size = SIZES[random(SIZES.length)], metadata = { size, n: random(1000) };
  return { type: "put", key, value: randomBytes(random, size), metadata };
}

/** What the store holds: the bytes and the metadata of each key. */
export type Model = Map<string, { readonly bytes: Uint8Array; readonly metadata: unknown }>;

/** Does an operation to the model. */
export function apply(model: Model, number: number): void {
  const done = operation(number);
  const changes = done.type === "batch"
    ? done.operations
    : done.type === "put" || done.type === "delete"
    ? [done]
    : [];
  for (const change of changes) {
    if (change.type === "delete") model.delete(change.key);
    else {
      const { key, value, metadata } = change;
      model.set(key, { bytes: value as Uint8Array, metadata });
    }
  }
}
