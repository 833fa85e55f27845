/**
 * Which tests are asked about which sources.
 *
 * @module
 */

const OFFSET = [
  "offset_allocator_reference",
  "offset_allocator_edges",
  "offset_allocator_batch",
  "offset_allocator_cache",
  "append_at",
  "snapshot",
  "offset_allocator",
];
const TREES = ["best_fit_allocator", "tree_damage"];
const SPANS = ["tlsf_spans", "tlsf_allocator"];
const BLOBS = [
  "blob_store",
  "blob_store_commit",
  "blob_store_keys",
  "blob_store_open",
  "blob_store_space",
  "blob_store_streams",
  "blob_store_lifecycle",
  "blob_store_concurrency",
  "blob_store_failures",
  "blob_store_damage",
  "blob_store_foreign",
  "blob_store_model",
  "sort_by",
];

/** Test files, without `_test.ts`, for the first pattern that a source's path matches. */
export const TARGETS: readonly (readonly [source: RegExp, tests: readonly string[]])[] = [
  [/^src\/offset_allocator\.ts$/, OFFSET],
  [/^src\/gap_table\/(batch|quick_lists)/, OFFSET],
  [/^src\/gap_table\/tree_/, TREES],
  [/^src\/gap_table\/spans/, SPANS],
  [/^src\/shared\/repair/, ["shared_allocator_crash"]],
  [/^src\/gap_table\//, [...OFFSET, ...SPANS, ...TREES, "shared_allocator_crash"]],
  [/^src\/blob_store\//, BLOBS],
];
