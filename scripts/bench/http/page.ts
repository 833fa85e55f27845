/**
 * The page of `bench:http`: it reads the files, compares each tile with what it must be, and posts
 * what each step took.
 *
 * @module
 */

import { contestants, type Open } from "./contestants.ts";
import { bytesOf, mapOf, type Place, type TileMap } from "./tiles.ts";

/** What a step took: the counts are the server's. */
export interface Cost {
  readonly requests: number;
  readonly bytes: number;
  readonly ms: number;
}

/** What the steps of a contestant took in one round, by their names; those it can do. */
export type Costs = Record<string, Cost>;

/** The rounds, by contestant and number of tiles. */
export type Report = Record<string, Record<number, Costs[]>>;

/** What the page is told in its address, as JSON. */
interface Task {
  readonly origin: string;
  readonly counts: readonly number[];
  readonly rounds: number;
}

const GETS = 30, SIDE = 10, LISTED = 1000;

/** Throws unless a tile is as it was written. */
function expectTile(place: Place, got: Uint8Array | undefined): void {
  const expected = bytesOf(place);
  const isSame = got?.length === expected.length && got.every((byte, i) => byte === expected[i]);
  if (!isSame) throw new Error(`the tile at ${place} is not as it was written`);
}

/** Runs one step; the server is asked for its counts before and after. */
async function measured<T>(body: () => Promise<T>): Promise<[Cost, T]> {
  await fetch("/seen", { method: "POST" });
  const start = performance.now(), result = await body(), ms = performance.now() - start;
  const seen = await (await fetch("/seen", { method: "POST" })).json();
  return [{ ...seen, ms }, result];
}

/** All steps of one contestant, over a file that no cache has seen. */
async function round(open: Open, url: string, map: TileMap, seed: number): Promise<Costs> {
  const costs: Costs = {};
  /** Places that jump over the map; each once. */
  const placeOf = (n: number): Place => {
    const { columns, rows } = map, i = (seed * 104_729 + n * 7919 + 499) % (columns * rows);
    return [Math.floor(i / rows), i % rows];
  };
  const [first, file] = await measured(async () => {
    const file = await open(url, map), place = placeOf(0);
    expectTile(place, await file.get(place));
    return file;
  });
  costs["first"] = first;
  const places = Array.from({ length: GETS }, (_, i) => placeOf(i + 1));
  for (const step of ["cold", "warm"]) {
    [costs[step]] = await measured(async () => {
      for (const place of places) expectTile(place, await file.get(place));
    });
  }
  file.close();

  // Neighbours and a list, each by a reader that is open and has read something else.
  const another = async (step: string) => {
    const file = await open(`${url}&${step}`, map);
    await file.get(placeOf(0));
    return file;
  };
  const left = seed * 17 % (map.columns - SIDE), top = seed * 29 % (map.rows - SIDE);
  const window = Array.from(
    { length: SIDE * SIDE },
    (_, i): Place => [left + i % SIDE, top + Math.floor(i / SIDE)],
  );
  const near = await another("near");
  [costs["near"]] = await measured(async () => {
    const found = await near.getAll(window);
    window.forEach((place, i) => expectTile(place, found[i]));
  });
  near.close();
  const listing = await another("list");
  const [cost, listed] = await measured(async () => await listing.list(LISTED));
  if (listed !== undefined) {
    if (listed !== LISTED) throw new Error(`${listed} keys were listed`);
    costs["list"] = cost;
  }
  listing.close();
  return costs;
}

async function run({ origin, counts, rounds }: Task): Promise<Report> {
  const report: Report = {};
  for (const count of counts) {
    const map = mapOf(count);
    for (let n = 1; n <= rounds; n++) {
      for (const [format, open] of Object.entries(contestants)) {
        const url = `${origin}/${count}.${format}?${Math.random()}`;
        const rounds = (report[format] ??= {})[count] ??= [];
        rounds.push(await round(open, url, map, n));
      }
    }
  }
  return report;
}

const task: Task = await (await fetch("/task")).json();
const answer = await run(task).catch((error) => ({ error: `${error}\n${error?.stack}` }));
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
