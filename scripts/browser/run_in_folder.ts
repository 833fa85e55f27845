/**
 * Opens a page of a folder in headless Chromium, with every file as it lies there. Run by Node.
 *
 * ```sh
 * node scripts/browser/run_in_folder.ts /tmp/folder page.html
 * ```
 *
 * @module
 */

import { createReadStream, existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";
import process from "node:process";
import { openPage } from "./open_page.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
};

const [folder, page] = process.argv.slice(2);

function serveFolder(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const type = TYPES[extname(pathname)], path = join(folder, pathname);
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  if (type === undefined || !existsSync(path)) {
    response.statusCode = pathname === "/favicon.ico" ? 204 : 404;
    response.end();
    return;
  }
  response.setHeader("content-type", type);
  createReadStream(path).pipe(response);
}

await openPage(`/${page}`, serveFolder);
