/**
 * The three readers that `bench:http` compares, each as its guide says.
 *
 * @module
 */

import { PMTiles } from "pmtiles";
import { createDbWorker } from "sql.js-httpvfs";
import { HttpBlobStore } from "../../../backends/http/mod.ts";
import { keyOf, type Place, type TileMap } from "./tiles.ts";

/** A file that is open. */
export interface OpenFile {
  get(place: Place): Promise<Uint8Array | undefined>;
  /** Tiles that are asked for together. */
  getAll(places: readonly Place[]): Promise<(Uint8Array | undefined)[]>;
  /** How many of `limit` keys there are, with their sizes; undefined where it cannot list. */
  list(limit: number): Promise<number> | undefined;
  close(): void;
}

/** How a file is opened. */
export type Open = (url: string, map: TileMap) => Promise<OpenFile>;

/** Pages of SQLite as they are by default; one is a request, unless it reads ahead. */
const PAGE_LENGTH = 4096;

/** By the ends of their files. */
export const contestants: Readonly<Record<string, Open>> = {
  blobs: async (url, map) => {
    const store = await HttpBlobStore.open(url);
    const get = (place: Place) => store.get(keyOf(map, place));
    return {
      get,
      getAll: (places) => Promise.all(places.map(get)),
      list: async (limit) => {
        let count = 0;
        for await (const { size } of store.list({ limit })) if (size > 0) count++;
        return count;
      },
      close: () => void store.close(),
    };
  },
  pmtiles: (url, { zoom }) => {
    const archive = new PMTiles(url);
    const get = async (place: Place) => {
      const found = await archive.getZxy(zoom, ...place);
      return found === undefined ? undefined : new Uint8Array(found.data);
    };
    return Promise.resolve({
      get,
      getAll: (places) => Promise.all(places.map(get)),
      list: () => undefined,
      close: () => {},
    });
  },
  sqlite: async (url, map) => {
    const config = { serverMode: "full", requestChunkSize: PAGE_LENGTH, url } as const;
    const { db } = await createDbWorker(
      [{ from: "inline", config }],
      `${location.origin}/sqlite.worker.js`,
      `${location.origin}/sql-wasm.wasm`,
    );
    const query = db.query as unknown as (
      sql: string,
      parameters: readonly unknown[],
    ) => Promise<{ key: string; value: Uint8Array }[]>;
    const getAll = async (places: readonly Place[]) => {
      const keys = places.map((place) => keyOf(map, place)), marks = keys.map(() => "?").join();
      const rows = await query(`SELECT key, value FROM blobs WHERE key IN (${marks})`, keys);
      const found = new Map(rows.map(({ key, value }) => [key, value]));
      return keys.map((key) => found.get(key));
    };
    return {
      get: async (place) => (await getAll([place]))[0],
      getAll,
      list: async (limit) =>
        (await query("SELECT key, length(value) FROM blobs ORDER BY key LIMIT ?", [limit])).length,
      close: () => {},
    };
  },
};
