/**
 * A dedicated worker that copies a store from a server into the origin private file system, and
 * goes on writing there; it posts a line and the counts of what passed.
 *
 * @module
 */

import { HttpBlobStore, HttpStore } from "../../../backends/http/mod.ts";
import { BlobStore, type MessagePortLike, OpfsStore } from "../../../backends/opfs/mod.ts";
import { type BlobReader, publishBlobs } from "../../../src/blob_store/mod.ts";
import { bytesFor } from "./bytes_for.ts";

const scope = globalThis as unknown as MessagePortLike;

/** Throws unless a store has these blobs and no other. */
async function expectBlobs(store: BlobReader, expected: ReadonlyMap<string, Uint8Array>) {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  if (keys.join() !== [...expected.keys()].sort().join()) throw new Error(`it has ${keys}`);
  const found = await Promise.all(keys.map((key) => store.get(key)));
  for (const [i, key] of keys.entries()) {
    const bytes = expected.get(key)!;
    const isSame = found[i]?.length === bytes.length && found[i].every((b, at) => b === bytes[at]);
    if (!isSame) throw new Error(`${key} is not what was put`);
  }
}

/** Writes to a copy, and looks at it again once it was closed. */
async function goOn(path: string, copied: ReadonlyMap<string, Uint8Array>) {
  const store = await BlobStore.open(path), blobs = new Map(copied);
  await expectBlobs(store, blobs);
  await store.put("new", bytesFor(1));
  await store.put("0", bytesFor(77_777));
  await store.delete("1");
  await store.close();
  blobs.set("new", bytesFor(1)).set("0", bytesFor(77_777)).delete("1");
  const again = await BlobStore.open(path, { readOnly: true });
  await expectBlobs(again, blobs);
  await again.check();
  const { damaged } = await again.verify();
  if (damaged.length > 0) throw new Error(`damaged: ${damaged.map(({ key }) => key)}`);
  await again.close();
}

async function copy({ url, count }: { url: string; count: number }): Promise<string> {
  const expected = new Map(Array.from({ length: count }, (_, i) => [`${i}`, bytesFor(i)]));
  // The file as it is, by a store over its blocks.
  const file = await HttpStore.open(url);
  const reader = await BlobStore.open(file, { readOnly: true, closeStore: true });
  const target = await OpfsStore.open("backup.blobs", { create: true });
  const { blobs } = await reader.backup(target);
  target.close();
  await reader.close();
  if (blobs !== count) throw new Error(`${blobs} blobs were copied`);
  await goOn("backup.blobs", expected);
  // Its blobs, by the reader of a page.
  const far = await HttpBlobStore.open(url);
  const published = await OpfsStore.open("published.blobs", { create: true });
  await publishBlobs(far, published);
  published.close();
  await goOn("published.blobs", expected);
  await expectBlobs(far, expected);
  await far.close();
  return `${file.requests} requests by blocks, ${far.requests} by blobs`;
}

scope.addEventListener("message", async ({ data }) => {
  const result = await copy(data as { url: string; count: number }).then(
    (line) => ({ line, passed: 1, failed: 0 }),
    (error) => ({ line: `FAILED: ${error}\n${error?.stack}`, passed: 0, failed: 1 }),
  );
  scope.postMessage(result);
});
