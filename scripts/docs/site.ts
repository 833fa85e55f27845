/**
 * Builds the documentation site: the README and the guides of `docs/` as pages, and the API from
 * the docstrings. It fails where a link leads nowhere.
 *
 * ```sh
 * deno task site              # into site/
 * deno task site --out /tmp/site
 * ```
 *
 * The pages link relatively, so that the site may lie in any folder of a server, and need no
 * network to be built. The same sources give the same bytes.
 *
 * @module
 */

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { API, buildApi, changeFile, filesOf, fitApiPage, symbolFinder } from "./site/api.ts";
import { deadHtmlLinks, deadMarkdownLinks, targetOf } from "./site/check_links.ts";
import { layOut, type SitePage, type SitePages, STYLE } from "./site/layout.ts";
import { readMarkdown } from "./site/markdown.ts";
import { render, type Surroundings } from "./site/render.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const FRONT = "README.md", INDEX = "docs/README.md";
const OTHERS = ["CHANGELOG.md", "CONTRIBUTING.md"];

/** How many dead links are shown. */
const SHOWN = 40;

/** Builds the site in a folder, which is emptied first. */
async function buildSite(site: string): Promise<{ pages: number; apiPages: number }> {
  const texts = new Map([FRONT, ...guidePaths(), ...OTHERS].map((path) => [path, textOf(path)]));
  refuse(deadMarkdownLinks(texts, (path) => existsSync(join(ROOT, path))));

  rmSync(site, { recursive: true, force: true });
  mkdirSync(site, { recursive: true });
  await buildApi(ROOT, site);

  const paths = new Map(Array.from(texts.keys(), (path) => [path, sitePath(path)]));
  const read = new Map(Array.from(texts, ([path, text]) => [path, readMarkdown(text)]));
  const around: Surroundings = {
    root: ROOT,
    pages: paths,
    titles: new Map(Array.from(read, ([path, { title }]) => [path, title])),
    symbol: symbolFinder(filesOf(site)),
    include(path) {
      const inSite = path.replace(/^docs\//, "");
      mkdirSync(dirname(join(site, inSite)), { recursive: true });
      copyFileSync(join(ROOT, path), join(site, inSite));
      return inSite;
    },
  };
  const pageOf = (source: string): SitePage => ({
    ...read.get(source)!,
    source,
    path: paths.get(source)!,
    html: render(source, texts.get(source)!, around),
  });
  const guides = Array.from(texts.keys()).filter((path) => isGuide(path));
  const pages: SitePages = {
    front: pageOf(FRONT),
    index: texts.has(INDEX) ? pageOf(INDEX) : undefined,
    guides: guides.map(pageOf),
    others: OTHERS.map(pageOf),
  };
  for (const page of [pages.front, pages.index ?? [], pages.guides, pages.others].flat()) {
    writeFileSync(join(site, page.path), layOut(page, pages));
  }
  copyFileSync(fileURLToPath(new URL("site/style.css", import.meta.url)), join(site, STYLE));

  const files = new Set(filesOf(site)), html = new Map<string, string>();
  for (const file of files) {
    if (!file.endsWith(".html")) continue;
    const isApi = file.startsWith(`${API}/`);
    html.set(
      file,
      changeFile(join(site, file), (text) => isApi ? fitApiPage(file, text, ROOT, paths) : text),
    );
  }
  refuse(
    deadHtmlLinks(html, (path) => files.has(path) || files.has(posix.join(path, "index.html"))),
  );
  return { pages: texts.size, apiPages: html.size - texts.size };
}

/** The guides: first those of the index, in its order, then the others by name. */
function guidePaths(): string[] {
  const all = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`).sort();
  const links = all.includes(INDEX) ? readMarkdown(textOf(INDEX)).links : [];
  const listed = links.map(({ target }) => targetOf(INDEX, target)?.path ?? "")
    .filter((path) => all.includes(path));
  return [...new Set([...listed, ...all])];
}

function isGuide(path: string): boolean {
  return path.startsWith("docs/") && path !== INDEX;
}

/** Where a page of Markdown lies in the site. */
function sitePath(source: string): string {
  if (source === FRONT) return "index.html";
  if (source === INDEX) return "guides.html";
  return posix.basename(source).toLowerCase().replace(/\.md$/, ".html");
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function refuse(deadLinks: readonly string[]): void {
  if (deadLinks.length === 0) return;
  const shown = deadLinks.slice(0, SHOWN), rest = deadLinks.length - shown.length;
  if (rest > 0) shown.push(`and ${rest} more`);
  throw new Error(`Links that lead nowhere:\n${shown.join("\n")}`);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: "string", default: "site" } } });
  const site = resolve(ROOT, values.out);
  try {
    const { pages, apiPages } = await buildSite(site);
    console.log(`Built ${site}: ${pages} pages, ${apiPages} of the API, no dead link`);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}
