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
/** All tests of blob stores that need no other process, the quickest killers first. */
const BLOBS = (
  "commit keys root run leaf compaction space salvage arguments block_memory " +
  "buffering check checksums close_store concurrency damage damaged_blocks edge_cases " +
  "empty_blob entry_sizes failures flushes foreign format format_writer full_disk index " +
  "lifecycle model open page_cache reader reload requests reserve sort_by sources streams " +
  "rename expiry compression conditions metadata_types publish snapshot cancel blob_cache " +
  "blob_file file_failures lock_failure long_work watch crash full_store blob_store"
).split(" ");

/** The tests of blob stores, these first. */
function blobs(...first: readonly string[]): string[] {
  const names = [...new Set([...first, ...BLOBS])].map((name) => `blob_store/${name}`);
  return [...names, "http/http_blob_store", "http/replaced"];
}

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
  [/^src\/blob_store\/(leaf|run|page|separators|block_memory)/, blobs("leaf", "run", "index")],
  [/^src\/blob_store\/(compact|space|survey_)/, blobs("compaction", "space", "reserve")],
  [/^src\/blob_store\/(range_|publish_|read_with_|snapshot)/, blobs("publish", "snapshot")],
  [/^src\/blob_store\/(cod|web_deflate|encoder)/, blobs("compression")],
  [/^src\/blob_store\/(extra|sweep|watch|text|pieces)/, blobs("expiry", "watch")],
  [/^src\/blob_store\/(salvage|scan_|found|recheck)/, blobs("salvage")],
  [/^src\/blob_store\/(key_|entries|lookup|sort_)/, blobs("keys", "index", "sort_by")],
  [
    /^src\/blob_store\/(header|superblock|root|records|replay|recovery|log)/,
    blobs("format", "open"),
  ],
  [
    /^src\/blob_store\/(arguments|types|blob_store|copy_|inspect|verify)/,
    blobs("arguments", "check"),
  ],
  [/^src\/blob_store\/(commit|pending|store_state|checkpoint)/, blobs("commit", "flushes")],
  [/^src\/blob_store\//, blobs("sources", "streams")],
  [/^backends\/three\//, ["three/streaming_batched_mesh", "three/streaming_batches"]],
  [/^backends\/webgpu\/vertex_streams/, ["webgpu/vertex_streams"]],
];
