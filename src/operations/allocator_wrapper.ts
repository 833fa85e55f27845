/**
 * {@linkcode AllocatorWrapper}: what wrappers of an allocator pass on to the inner one.
 *
 * @module
 */

import { type Allocation, type Allocator, checkAllocator, type Extent } from "../allocator.ts";

/** A member of the inner allocator, `undefined` where the inner one has none of the name. */
export type OptionalMember<A, Name extends string> = A extends { readonly [N in Name]: infer M } ? M
  : undefined;

/** A method of an allocator that may lack it, bound to it. */
export function memberOf<A extends Allocator, Name extends string>(
  inner: A,
  name: Name,
): OptionalMember<A, Name> {
  const { [name]: member } = inner as A & { readonly [N in Name]?: unknown };
  return (typeof member === "function" ? member.bind(inner) : undefined) as OptionalMember<A, Name>;
}

/**
 * Wraps an allocator and passes every call on: offsets, handles and results are those of the
 * inner allocator, and so are the members that only some allocators have. The base of the
 * wrappers that record and track; {@linkcode AllocatorWrapper.inner} has every other member.
 *
 * @typeParam A The inner allocator.
 */
export abstract class AllocatorWrapper<A extends Allocator = Allocator> implements Allocator {
  /** The allocator that does the work. */
  readonly inner: A;
  /** Adds units at the end of the space, where the inner allocator can. */
  readonly grow: OptionalMember<A, "grow">;
  /** Takes units off the end of the space, where the inner allocator can. */
  readonly shrink: OptionalMember<A, "shrink">;
  /** Adds a span of space, where the inner allocator can. */
  readonly addSpan: OptionalMember<A, "addSpan">;
  /** The spans in address order, where the inner allocator has them. */
  readonly spans: OptionalMember<A, "spans">;

  /**
   * Wraps an allocator.
   *
   * @param inner Any strategy.
   * @throws {TypeError} `inner` is no allocator.
   */
  constructor(inner: A) {
    checkAllocator(inner, "inner");
    this.inner = inner;
    this.grow = memberOf(inner, "grow");
    this.shrink = memberOf(inner, "shrink");
    this.addSpan = memberOf(inner, "addSpan");
    this.spans = memberOf(inner, "spans");
  }

  /** Units in the whole space. */
  get capacity(): number {
    return this.inner.capacity;
  }

  /** The most that the capacity can become, where the inner allocator says so. */
  get maxCapacity(): OptionalMember<A, "maxCapacity"> {
    return (this.inner as { maxCapacity?: unknown }).maxCapacity as OptionalMember<
      A,
      "maxCapacity"
    >;
  }

  /** Units in all free regions together. */
  get freeSpace(): number {
    return this.inner.freeSpace;
  }

  /** Units free at the end of the space, where the inner allocator has it. */
  get tailSpace(): OptionalMember<A, "tailSpace"> {
    return (this.inner as { tailSpace?: unknown }).tailSpace as OptionalMember<A, "tailSpace">;
  }

  /** Number of live allocations. */
  get allocationCount(): number {
    return this.inner.allocationCount;
  }

  /** Reserves units: the inner allocator's `allocate`. */
  abstract allocate(size: number, alignment?: number): number;

  /**
   * Frees an allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  abstract free(handle: number): void;

  /** Frees everything. */
  abstract reset(): void;

  /** First unit of a live allocation. */
  offset(handle: number): number {
    return this.inner.offset(handle);
  }

  /** Number of units of a live allocation. */
  size(handle: number): number {
    return this.inner.size(handle);
  }

  /** Changes the size in place: the inner allocator's `resize`. */
  resize(handle: number, size: number): boolean {
    return this.inner.resize(handle, size);
  }

  /** Exact size of the largest free region, in units. */
  largestFreeRegion(): number {
    return this.inner.largestFreeRegion();
  }

  /** The free regions in address order. */
  freeRegions(): Iterable<Extent> {
    return this.inner.freeRegions();
  }

  /** The live allocations in address order. */
  allocations(): Iterable<Allocation> {
    return this.inner.allocations();
  }

  /**
   * Has the inner allocator do what a function beside the strategies is for: `check`,
   * `allocateAt` and their like.
   *
   * @internal
   */
  forward<R>(
    _name: string,
    _args: readonly unknown[],
    act: (inner: Allocator) => R,
    _caller: (...args: never[]) => unknown,
  ): R {
    return act(this.inner);
  }
}
