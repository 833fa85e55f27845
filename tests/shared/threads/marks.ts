/**
 * Marks on the units that somebody holds, in shared memory: a unit that is given twice is found
 * out at once.
 *
 * @module
 */

/** Marks the units of an allocation; throws if one is marked. */
export function mark(marks: Int32Array, offset: number, size: number, handle: number): void {
  change(marks, offset, size, 0, handle);
}

/** Takes the marks of an allocation away; throws if one is another's. */
export function unmark(marks: Int32Array, offset: number, size: number, handle: number): void {
  change(marks, offset, size, handle, 0);
}

function change(marks: Int32Array, offset: number, size: number, from: number, to: number): void {
  for (let unit = offset; unit < offset + size; unit++) {
    const found = Atomics.compareExchange(marks, unit, from, to);
    if (found !== from) throw new Error(`Unit ${unit} has mark ${found}, not ${from}`);
  }
}
