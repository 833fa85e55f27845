/**
 * A server for one page on this machine. Its pages are cross-origin isolated: they have
 * SharedArrayBuffer, and a clock of 5 to 20 µs instead of 100 to 1,000.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What is served at an address. */
export interface Served {
  /** Its media type. */
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** Returns what there is at an address; `undefined` where there is nothing. */
export type Serve = (url: URL, posted: string) => Served | undefined;

/** A server that runs. */
export interface IsolatedServer {
  /** Its address, without a slash at the end. */
  readonly origin: string;
  close(): void;
}

/** Starts a server on a free port of 127.0.0.1. */
export async function startServer(serve: Serve): Promise<IsolatedServer> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    let posted = "";
    for await (const text of request.setEncoding("utf8")) posted += text;
    const found = serve(url, posted);
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    if (found !== undefined) response.setHeader("content-type", found.type);
    else response.statusCode = url.pathname === "/favicon.ico" ? 204 : 404;
    response.end(found?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${port}`, close };
}
