/**
 * What a program with the modules of Node writes: objects of its own go into our functions. It is
 * compiled, not run: against the types of Node.
 *
 * @module
 */

import { FileStore } from "@suballoc/offset-allocator/file";
import { BlobStore } from "@suballoc/offset-allocator/blob-store";
import { nodeListener, serveBlobs } from "@suballoc/offset-allocator/http";
import { createReadStream, openAsBlob } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createTlsServer } from "node:https";

/** Servers of three kinds for one store. */
export async function serve(path: string): Promise<number> {
  await using store = await BlobStore.open(path);
  const listener = nodeListener(serveBlobs(store));
  const servers = [
    createServer({ requestTimeout: 0 }, listener),
    createTlsServer({}, listener),
    createSecureServer({ allowHTTP1: true }, listener),
  ];
  return servers.length;
}

/** What is put from files. */
export async function put(path: string): Promise<number> {
  const file = FileStore.from(await open(path, "r+"));
  await using store = await BlobStore.open(file, { closeStore: true });
  await store.put("stream", createReadStream(path));
  return (await store.put("blob", await openAsBlob(path))).size;
}
