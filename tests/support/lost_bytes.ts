/**
 * Views whose buffer goes away.
 *
 * @module
 */

/** Takes the buffer away from its views, as `postMessage` with a transfer list does. */
export function transfer(buffer: ArrayBufferLike): void {
  structuredClone(undefined, { transfer: [buffer as ArrayBuffer] });
}

/** A view of a buffer that was transferred. */
export function transferredView(byteLength: number): Uint8Array {
  const view = new Uint8Array(byteLength).fill(7);
  transfer(view.buffer);
  return view;
}

/** Views that have lost their bytes, by why. */
export function lostViews(): Record<string, Uint8Array> {
  const lost: Record<string, Uint8Array> = { transferred: transferredView(4) };
  const Resizable = ArrayBuffer as unknown as new (
    byteLength: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize?(byteLength: number): void };
  const shrinking = new Resizable(8, { maxByteLength: 8 });
  if (shrinking.resize !== undefined) {
    lost.shrunk = new Uint8Array(shrinking, 4, 4);
    shrinking.resize(2);
  }
  return lost;
}
