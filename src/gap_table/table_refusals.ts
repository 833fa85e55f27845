/**
 * {@linkcode TableRefusals}: which requests need no other search.
 *
 * @module
 */

/** Most alignments that are remembered. */
const MAX_ALIGNMENTS = 64;

/**
 * The requests that a table refused since anything was freed: one at least as large, of the same
 * alignment, is refused without a search. Allocations in between change nothing. O(1).
 */
export class TableRefusals {
  /** By alignment: the least size that was refused. */
  readonly #sizes: Map<number, number> = new Map();
  // A free() changes TAIL or EPOCH while anything is known, whatever else may make room EPOCH.
  #tail = 0;
  #epoch = 0;

  /** Tells whether a request is known to be refused. */
  has(H: Int32Array, size: number, alignment: number): boolean {
    const TAIL = 13, EPOCH = 24;
    const sizes = this.#sizes;
    if (sizes.size === 0) return false; // clear() makes garbage
    if (H[TAIL] !== this.#tail || H[EPOCH] !== this.#epoch) sizes.clear();
    return size >= Math.min(sizes.get(alignment) ?? Infinity, sizes.get(1) ?? Infinity);
  }

  /** Remembers a request that was refused, and that {@linkcode has} did not know. */
  add(H: Int32Array, size: number, alignment: number): void {
    const TAIL = 13, EPOCH = 24, AGAIN = 28;
    if (this.#sizes.size === MAX_ALIGNMENTS) this.#sizes.clear();
    this.#sizes.set(alignment, size);
    this.#tail = H[TAIL];
    this.#epoch = H[EPOCH];
    H[AGAIN] = 0;
  }
}
