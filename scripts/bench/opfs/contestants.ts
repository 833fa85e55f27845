/// <reference lib="dom" />
/**
 * What keeps blobs in a browser, behind one interface: a blob store in a private file, IndexedDB by
 * `idb-keyval`, SQLite in private files (`opfs-sahpool`), and the Cache API.
 *
 * @module
 */

import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
import { get, setMany, type UseStore } from "idb-keyval";
import { BlobStore } from "../../../backends/opfs/mod.ts";

/** Some blobs by their keys. */
export type Entries = readonly (readonly [key: string, value: Uint8Array<ArrayBuffer>])[];

/** A store of blobs. */
export interface Contestant {
  /** Puts blobs together: done is done as far as the contestant's name says. */
  put(entries: Entries): Promise<unknown>;
  /** Gets blobs one by one; returns the bytes in them. */
  get(keys: readonly string[]): Promise<number>;
  close(): Promise<unknown>;
}

/** What an acknowledged put survives: the loss of power, or a crash of the browser alone. */
export type Promised = "power loss" | "crash";

/** How a contestant is opened, empty, under a name. */
export interface Entrant {
  readonly promised: Promised;
  open(name: string): Promise<Contestant>;
}

async function ours(name: string, durability: "commit" | "none"): Promise<Contestant> {
  const blobs = await BlobStore.open(`${name}.blobs`, { create: true, durability });
  return {
    put: (entries) =>
      blobs.batch(entries.map(([key, value]) => ({ type: "put", key, value }) as const)),
    async get(keys) {
      let bytes = 0;
      for (const key of keys) bytes += (await blobs.get(key))!.length;
      return bytes;
    },
    close: () => blobs.close(),
  };
}

/** `idb-keyval` over a store of its own: its `createStore` leaves the durability to the browser. */
async function idbKeyval(name: string, durability: IDBTransactionDurability): Promise<Contestant> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore("blobs");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const use: UseStore = async (mode, callback) =>
    await callback(database.transaction("blobs", mode, { durability }).objectStore("blobs"));
  return {
    put: (entries) => setMany(entries as unknown as [string, Uint8Array][], use),
    async get(keys) {
      let bytes = 0;
      for (const key of keys) bytes += (await get<Uint8Array>(key, use))!.length;
      return bytes;
    },
    close: () => Promise.resolve(database.close()),
  };
}

/** A pool of files, which one worker at a time can have. */
async function openPool(directory: string) {
  const sqlite3 = await sqlite3InitModule();
  return await sqlite3.installOpfsSAHPoolVfs({ directory, initialCapacity: 40 });
}

let sqlite: ReturnType<typeof openPool> | undefined;

/** SQLite with prepared statements, and what some lines of SQL set. */
async function sqliteWith(name: string, pragmas: string): Promise<Contestant> {
  const pool = await (sqlite ??= openPool(name));
  const database = new pool.OpfsSAHPoolDb(`/${name}.sqlite`);
  database.exec(pragmas);
  database.exec("CREATE TABLE blobs(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID");
  const insert = database.prepare("INSERT OR REPLACE INTO blobs VALUES(?, ?)");
  const select = database.prepare("SELECT value FROM blobs WHERE key = ?");
  return {
    put(entries) {
      database.exec("BEGIN");
      for (const [key, value] of entries) insert.bind([key, value]).stepReset();
      database.exec("COMMIT");
      return Promise.resolve();
    },
    get(keys) {
      let bytes = 0;
      for (const key of keys) {
        select.bind([key]).step();
        bytes += select.getBlob(0)!.length;
        select.reset();
      }
      return Promise.resolve(bytes);
    },
    close() {
      insert.finalize();
      select.finalize();
      return Promise.resolve(database.close());
    },
  };
}

/** The Cache API, whose entries are requests and answers. */
async function cacheApi(name: string): Promise<Contestant> {
  const cache = await caches.open(name);
  return {
    put: (entries) =>
      Promise.all(entries.map(([key, value]) => cache.put(`/${key}`, new Response(value)))),
    async get(keys) {
      let bytes = 0;
      for (const key of keys) {
        bytes += (await (await cache.match(`/${key}`))!.arrayBuffer()).byteLength;
      }
      return bytes;
    },
    close: () => caches.delete(name),
  };
}

const WAL = "PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal;";

/** All of them by name; ours come first. */
export const entrants: Readonly<Record<string, Entrant>> = {
  "ours, commit": { promised: "power loss", open: (name) => ours(name, "commit") },
  "IndexedDB, strict": { promised: "power loss", open: (name) => idbKeyval(name, "strict") },
  "SQLite, FULL": {
    promised: "power loss",
    open: (name) => sqliteWith(name, "PRAGMA synchronous=full"),
  },
  "SQLite, FULL, WAL": {
    promised: "power loss",
    open: (name) => sqliteWith(name, `${WAL} PRAGMA synchronous=full`),
  },
  "ours, none": { promised: "crash", open: (name) => ours(name, "none") },
  "IndexedDB, relaxed": { promised: "crash", open: (name) => idbKeyval(name, "relaxed") },
  "SQLite, NORMAL, WAL": {
    promised: "crash",
    open: (name) => sqliteWith(name, `${WAL} PRAGMA synchronous=normal`),
  },
  "Cache API": { promised: "crash", open: cacheApi },
};
