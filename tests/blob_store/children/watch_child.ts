/**
 * A process that watches a store which another one writes: it says each change on a line, up to a
 * put of the key `end`.
 *
 * @module
 */

import process from "node:process";
import { BlobStore } from "../../../backends/blob_store/mod.ts";

const store = await BlobStore.open(process.argv[2], { readOnly: true });
const changes = store.watch({ pollMs: 5, maxQueued: 10_000 });
console.log(JSON.stringify({ type: "ready" }));
for await (const change of changes) {
  const key = change.type === "put" ? change.info.key : change.type === "delete" ? change.key : "";
  const etag = change.type === "put" ? change.info.etag : undefined;
  console.log(JSON.stringify({ type: change.type, key, etag }));
  if (key === "end") break;
}
await store.close();
