/**
 * Opens a page of a folder in headless Chromium, with every file as it lies there. Run by Node.
 *
 * ```sh
 * node scripts/ci/browser/run_in_folder.ts /tmp/folder page.html
 * ```
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import process from "node:process";
import type { Served } from "./isolated_server.ts";
import { openPage } from "./open_page.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
};

const [folder, page] = process.argv.slice(2);

function serveFolder({ pathname }: URL): Served | undefined {
  const type = TYPES[extname(pathname)], path = join(folder, pathname);
  return type === undefined || !existsSync(path) ? undefined : { type, body: readFileSync(path) };
}

await openPage(`/${page}`, serveFolder);
