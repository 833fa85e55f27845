/**
 * The table of gaps under several strategies, and what is done with it.
 *
 * @module
 */

export {
  allocateAll,
  allocateEach,
  append,
  claimAll,
  freeAll,
  sumOf,
  unclaimAll,
} from "./batch.ts";
export { BinTable } from "./bin_table.ts";
export * from "./block_cache.ts";
export { binDamage, expectSound, expectSoundWithKept, tableDamage } from "./check_table.ts";
export { treeDamage } from "./check_tree.ts";
export { tableSize } from "./gap_table.ts";
export * from "./layout.ts";
export * from "./operations.ts";
export { InvalidSnapshotError, load, save } from "./snapshot.ts";
export { addSpan, freeSpans, spansOf } from "./spans.ts";
export { TreeTable } from "./tree_table.ts";
