/**
 * The tables of `docs/architecture.md`: one for each folder, with what each of its files is, by the
 * first sentence of the file.
 *
 * @module
 */

import { posix } from "node:path";

/** The part of the page that is made from the files stands between these. */
const BEGIN = "<!-- made by `deno task architecture` -->", END = "<!-- end -->";

/** What the page tells of, in its order: the layout of the package, then what surrounds it. */
const PARTS: readonly RegExp[] = [
  /^mod\.ts$/,
  /^src\/util\//,
  /^src\/allocator\.ts$/,
  /^src\/gap_table\//,
  /^src\/allocators\//,
  /^src\/operations\//,
  /^src\/arena\//,
  /^src\/(pool|shared|report|testing|trace)\//,
  /^src\/blob_store\//,
  /^backends\//,
  /^cli\//,
  /^scripts\//,
  /^tests\/support\//,
];

/** Every file of these has a row. */
const SHIPPED = /^(src|backends|cli)\//;

/** The page with its tables made from the files. */
export function withTables(page: string, files: ReadonlyMap<string, string>): string {
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`The page lacks ${BEGIN} or ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${tablesOf(files)}\n${page.slice(end)}`;
}

/** All tables. */
function tablesOf(files: ReadonlyMap<string, string>): string {
  const partOf = (path: string) => PARTS.findIndex((part) => part.test(path));
  const all = [...files.keys()].filter((path) => path.endsWith(".ts"));
  const unplaced = all.find((path) => SHIPPED.test(path) && partOf(path) < 0);
  if (unplaced !== undefined) throw new Error(`No part of the page has ${unplaced}`);
  const paths = all.filter((path) => partOf(path) >= 0);
  const folders = Map.groupBy(paths.sort(), posix.dirname);
  return [...folders]
    .sort(([a, [one]], [b, [other]]) => partOf(one) - partOf(other) || (a < b ? -1 : 1))
    .map(([folder, paths]) => tableOf(folder, paths.sort(doorFirst), files)).join("\n");
}

function tableOf(
  folder: string,
  paths: readonly string[],
  files: ReadonlyMap<string, string>,
): string {
  const rows = paths.map((path) => [
    `[\`${posix.basename(path)}\`](../${path})`,
    firstSentence(docOf(files.get(path)!, posix.basename(path, ".ts"))),
  ]);
  const widths = [0, 1].map((i) => Math.max(4, ...rows.map((row) => [...row[i]].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i] - [...cell].length)).join(" | ")} |\n`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |\n`;
  const heading = folder === "." ? "The root" : `\`${folder}/\``;
  return `### ${heading}\n\n${line(["file", "what"])}${rule}${rows.map(line).join("")}`;
}

function doorFirst(a: string, b: string): number {
  const isDoor = (path: string) => posix.basename(path) === "mod.ts" ? 0 : 1;
  return isDoor(a) - isDoor(b) || (a < b ? -1 : 1);
}

/** The doc comment of a module, or that of the export which a file is named after. */
function docOf(text: string, name: string): string {
  const comments = [...text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(.*)/g)];
  const words = name.replaceAll("_", "");
  const found = comments.find(([, comment]) => comment.includes("@module")) ??
    comments.find(([, , line]) => new RegExp(`\\b${words}\\b`, "i").test(line)) ?? comments[0];
  return found?.[1] ?? "";
}

/** The first sentence of a doc comment, as it stands in a cell. */
function firstSentence(comment: string): string {
  const [paragraph] = comment.replace(/^\s*\* ?/gm, "").trim().split(/\n\s*\n/);
  const line = paragraph.replaceAll(/\s+/g, " ").replaceAll(/\{@\w+ ([^}]+)\}/g, "`$1`");
  return line.replace(/(?<!\b[A-Z])\.(?: .*|)$/, "").replace(/\. .*$/, "").replaceAll("|", "\\|");
}
