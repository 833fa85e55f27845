/**
 * Compression by the streams of the Web, where the runtime hands in nothing better.
 *
 * @module
 */

import type { PieceCodec } from "./runtime_hooks.ts";

/** A class of the Web that turns bytes into others. */
type Transform = new (format: string) => {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
};

/** Deflate by `CompressionStream`; undefined where there is none. */
export function webDeflate(): PieceCodec | undefined {
  const { CompressionStream, DecompressionStream } = globalThis as unknown as {
    readonly CompressionStream?: Transform;
    readonly DecompressionStream?: Transform;
  };
  if (CompressionStream === undefined || DecompressionStream === undefined) return undefined;
  return {
    encode: (bytes) => transform(CompressionStream, bytes, Infinity),
    decode: (bytes, length) => transform(DecompressionStream, bytes, length),
  };
}

/** Runs bytes through a transform; throws where more than `most` come out. */
async function transform(
  Class: Transform,
  bytes: Uint8Array,
  most: number,
): Promise<Uint8Array> {
  const { readable, writable } = new Class("deflate-raw");
  const writer = writable.getWriter(), reader = readable.getReader(), parts: Uint8Array[] = [];
  // What fails there fails where it is read.
  writer.write(bytes).then(() => writer.close()).catch(() => {});
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.length;
    if (length > most) {
      await reader.cancel().catch(() => {});
      throw new RangeError(`Expected at most ${most} bytes`);
    }
    parts.push(next.value);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
