/**
 * A server of files as `bench:http` needs it: ranges, a pause before each answer, and a count of
 * what was asked for. Its pages may be of another origin.
 *
 * @module
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What was asked for since the last look. */
export interface Seen {
  requests: number;
  /** Bytes of the files that were sent. */
  bytes: number;
}

/** A server that runs. */
export interface SlowServer {
  readonly origin: string;
  /** What was asked for; counts from 0 again. */
  look(): Seen;
  close(): void;
}

/**
 * Serves the files of a folder.
 *
 * @param latency Milliseconds before each answer.
 */
export async function serveSlowly(folder: string, latency: number): Promise<SlowServer> {
  let seen: Seen = { requests: 0, bytes: 0 };
  const files = new Map<string, { file: number; size: number }>();
  const open = (name: string) => {
    let found = files.get(name);
    if (found === undefined) {
      const file = openSync(join(folder, name), "r");
      files.set(name, found = { file, size: fstatSync(file).size });
    }
    return found;
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url!, "http://localhost"), { file, size } = open(pathname);
    const headers = {
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "*",
      "cross-origin-resource-policy": "cross-origin",
      "cache-control": "public, max-age=3600",
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      etag: `"${size}"`,
    };
    seen.requests++;
    if (request.method === "HEAD") {
      return void response.writeHead(200, { ...headers, "content-length": size }).end();
    }
    const [start, last] = request.headers.range!.match(/\d+/g)!.map(Number);
    const end = Math.min(last + 1, size), bytes = new Uint8Array(end - start);
    readSync(file, bytes, 0, bytes.length, start);
    seen.bytes += bytes.length;
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${start}-${end - 1}/${size}`,
      "content-length": bytes.length,
    }).end(bytes);
  };
  const server = createServer((request, response) => {
    setTimeout(() => answer(request, response), latency);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    look: () => {
      const last = seen;
      seen = { requests: 0, bytes: 0 };
      return last;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
      for (const { file } of files.values()) closeSync(file);
    },
  };
}
