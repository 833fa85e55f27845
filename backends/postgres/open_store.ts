/**
 * Opening a store: its row, who holds it, and the redo rows that are not in its pages yet.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import { type LockHolder, StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { ask, type PostgresClient, type Row, type Send, senderOf, sqlStateOf } from "./client.ts";
import { PageLoader } from "./page_loader.ts";
import { PageMemory } from "./page_memory.ts";
import { applyRedo, decodeRedo, pagesOf } from "./redo.ts";
import { type PostgresTables, type Statements, statementsFor, TABLE_OPTIONS } from "./sql.ts";
import { type Opening, openingOf, StoreLink } from "./store_link.ts";

/** How a store is opened. */
export interface PostgresStoreOptions extends PostgresTables {
  /** Makes the store if there is none; its tables must be there. */
  readonly create?: boolean | undefined;
  /** Opens it for reading: takes nothing over, and refuses writes. */
  readonly readOnly?: boolean | undefined;
  /**
   * Bytes of a page of a store that is made: a power of two from 1024 to 65536, 8192 by default. A
   * store that is there keeps its own.
   */
  readonly pageSize?: number | undefined;
  /** Bytes of unchanged pages that are cached; 32 MiB by default. */
  readonly cacheBytes?: number | undefined;
  /** Name of this holder for others; by default the address that the server sees. */
  readonly holder?: string | undefined;
  /** Takes the store from a writer that is alive. */
  readonly takeOver?: boolean | undefined;
  /**
   * Milliseconds after which a writer that was not heard of no longer holds the store, by the clock
   * of the server; 15,000 by default. A writer is heard of at each commit, and three times in it.
   */
  readonly lockMs?: number | undefined;
  /** Milliseconds for which a statement is sent again that was not answered; 30,000 by default. */
  readonly retryMs?: number | undefined;
}

const OPTIONS = "create readOnly pageSize cacheBytes holder takeOver lockMs retryMs";
const PAGE_SIZE = 8192, CACHE_BYTES: number = 33_554_432; // = 2 ** 25
const LOCK_MS = 15_000, RETRY_MS = 30_000;
/** Longest time of a timer. */
const MAX_MS: number = 2_147_483_647; // = 2 ** 31 - 1

/** An opened store, for its class. */
export interface ReadyStore {
  readonly link: StoreLink;
  readonly opening: Opening;
  readonly memory: PageMemory;
  readonly loader: PageLoader;
  /** Pages from this one on have no row. */
  readonly end: number;
  readonly redoRows: number;
  readonly redoLength: number;
  /** Milliseconds between two signs of life. */
  readonly renewMs: number;
}

/** Opens a store, as `PostgresStore.open` says it. */
export async function openStore(
  client: PostgresClient,
  name: string,
  options: PostgresStoreOptions,
): Promise<ReadyStore> {
  checkArguments(name, options);
  const { create = false, readOnly = false, pageSize = PAGE_SIZE, retryMs = RETRY_MS } = options;
  const { cacheBytes = CACHE_BYTES, lockMs = LOCK_MS } = options;
  const send = senderOf(client), { schema, prefix } = options;
  const statements = statementsFor({ schema, prefix });
  try {
    if (create) await ask(send, retryMs, statements.create, [name, String(pageSize)]);
    const opening = openingOf(
      readOnly
        ? await look(send, statements, name, retryMs)
        : await take(send, statements, name, options),
    );
    const link = new StoreLink(send, statements, retryMs, !readOnly, opening);
    const memory = new PageMemory(Math.floor(cacheBytes / opening.pageSize));
    const loader = new PageLoader(link, memory, opening.pageSize);
    const renewMs = Math.max(1, Math.floor(lockMs / 3));
    const ready = { link, opening, memory, loader, renewMs };
    if (readOnly) return { ...ready, end: Infinity, redoRows: 0, redoLength: 0 };
    return { ...ready, ...await recover(ready) };
  } catch (cause) {
    if (cause instanceof StorageError || cause instanceof StoreLockedError) throw cause;
    throw refusal(cause);
  }
}

