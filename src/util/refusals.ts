/**
 * Requests refused by a strategy whose search is long, so that it need not search again.
 *
 * @module
 */

/** Most alignments that are remembered. */
const MAX_ALIGNMENTS = 64;

/**
 * The least size that was refused of each alignment. A larger one has no place either until
 * something is freed, which {@linkcode Refusals.forget} is for.
 */
export class Refusals {
  /** By alignment. Undefined where there are none, so that `forget` is one store. */
  #sizes: Map<number, number> | undefined;

  /** Tells whether it is known that so many units have no place at a multiple of `alignment`. */
  has(size: number, alignment: number): boolean {
    const sizes = this.#sizes;
    if (sizes === undefined) return false;
    return size >= (sizes.get(alignment) ?? Infinity) || size >= (sizes.get(1) ?? Infinity);
  }

  /** Remembers that so many have none; `has` knew nothing of it. */
  add(size: number, alignment: number): void {
    const sizes = this.#sizes ??= new Map();
    if (sizes.size >= MAX_ALIGNMENTS) sizes.clear();
    sizes.set(alignment, size);
  }

  /** Forgets all: units have become free. */
  forget(): void {
    this.#sizes = undefined;
  }
}
