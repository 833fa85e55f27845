/**
 * Bytes in pieces, on their way from one place to another.
 *
 * @module
 */

import { Turns } from "./turns.ts";

/** Bytes in pieces. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Bytes that are gathered before they are worth a write. */
const PIECE = 262_144; // = 256 * 1024

/**
 * Joins small pieces, so that each write is worth its call.
 *
 * @param chunks Pieces, which are not changed once they are given.
 */
export async function* buffered(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(PIECE), used = 0;
  for await (const chunk of chunks) {
    if (used + chunk.length > PIECE) {
      yield buffer.subarray(0, used);
      buffer = new Uint8Array(PIECE);
      used = 0;
    }
    if (chunk.length >= PIECE) yield chunk;
    else {
      buffer.set(chunk, used);
      used += chunk.length;
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
}

/**
 * Counts bytes on their way, and ends it early where that is wanted.
 *
 * @param chunks The bytes.
 * @param signal Ends it.
 * @param count Called with the length of each piece.
 * @param turns Counts them as work; other work may be counted there, too.
 */
export async function* counted(
  chunks: Chunks,
  signal: AbortSignal | undefined,
  count: (bytes: number) => void,
  turns: Turns = new Turns(),
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await turns.after(chunk.length);
    signal?.throwIfAborted();
    count(chunk.length);
    yield chunk;
  }
  // An input may end because of it, too: that is no end of what is read.
  signal?.throwIfAborted();
}

/** The beginning of a stream. */
export interface Peeked {
  /** The bytes read. */
  readonly head: readonly Uint8Array[];
  /** The rest; `undefined` where that was all. */
  readonly rest: AsyncGenerator<Uint8Array> | undefined;
}

/**
 * Reads the beginning of a stream.
 *
 * @param chunks The stream.
 * @param size Bytes to read, at least, if there are so many.
 */
export async function peek(chunks: AsyncGenerator<Uint8Array>, size: number): Promise<Peeked> {
  const head: Uint8Array[] = [];
  for (let got = 0; got < size;) {
    const { done, value } = await chunks.next();
    if (done) return { head, rest: undefined };
    head.push(value);
    got += value.length;
  }
  return { head, rest: chunks };
}

/**
 * A stream whose beginning was read.
 *
 * @param peeked The bytes read, and the rest.
 */
export async function* joined({ head, rest }: Peeked): AsyncGenerator<Uint8Array> {
  try {
    yield* head;
    if (rest !== undefined) yield* rest;
  } finally {
    await rest?.return(undefined);
  }
}

/**
 * Pieces as one.
 *
 * @param pieces The pieces.
 */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
