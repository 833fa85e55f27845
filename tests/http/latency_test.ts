/**
 * A large blob over a real connection with latency: how much longer it takes than its bare bytes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpBlobStore } from "../../backends/http/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { publishBlobs } from "../../src/blob_store/publish_blobs.ts";
import { bytesOf, memory } from "../blob_store/helpers.ts";
import { boundsOf } from "./file_server.ts";
import { fileOf } from "./stores.ts";

const LATENCY = 30;
/** 26 MB/s: so many bytes each so many ms. */
const PIECE = 131_072, PACE = 5;
const SIZE = 10_000_000;
/** What else runs on the machine makes single rounds longer, and none shorter. */
const MOST_ROUNDS = 12;

/** Sends bytes as fast as a network does. */
function send(response: ServerResponse, bytes: Uint8Array): void {
  let at = 0;
  const begin = Date.now() + LATENCY;
  const next = () => {
    for (; at < bytes.length && Date.now() >= begin + PACE * at / PIECE; at += PIECE) {
      response.write(bytes.subarray(at, at + PIECE));
    }
    if (at >= bytes.length) response.end();
    else setTimeout(next, PACE);
  };
  setTimeout(next, LATENCY);
}

it("a blob of 10 MB takes at most 1.3 times as long as one fetch of it, at 30 ms", async () => {
  const store = await BlobStore.open(memory(2 ** 25)), to = memory(2 ** 25);
  await store.put("large", bytesOf(1, SIZE));
  for (let i = 0; i < 3000; i++) await store.put(`small/${i}`, bytesOf(i, 10));
  await publishBlobs(store, to);
  const file = fileOf(to);
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    const [start, end] = boundsOf(request.headers.range ?? "bytes=0-0");
    const stop = Math.min(end, file.length);
    response.writeHead(206, {
      "content-range": `bytes ${start}-${stop - 1}/${file.length}`,
      "content-length": stop - start,
      etag: '"1"',
    });
    send(response, file.subarray(start, stop));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/store`;
  try {
    const bare: number[] = [], ours: number[] = [];
    let ratio = Infinity;
    for (let round = 0; round < MOST_ROUNDS && ratio > 1.3; round++) {
      const start = performance.now();
      const headers = { range: `bytes=100000-${100_000 + SIZE - 1}` };
      assertEquals((await (await fetch(url, { headers })).arrayBuffer()).byteLength, SIZE);
      bare.push(performance.now() - start);
      await using blobs = await HttpBlobStore.open(url);
      const before = requests, begin = performance.now();
      const found = await blobs.get("large"); // the leaf is looked up as well
      ours.push(performance.now() - begin);
      assertEquals(requests - before, 2);
      if (round === 0) assertEquals(found, new Uint8Array(bytesOf(1, SIZE)));
      ratio = Math.min(...ours) / Math.min(...bare);
    }
    assert(ratio <= 1.3, `${ratio}: ${ours.map(Math.round)} to ${bare.map(Math.round)} ms`);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});
