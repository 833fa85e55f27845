/**
 * {@linkcode RecordingAllocator}: records the operations of an allocator.
 *
 * @module
 */

import {
  type Allocator,
  type Extent,
  type Move,
  NO_SPACE,
  type SpanAllocator,
  spansInOrder,
} from "../allocator.ts";
import {
  AllocatorWrapper,
  memberOf,
  type OptionalMember,
} from "../operations/allocator_wrapper.ts";
import { describe } from "../util/check_integer.ts";
import { REFUSED, TRACE_FORMAT, TRACE_VERSION } from "./trace.ts";

type Numbers = ArrayLike<number>;

/** Where the lines of a trace go, one at a time and without a line end. */
export type TraceSink = (line: string) => void;

/**
 * Wraps an allocator and writes every operation, carried out or refused, as a line of a trace.
 * Offsets, handles and results are those of the inner allocator; the wrapper has its optional
 * members, too.
 *
 * The functions beside the strategies are recorded as well: `allocateAt` and `applyMove` as such,
 * `appendAt`, `allocateMany` and `freeMany` as single calls.
 *
 * The trace has no calls that throw, and no calls past the wrapper: other members of the inner
 * allocator, such as `LinearAllocator.resetTo`. It begins with the allocations that are live when
 * the allocator is wrapped, as `allocateAt`.
 *
 * Each call costs O(1) beside the inner one's, `appendAt` O(allocations): a line of text, a
 * look-up of the id by handle, and the sink. A call throws what its sink throws, after the
 * operation.
 *
 * @typeParam A The inner allocator.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { replayTrace, RecordingAllocator } from "@suballoc/offset-allocator/trace";
 *
 * const lines: string[] = [];
 * const allocator = new RecordingAllocator(new OffsetAllocator(4096), (line) => lines.push(line));
 * const handle = allocator.allocate(100, 16);
 * allocator.free(handle);
 *
 * lines; // {"format":"suballoc-trace","version":1,"capacity":4096}, ["a",100,16], ["f",0]
 * replayTrace(lines, new OffsetAllocator(64)).refused; // 1
 * ```
 */
export class RecordingAllocator<A extends Allocator = Allocator> extends AllocatorWrapper<A> {
  /** Adds units at the end of the space, where the inner allocator can; recorded. */
  override readonly grow: OptionalMember<A, "grow">;
  /** Takes units off the end of the space, where the inner allocator can; recorded. */
  override readonly shrink: OptionalMember<A, "shrink">;
  /** Adds a span of space, where the inner allocator can; recorded. */
  override readonly addSpan: OptionalMember<A, "addSpan">;
  readonly #sink: TraceSink;
  /** By handle. */
  readonly #ids: Map<number, number> = new Map();
  #nextId = 0;

