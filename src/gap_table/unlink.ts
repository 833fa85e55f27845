/**
 * {@linkcode unlink}: takes a node out of the list of its bin.
 *
 * @module
 */

/**
 * Takes a node out of its bin. Where it is in none, the writes go to the header: which is the case
 * is as good as a toss of a coin, and a wrong guess of the processor costs more than they do.
 */
export function unlink(H: Int32Array, node: number): void {
  const BIN_PREV = 2, BIN_NEXT = 3, NODE = 0x3ffffffc, LINK = 0x3fffffff;
  const binPrev = H[node + BIN_PREV] & LINK, isLinked = -binPrev >> 31;
  const binNext = H[node + BIN_NEXT] & isLinked & NODE;
  H[binPrev + BIN_NEXT] = binNext;
  H[binNext + BIN_PREV] = binPrev;
  H[node + BIN_PREV] = 0;
}
