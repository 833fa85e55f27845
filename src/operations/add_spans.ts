/**
 * {@linkcode addSpans}: many spans of space at once.
 *
 * @module
 */

import type { Extent, SpanAllocator } from "../allocator.ts";
import { addSpans as addToTable } from "../gap_table/spans.ts";
import { describe } from "../util/check_integer.ts";
import { operate } from "./operate.ts";

/**
 * Adds many spans, in any order: all of them, or none. O(n log n) for n spans in all, where a call
 * of `addSpan` for each would be O(n^2). They merge with spans that they touch.
 *
 * @param allocator A `TlsfAllocator`, a `BuddyAllocator`, or a wrapper of one.
 * @param spans First unit and number of units of each; an empty one adds nothing.
 * @throws {SpanOverlapError} One overlaps another, or one that is there; nothing changed.
 * @throws {TypeError} An argument is of the wrong type; nothing changed.
 * @throws {RangeError} An offset or a size is not an integer in range; nothing changed.
 *
 * @example
 * ```ts
 * import { addSpans, TlsfAllocator } from "@suballoc/offset-allocator";
 *
 * const allocator = new TlsfAllocator(0);
 * addSpans(allocator, [{ offset: 4096, size: 1024 }, { offset: 0, size: 512 }]);
 * allocator.capacity; // 1536
 * ```
 */
export function addSpans(allocator: SpanAllocator, spans: Iterable<Extent>): void {
  if (typeof (spans as Partial<Iterable<Extent>> | undefined)?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Expected spans to be an iterable of extents, got ${describe(spans)}`);
  }
  // Read once: a wrapper notes what was added.
  const list = Array.from(spans, (span) => {
    if (typeof span !== "object" || span === null) {
      throw new TypeError(
        `Expected spans to be an iterable of extents, got ${describe(span)} in it`,
      );
    }
    return { offset: span.offset, size: span.size };
  });
  operate(allocator, "addSpans", [list], (table, inner) => {
    if (typeof (inner as SpanAllocator).addSpan === "function") return addToTable(table, list);
    const got = describe(inner);
    throw new TypeError(`Expected an allocator with addSpan(), got ${got} with none`);
  }, addSpans);
}
