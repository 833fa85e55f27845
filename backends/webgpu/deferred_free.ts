/**
 * Ranges that were freed and may still be in use by the GPU.
 *
 * @module
 */

import type { GpuContext } from "./gpu_context.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import type { Allocator } from "../../src/allocator.ts";
import type { Place } from "./slab.ts";

/** An allocation in whatever has an allocator. */
type Freed = Place<{ readonly allocator: Allocator }>;

/**
 * Frees ranges in their allocators once the work submitted before they were freed is done.
 * The frees of one tick wait together, for what is submitted within that tick, too.
 */
export class DeferredFrees<B extends GpuBufferLike> {
  readonly #context: GpuContext<B>;
  #open: Freed[] = [];
  readonly #fences: Set<Promise<void>> = new Set();
  #isScheduled = false;
  #isHeld = false;
  #byteLength = 0;

  constructor(context: GpuContext<B>) {
    this.#context = context;
  }

  /** Bytes in ranges that are not given back yet. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Frees a range later. */
  add(place: Freed): void {
    this.#open.push(place);
    this.#byteLength += place.slab.allocator.size(place.handle);
    this.#schedule();
  }

  /** Commands that are recorded, but not submitted yet, may use what is freed from now on. */
  hold(): void {
    this.#isHeld = true;
  }

  /** They are submitted. */
  unhold(): void {
    this.#isHeld = false;
    this.#schedule();
  }

  /** Resolves once everything freed so far is given back. */
  async settled(): Promise<void> {
    while (this.#isScheduled || this.#fences.size > 0) {
      await Promise.resolve();
      await Promise.all(this.#fences);
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#open.length === 0) return;
    this.#isScheduled = true;
    const fence: Promise<void> = Promise.resolve().then(() => this.#fence())
      .then(() => void this.#fences.delete(fence));
    this.#fences.add(fence);
  }

  async #fence(): Promise<void> {
    this.#isScheduled = false;
    if (this.#isHeld) return; // unhold() will schedule another
    const places = this.#open;
    this.#open = [];
    try {
      await this.#context.orLost(this.#context.device.queue.onSubmittedWorkDone());
    } catch {
      // The device is lost: nothing is in use any more.
    }
    for (const { slab, handle } of places) {
      this.#byteLength -= slab.allocator.size(handle);
      slab.allocator.free(handle);
    }
  }
}
