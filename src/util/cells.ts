/**
 * A space cut into cells of equal size, each knowing what it holds: the picture before it
 * is drawn.
 *
 * @module
 */

/** A part of the space. */
export interface Piece<K> {
  /** First unit. */
  readonly offset: number;
  /** Number of units. */
  readonly size: number;
  /** Its kind. */
  readonly kind: K;
}

/** A cell: what it holds, in units by kind. */
export interface Cell<K> {
  /** Its first unit. */
  readonly offset: number;
  /** Number of its units. */
  readonly size: number;
  /** Units of each kind. */
  readonly shares: ReadonlyMap<K, number>;
  /** The kind of most units; of equals, the one that was first to have so many. */
  readonly most: K;
}

/**
 * Cuts pieces, joined end to end in their order, into at most `count` cells. A cell has at
 * least one unit, and one more or less than the next where the units do not divide.
 *
 *     pieces   | used | free         | used  |
 *     cells    |    |    |    |    |    |    |
 */
export function cellsOf<K>(pieces: readonly Piece<K>[], count: number): Cell<K>[] {
  const total = pieces.reduce((sum, { size }) => sum + size, 0);
  const cellCount = Math.min(total, count);
  // A product beyond 2^53 is rounded: the last border must be the end.
  const border = (cell: number) => cell >= cellCount ? total : Math.floor(cell * total / cellCount);

  const cells: Cell<K>[] = [];
  let at = 0, end = 0, most = 0;
  let cell = { offset: 0, size: 0, shares: new Map<K, number>(), most: pieces[0]?.kind };
  for (const { offset, size, kind } of pieces) {
    for (let done = 0; done < size;) {
      if (at === end) {
        [end, most] = [border(cells.length + 1), 0];
        cell = { offset: offset + done, size: end - at, shares: new Map(), most: kind };
        cells.push(cell);
      }
      const part = Math.min(size - done, end - at), share = (cell.shares.get(kind) ?? 0) + part;
      cell.shares.set(kind, share);
      if (share > most) [most, cell.most] = [share, kind];
      at += part;
      done += part;
    }
  }
  return cells;
}
