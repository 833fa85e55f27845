/**
 * The SQL of stores in PostgreSQL: three tables, and a statement for each thing that a store does.
 *
 * ```text
 * store  id, name, page_size, byte_length, epoch, version, session, holder   a row a store
 * page   store, page, version, data                                  a page without a row is zeros
 * redo   store, version, writes                       small commits that are not in the pages yet
 * ```
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";

/** Where the tables are. */
export interface PostgresTables {
  /** Their schema; by default the first one of the connection's `search_path`. */
  readonly schema?: string;
  /** The prefix of their names; `"suballoc_"` by default. At most 58 bytes. */
  readonly prefix?: string;
}

/** The names of {@linkcode PostgresTables}, for checks of options. */
export const TABLE_OPTIONS = "schema prefix";

/** PostgreSQL cuts off what is longer. */
const MAX_NAME_BYTES = 63;

/** The statements of stores in some tables. */
export interface Statements {
  /** The definitions, one by one. */
  readonly install: readonly string[];
  readonly create: string;
  readonly open: string;
  readonly look: string;
  readonly remove: string;
  readonly last: string;
  readonly redo: string;
  readonly pages: string;
  readonly changes: string;
  readonly state: string;
  readonly commitRedo: string;
  readonly commitPages: string;
  readonly commitCut: string;
  readonly renew: string;
  readonly release: string;
  readonly analyze: string;
}

/**
 * A name as SQL takes it, whatever is in it.
 *
 * @throws {TypeError | RangeError} It is no text, empty, too long, or has a zero in it.
 */
export function quoted(argument: string, name: unknown): string {
  const length = typeof name === "string" ? new TextEncoder().encode(name).length : 0;
  if (length > 0 && length <= MAX_NAME_BYTES && !(name as string).includes("\0")) {
    return `"${(name as string).replace(/"/g, '""')}"`;
  }
  const expected = `Expected ${argument} to be a name of 1 to ${MAX_NAME_BYTES} bytes without \\0`;
  const message = `${expected}, got ${describe(name)}`;
  throw typeof name === "string" ? new RangeError(message) : new TypeError(message);
}

/**
 * The statements for some tables. Every number goes in and out as text: the clients differ in what
 * they make of an int8. Nothing lasts in a session, so that poolers may share connections.
 *
 * @throws {TypeError | RangeError} A name is none.
 */
export function statementsFor(tables: PostgresTables): Statements {
  checkOptions(tables, TABLE_OPTIONS, "tables");
  const { schema, prefix = "suballoc_" } = tables;
  const space = schema === undefined ? "" : `${quoted("schema", schema)}.`;
  const tableOf = (name: string) => {
    quoted("prefix", prefix === "" ? "x" : prefix);
    return space + quoted("prefix with the name of a table", prefix + name);
  };
  const store = tableOf("store"), page = tableOf("page"), redo = tableOf("redo");
  return {
    install: definitions(store, page, redo),
    ...openings(store, page, redo),
    ...reading(store, page, redo),
    ...commits(store, page, redo),
  };
}

/**
 * Statements that make the tables. Each commit updates a row of `store`: half its page is free, and
 * what changes is at its end, as the log of the server has a row from its first change on.
 */
function definitions(store: string, page: string, redo: string): string[] {
  const vacuum = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.1";
  return [
    `CREATE TABLE IF NOT EXISTS ${store} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  page_size integer NOT NULL,
  session text,
  holder text,
  address text,
  since timestamptz,
  epoch bigint NOT NULL DEFAULT 0,
  byte_length bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 0,
  renewed timestamptz
) WITH (fillfactor = 50)`,
    `CREATE TABLE IF NOT EXISTS ${page} (
  store bigint NOT NULL,
  page bigint NOT NULL,
  version bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (store, page)
) WITH (${vacuum})`,
    `ALTER TABLE ${page} ALTER COLUMN data SET STORAGE EXTERNAL`,
    `CREATE TABLE IF NOT EXISTS ${redo} (
  store bigint NOT NULL,
  version bigint NOT NULL,
  writes bytea NOT NULL,
  PRIMARY KEY (store, version)
) WITH (${vacuum})`,
  ];
}

