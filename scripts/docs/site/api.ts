/**
 * The pages of the API, which `deno doc` makes from the docstrings, fitted into the site.
 *
 * @module
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { pathToFileURL } from "node:url";
import config from "../../../deno.json" with { type: "json" };
import { REPOSITORY } from "../../package/manifest.ts";

/** The folder of the site that has them. */
export const API = "api";

/** The folder that `deno doc` gives the symbols of an entry. */
const SYMBOLS = "~";

/** The entries of the package: what an import names, and its page in the site. */
export const entryPages: readonly { readonly specifier: string; readonly page: string }[] = Object
  .keys(config.exports).map((path) => ({
    specifier: config.name + path.slice(1),
    page: posix.join(API, path, "index.html"),
  }));

/** What an import names, by how `deno doc` calls the entry: `.`, `blob-store`. */
const IMPORTS: ReadonlyMap<string, string> = new Map(
  entryPages.map(({ specifier }) => [specifier.slice(config.name.length + 1) || ".", specifier]),
);

/** The style sheet of those pages that comes last. */
const STYLE = "page.css";

/** Makes the pages below a folder, which exists. Needs no network. */
export async function buildApi(root: string, site: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "doc",
      "--html",
      "--no-remote",
      `--name=${config.name}`,
      `--output=${join(site, API)}`,
      ...Object.values(config.exports),
    ],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`deno doc failed: ${new TextDecoder().decode(stderr)}`);
  const added = readFileSync(new URL("api.css", import.meta.url), "utf8");
  changeFile(join(site, API, STYLE), (text) => text + added);
}

/**
 * Fits a page of the API into the site: sources are those of the repository instead of this
 * machine's, an entry is imported by its name, guides that a comment names become links, and a
 * way leads back.
 *
 * @param path Its path in the site.
 * @param html What `deno doc` made of it.
 * @param root The folder of the sources.
 * @param guides Pages of the site by the path of the Markdown.
 */
export function fitApiPage(
  path: string,
  html: string,
  root: string,
  guides: ReadonlyMap<string, string>,
): string {
  const here = posix.dirname(path);
  // Slashes are references there: `file:&#x2F;&#x2F;`.
  const sources = pathToFileURL(join(root, "/")).href.replaceAll("/", "&#x2F;");
  return html
    .replaceAll(`"${sources}`, `"${REPOSITORY}/blob/main/`)
    .replace(/(?<= from &quot;)[\w.-]+(?=&quot;;)/g, (entry) => IMPORTS.get(entry) ?? entry)
    .replace(/<code>(docs\/[\w/.-]+\.md)<\/code>/g, (code, guide) => {
      const page = guides.get(guide);
      return page === undefined ? code : `<a href="${posix.relative(here, page)}">${code}</a>`;
    })
    // The first of them is large and bold in the style sheet of `deno doc`.
    .replace(
      '<ul class="breadcrumbs">',
      `$&<li><a href="${posix.relative(here, "index.html")}" class="contextLink" ` +
        'style="font-size: 1.25rem; font-weight: 400">Guides</a></li>&ensp;/&ensp;',
    );
}

/** All files of the site below a folder, sorted. */
export function filesOf(site: string): string[] {
  return (readdirSync(site, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => posix.relative(slashed(site), `${slashed(entry.parentPath)}/${entry.name}`))
    .sort();
}

function slashed(path: string): string {
  return path.replaceAll("\\", "/");
}

/** Changes a file where the change makes a difference. */
export function changeFile(file: string, change: (text: string) => string): string {
  const text = readFileSync(file, "utf8"), changed = change(text);
  if (changed !== text) writeFileSync(file, changed);
  return changed;
}

/**
 * Finds the page of what a piece of code names: `OffsetAllocator`, `new OffsetAllocator(64)`,
 * `drawMap(allocator)`, `BlobStore.open()`.
 *
 * @param files The files of the site.
 */
export function symbolFinder(files: readonly string[]): (code: string) => string | undefined {
  const pages = new Map<string, string>();
  // What two entries have belongs to the first.
  for (const { page } of entryPages) {
    const folder = `${posix.dirname(page)}/${SYMBOLS}/`;
    for (const file of files) {
      if (!file.startsWith(folder)) continue;
      const name = file.slice(folder.length, -".html".length).replace(".prototype.", ".");
      if (!pages.has(name)) pages.set(name, file);
    }
  }
  return (code) => {
    const [, made, name, call] =
      code.match(/^(?:new ([A-Z]\w+)\(.*|([A-Za-z]\w+(?:\.\w+)?)(\(.*\))?)$/) ?? [];
    if (made !== undefined) return pages.get(made);
    if (name === undefined) return undefined;
    // `report` alone may be a variable or a member, `Allocator(size)` is that of another library.
    const isName = call === undefined ? /[A-Z]/.test(name) : /^[a-z]|\./.test(name);
    return isName ? pages.get(name) : undefined;
  };
}
