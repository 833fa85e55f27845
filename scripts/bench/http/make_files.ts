/**
 * The same tiles in the three formats that `bench:http` reads.
 *
 * @module
 */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zxyToTileId } from "pmtiles";
import { BlobStore, publishBlobs } from "../../../backends/blob_store/mod.ts";
import { writePmtiles } from "./pmtiles_writer.ts";
import { bytesOf, keyOf, mapOf, type Place, type TileMap } from "./tiles.ts";

/** Tiles that are put at once. */
const BATCH = 1000;

/** Every place of a map, column by column. */
function* placesOf({ columns, rows }: TileMap): Generator<Place> {
  for (let x = 0; x < columns; x++) for (let y = 0; y < rows; y++) yield [x, y];
}

/** Writes `COUNT.blobs`, `COUNT.pmtiles` and `COUNT.sqlite` into a folder. */
export async function makeFiles(folder: string, count: number): Promise<void> {
  const map = mapOf(count), pathOf = (format: string) => join(folder, `${count}.${format}`);
  await makeStore(join(folder, `${count}.source`), pathOf("blobs"), map);
  const numbered = [...placesOf(map)]
    .map((place) => ({ id: zxyToTileId(map.zoom, ...place), place }))
    .sort((a, b) => a.id - b.id);
  writePmtiles(pathOf("pmtiles"), function* () {
    for (const { id, place } of numbered) yield { id, bytes: bytesOf(place) };
  }, map.zoom);
  makeDatabase(pathOf("sqlite"), map);
}

async function makeStore(source: string, published: string, map: TileMap): Promise<void> {
  await using store = await BlobStore.open(source, { create: true, durability: "none" });
  let batch: { type: "put"; key: string; value: Uint8Array }[] = [];
  for (const place of placesOf(map)) {
    batch.push({ type: "put", key: keyOf(map, place), value: bytesOf(place) });
    if (batch.length < BATCH) continue;
    await store.batch(batch);
    batch = [];
  }
  await store.batch(batch);
  await publishBlobs(store, published);
}

/** A table with rowids, so that the blobs are out of the way of the keys; vacuumed. */
function makeDatabase(path: string, map: TileMap): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; BEGIN");
  database.exec("CREATE TABLE blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO blobs VALUES (?, ?)");
  for (const place of placesOf(map)) insert.run(keyOf(map, place), bytesOf(place));
  database.exec("COMMIT; VACUUM");
  database.close();
}
