/**
 * How slots of one size lie in memory, and how they are numbered.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import { checkInteger, describe } from "./check_integer.ts";
import type { ViewConstructor } from "./view_constructor.ts";

/** Most slots of a pool: 2^6 generations or more are left for each. */
export const MAX_SLOTS: number = 16_777_216; // = 2 ** 24

/**
 * What the slots of a pool are like.
 *
 * @typeParam V The views.
 */
export interface SlotLayout<V> {
  /** Bytes in a slot, 1 or more: a whole number of elements. */
  readonly slotSize: number;
  /** What the offset of each slot is a multiple of, in bytes; by default one element. */
  readonly alignment?: number;
  /** The class of the views, a typed array or `DataView`; `Uint8Array` by default. */
  readonly type?: ViewConstructor<V>;
}

/**
 * Verifies a layout; gives the class of the views and their number of elements.
 *
 * @throws {TypeError} An argument is of the wrong type.
 * @throws {RangeError} An argument is out of range.
 */
export function checkSlots<V>(
  slotCount: number,
  layout: SlotLayout<V>,
): { type: ViewConstructor<V>; length: number } {
  const type = layout.type ?? Uint8Array as unknown as ViewConstructor<V>;
  checkInteger("slotCount", slotCount, 1, MAX_SLOTS);
  checkInteger("slotSize", layout.slotSize, 1);
  if (typeof type !== "function") {
    throw new TypeError(`Expected type to be a typed array class, got ${describe(type)}`);
  }
  const step = type.BYTES_PER_ELEMENT ?? 1;
  if (layout.slotSize % step !== 0) {
    const got = `got ${layout.slotSize}`;
    throw new RangeError(`Expected slotSize to be a multiple of ${step}, for ${type.name}, ${got}`);
  }
  const { alignment = step } = layout;
  checkInteger("alignment", alignment, 1);
  if (alignment % step !== 0) {
    const got = `got ${alignment}`;
    throw new RangeError(
      `Expected alignment to be a multiple of ${step}, for ${type.name}, ${got}`,
    );
  }
  checkInteger("slotSize", layout.slotSize, 1, Math.floor(Number.MAX_SAFE_INTEGER / slotCount));
  return { type, length: layout.slotSize / step };
}

/** Bytes from one slot to the next. */
export function slotStride<V>({ slotSize, alignment, type }: SlotLayout<V>): number {
  return alignUp(slotSize, alignment ?? type?.BYTES_PER_ELEMENT ?? 1);
}

/** The part of a handle that is the number of the slot; the rest is its generation. */
export function maskFor(slotCount: number): number {
  return 2 ** (32 - Math.clz32(slotCount - 1)) - 1;
}
