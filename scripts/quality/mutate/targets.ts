/**
 * Which tests are asked about which sources.
 *
 * @module
 */

const OFFSET = [
  "allocators/offset_allocator_reference",
  "allocators/offset_allocator_edges",
  "allocators/offset_allocator_batch",
  "allocators/append_at",
  "allocators/snapshot",
  "allocators/offset_allocator",
];
const TREES = ["allocators/best_fit_allocator", "gap_table/check_tree"];
const SPANS = ["allocators/tlsf_spans", "allocators/tlsf_allocator"];
const BLOBS = [
  "blob_store/blob_store",
  "blob_store/commit",
  "blob_store/keys",
  "blob_store/open",
  "blob_store/space",
  "blob_store/streams",
  "blob_store/lifecycle",
  "blob_store/concurrency",
  "blob_store/failures",
  "blob_store/damage",
  "blob_store/foreign",
  "blob_store/model",
  "blob_store/sort_by",
];

/** Test files in `tests/`, without `_test.ts`, for the first pattern that a path matches. */
export const TARGETS: readonly (readonly [source: RegExp, tests: readonly string[]])[] = [
  [/^src\/allocators\/(offset_|wide_|gap_)/, OFFSET],
  [/^src\/allocators\/handle_table/, ["allocators/handle_table"]],
  [/^src\/allocators\/linear/, ["allocators/linear_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/page/, ["allocators/page_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/buddy/, ["allocators/buddy_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/slab/, ["allocators/slab_allocator", "allocators/hostile_arguments"]],
  [/^src\/util\/avl/, [...TREES, "allocators/range_allocator"]],
  [/^src\/util\/refusals/, ["allocators/page_allocator", "allocators/buddy_allocator"]],
  [/^src\/operations\/check_tree/, TREES],
  [/^src\/operations\/compaction/, ["allocators/plan_compaction", ...OFFSET]],
  [/^src\/operations\//, OFFSET],
  [/^src\/gap_table\/tree_/, TREES],
  [/^src\/gap_table\/spans/, SPANS],
  [/^src\/shared\/repair/, ["shared/shared_allocator_crash"]],
  [/^src\/gap_table\//, [...OFFSET, ...SPANS, ...TREES, "shared/shared_allocator_crash"]],
  [/^src\/blob_store\//, BLOBS],
];
