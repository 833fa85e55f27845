/**
 * One leg of a store's way through several runtimes: fills a store or reads it, and prints what
 * came of it. It needs nothing that only the newest runtimes have.
 *
 * ```sh
 * deno run -A round_trip.ts write PATH FIRST ROUNDS
 * deno run -A round_trip.ts read PATH FIRST ROUNDS
 * ```
 *
 * `write` puts the keys from FIRST on, `KEYS` of them, ROUNDS times over and reads them back.
 * `abandon` does the same and kills its process instead of closing the store.
 *
 * @module
 */

import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";

/** Keys that a leg writes. */
export const KEYS = 500;

/** What a leg found when it read. */
export interface Leg {
  read: number;
  /** Messages of the first ones, and how many. */
  readonly wrong: string[];
  wrongCount: number;
}

/** What is put under a key in a round: mostly small, some of one piece, a few of several. */
function valueOf(key: number, round: number): Uint8Array {
  const length = key % 50 === 0 ? 150_000 + key : key % 5 === 0 ? 4000 + 37 * key : 10 + key % 300;
  const bytes = new Uint8Array(length);
  let state = Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca6b);
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

async function readAll(store: BlobStore, first: number, round: number, leg: Leg): Promise<void> {
  for (let key = first; key < first + KEYS; key++) {
    const expected = valueOf(key, round);
    let wrong: string | undefined;
    try {
      const bytes = await store.get(`k${key}`);
      if (bytes === undefined) wrong = `k${key} is missing`;
      else if (bytes.some((byte, i) => byte !== expected[i]) || bytes.length !== expected.length) {
        wrong = `k${key} is another one`;
      }
    } catch (error) {
      wrong = (error as Error).message;
    }
    leg.read++;
    if (wrong === undefined) continue;
    leg.wrongCount++;
    if (leg.wrong.length < 5) leg.wrong.push(wrong);
  }
}

/** Does a leg: see the module. */
export async function doLeg(
  what: string,
  path: string,
  first: number,
  rounds: number,
): Promise<Leg> {
  const leg: Leg = { read: 0, wrong: [], wrongCount: 0 };
  const store = await BlobStore.open(path, what === "read" ? { readOnly: true } : { create: true });
  try {
    if (what === "read") {
      await readAll(store, first, rounds - 1, leg);
      const { damaged } = await store.verify();
      for (const { key } of damaged) leg.wrong.push(`${key} is damaged`);
      leg.wrongCount += damaged.length;
      return leg;
    }
    for (let round = 0; round < rounds; round++) {
      for (let key = first; key < first + KEYS; key += 50) {
        const puts = Array.from(
          { length: 50 },
          (_, i) => store.put(`k${key + i}`, valueOf(key + i, round)),
        );
        await Promise.all(puts);
      }
      await readAll(store, first, round, leg);
    }
    return leg;
  } finally {
    if (what !== "abandon") await store.close();
  }
}

const [, script, what, path, first, rounds] = process.argv;
if (script?.endsWith("round_trip.ts")) {
  const leg = await doLeg(what, path, Number(first), Number(rounds));
  await new Promise<void>((done) => process.stdout.write(JSON.stringify(leg), () => done()));
  if (what === "abandon") process.kill(process.pid, "SIGKILL");
}
