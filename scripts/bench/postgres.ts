/**
 * A blob store in PostgreSQL against a row a blob, on one server, interleaved: each line is a ratio
 * of medians of the same run, with what it should at most or at least be.
 *
 * ```sh
 * deno task bench:postgres         # some minutes
 * deno task bench:postgres 0.2     # a fifth of the rounds
 * ```
 *
 * @module
 */

import pg from "pg";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { PostgresStore } from "../../backends/postgres/mod.ts";
import { needPostgres, PostgresServer } from "../ci/postgres/server.ts";
import { formatTable } from "../../examples/terminal.ts";

const SHARE = Number(process.argv[2] ?? 1);
const KIB = 1024;

/** A pool whose requests are counted, and each of which may take longer. */
class CountedPool {
  requests = 0;
  delayMs = 0;
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    this.requests++;
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    return await this.#pool.query(text, values);
  }
}

/** A row of the table: what was measured, what it should be, and whether it is. */
type Line = [what: string, ours: string, target: string];
const lines: Line[] = [];

const bin = needPostgres();
if (bin === undefined) throw new Error("There is no PostgreSQL, and none can be installed");
const server = await PostgresServer.start(bin);
const pool = new pg.Pool({ connectionString: server.url, max: 8 });
pool.on("error", () => {});
try {
  const rows = new CountedPool(pool), client = new CountedPool(pool);
  await PostgresStore.install(pool);
  await pool.query("CREATE TABLE blobs (key text PRIMARY KEY, value bytea NOT NULL)");
  await pool.query("ALTER TABLE blobs ALTER COLUMN value SET STORAGE EXTERNAL");
  await measure(rows, client);
} finally {
  await pool.end();
  await server.remove();
}
console.log(formatTable([["", "ours / rows", "target"], ...lines]));

async function measure(rows: CountedPool, client: CountedPool): Promise<void> {
  let pages = await PostgresStore.open(client, "bench", { create: true });
  let blobs = await BlobStore.open(pages, { create: true, compactAbove: 1 });
  const insert = (key: string, value: Uint8Array) =>
    rows.query(
      "INSERT INTO blobs VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      [key, value],
    );
  const select = async (key: string) =>
    (await rows.query("SELECT value FROM blobs WHERE key = $1", [key])).rows[0].value.length;
  await measurePuts(blobs, insert);
  await measureTurns(blobs, insert, client);
  await pool.query("ANALYZE");
  await blobs.close();
  await pages.close();
  // Nothing that a get finds is in memory then, but the index of the blob store.
  pages = await PostgresStore.open(client, "bench", { cacheBytes: 0 });
  blobs = await BlobStore.open(pages, { compactAbove: 1 });
  await measureGets(blobs, select);
  await measureFar(blobs, insert, select, rows, client);
  await blobs.close();
  await pages.close();
  await measureTable(client);
}

type Put = (key: string, value: Uint8Array) => Promise<unknown>;
type Get = (key: string) => Promise<number>;

/** Awaited puts, and 16 lanes of them. */
async function measurePuts(blobs: BlobStore, insert: Put): Promise<void> {
  for (
    const [size, count, time, wal] of [
      [200, 300, 1.7, 3.2],
      [KIB, 300, 1.7, 3.2],
      [16 * KIB, 100, 3, undefined],
      [256 * KIB, 40, 3, undefined],
    ] as const
  ) {
    const bytes = new Uint8Array(size);
    crypto.getRandomValues(bytes.subarray(0, 65536));
    let i = 0, j = 0;
    const ratio = await interleave(count, async () => {
      await blobs.put(`p${size}.${i++ % 100}`, bytes);
    }, async () => {
      await insert(`p${size}.${j++ % 100}`, bytes);
    });
    const text = ratio.toFixed(2);
    // WAL of each by itself: a checkpoint in between would count for either.
    const marks = [await walLength()];
    for (let k = 0; k < 50; k++) await blobs.put(`w${size}.${k}`, bytes);
    marks.push(await walLength());
    for (let k = 0; k < 50; k++) await insert(`w${size}.${k}`, bytes);
    marks.push(await walLength());
    const walRatio = ((marks[1] - marks[0]) / (marks[2] - marks[1])).toFixed(2);
    lines.push([
      `awaited put of ${label(size)}`,
      `${text} (WAL ${walRatio})`,
      wal === undefined ? `<= ${time}` : `<= ${time} (WAL <= ${wal})`,
    ]);
  }
  const value = new Uint8Array(16 * KIB).fill(7);
  const lanes = (put: Put) => async () =>
    void await Promise.all(Array.from({ length: 16 }, async (_, lane) => {
      for (let i = 0; i < 10; i++) await put(`l${lane}.${i}`, value);
    }));
  const ratio = await interleave(8, lanes((key, bytes) => blobs.put(key, bytes)), lanes(insert));
  lines.push(["16 lanes of 16 KiB, times as fast", (1 / ratio).toFixed(2), ">= 1.5"]);
}

