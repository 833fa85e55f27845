/**
 * Markdown pages as HTML of the site: links lead to pages of the site where it has them, else into
 * the repository; code that names something of the API leads there.
 *
 * @module
 */

import { statSync } from "node:fs";
import { join, posix } from "node:path";
import { Marked, type Tokens } from "marked";
import { REPOSITORY } from "../../package/manifest.ts";
import { targetOf } from "./check_links.ts";
import { escapeHtml, highlight } from "./highlight.ts";
import { Anchors, REFERENCE, wordsOf } from "./markdown.ts";

/** What a page may lead to. */
export interface Surroundings {
  /** The folder of the sources. */
  readonly root: string;
  /** Pages of the site by the path of the Markdown, `docs/pools.md` to `pools.html`. */
  readonly pages: ReadonlyMap<string, string>;
  /** Their titles, by the same. */
  readonly titles: ReadonlyMap<string, string>;
  /** The page of the API about what a piece of code names. */
  readonly symbol: (code: string) => string | undefined;
  /** Takes a file of the repository, such as a drawing, into the site, and tells where it is. */
  readonly include: (path: string) => string;
}

const IMAGE = /\.(?:svg|png|webp|jpe?g|gif)$/;

/** Where a link of a Markdown page leads in the site; a dead one stays as it is. */
export function siteLink(source: string, link: string, around: Surroundings): string {
  const target = targetOf(source, link);
  if (target === undefined || link.startsWith("#")) return link;
  const { root, pages, include } = around, anchor = target.anchor && `#${target.anchor}`;
  const page = pages.get(target.path) ?? (IMAGE.test(link) ? include(target.path) : undefined);
  if (page !== undefined) return relative(pages.get(source)!, page) + anchor;
  const entry = statSync(join(root, target.path), { throwIfNoEntry: false });
  if (entry === undefined) return link;
  const kind = entry.isDirectory() ? "tree" : "blob";
  return `${REPOSITORY}/${kind}/main/${target.path.replace(/\/$/, "")}${anchor}`;
}

/** The way from one page of the site to another. */
export function relative(from: string, to: string): string {
  return posix.relative(posix.dirname(from), to);
}

/** A Markdown page as HTML, from its title on. */
export function render(source: string, text: string, around: Surroundings): string {
  const page = around.pages.get(source)!, anchors = new Anchors();
  const lead = (link: string) => escapeHtml(siteLink(source, link, around));
  // Within a link or a heading code leads nowhere else.
  let isPlain = false;
  const plainly = <T>(write: () => T): T => {
    const before = isPlain;
    isPlain = true;
    try {
      return write();
    } finally {
      isPlain = before;
    }
  };

  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }: Tokens.Heading): string {
        const anchor = escapeHtml(anchors.next(wordsOf(tokens)));
        const words = plainly(() => this.parser.parseInline(tokens));
        if (depth === 1) return `<h1 id="${anchor}">${words}</h1>\n`;
        const mark = `<a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
        return `<h${depth} id="${anchor}">${words} ${mark}</h${depth}>\n`;
      },
      code({ text, lang }: Tokens.Code): string {
        const [language] = (lang ?? "").split(" ");
        // Whoever has no mouse scrolls by keys, once it has the focus.
        return `<pre tabindex="0"><code>${highlight(text, language)}\n</code></pre>\n`;
      },
      codespan({ text }: Tokens.Codespan): string {
        const code = `<code>${escapeHtml(text)}</code>`;
        const target = isPlain ? undefined : around.symbol(text);
        if (target === undefined) return code;
        return `<a class="symbol" href="${escapeHtml(relative(page, target))}">${code}</a>`;
      },
      link({ href, title, tokens }: Tokens.Link): string {
        // A page is called by its path in the repository, by its title here.
        const target = targetOf(source, href)?.path ?? "";
        const called = [href, target].includes(wordsOf(tokens)) && around.titles.get(target);
        const words = called ? escapeHtml(called) : plainly(() => this.parser.parseInline(tokens));
        const attribute = title ? ` title="${escapeHtml(title)}"` : "";
        return `<a href="${lead(href)}"${attribute}>${words}</a>`;
      },
      image({ href, text, title }: Tokens.Image): string {
        const attribute = title ? ` title="${escapeHtml(title)}"` : "";
        return `<img src="${lead(href)}" alt="${escapeHtml(text)}"${attribute} loading="lazy">`;
      },
      html({ text }: Tokens.HTML | Tokens.Tag): string {
        return text.replace(REFERENCE, (_, name, target) => `${name}="${lead(target)}"`);
      },
    },
  });
  return marked.parse(text, { async: false })
    .replace(/<table>/g, '<div class="table" tabindex="0"><table>')
    .replace(/<\/table>/g, "</table></div>")
    .replace(/<p>(<img [^>]*>)<\/p>/g, '<figure tabindex="0">$1</figure>');
}
