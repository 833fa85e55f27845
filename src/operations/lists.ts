/**
 * Lists that are given to functions: read once, and written last.
 *
 * @module
 */

import { type Allocator, NotAllocatedError } from "../allocator.ts";
import { describe } from "../util/check_integer.ts";

/**
 * The numbers of a list, as they are now. Those of a typed array, which no call reaches before it
 * ends, are not copied.
 */
export function numbersOf(list: ArrayLike<number>): ArrayLike<number> {
  return isSteady(list) ? list : Array.from(list);
}

/**
 * Has handles made, and puts them where they are to go. Where that fails, they are freed.
 *
 * @param count The most that there can be.
 * @param make Makes them, and says how many there are. It verifies
 *   lists itself: to look at `handles` may have changed them.
 * @throws {TypeError} `handles` is a typed array whose elements do not hold every handle.
 */
export function keepHandles(
  allocator: Allocator,
  handles: { [index: number]: number },
  count: number,
  make: (kept: { [index: number]: number }) => number,
): number {
  const isWhole = handles instanceof Int32Array || handles instanceof Float64Array;
  if (isWhole && isSteady(handles)) return make(handles);
  if (!isWhole && ArrayBuffer.isView(handles) && !((handles as unknown) instanceof Uint32Array)) {
    const got = describe(handles);
    throw new TypeError(`Expected handles to be an array with room for 30 bits each, got ${got}`);
  }
  const kept = new Int32Array(count), made = make(kept);
  try {
    for (let i = 0; i < made; i++) handles[i] = kept[i];
  } catch (error) {
    for (let i = 0; i < made; i++) freeAgain(allocator, kept[i]);
    throw error;
  }
  return made;
}

/** Frees an allocation, unless a setter did so. */
function freeAgain(allocator: Allocator, handle: number): void {
  try {
    allocator.free(handle);
  } catch (error) {
    if (!(error instanceof NotAllocatedError)) throw error;
  }
}

/** Tells whether a list stays as it is while a function runs. */
function isSteady(list: object): boolean {
  const isOwn = ArrayBuffer.isView(list) && list.buffer instanceof ArrayBuffer;
  return isOwn && !Object.prototype.hasOwnProperty.call(list, "length");
}
