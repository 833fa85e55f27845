/**
 * A slab: one GPU buffer that many regions share, and who hands out its bytes.
 *
 * @module
 */

import type { Allocator, CompactionCursor } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import { nameOfUsage } from "./gpu_usage.ts";
import { type PagePool, PendingWrites } from "./pending_writes.ts";

/** A buffer of an arena, for reports. */
export interface GpuSlab<B extends GpuBufferLike> {
  /** The use of its regions: a role, or flags of a custom usage. */
  readonly role: string;
  /** `GpuUsage` flags. */
  readonly usage: number;
  /** The buffer; `undefined` before the first `upload`. */
  readonly buffer: B | undefined;
  /** Bytes that the buffer has, or will have after the next `upload`. */
  readonly byteLength: number;
  /** True if it belongs to one large region. */
  readonly dedicated: boolean;
  /** The allocator of its bytes: to look at, as in `reportSvg(slab.allocator)`. */
  readonly allocator: Allocator;
  /** The label of an allocation of it; what reports take as `labels`. */
  readonly labelOf: (handle: number) => string | undefined;
}

/** The name in reports of a range that was freed and may still be in use. */
const RETIRING = "(freed, in use by the GPU)";

/** An allocation in a slab. */
export interface Place<S> {
  readonly slab: S;
  readonly handle: number;
}

/** The one {@linkcode GpuSlab}. Its allocator has its length; the buffer follows at an upload. */
export class Slab<B extends GpuBufferLike, R extends { readonly label: string | undefined }>
  implements GpuSlab<B> {
  readonly usage: number;
  readonly dedicated: boolean;
  readonly allocator: OffsetAllocator;
  /** By handle. A handle without a region is reserved for a move, or retiring. */
  readonly regions: Map<number, R> = new Map();
  readonly labelOf: (handle: number) => string | undefined;
  readonly pending: PendingWrites<B>;
  buffer: B | undefined;
  /** Bytes that are there on the GPU: of the buffer, where every look at its size is a call. */
  backed = 0;
  /** Regions that a compaction has still to look at, for earlier slabs; the next one is last. */
  leaving: number[] | undefined;
  /** True if any of them moved since the first. */
  hasLeft = false;
  /** Where the plan within it goes on. */
  planned: CompactionCursor | undefined;
  /** Uploads in a row that found it empty, or far too long. */
  idle = 0;

  constructor(usage: number, byteLength: number, dedicated: boolean, pages: PagePool) {
    this.usage = usage;
    this.dedicated = dedicated;
    this.allocator = new OffsetAllocator(byteLength);
    this.pending = new PendingWrites(this, pages);
    this.labelOf = (handle) => {
      const region = this.regions.get(handle);
      return region === undefined ? RETIRING : region.label;
    };
  }

  get role(): string {
    return nameOfUsage(this.usage);
  }

  get byteLength(): number {
    return this.allocator.capacity;
  }

  /** Is in this buffer from now on. */
  use(buffer: B): void {
    this.buffer = buffer;
    this.backed = buffer.size;
  }

  /** Where the last allocation ends. */
  get end(): number {
    return this.allocator.capacity - this.allocator.tailSpace;
  }
}
