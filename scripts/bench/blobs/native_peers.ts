/**
 * lmdb and LevelDB as contestants: native addons from npm. They are no dependencies of this
 * package, not even for its development, since they would make every installation slower
 * for a benchmark that is seldom run: the benchmark installs them beside its files.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { OpenStore } from "./open_store.ts";
import type { Change } from "./work.ts";

const VERSIONS = { "lmdb": "3.5.6", "classic-level": "3.0.0" };

/** What is installed. */
export const ADDONS: readonly string[] = Object.entries(VERSIONS)
  .map(([name, version]) => `${name}@${version}`);

/**
 * Installs the addons, unless they are there, and gives the folder. Both come compiled, so
 * that no script need run.
 */
export function installAddons(): string {
  const folder = join(tmpdir(), `suballoc-bench-${ADDONS.join("-")}`);
  if (Object.keys(VERSIONS).every((name) => existsSync(join(folder, "node_modules", name)))) {
    return folder;
  }
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", ["install", "--prefix", folder, "--ignore-scripts", ...quiet, ...ADDONS], {
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  return folder;
}

/** The part of lmdb that is used. */
interface Lmdb {
  open(options: Record<string, unknown>): LmdbDatabase;
}

interface LmdbDatabase {
  transactionSync(action: () => void): void;
  putSync(key: string, value: Uint8Array): unknown;
  removeSync(key: string): unknown;
  getBinary(key: string): Uint8Array | undefined;
  getBinaryFast(key: string): Uint8Array | undefined;
  close(): Promise<void>;
}

/** How a store of lmdb is opened in a folder. */
export function lmdb(addons: string): (folder: string) => OpenStore {
  const { open } = load<Lmdb>(addons, "lmdb");
  return (folder) =>
    new LmdbStore(open({
      path: join(folder, "blobs.lmdb"),
      encoding: "binary",
      // Else a transaction returns before it is durable; waiting for `flushed` took as long.
      overlappingSync: false,
    }));
}

class LmdbStore implements OpenStore {
  readonly #database: LmdbDatabase;

  constructor(database: LmdbDatabase) {
    this.#database = database;
  }

  commit(changes: readonly Change[]): void {
    const database = this.#database;
    database.transactionSync(() => {
      for (const { key, value } of changes) {
        if (value === undefined) database.removeSync(key);
        else database.putSync(key, value);
      }
    });
  }

  get(key: string): Uint8Array | undefined {
    return this.#database.getBinary(key);
  }

  sum(keys: readonly string[]): number {
    let sum = 0;
    for (const key of keys) {
      const value = this.#database.getBinary(key)!;
      sum += value.length + value[0];
    }
    return sum;
  }

  sumInto(keys: readonly string[]): number {
    let sum = 0;
    for (const key of keys) {
      const value = this.#database.getBinaryFast(key)!;
      sum += value.length + value[0];
    }
    return sum;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** The part of classic-level that is used. */
interface LevelModule {
  readonly ClassicLevel: new (path: string, options: Record<string, unknown>) => LevelDatabase;
}

type LevelOperation = { type: "put"; key: string; value: Uint8Array } | {
  type: "del";
  key: string;
};

interface LevelDatabase {
  open(): Promise<void>;
  batch(operations: readonly LevelOperation[], options: { sync: boolean }): Promise<void>;
  getSync(key: string): Uint8Array | undefined;
  close(): Promise<void>;
}

/** How a store of LevelDB is opened in a folder. */
export function classicLevel(addons: string): (folder: string) => Promise<OpenStore> {
  const { ClassicLevel } = load<LevelModule>(addons, "classic-level");
  const options = { valueEncoding: "view", compression: false };
  return async (folder) => {
    const database = new ClassicLevel(join(folder, "blobs.level"), options);
    await database.open();
    return new LevelStore(database);
  };
}

class LevelStore implements OpenStore {
  readonly #database: LevelDatabase;

  constructor(database: LevelDatabase) {
    this.#database = database;
  }

  commit(changes: readonly Change[]): Promise<void> {
    const operations = changes.map(({ key, value }): LevelOperation =>
      value === undefined ? { type: "del", key } : { type: "put", key, value }
    );
    return this.#database.batch(operations, { sync: true });
  }

  get(key: string): Uint8Array | undefined {
    return this.#database.getSync(key);
  }

  sum(keys: readonly string[]): number {
    let sum = 0;
    for (const key of keys) {
      const value = this.#database.getSync(key)!;
      sum += value.length + value[0];
    }
    return sum;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

function load<Module>(addons: string, name: string): Module {
  return createRequire(join(addons, "package.json"))(name);
}
