/**
 * The data of `bench:http`: the tiles of a rectangle of a map, of 100 to 900 random bytes each.
 *
 * @module
 */

/** Columns of a map of so many tiles, by their number; it has as many rows as remain. */
const COLUMNS: Readonly<Record<number, number>> = { 1000: 40, 100_000: 400, 1_000_000: 1000 };

/** How many tiles there may be. */
export const COUNTS: readonly number[] = Object.keys(COLUMNS).map(Number);

/** A map. */
export interface TileMap {
  readonly zoom: number;
  readonly columns: number;
  readonly rows: number;
}

/** A tile's column and row. */
export type Place = readonly [x: number, y: number];

/** The map of so many tiles. */
export function mapOf(count: number): TileMap {
  const columns = COLUMNS[count], rows = count / columns;
  return { zoom: Math.ceil(Math.log2(Math.max(columns, rows))), columns, rows };
}

/** The key of a tile in a store and in a table. */
export function keyOf({ zoom }: TileMap, [x, y]: Place): string {
  return `tiles/${zoom}/${String(x).padStart(4, "0")}/${String(y).padStart(4, "0")}`;
}

/** A tile: the same bytes for the same place. */
export function bytesOf([x, y]: Place): Uint8Array<ArrayBuffer> {
  let state = Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca6b) | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    return state ^= state << 5;
  };
  next();
  const bytes = new Uint8Array(100 + (next() >>> 0) % 801);
  for (let i = 0; i < bytes.length; i++) bytes[i] = next();
  return bytes;
}
