/**
 * Batches for three.js whose geometries come and go: ranges of vertices and indices from
 * allocators, in place of a bump pointer and a repack. three is passed in.
 *
 * @module
 */

export type { Allocation, Allocator, Extent } from "../../src/allocator.ts";
export { OutOfSpaceError } from "../../src/allocator.ts";
export { streamingBatchedMesh } from "./streaming_batched_mesh.ts";
export { streamingBatches } from "./streaming_batches.ts";
export type {
  BatchArguments,
  StreamingBatchesClass,
  StreamingBatchesMembers,
  StreamingBatchesOptions,
  ThreeForBatches,
} from "./streaming_batches.ts";
export type {
  StreamingBatchedMeshClass,
  StreamingCompactionOptions,
  StreamingMembers,
} from "./streaming_batched_mesh.ts";
