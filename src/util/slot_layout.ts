/**
 * How slots of one size are laid out in memory, and how they are numbered.
 *
 * @module
 */

import { alignUp } from "./align_up.ts";
import { checkInteger } from "./check_integer.ts";
import { checkViewConstructor, type ViewConstructor } from "./view_constructor.ts";

/** Most slots of a pool: 2^6 generations or more are left for each. */
export const MAX_SLOTS: number = 16_777_216; // = 2 ** 24

/**
 * The layout of the slots of a pool.
 *
 * @typeParam V The views.
 */
export interface SlotLayout<V> {
  /** Bytes in a slot, 1 or more: a whole number of elements. */
  readonly slotSize: number;
  /** Divides the offset of each slot, in bytes; by default one element. */
  readonly alignment?: number | undefined;
  /**
   * The class of the views, a typed array or `DataView`; `Uint8Array` by default, whatever
   * TypeScript infers.
   */
  readonly type?: ViewConstructor<V> | undefined;
}

/** A layout that was verified, with the defaults filled in. */
export interface CheckedLayout<V> {
  /** The class of the views. */
  readonly type: ViewConstructor<V>;
  /** Elements in a slot. */
  readonly length: number;
  /** Divides the offset of each slot, in bytes. */
  readonly alignment: number;
  /** Bytes from one slot to the next. */
  readonly stride: number;
}

/**
 * Verifies how many slots there are and what they are like.
 *
 * @throws {TypeError} An argument is of the wrong type.
 * @throws {RangeError} An argument is out of range.
 */
export function checkSlots<V>(
  capacity: number,
  layout: SlotLayout<V> | undefined,
): CheckedLayout<V> {
  checkInteger("capacity", capacity, 1, MAX_SLOTS);
  const { slotSize, type = Uint8Array as unknown as ViewConstructor<V>, alignment } = layout ??
    {} as Partial<SlotLayout<V>>;
  checkViewConstructor(type);
  const step = type.BYTES_PER_ELEMENT ?? 1, checked = alignment ?? step;
  checkInteger("slotSize", slotSize, 1, Math.floor(Number.MAX_SAFE_INTEGER / capacity));
  checkInteger("alignment", checked, 1);
  const isOdd = slotSize % step !== 0;
  if (isOdd || checked % step !== 0) {
    const name = isOdd ? "slotSize" : "alignment", got = isOdd ? slotSize : checked;
    throw new RangeError(`Expected ${name} to be a multiple of ${step} (${type.name}), got ${got}`);
  }
  return { type, length: slotSize / step, alignment: checked, stride: alignUp(slotSize, checked) };
}

/**
 * Verifies that so many handles go into an array, if a caller gave one.
 *
 * @throws {TypeError} It is no object.
 * @throws {RangeError} It is a typed array, which does not grow, and shorter.
 */
export function checkInto(into: unknown, count: number): void {
  if (into === undefined || typeof into === "object" && !ArrayBuffer.isView(into)) return;
  checkInteger("into.length", (into as { readonly length?: unknown }).length, count);
}

/** The part of a handle that is the number of the slot; the rest is its generation. */
export function maskFor(capacity: number): number {
  return 2 ** (32 - Math.clz32(capacity - 1)) - 1;
}
