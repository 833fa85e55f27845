/**
 * Servers of this runtime for a handler: that of `node:http`, and the runtime's own.
 *
 * @module
 */

import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type BlobHandler, nodeListener } from "../../backends/http/mod.ts";

/** A server that runs. */
export interface Server {
  /** Where it is reached, without a slash at the end. */
  readonly url: string;
  /** Ends it, and all connections. */
  close(): Promise<void>;
}

/** The parts of a runtime that are used. */
interface Runtimes {
  readonly Deno?: {
    serve(
      options: Record<string, unknown>,
      handler: BlobHandler,
    ): { addr: { port: number }; shutdown(): Promise<void> };
  };
  readonly Bun?: {
    serve(options: Record<string, unknown>): { port: number; stop(now: boolean): Promise<void> };
  };
}

const { Deno, Bun } = globalThis as Runtimes;

/** Starts a server by the name of its kind: those that this runtime has. */
export const servers: Readonly<Record<string, (handler: BlobHandler) => Promise<Server>>> = {
  "node:http": async (handler) => {
    const server = createServer({ keepAliveTimeout: 60_000 }, nodeListener(handler)).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: async () => {
        const closed = once(server, "close");
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  },
  ...Deno && {
    "Deno.serve": (handler) => {
      const stop = new AbortController();
      const options = { port: 0, hostname: "127.0.0.1", signal: stop.signal, onListen() {} };
      const server = Deno.serve(options, handler) as unknown as {
        addr: { port: number };
        finished: Promise<void>;
      };
      const close = () => {
        stop.abort();
        return server.finished;
      };
      return Promise.resolve({ url: `http://127.0.0.1:${server.addr.port}`, close });
    },
  },
  ...Bun && {
    "Bun.serve": (handler) => {
      const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
      const close = () => server.stop(true);
      return Promise.resolve({ url: `http://127.0.0.1:${server.port}`, close });
    },
  },
};

/** What came over a connection. */
export interface Exchange {
  /** The status line and the headers. */
  readonly head: string;
  /** Bytes behind them. */
  readonly length: number;
}

/**
 * Sends the lines of a request, then `body`, and takes what comes until the server ends the
 * connection, or for `ms`.
 */
export async function exchange(
  url: string,
  lines: readonly string[],
  { body = "", ms = 2000, most = Infinity }: { body?: string; ms?: number; most?: number } = {},
): Promise<Exchange> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let text = "", length = 0;
  const timer = setTimeout(() => socket.destroy(), ms);
  socket.on("error", () => {});
  socket.on("data", (bytes: Uint8Array) => {
    if (text.length < 65_536) text += new TextDecoder("latin1").decode(bytes);
    if ((length += bytes.length) > most) socket.destroy();
  });
  socket.write([...lines, "Host: a.test", "", body].join("\r\n"));
  await new Promise((resolve) => socket.on("close", resolve)); // with an error or without
  clearTimeout(timer);
  const head = text.split("\r\n\r\n", 1)[0];
  return { head, length: Math.max(0, length - head.length - 4) };
}
