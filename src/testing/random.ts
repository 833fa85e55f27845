/**
 * Seeded randomness: the same seed, the same run, on every runtime.
 *
 * @module
 */

/** Returns integers in [0, limit). */
export type Random = (limit: number) => number;

/** A seeded source of numbers (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  };
}

/** Bytes that are unlikely to be anywhere by accident. */
export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 1 + random(255);
  return bytes;
}

/** Runs a body whose failure names the seed. */
export async function withSeed(
  seed: number,
  body: (random: Random) => void | Promise<void>,
): Promise<void> {
  try {
    await body(seeded(seed));
  } catch (cause) {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
  }
}
