/**
 * Clients of PostgreSQL, whatever they are called: one function that sends a statement and returns
 * its rows, and what an error says of the fate of the statement.
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";

/** A client with `query`: a `Client` or `Pool` of `pg`, a `PGlite`. */
export interface QueryClient {
  /** Sends a statement with values for `$1`, `$2` and so on. */
  query(text: string, values?: unknown[]): PromiseLike<{ readonly rows: readonly unknown[] }>;
}

/** A client with `unsafe`: that of `postgres`, a `Bun.SQL`. */
export interface UnsafeClient {
  /** Sends a statement with values for `$1`, `$2` and so on. */
  unsafe(text: string, values?: unknown[]): PromiseLike<readonly unknown[]>;
}

/** A client of PostgreSQL, or a pool of connections. */
export type PostgresClient = QueryClient | UnsafeClient;

/** A row: texts, bytes and nulls by the names of their columns. */
export type Row = Readonly<Record<string, unknown>>;

/** Sends a statement. */
export type Send = (text: string, values: readonly (string | Uint8Array)[]) => Promise<Row[]>;

/** How long (ms) the first pause between attempts is, and the longest. */
const FIRST_PAUSE = 20, LONGEST_PAUSE = 1000;

/**
 * The one function of a client.
 *
 * @throws {TypeError} It is no client.
 */
export function senderOf(client: PostgresClient): Send {
  const { query, unsafe } = (client ?? {}) as Partial<QueryClient & UnsafeClient>;
  if (typeof query === "function") {
    return async (text, values) =>
      [...(await (client as QueryClient).query(text, [...values])).rows] as Row[];
  }
  if (typeof unsafe === "function") {
    return async (text, values) =>
      [...await (client as UnsafeClient).unsafe(text, [...values])] as Row[];
  }
  const expected = "Expected client to be one of PostgreSQL, with query or unsafe";
  throw new TypeError(`${expected}, got ${describe(client)}`);
}

/**
 * Tells whether a statement may succeed if it is sent again. Nothing is known of whether it was
 * carried out, unless the server says that it was not.
 */
export function mayPass(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state === undefined) return !(error instanceof TypeError || error instanceof RangeError);
  // The connection; a standby that is no primary yet; a conflict; too many; the end of the server.
  return /^(08...|25006|40001|40P01|53300|57P0[1-5]|55P03)$/.test(state);
}

/** The SQLSTATE of an error; `pg`, `postgres` and PGlite call it code, `Bun.SQL` errno. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  // A code of the system has five letters too: EPIPE. It has no digit.
  return [code, errno].find((value): value is string =>
    typeof value === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(value)
  );
}

/** Pauses between attempts, longer each time, until a time is over. */
export class Patience {
  readonly #limit: number;
  #end: number | undefined;
  #pause = FIRST_PAUSE;

  constructor(milliseconds: number) {
    this.#limit = milliseconds;
  }

  /**
   * Waits before the next attempt, unless the time since the first failure is over.
   *
   * @throws The error, if the statement must not be sent again.
   */
  async waitAfter(error: unknown): Promise<void> {
    this.#end ??= Date.now() + this.#limit;
    const left = this.#end - Date.now();
    if (!mayPass(error) || left <= 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, this.#pause)));
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
  }
}

/** Sends a statement that may be carried out twice, until it is answered. */
export async function ask(
  send: Send,
  patience: number,
  text: string,
  values: readonly (string | Uint8Array)[],
): Promise<Row[]> {
  for (const pauses = new Patience(patience);;) {
    try {
      return await send(text, values);
    } catch (error) {
      await pauses.waitAfter(error);
    }
  }
}
