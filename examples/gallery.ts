/**
 * A gallery of 100,000 pictures in one static file: it draws them, publishes their store and serves
 * the file beside a page that reads what is on the screen.
 *
 * ```sh
 * node examples/gallery.ts              # Node 24.2 or newer
 * deno run -A examples/gallery.ts --count 1000000 --file million.blobs
 * ```
 *
 * `gallery.html` is the page. Any server of files can take the place of this one.
 *
 * @module
 */

import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { libraryAt } from "./gallery/library.ts";
import { makeGallery } from "./gallery/make_gallery.ts";
import { serveFiles } from "./gallery/serve_files.ts";
import { formatBytes, formatCount, formatSeconds } from "./terminal.ts";

const PAGE = fileURLToPath(new URL("gallery.html", import.meta.url));

/** The server of a gallery: the page, its file and the library. */
export function serveGallery(file: string): Server {
  return serveFiles((pathname) => {
    if (pathname === "/") return { path: PAGE };
    if (pathname === "/gallery.blobs") return { path: file };
    return libraryAt(pathname);
  });
}

const HELP = `Serves a gallery of drawn pictures from one file.

Usage: gallery.ts [options]

  --file PATH  The file, gallery.blobs by default; it is made if it is not there.
  --count N    How many pictures it is made of, 100000 by default.
  --port N     The port, 8000 by default; 0 takes any free one.
  --help       Shows this text.`;

/** The command. Gives its exit status, unless it serves. */
async function main(args: string[]): Promise<number | undefined> {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        file: { type: "string", default: "gallery.blobs" },
        count: { type: "string", default: "100000" },
        port: { type: "string", default: "8000" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
    if (!/^[1-9]\d{0,6}$/.test(values.count)) {
      throw new Error(`--count is an integer from 1 to 9999999, not ${values.count}`);
    }
  } catch (error) {
    console.error(`gallery: ${(error as Error).message}\n--help shows the usage`);
    return 2;
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { file } = values;
  if (!existsSync(file)) {
    const start = performance.now(), count = Number(values.count);
    const { fileBytes } = await makeGallery(file, count);
    const seconds = formatSeconds((performance.now() - start) / 1000);
    console.log(
      `${file}: ${formatCount(count)} pictures, ${formatBytes(fileBytes)}, in ${seconds}`,
    );
  }
  const server = serveGallery(file).listen(Number(values.port), "127.0.0.1");
  await once(server, "listening");
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return undefined;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
