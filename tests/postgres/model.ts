/**
 * A store in PostgreSQL against a plain array: writes, resizes, flushes, reopenings; and a reader
 * against what was committed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type PostgresClient, PostgresStore } from "../../backends/postgres/mod.ts";
import { type Random, randomBytes } from "../support/random.ts";
import { assertSameBytes } from "../support/store_helpers.ts";

/** A store in each state that it can have. */
interface Options {
  readonly pageSize: number;
  readonly cacheBytes: number;
}

/** A length that is small mostly, and sometimes that of many pages. */
function lengthOf(random: Random, most: number): number {
  return Math.min(most, random(3) === 0 ? random(60_000) : random(300));
}

/** Compares a store with an array after every step. */
export async function storesAgree(
  client: PostgresClient,
  random: Random,
  options: Options,
  steps: number,
  name = "model",
): Promise<void> {
  let store = await PostgresStore.open(client, name, { create: true, ...options });
  let model = new Uint8Array(0), committed = model;
  for (let step = 0; step < steps; step++) {
    const kind = random(20), context = `step ${step}`;
    if (kind < 2) {
      const length = kind === 0 ? random(model.length + 1) : model.length + random(30_000);
      const next = new Uint8Array(length);
      next.set(model.subarray(0, length));
      await store.resize(length);
      model = next;
    } else if (kind < 9) {
      const offset = random(model.length + 1);
      const data = randomBytes(random, lengthOf(random, model.length - offset));
      await store.write(offset, data);
      model.set(data, offset);
    } else if (kind < 13) {
      await store.flush();
      committed = model.slice();
    } else if (kind < 18) {
      const offset = random(model.length + 1);
      const into = new Uint8Array(lengthOf(random, model.length - offset));
      await store.read(offset, into);
      assertSameBytes(into, model.subarray(offset, offset + into.length), context);
    } else {
      if (kind === 18) {
        // The process is gone: what was not flushed is lost.
        store = await PostgresStore.open(client, name, { ...options, takeOver: true });
        model = committed.slice();
      } else {
        await store.close();
        store = await PostgresStore.open(client, name, options);
        committed = model.slice();
      }
    }
    assertEquals(store.byteLength, model.length, context);
  }
  const all = new Uint8Array(store.byteLength);
  await store.read(0, all);
  assertSameBytes(all, model, "at the end");
  await store.close();
}

/** Compares what a reader sees with what was committed when it last looked, or later. */
export async function readerAgrees(
  client: PostgresClient,
  random: Random,
  steps: number,
  name = "readers",
): Promise<void> {
  const options = { create: true, pageSize: 1024, cacheBytes: 64 * 1024 };
  const writer = await PostgresStore.open(client, name, options);
  await writer.resize(40_000);
  await writer.flush();
  const reader = await PostgresStore.open(client, name, { readOnly: true, cacheBytes: 32 * 1024 });
  // Byte i of a commit is its number, so that each byte tells how old it is.
  const lastAt = new Array<number>(40_000).fill(0);
  let seen: number[] = [...lastAt];
  for (let commit = 1; commit < steps; commit++) {
    const offset = random(40_000), length = Math.min(lengthOf(random, 20_000), 40_000 - offset);
    await writer.write(offset, new Uint8Array(length).fill(commit));
    const flushed = writer.flush();
    const isAlong = random(2) === 0; // the reader looks while the writer commits
    if (!isAlong) await flushed;
    const atCall = [...lastAt];
    if (!isAlong) lastAt.fill(commit, offset, offset + length);
    if (random(2) === 0) {
      const floor = isAlong ? atCall : [...lastAt];
      const reads = [
        checkAge(reader, seen, random),
        reader.reload(),
        checkAge(reader, seen, random),
      ];
      await Promise.all(reads);
      seen = floor;
    }
    await checkAge(reader, seen, random);
    await flushed;
    lastAt.fill(commit, offset, offset + length);
  }
  await reader.reload();
  for (let i = 0; i < 20; i++) await checkAge(reader, lastAt, random);
  await reader.close();
  await writer.close();
}

/** Reads a range: no byte may be older than what was seen. */
async function checkAge(reader: PostgresStore, seen: number[], random: Random): Promise<void> {
  const offset = random(40_000);
  const into = new Uint8Array(Math.min(40_000 - offset, lengthOf(random, 40_000)));
  await reader.read(offset, into);
  for (let i = 0; i < into.length; i++) {
    if (into[i] >= seen[offset + i]) continue;
    throw new Error(`Byte ${offset + i} is of commit ${into[i]}, seen was ${seen[offset + i]}`);
  }
}
