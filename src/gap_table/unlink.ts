/**
 * {@linkcode unlink}: takes a node out of the list of its bin.
 *
 * @module
 */

/**
 * Takes a node out of its bin. Where it is in none, the writes go to the header. A branch would be
 * unpredictable, and a wrong prediction costs more than these writes.
 */
export function unlink(H: Int32Array, node: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, NODE = 0x3ffffffc, LINK = 0x3fffffff;
  const binPrev = H[node + BIN_PREV] & LINK, isLinked = -binPrev >> 31;
  const binNext = H[node + BIN_NEXT] & isLinked & NODE;
  H[binPrev + BIN_NEXT] = binNext;
  H[binNext + BIN_PREV] = binPrev;
  H[node + BIN_PREV] = 0;
}
