/**
 * SQLite as a contestant: a table of keys and values, through what the runtime brings
 * along. A table with rowids was quicker than one without in every measure, by up to two
 * times: large values are out of the way of the keys.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import type { OpenStore } from "./open_store.ts";
import type { Change } from "./work.ts";

/** What `node:sqlite` and `bun:sqlite` have in common. */
interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Statement {
  run(...parameters: readonly (string | Uint8Array)[]): unknown;
  get(key: string): { value: Uint8Array } | null | undefined;
}

/** How a store is opened in a folder. */
export async function sqlite(): Promise<(folder: string) => OpenStore> {
  // No literal: one of the two does not resolve.
  const name = process.versions.bun ? "bun:sqlite" : "node:sqlite";
  const module: Record<string, new (path: string) => Database> = await import(name);
  const Database = module.Database ?? module.DatabaseSync;
  return (folder) => new SqliteStore(new Database(join(folder, "blobs.sqlite")));
}

class SqliteStore implements OpenStore {
  readonly #database: Database;
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #delete: Statement;

  constructor(database: Database) {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec("CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL)");
    this.#database = database;
    this.#put = database.prepare(
      "INSERT INTO blobs VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    );
    this.#get = database.prepare("SELECT value FROM blobs WHERE key = ?");
    this.#delete = database.prepare("DELETE FROM blobs WHERE key = ?");
  }

  commit(changes: readonly Change[]): void {
    this.#database.exec("BEGIN");
    for (const { key, value } of changes) {
      if (value === undefined) this.#delete.run(key);
      else this.#put.run(key, value);
    }
    this.#database.exec("COMMIT");
  }

  get(key: string): Uint8Array | undefined {
    return this.#get.get(key)?.value;
  }

  sum(keys: readonly string[]): number {
    let sum = 0;
    for (const key of keys) {
      const { value } = this.#get.get(key)!;
      sum += value.length + value[0];
    }
    return sum;
  }

  close(): void {
    this.#database.close();
  }
}