function checkArguments(name: string, options: PostgresStoreOptions): void {
  if (typeof name !== "string" || name === "" || name.includes("\0")) {
    throw new TypeError(`Expected name to be a text without \\0, got ${describe(name)}`);
  }
  checkOptions(options, `${OPTIONS} ${TABLE_OPTIONS}`);
  const { create, readOnly, takeOver, holder, pageSize, cacheBytes, lockMs, retryMs } = options;
  for (const [name, value] of Object.entries({ create, readOnly, takeOver })) {
    checkType(name, value, "boolean");
  }
  checkType("holder", holder, "string");
  if (pageSize !== undefined) {
    checkInteger("pageSize", pageSize, 1024, 65536);
    if ((pageSize & (pageSize - 1)) !== 0) {
      throw new RangeError(`Expected pageSize to be a power of two, got ${pageSize}`);
    }
  }
  if (cacheBytes !== undefined) checkInteger("cacheBytes", cacheBytes);
  if (lockMs !== undefined) checkInteger("lockMs", lockMs, 1, MAX_MS);
  if (retryMs !== undefined) checkInteger("retryMs", retryMs, 0, MAX_MS);
  if (readOnly && (create || takeOver)) {
    throw new TypeError("Expected readOnly without create and takeOver");
  }
}

/** The row of a store that is read. */
async function look(send: Send, { look }: Statements, name: string, retryMs: number): Promise<Row> {
  const [row] = await ask(send, retryMs, look, [name]);
  if (row !== undefined) return row;
  const reason = `there is no store ${JSON.stringify(name)}, pass create: true to make one`;
  throw new StorageError("open", 0, 0, reason);
}

/** The row of a store that is this opening's from now on. */
async function take(
  send: Send,
  statements: Statements,
  name: string,
  { holder, takeOver, lockMs = LOCK_MS, retryMs = RETRY_MS }: PostgresStoreOptions,
): Promise<Row> {
  const session = crypto.randomUUID(), who = JSON.stringify({ ...ownProcess(), host: holder });
  const values = [name, session, who, String(takeOver ? 0 : lockMs)];
  const [row] = await ask(send, retryMs, statements.open, values);
  if (row !== undefined) return row;
  const held = await look(send, statements, name, retryMs);
  throw new StoreLockedError(`the store ${JSON.stringify(name)}`, holderOf(held));
}

/** This process, where the runtime tells. */
function ownProcess(): Pick<LockHolder, "pid" | "runtime"> {
  const { process } = globalThis as {
    process?: { pid?: number; versions?: Record<string, string | undefined> };
  };
  const { deno, bun, node } = process?.versions ?? {};
  const runtime = deno ? `deno ${deno}` : bun ? `bun ${bun}` : node ? `node ${node}` : "a page";
  return { pid: process?.pid ?? 0, runtime };
}

/** The holder of a store; undefined where its note cannot be read. */
function holderOf({ holder, address, since }: Row): LockHolder | undefined {
  try {
    const { pid, runtime, host } = JSON.parse(String(holder));
    if (!Number.isSafeInteger(pid) || typeof runtime !== "string") return undefined;
    return {
      pid,
      runtime,
      host: host ?? address ?? "the machine of the server",
      since: `${since}`,
    };
  } catch {
    return undefined;
  }
}

/** Brings pages up to date by the redo rows that are there. */
async function recover(
  { link, opening, memory, loader }: Pick<ReadyStore, "link" | "opening" | "memory" | "loader">,
): Promise<Pick<ReadyStore, "end" | "redoRows" | "redoLength">> {
  const { last, redo } = link.statements;
  const [[end], rows] = await Promise.all([link.ask(last, []), link.ask(redo, [])]);
  const redos = rows.map((row) => decodeRedo(Number(row.version), row.writes as Uint8Array));
  const numbers = [...pagesOf(redos, opening.pageSize)];
  for (const page of await Promise.all(numbers.map((n) => loader.load(n, true)))) {
    applyRedo(page, redos);
    page.isUnfolded = true;
    page.pins = 0;
    memory.settle(page);
  }
  const redoLength = rows.reduce((sum, { writes }) => sum + (writes as Uint8Array).length, 0);
  return { end: Number(end.last ?? -1) + 1, redoRows: rows.length, redoLength };
}

/** An error of a client, as it is told. */
function refusal(cause: unknown): StorageError {
  const reason = sqlStateOf(cause) === "42P01"
    ? "its tables are missing: PostgresStore.install(client) makes them"
    : cause instanceof Error
    ? cause.message || cause.name
    : String(cause);
  return new StorageError("open", 0, 0, reason, { cause });
}
