/**
 * Serves the repository to a browser, TypeScript without its types: no bundle, so that a stack
 * names the files as they are.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What sources may be asked for. */
const SOURCE = /^\/(?:mod\.ts|(?:src|backends|tests|examples|scripts)\/[\w/]+\.ts)$/;

const IMPORTS = {
  "@suballoc/offset-allocator": "/mod.ts",
  "@suballoc/offset-allocator/webgpu": "/backends/webgpu.ts",
};

/** A page that runs one module, at `/?/path/of/the/module.ts`. */
function pageFor(module: string): string {
  const imports = JSON.stringify({ imports: IMPORTS });
  return `<!doctype html><title>Test</title><script type="importmap">${imports}</script>` +
    `<script type="module" src="${module}"></script>`;
}

/** Answers a request of the page. */
export function serveSources(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? "/", "http://localhost");
  const module = search.slice(1);
  // A page that is isolated has SharedArrayBuffer, and a clock of 5 µs instead of 100.
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  if (pathname === "/" && SOURCE.test(module)) {
    response.setHeader("content-type", "text/html");
    response.end(pageFor(module));
  } else if (SOURCE.test(pathname)) {
    response.setHeader("content-type", "text/javascript");
    response.end(stripTypeScriptTypes(readFileSync(ROOT + pathname.slice(1), "utf8")));
  } else {
    response.statusCode = pathname === "/favicon.ico" ? 204 : 404;
    response.end();
  }
}
