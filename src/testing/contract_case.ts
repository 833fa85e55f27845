/**
 * A case of the contract of stores, before it knows its store.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";

/** What not every store can do. */
export type StoreFeature =
  | "resize"
  | "shrink"
  | "flush"
  | "close"
  | "copyWithin"
  | "view"
  | "async"
  | "sync"
  | "pair";

/** What a case knows of the store's kind. */
export interface CaseContext {
  /** The next length that the store can have. */
  readonly lengthOf: (byteLength: number) => number;
  /** True where the store lacks a feature. */
  readonly lacks: (feature: StoreFeature) => boolean;
}

/** A case before it knows its store. */
export interface ContractCase {
  readonly name: string;
  /** What the store must be able to do. */
  readonly feature?: StoreFeature;
  /** How long the store is; 1,000 bytes by default. */
  readonly byteLength?: number;
  /** Tests a store; `second` is there in cases of pairs. */
  readonly test: (
    store: BackingStore,
    context: CaseContext,
    second: BackingStore,
  ) => void | Promise<void>;
}
