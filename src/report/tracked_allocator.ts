/**
 * {@linkcode TrackedAllocator}: labels and stacks of allocations, to find those that nobody freed.
 *
 * @module
 */

import { type Allocation, type Allocator, NO_SPACE } from "../allocator.ts";
import { AllocatorWrapper } from "../operations/allocator_wrapper.ts";
import { describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { framesOf, type StackTrace, traceBelow } from "../util/stack.ts";

/** Options of a {@linkcode TrackedAllocator}. */
export interface TrackedAllocatorOptions {
  /**
   * True if it keeps the stack of each allocation, `Error.stackTraceLimit` frames long;
   * `false` by default, since a stack costs far more than the allocation.
   */
  readonly stacks?: boolean | undefined;
}

/** An allocation that is still live. */
export interface Leak extends Allocation {
  /** Its label, where it has one. */
  readonly label?: string;
  /** Where it was made, innermost call first, a line each; only with `stacks`. */
  readonly stack?: string;
}

interface Notes {
  label?: string;
  trace?: StackTrace;
}

/**
 * Wraps an allocator and remembers, by handle, the label of each allocation and, with `stacks`,
 * the call that made it. Offsets, handles and results are those of the inner allocator; the
 * wrapper has its optional members, too. Every other member is in `inner`.
 *
 * Leaks include allocations made past the wrapper, without label and stack. Free and reset
 * through the wrapper: otherwise notes stay, take memory and, where handles come again
 * (`IdAllocator`), show with the next allocation.
 *
 * | call | cost beside the inner one's |
 * | ---- | ---- |
 * | `allocate`, `free` | O(1); with `stacks`, `allocate` walks the stack |
 * | `label`, `labelOf` | O(1) |
 * | `leaks` | O(allocations) |
 *
 * @typeParam A The inner allocator.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { formatLeaks, TrackedAllocator } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new TrackedAllocator(new OffsetAllocator(1000), { stacks: true });
 * const mesh = allocator.label(allocator.allocate(100), "mesh 7");
 *
 * console.log(formatLeaks(allocator.leaks())); // mesh 7, its size, and the lines it came from
 * allocator.free(mesh);
 * allocator.leaks(); // []
 * ```
 */
export class TrackedAllocator<A extends Allocator = Allocator> extends AllocatorWrapper<A> {
  /** The label of a handle; what reports take as `labels`. Needs no `this`. */
  readonly labelOf: (handle: number) => string | undefined;
  readonly #stacks: boolean;
  readonly #notes: Map<number, Notes> = new Map();

  /**
   * Wraps an allocator.
   *
   * @param inner Any strategy; its live allocations count, too.
   * @param options The facts to remember.
   * @throws {TypeError} `inner` is no allocator, or an option is not known or of the wrong type.
   */
  constructor(inner: A, options: TrackedAllocatorOptions = {}) {
    super(inner);
    checkOptions(options, "stacks");
    checkType("stacks", options.stacks, "boolean");
    this.#stacks = options.stacks ?? false;
    this.labelOf = (handle) => this.#notes.get(handle)?.label;
  }

  /** Reserves units: the inner allocator's `allocate`, noted. */
  override allocate(size: number, alignment?: number): number {
    const handle = this.inner.allocate(size, alignment);
    if (this.#stacks) this.#note(handle, TrackedAllocator.prototype.allocate);
    return handle;
  }

  /**
   * Frees an allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  override free(handle: number): void {
    this.inner.free(handle);
    if (this.#notes.size > 0) this.#notes.delete(handle);
  }

  /**
   * Has the inner allocator do what a function beside the strategies is for, noted.
   *
   * @internal
   */
  override forward<R>(
    name: string,
    args: readonly unknown[],
    act: (inner: Allocator) => R,
    caller: (...args: never[]) => unknown,
  ): R {
    const answer = act(this.inner), list = args.at(-1) as ArrayLike<number>;
    const isList = name === "appendAt" || name === "freeMany" || name.startsWith("allocateMany");
    const handles = isList ? Array.from(list).slice(0, answer as number | undefined) : [answer];
    for (const handle of handles as number[]) {
      if (name === "freeMany") this.#notes.delete(handle);
      else if (this.#stacks && (isList || name === "allocateAt")) this.#note(handle, caller);
    }
    return answer;
  }

  /** Frees everything, and forgets all labels and stacks. */
  override reset(): void {
    this.inner.reset();
    this.#notes.clear();
  }

  /**
   * Names the purpose of an allocation; reports show it.
   *
   * @param handle A live allocation.
   * @param label Any text. Allocations of the same label are reported together.
   * @returns The handle.
   * @throws {NotAllocatedError} `handle` names no live allocation.
   * @throws {TypeError} `label` is not a string.
   */
  label(handle: number, label: string): number {
    this.inner.size(handle); // throws where the handle is not live
    if (typeof label !== "string") {
      throw new TypeError(`Expected label to be a string, got ${describe(label)}`);
    }
    const notes = this.#notes.get(handle);
    if (notes === undefined) this.#notes.set(handle, { label });
    else notes.label = label;
    return handle;
  }

  /** The live allocations in address order: at the end of a program, those nobody freed. */
  leaks(): Leak[] {
    return Array.from(this.inner.allocations(), ({ handle, offset, size }) => {
      const { label, trace } = this.#notes.get(handle) ?? {};
      return {
        handle,
        offset,
        size,
        ...label === undefined ? {} : { label },
        ...trace === undefined ? {} : { stack: framesOf(trace) },
      };
    });
  }

  #note(handle: number, below: (...args: never[]) => unknown): void {
    if (handle !== NO_SPACE) this.#notes.set(handle, { trace: traceBelow(below) });
  }
}
