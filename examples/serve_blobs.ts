/**
 * A web server for the blobs in one store file: whole, by range, conditionally.
 *
 * ```sh
 * node examples/serve_blobs.ts photos.blobs --port 8000     # Node 24.2 or newer
 * deno run -A examples/serve_blobs.ts photos.blobs --writable
 * bun examples/serve_blobs.ts photos.blobs
 *
 * curl -r 0-99 http://127.0.0.1:8000/cats/1.jpg
 * curl -T cat.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8000/cats/2.jpg
 * curl 'http://127.0.0.1:8000/?prefix=cats/'
 * ```
 *
 * `serveBlobs` answers, `node:http` listens, which all three runtimes have. When the process is
 * asked to end, what was begun is done, and the store is closed.
 *
 * @module
 */

import { createServer } from "node:http";
import { once } from "node:events";
import { unwatchFile, watchFile } from "node:fs";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { type BlobInfo, BlobStore } from "@suballoc/offset-allocator/blob-store";
import { nodeListener, serveBlobs } from "@suballoc/offset-allocator/http";

/** For how long what was begun may go on, once the process is asked to end. */
const GRACE_MS = 5000;

/** The types of blobs that were put without one. */
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  gif: "image/gif",
  html: "text/html; charset=utf-8",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  webp: "image/webp",
};

/** The type that was put with a blob, else the one that its name ends with. */
function typeOf({ key, metadata }: BlobInfo): string | undefined {
  const { type } = Object(metadata) as { type?: unknown };
  if (typeof type === "string") return type;
  const extension = /\.(\w+)$/.exec(key)?.[1].toLowerCase() ?? "";
  return Object.hasOwn(TYPES, extension) ? TYPES[extension] : undefined;
}

/** Serves a store until the process is asked to end. */
async function serve(
  path: string,
  { writable, port, hostname }: { writable: boolean; port: number; hostname: string },
): Promise<void> {
  await using store = await BlobStore.open(path, { readOnly: !writable, create: writable });
  const handler = serveBlobs(store, {
    authorize: writable ? () => true : undefined,
    list: true,
    contentType: typeOf,
    onError: (error) => console.error(error),
  });
  // A large blob may take as long as it takes to come, if only it does not lie still.
  const server = createServer({ requestTimeout: 0 }, nodeListener(handler)).listen(port, hostname);
  await once(server, "listening");
  const { address, family, port: chosen } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;
  console.log(`${path} at http://${host}:${chosen}${writable ? ", writable" : ""}`);
  const follow = () => void store.refresh().catch((error) => console.error(error));
  if (!writable) watchFile(path, { interval: 1000 }, follow);

  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  unwatchFile(path);
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearTimeout(timer);
}

const HELP = `Serves the blobs in a store file over HTTP.

Usage: serve_blobs.ts [options] STORE

  STORE            The file. It is opened read-only, and what another process writes
                   to it is seen within a second.
  --writable       Takes PUT and DELETE as well; the file is made if it is not there.
                   There is no access control: anyone who reaches the server may write.
  --port N         The port, 8000 by default; 0 takes any free one.
  --hostname NAME  The address, 127.0.0.1 by default: this machine alone.
  --help           Shows this text.`;

/** The command. Gives its exit status. */
async function main(args: string[]): Promise<number> {
  let values, positionals;
  try {
    ({ values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        writable: { type: "boolean", default: false },
        port: { type: "string", default: "8000" },
        hostname: { type: "string", default: "127.0.0.1" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    if (positionals.length !== 1) throw new Error(`one STORE, not ${positionals.length}`);
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65535) {
      throw new Error(`--port is an integer from 0 to 65535, not ${values.port}`);
    }
  } catch (error) {
    console.error(`serve_blobs: ${(error as Error).message}\n--help shows the usage`);
    return 2;
  }
  try {
    await serve(positionals[0], { ...values, port: Number(values.port) });
    return 0;
  } catch (error) {
    console.error(`serve_blobs: ${(error as Error).message}`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
