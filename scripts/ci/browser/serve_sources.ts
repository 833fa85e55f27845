/**
 * Serves the repository to a browser, TypeScript without its types: no bundle, so that a stack
 * names the files as they are.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import config from "../../../deno.json" with { type: "json" };
import type { Served } from "./isolated_server.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** What sources may be asked for. */
const SOURCE = /^\/(?:mod\.ts|(?:src|backends|cli|tests|examples|scripts)\/[\w/]+\.ts)$/;

/** What of npm packages may be: three, in the releases that are tested. */
const OF_PACKAGES = /^\/node_modules\/three(?:-[\d.]+)?\/build\/[\w.]+\.js$/;

/** Every entry by its name, as deno.json has them. */
const ENTRIES = Object.fromEntries(
  Object.entries(config.exports)
    .map(([path, source]) => [config.name + path.slice(1), source.slice(1)]),
);

/** What test files import, and what those modules take of Node. */
const OF_TESTS: Readonly<Record<string, string>> = {
  "@std/assert": "/tests/support/assert/mod.ts",
  "@std/testing/bdd": "/tests/support/testing/bdd.ts",
  "node:test": "/scripts/ci/browser/node/test.ts",
  "node:util": "/scripts/ci/browser/node/util.ts",
  "node:assert/strict": "/scripts/ci/browser/node/util.ts",
};

/** three, as the names of package.json call its releases. */
const THREE: Readonly<Record<string, string>> = Object.fromEntries(
  ["three", "three-0.181"].flatMap((name) => [
    [name, `/node_modules/${name}/build/three.module.js`],
    [`${name}/webgpu`, `/node_modules/${name}/build/three.webgpu.js`],
  ]),
);

/** Where a page finds what sources and tests import by name. */
export const importMap: Readonly<{ imports: Readonly<Record<string, string>> }> = {
  imports: { ...ENTRIES, ...OF_TESTS, ...THREE },
};

/** A page that runs one module, at `/?/path/of/the/module.ts`. */
function pageFor(module: string): string {
  const imports = JSON.stringify(importMap);
  return `<!doctype html><title>Test</title><script type="importmap">${imports}</script>` +
    `<script type="module" src="${module}"></script>`;
}

/** What there is at an address of the server. */
export function serveSources({ pathname, search }: URL): Served | undefined {
  const module = search.slice(1);
  if (pathname === "/" && SOURCE.test(module)) return { type: "text/html", body: pageFor(module) };
  const isPackage = OF_PACKAGES.test(pathname);
  if (!isPackage && !SOURCE.test(pathname)) return undefined;
  const text = readFileSync(ROOT + pathname.slice(1), "utf8");
  const body = isPackage ? text : stripTypeScriptTypes(text);
  return { type: "text/javascript", body };
}
