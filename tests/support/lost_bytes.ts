/**
 * Views whose buffer goes away.
 *
 * @module
 */

import { transfer } from "../../src/testing/expect.ts";

export { lostViews, transfer } from "../../src/testing/expect.ts";

/** A view of a buffer that was transferred. */
export function transferredView(byteLength: number): Uint8Array {
  const view = new Uint8Array(byteLength).fill(7);
  transfer(view.buffer);
  return view;
}
