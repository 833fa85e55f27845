/**
 * A process that waits for a store and puts one blob: `wait_child.ts PATH KEY WAIT_MS
 * [without-sqlite]`. The blob says how many were there before. It prints what came of it, as JSON.
 *
 * @module
 */

import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";

const [path, key, waitMs, mode] = process.argv.slice(2);
if (mode === "without-sqlite") process.getBuiltinModule = () => undefined;

try {
  const store = await BlobStore.open(path, { create: true, waitMs: Number(waitMs) });
  await store.put(key, String((await store.stats()).blobs));
  await store.close();
  console.log(JSON.stringify({ key, pid: process.pid }));
} catch (error) {
  console.log(JSON.stringify({ key, error: String(error) }));
}
