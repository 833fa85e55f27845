/**
 * Blobs that are known by their keys: whatever happens, those whose put was acknowledged are there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { type PostgresClient, PostgresStore } from "../../../backends/postgres/mod.ts";
import type { Proxy } from "../../../scripts/ci/postgres/server.ts";
import { crc32 } from "../../../src/util/mod.ts";
import { randomBytes, seeded } from "../../support/random.ts";
import { openPool } from "./clients.ts";

/** The bytes of a key: few mostly, sometimes many. */
export function bytesOf(key: string): Uint8Array {
  const seed = crc32(new TextEncoder().encode(key));
  return randomBytes(seeded(seed), seed % 10 === 0 ? 20_000 + seed % 50_000 : 100 + seed % 1000);
}

/** Puts in lanes that go on until they fail; what was acknowledged. */
export class Lanes {
  readonly acknowledged: string[] = [];
  /** How each lane ended. */
  readonly ends: Promise<unknown>[];
  #isStopped = false;

  constructor(blobs: BlobStore, count: number, name: string) {
    this.ends = Array.from({ length: count }, (_, lane) => this.#run(blobs, `${name}.${lane}`));
  }

  /** Has the lanes end after the puts that are under way; none may have failed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    assertEquals((await Promise.all(this.ends)).filter((end) => end !== undefined), []);
  }

  /** Waits until so many more puts were acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.acknowledged.length + count;
    for (let i = 0; this.acknowledged.length < enough; i++) {
      assert(i < 30_000, `only ${this.acknowledged.length} puts were acknowledged`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async #run(blobs: BlobStore, name: string): Promise<unknown> {
    try {
      for (let i = 0; !this.#isStopped; i++) {
        const key = `${name}.${i}`;
        await blobs.put(key, bytesOf(key));
        this.acknowledged.push(key);
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

/** A blob store in PostgreSQL, over a pool. */
export async function openBlobs(url: string, name: string, connections = 4) {
  const { client, end } = openPool(url, connections);
  await PostgresStore.install(client);
  const pages = await PostgresStore.open(client, name, { create: true, takeOver: true });
  return { client, end, pages, blobs: await BlobStore.open(pages, { create: true }) };
}

/** How a client gets to a server through a proxy. */
export function through(proxy: Proxy): string {
  return `postgres://tester@127.0.0.1:${proxy.port}/postgres`;
}

/** Opens a store, and compares every blob that was acknowledged. */
export async function checkAll(
  client: PostgresClient,
  name: string,
  acknowledged: readonly string[],
): Promise<void> {
  const pages = await PostgresStore.open(client, name, { takeOver: true });
  const blobs = await BlobStore.open(pages);
  assertEquals((await blobs.verify()).damaged, []);
  const lost: string[] = [];
  await Promise.all(acknowledged.map(async (key) => {
    const found = await blobs.get(key), expected = bytesOf(key);
    if (!found?.every((byte, i) => byte === expected[i])) lost.push(key);
  }));
  assertEquals(lost, [], `of ${acknowledged.length}`);
  await blobs.close();
  await pages.close();
}
