/**
 * The strategies, one file each, and what they are made of.
 *
 * @module
 */

export { BestFitAllocator } from "./best_fit_allocator.ts";
export type { BestFitAllocatorOptions } from "./best_fit_allocator.ts";
export { BuddyAllocator } from "./buddy_allocator.ts";
export type { BuddyAllocatorOptions } from "./buddy_allocator.ts";
export { doubled, FIRST_LENGTH } from "./handle_table.ts";
export type { Gather, HandleTable } from "./handle_table.ts";
export { IdAllocator } from "./id_allocator.ts";
export type { IdAllocatorOptions } from "./id_allocator.ts";
export { LinearAllocator, StaleMarkError } from "./linear_allocator.ts";
export type { LinearAllocatorOptions, LinearMark } from "./linear_allocator.ts";
export { GapAllocator } from "./gap_allocator.ts";
export { OffsetAllocator } from "./offset_allocator.ts";
export type { OffsetAllocatorOptions } from "./offset_allocator_options.ts";
export { PageAllocator } from "./page_allocator.ts";
export type { PageAllocatorOptions } from "./page_allocator.ts";
export { RangeAllocator } from "./range_allocator.ts";
export { SlabAllocator } from "./slab_allocator.ts";
export type { SlabAllocatorOptions, SlabClassReport } from "./slab_allocator.ts";
export { TlsfAllocator } from "./tlsf_allocator.ts";
export type { TlsfAllocatorOptions } from "./tlsf_allocator.ts";
export { WideKernel } from "./wide_kernel.ts";
export { WideOffsetAllocator } from "./wide_offset_allocator.ts";
