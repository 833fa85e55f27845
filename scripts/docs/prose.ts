/**
 * Counts what makes README, guides and docstrings hard to read. Beyond the limits it lists the
 * sentences and fails.
 *
 * ```sh
 * deno task prose                     # the figures
 * deno task prose docs/threads.md     # and each sentence that counts, of files that begin so
 * ```
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { judge } from "./prose/judge.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const paths = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.(?:md|ts)$/.test(path) && !path.includes("node_modules"));
const files = new Map(
  paths.map((path) => [path.replaceAll("\\", "/"), readFileSync(join(ROOT, path), "utf8")]),
);
const { figures, sentences, isOver } = judge(files, Deno.args);
for (const line of [...sentences, ...figures]) console.log(line);
Deno.exit(isOver ? 1 : 0);
