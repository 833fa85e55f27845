/**
 * A server of files that knows ranges: what every static server does for a published store.
 *
 * @module
 */

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname } from "node:path";

/** The types of files, by the ends of their names. */
const TYPES: Readonly<Record<string, string>> = {
  ".blobs": "application/octet-stream",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** A file, or a text that is one. */
export type Found = { readonly path: string } | { readonly text: string; readonly type: string };

/**
 * Makes a server.
 *
 * @param find What there is at a path; undefined where there is nothing.
 */
export function serveFiles(find: (pathname: string) => Found | undefined): Server {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost"), found = find(pathname);
    if (found === undefined || ("path" in found && !existsSync(found.path))) {
      return void response.writeHead(404).end();
    }
    if ("text" in found) {
      return void response.setHeader("content-type", found.type).end(found.text);
    }
    const { size, mtimeMs } = statSync(found.path);
    response.setHeader("content-type", TYPES[extname(found.path)] ?? "text/plain");
    response.setHeader("etag", `"${size}-${mtimeMs}"`);
    response.setHeader("accept-ranges", "bytes");
    response.setHeader("cache-control", "max-age=60, no-transform");
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(first ?? 0), end = Math.min(last ? Number(last) : Infinity, size - 1);
    if (first !== undefined) {
      if (start > end) {
        return void response.writeHead(416, { "content-range": `bytes */${size}` }).end();
      }
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${start}-${end}/${size}`);
    }
    response.setHeader("content-length", end - start + 1);
    if (request.method === "HEAD" || size === 0) return void response.end();
    createReadStream(found.path, { start, end }).pipe(response);
  });
}
