/**
 * Finds links that lead nowhere, in Markdown pages, in comments and in the built site.
 *
 * @module
 */

import { posix } from "node:path";
import { readMarkdown } from "./markdown.ts";

/** Files by their path from a root, with `/`. */
export type Files = ReadonlyMap<string, string>;

/** A link into the web, which is not looked at. */
const OUTSIDE = /^(?:https|mailto):/;
const ANY_SCHEME = /^[a-z][a-z\d+.-]*:|^\/\//i;

/** A file that a link leads to. */
export interface Target {
  /** Its path from the root. */
  readonly path: string;
  /** What stands behind `#`; empty for the page as a whole. */
  readonly anchor: string;
}

/** Where a link of a page leads; `undefined` for one that leaves the tree of files. */
export function targetOf(page: string, link: string): Target | undefined {
  if (ANY_SCHEME.test(link)) return undefined;
  const [, path, anchor = ""] = link.match(/^([^#?]*)(?:\?[^#]*)?(?:#(.*))?$/)!;
  if (path === "") return { path: page, anchor: decoded(anchor) };
  // A link from the root of a server breaks where the pages lie in a folder of it.
  if (path.startsWith("/")) return { path, anchor: "" };
  return { path: posix.join(posix.dirname(page), decoded(path)), anchor: decoded(anchor) };
}

/**
 * The dead links of Markdown pages, a line each.
 *
 * @param pages The pages by path.
 * @param exists Whether there is a file or a folder.
 */
export function deadMarkdownLinks(pages: Files, exists: (path: string) => boolean): string[] {
  const read = new Map(Array.from(pages, ([path, text]) => [path, readMarkdown(text)]));
  const anchors = new Map(
    Array.from(read, ([path, { headings }]) => [path, new Set(headings.map((h) => h.anchor))]),
  );
  return Array.from(read).flatMap(([page, { links }]) =>
    links.flatMap(({ target: link, line }) => {
      const target = targetOf(page, link);
      if (target === undefined) {
        return OUTSIDE.test(link) ? [] : [`${page}:${line}: ${link}: only https leads outside`];
      }
      const path = target.path.replace(/(.)\/$/, "$1");
      if (path.startsWith("/") || path.startsWith("..") || !exists(path)) {
        return [`${page}:${line}: ${link}: no such file`];
      }
      // The anchors of other files are theirs: `#L7` of a source is GitHub's.
      const known = anchors.get(path);
      return target.anchor === "" || known === undefined || known.has(target.anchor)
        ? []
        : [`${page}:${line}: ${link}: no such heading`];
    })
  );
}

const COMMENT = /^\s*(?:\/\*\*|\*|\/\/).*/gm;
const MENTION = /(?<![\w/.-])docs\/[\w/.-]+\.(?:md|svg)\b/g;

/** Guides and drawings that comments of sources name and that are not there, a line each. */
export function deadMentions(sources: Files, exists: (path: string) => boolean): string[] {
  return Array.from(sources).flatMap(([source, text]) => {
    const comments = text.match(COMMENT)?.join("\n") ?? "";
    return (comments.match(MENTION) ?? []).filter((path) => !exists(path))
      .map((path) => `${source}: ${path}: no such file`);
  });
}

/** A reference of HTML: its attributes are quoted, by the builder as by `deno doc`. */
const HTML_REFERENCE = /\s(?:href|src)="([^"]*)"/g;
const HTML_ANCHOR = /\s(?:id|name)="([^"]*)"/g;

/**
 * The dead links of HTML pages, a line each: within the site, and to where a file lies on the
 * machine that built it.
 *
 * @param pages All HTML pages of the site by path.
 * @param exists Whether there is a file.
 */
export function deadHtmlLinks(pages: Files, exists: (path: string) => boolean): string[] {
  const anchorsOf = memoized((path) =>
    new Set(Array.from(pages.get(path)!.matchAll(HTML_ANCHOR), ([, anchor]) => unescaped(anchor)))
  );
  return Array.from(pages).flatMap(([page, text]) =>
    Array.from(text.matchAll(HTML_REFERENCE)).flatMap(([, escaped]) => {
      const link = unescaped(escaped), target = targetOf(page, link);
      if (target === undefined) {
        return OUTSIDE.test(link) ? [] : [`${page}: ${link}: only https leads outside`];
      }
      if (target.path.startsWith("/") || !exists(target.path)) {
        return [`${page}: ${link}: no such file`];
      }
      if (target.anchor === "" || !pages.has(target.path)) return [];
      return anchorsOf(target.path).has(target.anchor) ? [] : [`${page}: ${link}: no such anchor`];
    })
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Text of an attribute without its character references. */
function unescaped(text: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text.replace(
    /&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex, decimal, name) =>
      name !== undefined
        ? named[name] ?? whole
        : String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16)),
  );
}

function memoized<T>(compute: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    if (!known.has(key)) known.set(key, compute(key));
    return known.get(key)!;
  };
}
