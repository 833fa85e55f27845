/**
 * The library as a page loads it: of an installed package as it is, of a clone without its types.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import * as modules from "node:module";
import { fileURLToPath } from "node:url";
import type { Found } from "./serve_files.ts";

/** Where the page looks for the entry `./http`; beside it are the modules that it imports. */
const ENTRY = "/library/backends/http/mod.js";
const HTTP = import.meta.resolve("@suballoc/offset-allocator/http");

/** The module at a path of the server. */
export function libraryAt(pathname: string): Found | undefined {
  if (!/^\/library\/[\w/]+\.[jt]s$/.test(pathname)) return undefined;
  const isInstalled = HTTP.endsWith(".js");
  const source = pathname === ENTRY && !isInstalled ? pathname.replace(/js$/, "ts") : pathname;
  const root = new URL("../../", HTTP);
  const path = fileURLToPath(new URL(source.slice("/library/".length), root));
  if (isInstalled || !existsSync(path)) return { path };
  // Bun has no such function: there the package has to be installed.
  const text = modules.stripTypeScriptTypes?.(readFileSync(path, "utf8"));
  return text === undefined ? undefined : { text, type: "text/javascript" };
}
