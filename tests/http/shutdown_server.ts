/**
 * A server that ends as the guide says, as a program: `shutdown_server.ts KIND PATH [DURABILITY]`.
 *
 * @module
 */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { BlobStore, type Durability } from "../../backends/blob_store/mod.ts";
import { type BlobHandler, nodeListener, serveBlobs } from "../../backends/http/mod.ts";

/** For how long what was begun may go on. */
const GRACE_MS = 1000;

/** How each server is started, and how it is ended: it resolves once nothing is answered. */
const kinds: Record<string, (handler: BlobHandler) => Promise<[number, () => Promise<void>]>> = {
  "node:http": async (handler) => {
    const server = createServer(
      { requestTimeout: 0, keepAliveTimeout: 60_000 },
      nodeListener(handler),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return [(server.address() as AddressInfo).port, async () => {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
      clearTimeout(timer);
    }];
  },
  "Deno.serve": (handler) => {
    const { Deno } = globalThis as unknown as {
      Deno: {
        serve(options: Record<string, unknown>, handler: BlobHandler): {
          addr: { port: number };
          shutdown(): Promise<void>;
        };
      };
    };
    const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
    const server = Deno.serve(options, handler);
    return Promise.resolve([server.addr.port, async () => {
      await Promise.race([server.shutdown(), sleep(GRACE_MS)]);
    }]);
  },
  "Bun.serve": (handler) => {
    const { Bun } = globalThis as unknown as {
      Bun: {
        serve(options: Record<string, unknown>): {
          port: number;
          stop(now?: boolean): Promise<void>;
        };
      };
    };
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
    return Promise.resolve([server.port, async () => {
      await Promise.race([server.stop(), sleep(GRACE_MS)]);
      await server.stop(true);
    }]);
  },
};

const [kind, path, durability = "commit"] = process.argv.slice(2);
const store = await BlobStore.open(path, { create: true, durability: durability as Durability });
const handler = serveBlobs(store, { authorize: () => true, list: true });
const [port, stop] = await kinds[kind](handler);
console.log(`at http://127.0.0.1:${port} ${process.pid}`);
await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await stop();
await store.close();
process.exit(0); // what a client left open keeps no process