  /**
   * Wraps an allocator, and writes the header and the allocations that are live.
   *
   * @param inner Any strategy.
   * @param sink Where the lines go.
   * @throws {TypeError} `inner` is no allocator, or `sink` no function.
   */
  constructor(inner: A, sink: TraceSink) {
    super(inner);
    if (typeof sink !== "function") {
      throw new TypeError(`Expected sink to be a function, got ${describe(sink)}`);
    }
    this.#sink = sink;
    this.grow = this.#recorded("grow", (_: unknown, units: number) => sink(`["g",${units}]`));
    this.shrink = this.#recorded("shrink", (_: unknown, units: number) => sink(`["s",${units}]`));
    this.addSpan = this.#recorded(
      "addSpan",
      (_: unknown, start: number, size: number) => sink(`["S",${start},${size}]`),
    );
    this.#begin();
  }

  /** Reserves units: the inner allocator's `allocate`, recorded. */
  override allocate(size: number, alignment?: number): number {
    const handle = this.inner.allocate(size, alignment);
    const aligned = alignment === undefined || alignment === 1 ? "" : `,${alignment}`;
    this.#made(handle, `["a",${size ?? 1}${aligned}`); // of ids, one is the default
    return handle;
  }

  /**
   * Frees an allocation.
   *
   * @throws {NotAllocatedError} `handle` names no live allocation.
   */
  override free(handle: number): void {
    this.inner.free(handle);
    this.#freed(handle);
  }

  /** Changes the size in place: the inner allocator's `resize`, recorded. */
  override resize(handle: number, size: number): boolean {
    const done = this.inner.resize(handle, size);
    this.#named(handle, (id) => `["r",${id},${size}${done ? "]" : `,"${REFUSED}"]`}`);
    return done;
  }

  /** Frees everything. */
  override reset(): void {
    this.inner.reset();
    this.#ids.clear();
    this.#sink(`["z"]`);
  }

  /**
   * Has the inner allocator do what a function beside the strategies is for, recorded.
   *
   * @internal
   */
  override forward<R>(name: string, args: readonly unknown[], act: (inner: Allocator) => R): R {
    const { addSpan, spans } = this as unknown as Partial<SpanAllocator>;
    if (name === "addSpans" && addSpan !== undefined && spans !== undefined) {
      // One by one, as they are replayed: the free blocks of some strategies are in another order.
      const list = spansInOrder(args[0] as Extent[], spans());
      for (const { offset, size } of list) addSpan(offset, size);
      return undefined as R;
    }
    const answer = act(this.inner);
    const record = this.#records[name] as ((...all: unknown[]) => void) | undefined;
    record?.(answer, ...args);
    return answer;
  }

  /** How the functions are recorded that change something, with their answer and arguments. */
  readonly #records: Readonly<Record<string, (...answerAndArguments: never[]) => void>> = {
    applyMove: (_: unknown, { handle, to }: Move) =>
      this.#named(handle, (id) => `["m",${id},${to}]`),
    allocateAt: (handle: number, offset: number, size: number) =>
      this.#made(handle, `["A",${offset},${size ?? 1}`),
    appendAt: (count: number, offsets: Numbers, sizes: Numbers, handles: Numbers) => {
      for (let i = 0; i < count; i++) this.#made(handles[i], `["A",${offsets[i]},${sizes[i]}`);
    },
    allocateManyAt: (count: number, offsets: Numbers, sizes: Numbers, handles: Numbers) => {
      for (let i = 0; i < count; i++) this.#made(handles[i], `["A",${offsets[i]},${sizes[i]}`);
    },
    allocateMany: (count: number, sizes: Numbers, handles: Numbers) => {
      for (let i = 0; i < count; i++) this.#made(handles[i], `["a",${sizes[i]}`);
    },
    freeMany: (_: unknown, handles: Numbers) => {
      for (let i = 0; i < handles.length; i++) this.#freed(handles[i]);
    },
  };

  /** The header with the span from 0 on; then the other spans and the live allocations. */
  #begin(): void {
    const spans = (this.spans as (() => Iterable<Extent>) | undefined)?.() ??
      [{ offset: 0, size: this.capacity }];
    const [first, ...others] = spans;
    const startsAtZero = first?.offset === 0;
    const capacity = startsAtZero ? first.size : 0;
    this.#sink(JSON.stringify({ format: TRACE_FORMAT, version: TRACE_VERSION, capacity }));
    for (const { offset, size } of startsAtZero ? others : spans) {
      this.#sink(`["S",${offset},${size}]`);
    }
    for (const { handle, offset, size } of this.inner.allocations()) {
      this.#made(handle, `["A",${offset},${size}`);
    }
  }

  /** Ends the line of an allocation, which has the next id. */
  #made(handle: number, line: string): void {
    const id = this.#nextId++;
    if (handle !== NO_SPACE) this.#ids.set(handle, id);
    this.#sink(handle === NO_SPACE ? `${line},"${REFUSED}"]` : `${line}]`);
  }

  #freed(handle: number): void {
    this.#named(handle, (id) => `["f",${id}]`);
    this.#ids.delete(handle);
  }

  /** The line of an operation on an allocation, but for one made past the wrapper. */
  #named(handle: number, line: (id: number) => string): void {
    const id = this.#ids.get(handle);
    if (id !== undefined) this.#sink(line(id));
  }

  /** A member of the inner allocator that is recorded with its result and its arguments. */
  #recorded<Name extends string>(
    name: Name,
    record: (...answerAndArguments: never[]) => void,
  ): OptionalMember<A, Name> {
    const member = memberOf(this.inner, name) as ((...args: unknown[]) => unknown) | undefined;
    if (member === undefined) return undefined as OptionalMember<A, Name>;
    const recorded = (...args: unknown[]) => {
      const answer = member(...args);
      (record as (...all: unknown[]) => void)(answer, ...args);
      return answer;
    };
    return recorded as OptionalMember<A, Name>;
  }
}
