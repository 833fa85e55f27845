/**
 * Crashes of a blob store in PostgreSQL: what a database holds after each statement that it
 * committed is opened, and must have every blob that was acknowledged by then.
 *
 * @module
 */

import { assert } from "@std/assert";
import { BlobStore } from "../../src/blob_store/mod.ts";
import { type PostgresClient, PostgresStore } from "../../backends/postgres/mod.ts";
import { type Random, randomBytes } from "../support/random.ts";

/** What a key may hold: what was acknowledged last, and what is being put. */
interface Expected {
  /** Undefined: no blob. */
  readonly sure: Uint8Array | undefined;
  readonly maybe?: { readonly value: Uint8Array | undefined };
}

/** A database that tells when it has committed something. */
export interface Crashable {
  readonly client: PostgresClient;
  /** Calls `onCommit` after each statement that changed a store. */
  watch(onCommit: () => void | Promise<void>): void;
  /** A client of a database as this one is now, and what ends it. */
  copy(): Promise<{ client: PostgresClient; end(): Promise<void> }>;
}

const PAGE_SIZES = [1024, 8192];

/** Runs a workload; looks at what every commit left. Returns how many images there were. */
export async function crashEverywhere(
  database: Crashable,
  random: Random,
  operations: number,
): Promise<number> {
  const expected = new Map<string, Expected>();
  const pageSize = PAGE_SIZES[random(PAGE_SIZES.length)], cacheBytes = random(2) * 2 ** 20;
  const options = { create: true, pageSize, cacheBytes };
  let images = 0, isMade = false;
  database.watch(async () => {
    images++;
    const state = new Map(expected), wasMade = isMade, { client, end } = await database.copy();
    await checkImage(client, state, wasMade);
    await end();
  });
  let pages = await PostgresStore.open(database.client, "s", options);
  let store = await BlobStore.open(pages, { create: true });
  isMade = true;
  for (let i = 0; i < operations; i++) {
    if (random(8) === 0) {
      await store.close();
      await pages.close();
      pages = await PostgresStore.open(database.client, "s", options);
      store = await BlobStore.open(pages);
    } else if (random(12) === 0) {
      await store.compact();
    } else {
      await change(store, expected, random);
    }
  }
  await store.close();
  await pages.close();
  database.watch(() => {});
  await checkImage(database.client, expected, true);
  return images;
}

/** Puts, deletes and batches, one by one or several in a turn. */
async function change(
  store: BlobStore,
  expected: Map<string, Expected>,
  random: Random,
): Promise<void> {
  const keys = new Set(Array.from({ length: 1 + random(3) * random(4) }, () => `k${random(12)}`));
  const changes = [...keys].map((key) => ({
    key,
    value: random(4) > 0 ? blob(random) : undefined,
  }));
  const settle = (key: string, value: Uint8Array | undefined) => expected.set(key, { sure: value });
  for (const { key, value } of changes) {
    expected.set(key, { sure: expected.get(key)?.sure, maybe: { value } });
  }
  if (random(3) === 0) {
    await store.batch(
      changes.map(({ key, value }) =>
        value === undefined ? { type: "delete", key } : { type: "put", key, value }
      ),
    );
    for (const { key, value } of changes) settle(key, value);
    return;
  }
  await Promise.all(changes.map(async ({ key, value }) => {
    if (value === undefined) await store.delete(key);
    else await store.put(key, value);
    settle(key, value);
  }));
}

function blob(random: Random): Uint8Array {
  const length = [random(300), random(300), random(20_000), random(150_000)][random(4)];
  return randomBytes(random, length);
}

/** Opens what a crash left, and compares every blob. */
async function checkImage(
  client: PostgresClient,
  expected: ReadonlyMap<string, Expected>,
  wasMade: boolean,
): Promise<void> {
  const pages = await PostgresStore.open(client, "s", { takeOver: true });
  if (!wasMade && pages.byteLength === 0) return await pages.close();
  const store = await BlobStore.open(pages, { create: !wasMade });
  await store.check();
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  for (const key of keys) assert(expected.has(key), `${key} was never put`);
  for (const [key, { sure, maybe }] of expected) {
    const found = await store.get(key);
    const isSure = isSame(found, sure), isMaybe = maybe !== undefined && isSame(found, maybe.value);
    assert(isSure || isMaybe, `${key} has ${found?.length} bytes, not ${sure?.length}`);
  }
  await store.close();
  await pages.close();
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
