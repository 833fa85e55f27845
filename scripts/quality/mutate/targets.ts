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
const RANGES = ["allocators/range_allocator", "allocators/hostile_arguments"];
const BLOBS = [
  "blob_store/arguments",
  "blob_store/block_memory",
  "blob_store/blob_store",
  "blob_store/buffering",
  "blob_store/check",
  "blob_store/checksums",
  "blob_store/close_store",
  "blob_store/commit",
  "blob_store/compaction",
  "blob_store/concurrency",
  "blob_store/damage",
  "blob_store/damaged_blocks",
  "blob_store/edge_cases",
  "blob_store/empty_blob",
  "blob_store/failures",
  "blob_store/flushes",
  "blob_store/foreign",
  "blob_store/format",
  "blob_store/format_writer",
  "blob_store/full_disk",
  "blob_store/index",
  "blob_store/keys",
  "blob_store/leaf",
  "blob_store/lifecycle",
  "blob_store/model",
  "blob_store/open",
  "blob_store/page_cache",
  "blob_store/reader",
  "blob_store/reload",
  "blob_store/requests",
  "blob_store/root",
  "blob_store/reserve",
  "blob_store/run",
  "blob_store/salvage",
  "blob_store/sort_by",
  "blob_store/sources",
  "blob_store/space",
  "blob_store/streams",
  "blob_store/blob_file",
  "blob_store/file_failures",
  "blob_store/lock_failure",
  "blob_store/crash",
];

/** Test files in `tests/`, without `_test.ts`, for the first pattern that a path matches. */
export const TARGETS: readonly (readonly [source: RegExp, tests: readonly string[]])[] = [
  [/^src\/allocators\/(offset_|wide_|gap_)/, OFFSET],
  [/^src\/allocators\/handle_table/, ["allocators/handle_table"]],
  [/^src\/allocators\/linear/, ["allocators/linear_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/page/, ["allocators/page_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/buddy/, ["allocators/buddy_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/slab/, ["allocators/slab_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/tlsf/, [...SPANS, "allocators/hostile_arguments"]],
  [/^src\/allocators\/best_fit/, [...TREES, "allocators/hostile_arguments"]],
  [/^src\/allocators\/id_/, ["allocators/id_allocator", "allocators/hostile_arguments"]],
  [/^src\/allocators\/(range_|free_ranges|check_ranges)/, RANGES],
  [/^src\/util\/avl/, [...TREES, "allocators/range_allocator"]],
  [/^src\/util\/refusals/, ["allocators/page_allocator", "allocators/buddy_allocator"]],
  [/^src\/operations\/check_tree/, TREES],
  [
    /^src\/operations\/(compaction|planner)/,
    ["allocators/plan_compaction", "operations/bounded_plans", ...OFFSET],
  ],
  [/^src\/operations\/trim/, ["operations/trim", "operations/hostile_arguments"]],
  [
    /^src\/operations\/(index_of|allocation_at|lists)/,
    ["operations/index_of", "operations/many_places", "operations/hostile_arguments"],
  ],
  [
    /^src\/operations\/add_spans/,
    [...SPANS, "operations/many_places", "operations/hostile_arguments"],
  ],
  [
    /^src\/operations\/allocate_at/,
    [...OFFSET, "operations/many_places", "operations/own_strategies"],
  ],
  [
    /^src\/operations\/allocator_wrapper/,
    ["report/tracked_allocator", "trace/recording_allocator", "operations/own_strategies"],
  ],
  [
    /^src\/operations\/(operate|allocator_wrapper|check\.)/,
    ["operations/own_strategies", "operations/hostile_arguments", ...OFFSET],
  ],
  [/^src\/operations\//, [...OFFSET, "gap_table/check_table"]],
  [/^src\/gap_table\/tree_/, TREES],
  [/^src\/gap_table\/spans/, SPANS],
  [/^src\/shared\/repair/, ["shared/shared_allocator_crash"]],
  [/^src\/gap_table\//, [...OFFSET, ...SPANS, ...TREES, "shared/shared_allocator_crash"]],
  [/^src\/blob_store\//, BLOBS],
  [/^backends\/three\//, ["three/streaming_batched_mesh", "three/streaming_batches"]],
  [/^backends\/webgpu\/vertex_streams/, ["webgpu/vertex_streams"]],
];
