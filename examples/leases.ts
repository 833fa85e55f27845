/**
 * Ids of one bounded space for many machines: each leases a block from PostgreSQL, and hands out
 * its ids in memory. `docs/leases.md` has the tables, and says what may go wrong.
 *
 * @module
 */

import { IdAllocator } from "@suballoc/offset-allocator";

/** A Pool or Client of `pg`, a PGlite. */
export interface Database {
  query(text: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

/** A block of ids that this machine has: `first + id` for each id of `ids`. */
export interface Block {
  readonly first: number;
  readonly epoch: number;
  readonly ids: IdAllocator;
}

const UNTIL = "now() + $3::int * interval '1 ms'";
const ANSWER = "RETURNING first::float8, epoch::float8, size";
const TAKE = `UPDATE lease SET holder = $2, epoch = epoch + 1, expires = ${UNTIL}
  WHERE (pool, first) = (SELECT pool, first FROM lease
    WHERE pool = $1 AND (holder IS NULL OR $4::bool AND expires < now())
    ORDER BY expires LIMIT 1 FOR UPDATE SKIP LOCKED) ${ANSWER}`;
const APPEND =
  `INSERT INTO lease SELECT $1, coalesce(max(first + size), 0), $4::int, $2, 1, ${UNTIL}
  FROM lease WHERE pool = $1 HAVING coalesce(max(first + size), 0) + $4::int <= $5::bigint
  ON CONFLICT DO NOTHING ${ANSWER}`;
const USE = `WITH mine AS (SELECT pool FROM lease
    WHERE pool = $1 AND first = $2 AND epoch = $3 FOR SHARE)
  INSERT INTO used SELECT pool, id FROM mine, unnest($4::bigint[]) AS id RETURNING id`;
const RENEW = `UPDATE lease SET expires = ${UNTIL} WHERE pool = $1 AND first = $2 AND epoch = $4`;
const GIVE_BACK = "UPDATE lease SET holder = NULL WHERE pool = $1 AND first = $2 AND epoch = $3";

/** Takes a returned, new or expired block, if there is one. */
export async function takeBlock(
  db: Database,
  pool: string,
  holder: string,
  { size = 256, limit = 2 ** 32, leaseMs = 30_000 } = {},
): Promise<Block | undefined> {
  // Expired blocks come last: they may be full.
  let { rows: [row] } = await db.query(TAKE, [pool, holder, leaseMs, false]);
  if (!row) ({ rows: [row] } = await db.query(APPEND, [pool, holder, leaseMs, size, limit]));
  if (!row) ({ rows: [row] } = await db.query(TAKE, [pool, holder, leaseMs, true]));
  if (!row) return undefined;
  const [first, epoch, ids] = [
    Number(row.first),
    Number(row.epoch),
    new IdAllocator(Number(row.size)),
  ];
  // Counted after the epoch was raised.
  const used = "SELECT id::float8 FROM used WHERE pool = $1 AND id >= $2 AND id < $3";
  const { rows } = await db.query(used, [pool, first, first + ids.capacity]);
  for (const { id } of rows) ids.allocateAt(Number(id) - first);
  return { first, epoch, ids };
}

/** Records ids as used. If false, the block was taken over: drop it. */
export async function useIds(db: Database, pool: string, block: Block, ids: number[]) {
  const { rows } = await db.query(USE, [pool, block.first, block.epoch, ids]);
  return rows.length === ids.length;
}

/** Keeps a block longer. */
export async function renewBlock(db: Database, pool: string, block: Block, leaseMs = 30_000) {
  await db.query(RENEW, [pool, block.first, leaseMs, block.epoch]);
}

/** Gives a block back if no id is in use. */
export async function giveBack(db: Database, pool: string, block: Block) {
  if (block.ids.allocationCount === 0) await db.query(GIVE_BACK, [pool, block.first, block.epoch]);
}