/** 200 puts without a wait between them. */
async function measureTurns(blobs: BlobStore, insert: Put, client: CountedPool): Promise<void> {
  for (const size of [200, KIB]) {
    const value = new Uint8Array(size).fill(7);
    const turn = (put: Put) => async () =>
      void await Promise.all(Array.from({ length: 200 }, (_, i) => put(`t${size}.${i}`, value)));
    const ours = turn((key, bytes) => blobs.put(key, bytes));
    await ours();
    const before = client.requests;
    await ours();
    const requests = client.requests - before;
    const ratio = await interleave(12, ours, turn(insert));
    const text = `${(1 / ratio).toFixed(2)} (${requests} requests)`;
    lines.push([`200 puts of ${label(size)} in a turn, times as fast`, text, ">= 2.5 (<= 2)"]);
  }
}

/** Gets of what is not cached. */
async function measureGets(blobs: BlobStore, select: Get): Promise<void> {
  for (const size of [200, KIB, 16 * KIB, 256 * KIB]) {
    let i = 0, j = 0;
    const ratio = await interleave(
      size < 100_000 ? 200 : 60,
      async () => void await blobs.get(`w${size}.${i++ % 50}`),
      async () => void await select(`w${size}.${j++ % 50}`),
    );
    lines.push([`cold get of ${label(size)}`, ratio.toFixed(2), "<= 1.8"]);
  }
  const turn = (get: (key: string) => Promise<unknown>) => async () =>
    void await Promise.all(Array.from({ length: 200 }, (_, i) => get(`t${KIB}.${i}`)));
  const ratio = await interleave(20, turn((key) => blobs.get(key)), turn(select));
  lines.push([`200 gets of ${label(KIB)} in a turn`, ratio.toFixed(2), "<= 1.5"]);
}

/** A large blob where each request takes a millisecond more. */
async function measureFar(
  blobs: BlobStore,
  insert: Put,
  select: Get,
  rows: CountedPool,
  client: CountedPool,
): Promise<void> {
  const large = new Uint8Array(2 * KIB * KIB).fill(3);
  await blobs.put("large", large);
  await insert("large", large);
  const before = client.requests;
  await blobs.get("large");
  const requests = client.requests - before;
  rows.delayMs = client.delayMs = 1;
  const ratio = await interleave(
    20,
    async () => void await blobs.get("large"),
    async () => void await select("large"),
  );
  rows.delayMs = client.delayMs = 0;
  const text = `${ratio.toFixed(2)} (${requests} requests)`;
  lines.push(["get of 2 MiB, 1 ms farther", text, "<= 1.5 (<= 4)"]);
}

/** The table beside the store after many small commits, none of them vacuumed away. */
async function measureTable(client: CountedPool): Promise<void> {
  await pool.query("ALTER TABLE suballoc_page SET (autovacuum_enabled = false)");
  await pool.query("ALTER TABLE suballoc_redo SET (autovacuum_enabled = false)");
  const before = await tableLength(), commits = Math.ceil(30_000 * SHARE);
  const pages = await PostgresStore.open(client, "bloat", { create: true });
  const blobs = await BlobStore.open(pages, { create: true });
  const value = new Uint8Array(200).fill(1);
  for (let i = 0; i < commits; i++) await blobs.put(`k${(i * 7919) % 5000}`, value);
  const ratio = (await tableLength() - before) / pages.byteLength;
  await blobs.close();
  lines.push([`pages / store after ${commits} commits`, ratio.toFixed(2), "<= 1.2"]);
  await pages.close();
}

async function tableLength(): Promise<number> {
  const { rows: [{ length }] } = await pool.query(
    "SELECT pg_total_relation_size('suballoc_page')::float8 AS length",
  );
  return length;
}

async function walLength(): Promise<number> {
  const { rows: [{ length }] } = await pool.query(
    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS length",
  );
  return length;
}

/** Runs two things by turns; the ratio of the medians of their times. */
async function interleave(
  rounds: number,
  ours: () => Promise<void>,
  theirs: () => Promise<void>,
): Promise<number> {
  const count = Math.max(5, Math.ceil(rounds * SHARE)), times: [number[], number[]] = [[], []];
  for (let round = -2; round < count; round++) {
    for (const [which, run] of [ours, theirs].entries()) {
      const start = performance.now();
      await run();
      if (round >= 0) times[which].push(performance.now() - start);
    }
  }
  const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1];
  return median(times[0]) / median(times[1]);
}

function label(size: number): string {
  return size < KIB ? `${size} B` : `${size / KIB} KiB`;
}