/** Statements that find, make, open and leave a store. */
function openings(store: string, page: string, redo: string) {
  const columns =
    "id::text AS id, page_size::text AS page_size, byte_length::text AS byte_length, " +
    "epoch::text AS epoch, version::text AS version, session";
  const since = `to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since`;
  return {
    // $1 name, $2 size of a page
    create: `INSERT INTO ${store} (name, page_size) VALUES ($1::text, $2::text::integer)
ON CONFLICT (name) DO NOTHING`,
    // $1 name, $2 session, $3 holder, $4 milliseconds after which a silent holder is gone.
    // From here on the writer before can commit nothing.
    open: `UPDATE ${store} SET epoch = epoch + 1, session = $2::text,
  holder = $3::text, address = host(inet_client_addr()),
  since = clock_timestamp(), renewed = clock_timestamp()
WHERE name = $1::text AND (holder IS NULL OR session = $2::text OR
  renewed <= clock_timestamp() - $4::text::integer * interval '1 millisecond')
RETURNING ${columns}`,
    // $1 name
    look: `SELECT ${columns}, holder, address, ${since} FROM ${store} WHERE name = $1::text`,
    // $1 name
    remove: `WITH gone AS (DELETE FROM ${store} WHERE name = $1::text RETURNING id),
pages AS (DELETE FROM ${page} WHERE store IN (SELECT id FROM gone)),
redos AS (DELETE FROM ${redo} WHERE store IN (SELECT id FROM gone))
SELECT id::text AS id FROM gone`,
    // $1 store, $2 session
    renew: `UPDATE ${store} SET renewed = clock_timestamp()
WHERE id = $1::text::bigint AND session = $2::text AND holder IS NOT NULL`,
    // $1 store, $2 session
    release: `UPDATE ${store} SET holder = NULL
WHERE id = $1::text::bigint AND session = $2::text`,
    // Without statistics a read of a page takes 2.5 to 3.4 times as long.
    analyze: `ANALYZE ${page}`,
  };
}

/** Statements that read pages and changes. */
function reading(store: string, page: string, redo: string) {
  const state = "epoch::text AS epoch, version::text AS version, session";
  return {
    // $1 store: the last page that has a row
    last: `SELECT max(page)::text AS last FROM ${page} WHERE store = $1::text::bigint`,
    // $1 store
    redo: `SELECT version::text AS version, writes FROM ${redo}
WHERE store = $1::text::bigint ORDER BY ${redo}.version`,
    // $1 store, $2 pages. With the state, so that a writer whose time is over says so.
    pages: `SELECT s.epoch::text AS epoch, s.version::text AS version, s.session,
  p.page::text AS page, p.version::text AS page_version, p.data
FROM ${store} s LEFT JOIN ${page} p ON p.store = $1::text::bigint AND
  p.page = ANY(string_to_array($2::text, ',')::bigint[])
WHERE s.id = $1::text::bigint`,
    // $1 store, $2 version known, $3 pages known, $4 their versions; one snapshot
    changes: `SELECT 'store' AS kind, s.version::text AS version, s.epoch::text AS epoch, s.session,
  s.byte_length::text AS number, NULL::bytea AS writes
FROM ${store} s WHERE s.id = $1::text::bigint
UNION ALL SELECT 'redo', r.version::text, NULL, NULL, NULL, r.writes
FROM ${redo} r WHERE r.store = $1::text::bigint AND r.version > $2::text::bigint
UNION ALL SELECT 'first', NULL, NULL, NULL, min(r.version)::text, NULL
FROM ${redo} r WHERE r.store = $1::text::bigint
UNION ALL SELECT 'page', NULL, NULL, NULL, known.page::text, NULL
FROM unnest(string_to_array($3::text, ',')::bigint[], string_to_array($4::text, ',')::bigint[])
  AS known (page, version)
LEFT JOIN ${page} p ON p.store = $1::text::bigint AND p.page = known.page
WHERE COALESCE(p.version, -1) <> known.version`,
    // $1 store: waits for a commit that still runs in the server
    state: `SELECT ${state} FROM ${store} WHERE id = $1::text::bigint FOR UPDATE`,
  };
}

/** Statements that commit: each is one round trip and one transaction. */
function commits(store: string, page: string, redo: string) {
  // $1 store, $2 session, $3 epoch, $4 version before, $5 length
  const fence = `WITH fence AS (
  UPDATE ${store} SET version = version + 1, byte_length = $5::text::bigint,
    renewed = clock_timestamp()
  WHERE id = $1::text::bigint AND session = $2::text AND epoch = $3::text::bigint AND
    version = $4::text::bigint
  RETURNING version)`;
  const isOurs = "EXISTS (SELECT 1 FROM fence)";
  const done = "SELECT version::text AS version FROM fence";
  // $6 pages, $7 their bytes, $8 size of a page. Old redo would roll the pages back: it goes.
  const pages = `, folded AS (
  DELETE FROM ${redo} WHERE store = $1::text::bigint AND ${isOurs}),
put AS (
  INSERT INTO ${page} AS p (store, page, version, data)
  SELECT $1::text::bigint, n.page, fence.version,
    substring($7::bytea FROM (n.place::integer - 1) * $8::text::integer + 1 FOR $8::text::integer)
  FROM fence, unnest(string_to_array($6::text, ',')::bigint[]) WITH ORDINALITY AS n (page, place)
  ON CONFLICT (store, page) DO UPDATE SET version = excluded.version, data = excluded.data)`;
  return {
    // $6 writes
    commitRedo: `${fence}, put AS (
  INSERT INTO ${redo} (store, version, writes)
  SELECT $1::text::bigint, fence.version, $6::bytea FROM fence)
${done}`,
    commitPages: `${fence}${pages}\n${done}`,
    // $9 first page that was cut off
    commitCut: `${fence}${pages}, cut AS (
  DELETE FROM ${page} WHERE store = $1::text::bigint AND page >= $9::text::bigint AND
    NOT page = ANY(string_to_array($6::text, ',')::bigint[]) AND ${isOurs})
${done}`,
  };
}
