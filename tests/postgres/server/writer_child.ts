/**
 * A process that puts blobs in three lanes until it is killed, and prints each key once its put was
 * acknowledged: `writer_child.ts URL NAME ROUND`.
 *
 * @module
 */

import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { PostgresStore } from "../../../backends/postgres/mod.ts";
import { openPool } from "./clients.ts";
import { bytesOf } from "./acknowledged.ts";

const [url, name, round] = process.argv.slice(2);
const pages = await PostgresStore.open(openPool(url).client, name, {
  create: true,
  takeOver: true,
});
const blobs = await BlobStore.open(pages, { create: true });
await Promise.all([0, 1, 2].map(async (lane) => {
  for (let i = 0;; i++) {
    const key = `${round}.${lane}.${i}`;
    await blobs.put(key, bytesOf(key));
    process.stdout.write(`${key}\n`);
  }
}));
