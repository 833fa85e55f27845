/**
 * A process that opens a store and puts blobs as it is told: a line of its standard input is a
 * prefix and a number of blobs. It answers with a line each: the keys that were acknowledged, and
 * the error that ended it.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { BlobStore } from "../../../backends/blob_store/mod.ts";

const store = await BlobStore.open(process.argv[2]);
console.log(JSON.stringify({ opened: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const [prefix, count] = line.split(" "), keys: string[] = [];
  let error: string | undefined;
  try {
    for (let i = 0; i < Number(count); i++) {
      const key = `${prefix}/${i}`;
      await store.put(key, key);
      keys.push(key);
    }
  } catch (thrown) {
    error = (thrown as Error).name;
  }
  console.log(JSON.stringify({ keys, error }));
}
await store.close().catch(() => {});
process.exit(0);
