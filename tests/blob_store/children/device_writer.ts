/**
 * A process that puts blobs on a block device until it is killed, and prints each key once its put
 * was acknowledged: `device_writer.ts DEVICE ROUND`.
 *
 * @module
 */

import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";

const [path, round] = process.argv.slice(2);
const store = await BlobStore.open(path);
for (let i = 0;; i++) {
  const key = `${round}.${i}`;
  await store.put(key, new Uint8Array(1 + (i * 977) % 20_000).fill(key.length));
  process.stdout.write(`${key}\n`);
}
