/**
 * What the tests of the pools have in common.
 *
 * @module
 */

import { FixedPool } from "../../src/pool/fixed_pool.ts";
import type { PoolOptions } from "../../src/pool/pool_options.ts";

/** An object that knows its number. */
export interface Item {
  readonly index: number;
}

/** A pool of items. */
export function itemPool(
  capacity: number,
  options: Partial<PoolOptions<Item>> = {},
): FixedPool<Item> {
  return new FixedPool(capacity, { create: (index) => ({ index }), ...options });
}

/** Lets everything happen that is only waiting for its turn. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await undefined;
}
