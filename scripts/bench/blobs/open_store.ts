/**
 * What a contestant does: a store that is open, and how it is written to.
 *
 * @module
 */

import type { Change } from "./work.ts";

/** How the store is written to. Only the blob store cares. */
export type Mode = "durable" | "bulk";

/** A store that is open. */
export interface OpenStore {
  /** Makes all changes, and makes them durable. */
  commit(changes: readonly Change[]): void | Promise<void>;
  /** A fresh copy of one value. */
  get(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Gets each value and gives a sum over all: the sink. */
  sum(keys: readonly string[]): number | Promise<number>;
  /** The same without a copy of its own for each value. */
  sumInto?(keys: readonly string[]): number | Promise<number>;
  close(): void | Promise<void>;
}
