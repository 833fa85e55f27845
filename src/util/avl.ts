/**
 * Balanced trees in an array of integers: how they stay balanced.
 *
 * @module
 */

// AVL trees (G. M. Adelson-Velsky, E. M. Landis, 1962). A link is a word that names the node below
// it, a multiple of 4. The two links of a node are an even word, to what is less, and the next
// one, to what is more: `link ^ 1` is the link beside one. They are the node's first two words or
// the two behind these, so that a node can be in two trees. Bit 0 of a link, HIGHER, says that its
// subtree is the higher one of the two.
//
// Nodes have no link upward. The way down is in `path`, an index of the array: from there on are
// the links that were followed, that to the root first.

/** After a node was put below the link that is `depth` steps down: balances the tree. O(log n). */
export function raise(H: Int32Array, path: number, depth: number): void {
  const LINK = 0x3fffffff, HIGHER = 1;
  // Up to where the tree is not higher than before.
  for (; depth > 0; depth--) {
    const link = H[path + depth] & LINK, other = link ^ 1;
    if ((H[other] & HIGHER) !== 0) {
      H[other] ^= HIGHER;
      return;
    }
    if ((H[link] & HIGHER) !== 0) {
      rotate(H, H[path + depth - 1] & LINK, link);
      return;
    }
    H[link] |= HIGHER;
  }
}

/**
 * Takes out the node to which the link leads that is `depth` steps down, and balances the tree. Its
 * own links, the first of which is `low`, stay as they are. O(log n).
 */
export function takeOut(H: Int32Array, path: number, low: number, depth: number): void {
  const NODE = 0x3ffffffc, LINK = 0x3fffffff, HIGHER = 1;
  const link = H[path + depth] & LINK;
  const left = H[low] & NODE, right = H[low + 1] & NODE;
  if (left === 0 || right === 0) H[link] = left | right | H[link] & HIGHER;
  else depth = replace(H, path, low, depth);
  // Up to where the tree is not lower than before.
  for (; depth > 0; depth--) {
    const link = H[path + depth] & LINK, other = link ^ 1;
    if ((H[link] & HIGHER) !== 0) H[link] ^= HIGHER;
    else if ((H[other] & HIGHER) === 0) {
      H[other] |= HIGHER;
      return;
    } else if (!rotate(H, H[path + depth - 1] & LINK, other)) return;
  }
}

/** Puts the next larger node in the place of one; returns how far down it was taken out. */
function replace(H: Int32Array, path: number, low: number, depth: number): number {
  const NODE = 0x3ffffffc, LINK = 0x3fffffff, HIGHER = 1;
  const side = low & 2, top = H[path + depth] & LINK, below = depth + 1;
  let link = low + 1, heir = H[link] & NODE;
  H[path + ++depth] = link;
  for (let next = H[heir + side] & NODE; next !== 0; next = H[heir + side] & NODE) {
    link = heir + side;
    H[path + ++depth] = link;
    heir = next;
  }
  H[link] = H[heir + side + 1] & NODE | H[link] & HIGHER;
  H[heir + side] = H[low];
  H[heir + side + 1] = H[low + 1];
  H[top] = heir | H[top] & HIGHER;
  H[path + below] = heir + side + 1;
  return depth;
}

/**
 * Rotates the node to which `root` leads and whose subtree at `near` is higher by two.
 * Tells whether the whole is lower than before.
 */
function rotate(H: Int32Array, root: number, near: number): boolean {
  const NODE = 0x3ffffffc, HIGHER = 1;
  const parent = near & NODE, far = near ^ 1;
  const child = H[near] & NODE, outer = child + (near & 3), inner = child + (far & 3);
  let top = child, isLower = true;
  if ((H[inner] & HIGHER) !== 0) {
    // The child leans the other way: its inner child comes to the top.
    top = H[inner] & NODE;
    const topNear = top + (near & 3), topFar = top + (far & 3);
    H[inner] = H[topNear] & NODE;
    H[outer] = H[outer] & NODE | H[topFar] & HIGHER;
    H[near] = H[topFar] & NODE;
    H[far] = H[far] & NODE | H[topNear] & HIGHER;
    H[topNear] = child;
    H[topFar] = parent;
  } else {
    // The child comes to the top. Where it was even, as after a removal, both lean now.
    isLower = (H[outer] & HIGHER) !== 0;
    const lean = isLower ? 0 : HIGHER;
    H[outer] &= NODE;
    H[near] = H[inner] & NODE | lean;
    H[inner] = parent | lean;
  }
  H[root] = top | H[root] & HIGHER;
  return isLower;
}
