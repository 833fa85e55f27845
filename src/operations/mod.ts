/**
 * Functions over an allocator that few programs need.
 *
 * @module
 */

export { addSpans } from "./add_spans.ts";
export { allocateAt, allocateManyAt, appendAt } from "./allocate_at.ts";
export { allocationAt } from "./allocation_at.ts";
export { AllocatorWrapper, memberOf } from "./allocator_wrapper.ts";
export type { OptionalMember } from "./allocator_wrapper.ts";
export { allocateMany, freeMany } from "./batch.ts";
export { check } from "./check.ts";
export { applyMove, planCompaction } from "./compaction.ts";
export { indexLimit, indexOf } from "./index_of.ts";
export { canOperate } from "./operate.ts";
export type { Forward } from "./operate.ts";
export { restore, snapshot } from "./snapshot.ts";
export { minCapacity, storageReport, storageReportFull } from "./storage_report.ts";
export type { StorageReport, StorageReportFull } from "./storage_report.ts";
export { trim } from "./trim.ts";
