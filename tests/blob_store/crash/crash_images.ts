/**
 * What a power loss may leave on a disk: the durable bytes and any part of what was
 * not flushed, in pieces of one sector.
 *
 * What is assumed of a disk: a write damages no byte outside its range, a sector is
 * written whole, partly or as garbage, in any order; the length of the file is one it
 * had since the last flush, whatever became of the data.
 *
 * @module
 */

import { type Random, randomBytes } from "../../support/random.ts";
import type { DiskState } from "./simulated_disk.ts";

/** Bytes that a disk writes as one. */
export const SECTOR = 512;
/** A disk after a crash. */
export interface CrashImage {
  readonly bytes: Uint8Array;
  /** What became of the pieces, for the report of a failure. */
  readonly description: string;
}

/** The part of a write that lies in one sector, or a change of length. */
type Piece =
  | { readonly offset: number; readonly data: Uint8Array; readonly write: number }
  | { readonly to: number; readonly write: number };

/** What becomes of a piece. */
const LOST = 0, KEPT = 1, HEAD = 2, TAIL = 3, GARBAGE = 4;
const LETTERS = ".#<>?";
type Fate = 0 | 1 | 2 | 3 | 4;

/**
 * Gives images of a crash at a moment, some `limit` of them: every subset of the
 * unflushed pieces where that is not more, then each piece torn and as garbage, several at once;
 * otherwise nothing, everything, and by turns prefixes, all but one, only one, random
 * subsets, whole writes, all but one write, a torn piece, garbage, all of it at once.
 */
export function* crashImages(
  state: DiskState,
  random: Random,
  limit: number,
): Generator<CrashImage, void, void> {
  const pieces = cut(state), count = pieces.length;
  const fates = new Array<Fate>(count);
  const image = () => ({ bytes: build(state, pieces, fates, random), description: text(fates) });

  const subsets = 2 ** count;
  if (subsets <= limit) {
    for (let subset = 0; subset < subsets; subset++) {
      for (let i = 0; i < count; i++) fates[i] = subset >>> i & 1 ? KEPT : LOST;
      yield image();
    }
    for (let i = 0; i < count; i++) {
      for (const fate of [random(2) ? HEAD : TAIL, GARBAGE] as const) {
        fates.fill(KEPT);
        for (let lost = random(3); lost > 0; lost--) fates[random(count)] = LOST;
        fates[i] = fate;
        yield image();
      }
    }
    for (let i = 0; i < count; i++) {
      damage(fates, random);
      yield image();
    }
    return;
  }
  for (const fate of [LOST, KEPT] as const) {
    fates.fill(fate);
    yield image();
  }
  const first = random(RECIPES);
  for (let i = 2; i < limit; i++) {
    choose(pieces, fates, (first + i) % RECIPES, random);
    yield image();
  }
}

const RECIPES = 9;

/** Sets the fates by one of the recipes. */
function choose(pieces: readonly Piece[], fates: Fate[], recipe: number, random: Random): void {
  const count = pieces.length, at = random(count);
  const begin = (kept: (i: number) => boolean) => {
    for (let i = 0; i < count; i++) fates[i] = kept(i) ? KEPT : LOST;
  };
  const { write } = pieces[at];
  if (recipe === 0) return begin((i) => i < at);
  if (recipe === 1) return begin((i) => i !== at);
  if (recipe === 2) return begin((i) => i === at);
  if (recipe === 3) return begin(() => random(2) === 0);
  if (recipe === 4) { // whole writes
    const kept = pieces.map(() => random(2) === 0);
    return begin((i) => kept[pieces[i].write]);
  }
  if (recipe === 5) return begin((i) => pieces[i].write !== write); // all but one write
  if (recipe === 6) { // torn
    begin(random(2) ? (i) => i < at : () => true);
    fates[at] = random(2) ? HEAD : TAIL;
    return;
  }
  if (recipe === 7) return damage(fates, random);
  begin(random(2) ? (i) => i < at : () => true);
  fates[at] = GARBAGE;
  if (random(2)) fates[random(count)] = LOST;
}

/** Gives each piece any fate. */
function damage(fates: Fate[], random: Random): void {
  for (let i = 0; i < fates.length; i++) fates[i] = random(LETTERS.length) as Fate;
}

/** The unflushed changes, cut at the sectors' borders. */
function cut({ changes, count }: DiskState): Piece[] {
  const pieces: Piece[] = [];
  for (let write = 0; write < count; write++) {
    const change = changes[write];
    if (change.kind === "resize") {
      pieces.push({ to: change.to, write });
      continue;
    }
    for (let from = 0; from < change.data.length;) {
      const offset = change.offset + from;
      const to = Math.min(from + SECTOR - offset % SECTOR, change.data.length);
      pieces.push({ offset, data: change.data.subarray(from, to), write });
      from = to;
    }
  }
  return pieces;
}

/**
 * The bytes that the fates leave. A length is journaled: it is kept if it or a later
 * one is, and what lies behind the end of a file is lost, whether it was written or not.
 */
function build(
  state: DiskState,
  pieces: readonly Piece[],
  fates: readonly Fate[],
  random: Random,
): Uint8Array {
  const lastResize = pieces.findLastIndex((piece, i) => "to" in piece && fates[i] !== LOST);
  let longest = state.durable.length;
  for (const piece of pieces.slice(0, lastResize + 1)) {
    if ("to" in piece) longest = Math.max(longest, piece.to);
  }
  const bytes = new Uint8Array(longest);
  bytes.set(state.durable);
  let length = state.durable.length;
  pieces.forEach((piece, i) => {
    if ("to" in piece) {
      if (i > lastResize) return;
      if (piece.to < length) bytes.fill(0, piece.to, length);
      length = piece.to;
    } else if (fates[i] !== LOST) {
      place(bytes.subarray(0, length), piece.offset, piece.data, fates[i], random);
    }
  });
  return bytes.subarray(0, length);
}

/** Writes what is left of a piece, as far as there is a file. */
function place(
  file: Uint8Array,
  offset: number,
  data: Uint8Array,
  fate: Fate,
  random: Random,
): void {
  const [from, to] = fate === HEAD
    ? [0, random(data.length)]
    : fate === TAIL
    ? [random(data.length), data.length]
    : [0, data.length];
  const part = fate === GARBAGE ? randomBytes(random, to) : data.subarray(from, to);
  const room = file.length - (offset + from);
  if (room > 0) file.set(part.subarray(0, room), offset + from);
}

/** The fates of the pieces: `.` lost, `#` kept, `<` and `>` its head or tail kept, `?` garbage. */
function text(fates: readonly Fate[]): string {
  return fates.map((fate) => LETTERS[fate]).join("").replace(/(.)\1{7,}/g, (run, letter) => {
    return `${letter}{${run.length}}`;
  });
}
