/**
 * Mixed requests to a blob server, each answer compared with what was put: as a program
 * `load.ts URL REQUESTS SEED`, which prints what it came to as JSON.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { bytesOf } from "../blob_store/helpers.ts";
import { type Random, seeded } from "../support/random.ts";

/** What a run came to. */
export interface LoadReport {
  /** Answers by what was asked and their status, such as `"GET 200"`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Updates of counters that were acknowledged; as many were counted. */
  readonly updates: number;
  /** Seconds it took. */
  readonly seconds: number;
}

/** Requests under way at a time. */
const WORKERS = 12;
/** Blobs that everybody reads, replaces and deletes. */
const BLOBS = 60;
/** Blobs that are only changed by who says which version it read. */
const COUNTERS = 4;

/** Sends so many requests; throws at the first answer that is wrong. */
export async function load(url: string, requests: number, seed: number): Promise<LoadReport> {
  const run = new Load(url, seeded(seed));
  const start = performance.now();
  await run.prepare();
  await Promise.all(Array.from({ length: WORKERS }, async () => {
    while (run.sent < requests) await run.step();
  }));
  await run.finish();
  return {
    answers: run.answers,
    updates: run.updates,
    seconds: (performance.now() - start) / 1000,
  };
}

class Load {
  readonly #url: string;
  readonly #random: Random;
  /** What was put, by its etag: each version has one of its own. */
  readonly #versions = new Map<string, { readonly seed: number; readonly size: number }>();
  /** What is still to be compared: the answer to its PUT was not here yet. */
  readonly #open: {
    readonly etag: string;
    readonly name: string;
    readonly check: () => void;
  }[] = [];
  #seed = 0;
  sent = 0;
  updates = 0;
  readonly answers: Record<string, number> = {};

  constructor(url: string, random: Random) {
    this.#url = url;
    this.#random = random;
  }

  async prepare(): Promise<void> {
    for (let i = 0; i < BLOBS; i++) await this.#put(`blob/${i}`);
    for (let i = 0; i < COUNTERS; i++) await this.#send("PUT", `counter/${i}`, {}, "0");
  }

  /** Does one thing. */
  async step(): Promise<void> {
    const key = `blob/${this.#random(BLOBS)}`, kind = this.#random(100);
    if (kind < 45) await this.#get(key);
    else if (kind < 62) await this.#getPart(key);
    else if (kind < 72) await this.#getIfChanged(key);
    else if (kind < 77) await this.#head(key);
    else if (kind < 88) await this.#put(key);
    else if (kind < 90) await this.#delete(key);
    else if (kind < 92) await this.#list();
    else await this.#count(`counter/${this.#random(COUNTERS)}`);
  }

  /** Nothing is missing, and no update was lost. */
  async finish(): Promise<void> {
    let counted = 0;
    for (let i = 0; i < COUNTERS; i++) {
      counted += Number(await (await this.#send("GET", `counter/${i}`)).text());
    }
    assertEquals(counted, this.updates, "updates were lost, or done twice");
    for (let i = 0; i < BLOBS; i++) await this.#get(`blob/${i}`);
    for (const { etag, name, check } of this.#open) {
      assert(this.#versions.has(etag), `${name}: nobody put ${etag}`);
      check();
    }
  }

  async #send(
    method: string,
    key: string,
    headers: Record<string, string> = {},
    body?: BodyInit,
  ): Promise<Response> {
    this.sent++;
    const response = await fetch(`${this.#url}/${key}`, { method, headers, body });
    const name = `${method} ${response.status}`;
    this.answers[name] = (this.answers[name] ?? 0) + 1;
    assert(response.status < 500, `${name} of ${key}: ${response.status >= 500}`);
    return response;
  }

  /** Compares bytes with those of their version, once it is known. */
  #compare(etag: string, bytes: Uint8Array, offset: number, total: number, name: string): void {
    const check = () => {
      const { seed, size } = this.#versions.get(etag)!;
      assertEquals(total, size, `${name}: its size`);
      const expected = bytesOf(seed, size).subarray(offset, offset + bytes.length);
      const isSame = bytes.length === expected.length && bytes.every((b, i) => b === expected[i]);
      assert(isSame, `${name}: ${bytes.length} bytes from ${offset} on are not those of ${etag}`);
    };
    if (this.#versions.has(etag)) check();
    else this.#open.push({ etag, name, check });
  }

  async #put(key: string): Promise<void> {
    const large = this.#random(100), seed = ++this.#seed;
    const size = this.#random(large < 70 ? 4000 : large < 97 ? 60_000 : 400_000);
    const response = await this.#send("PUT", key, {}, bytesOf(seed, size).slice());
    await response.arrayBuffer();
    assert(response.status === 201 || response.status === 204);
    this.#versions.set(response.headers.get("etag")!, { seed, size });
  }

  async #get(key: string): Promise<void> {
    const response = await this.#send("GET", key);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 404) return;
    assertEquals(response.status, 200);
    const length = response.headers.get("content-length") ?? `${bytes.length}`;
    assertEquals(length, `${bytes.length}`, `${key}: another length than was said`);
    this.#compare(response.headers.get("etag")!, bytes, 0, bytes.length, key);
  }

  async #getPart(key: string): Promise<void> {
    const first = this.#random(5000), last = first + this.#random(100_000);
    const response = await this.#send("GET", key, { range: `bytes=${first}-${last}` });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 404 || response.status === 416) return;
    assertEquals(response.status, 206);
    const range = response.headers.get("content-range")!;
    const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range)!.map(Number);
    assertEquals(from, first);
    assertEquals(bytes.length, to - from + 1, `${key}: ${range}`);
    assertEquals(to, Math.min(last, total - 1));
    this.#compare(response.headers.get("etag")!, bytes, from, total, key);
  }

  async #getIfChanged(key: string): Promise<void> {
    const head = await this.#send("HEAD", key), etag = head.headers.get("etag");
    await head.arrayBuffer();
    if (etag === null) return;
    const response = await this.#send("GET", key, { "if-none-match": etag });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 304) assertEquals(response.headers.get("etag"), etag);
    if (response.status !== 200) return;
    const now = response.headers.get("etag")!;
    assert(now !== etag, `${key}: sent although it is the same`);
    this.#compare(now, bytes, 0, bytes.length, key);
  }

  async #head(key: string): Promise<void> {
    const response = await this.#send("HEAD", key);
    assertEquals((await response.arrayBuffer()).byteLength, 0);
    if (response.status === 404) return;
    const size = Number(response.headers.get("content-length"));
    this.#compare(response.headers.get("etag")!, new Uint8Array(0), 0, size, key);
  }

  async #delete(key: string): Promise<void> {
    const response = await this.#send("DELETE", key);
    await response.arrayBuffer();
    assert(response.status === 204 || response.status === 404);
  }

  async #list(): Promise<void> {
    const response = await this.#send("GET", `?prefix=blob/&limit=${1 + this.#random(BLOBS)}`);
    const { blobs } = await response.json();
    for (const [i, { key, size, etag }] of blobs.entries()) {
      assert(i === 0 || blobs[i - 1].key < key, "a list out of order");
      this.#compare(`"${etag}"`, new Uint8Array(0), 0, size, key);
    }
  }

  /** Adds one to a counter, unless somebody is faster. */
  async #count(key: string): Promise<void> {
    const before = await this.#send("GET", key), etag = before.headers.get("etag")!;
    const next = Number(await before.text()) + 1;
    const response = await this.#send("PUT", key, { "if-match": etag }, `${next}`);
    await response.arrayBuffer();
    assert(response.status === 204 || response.status === 412);
    if (response.status === 204) this.updates++;
  }
}

if (import.meta.main) {
  const [url, requests, seed] = process.argv.slice(2);
  console.log(JSON.stringify(await load(url, Number(requests), Number(seed))));
  process.exit();
}
