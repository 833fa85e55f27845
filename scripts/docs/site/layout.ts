/**
 * What stands around the text of each page of the site: head, navigation, foot. No script.
 *
 * @module
 */

import config from "../../../deno.json" with { type: "json" };
import { REPOSITORY } from "../../package/manifest.ts";
import { entryPages } from "./api.ts";
import { escapeHtml } from "./highlight.ts";
import type { Heading } from "./markdown.ts";
import { relative } from "./render.ts";

/** A page of the site. */
export interface SitePage {
  /** The path of the Markdown in the repository. */
  readonly source: string;
  /** Its path in the site. */
  readonly path: string;
  /** How the navigation calls it. */
  readonly title: string;
  readonly headings: readonly Heading[];
  /** The text as HTML. */
  readonly html: string;
}

/** The pages of a site, in reading order. */
export interface SitePages {
  /** The README. */
  readonly front: SitePage;
  /** The list of guides, where there is one. */
  readonly index?: SitePage;
  readonly guides: readonly SitePage[];
  /** What is there besides: changelog, contributing. */
  readonly others: readonly SitePage[];
}

/** The style sheet's path in the site. */
export const STYLE = "style.css";

/** A whole page. */
export function layOut(page: SitePage, pages: SitePages): string {
  const { path, title, html } = page;
  const name = escapeHtml(config.name);
  const heading = page === pages.front ? name : `${escapeHtml(title)} · ${name}`;
  const menu = navigation(page, pages);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${heading}</title>
<link rel="stylesheet" href="${relative(path, STYLE)}">
</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header>
<a class="name" href="${relative(path, pages.front.path)}">${name}</a>
<a href="${relative(path, entryPages[0].page)}">API</a>
<a href="${REPOSITORY}">Source</a>
</header>
<details class="menu">
<summary>Menu</summary>
${menu}
</details>
<div class="columns">
<aside>
${menu}
</aside>
<main id="text">
${html}${neighbours(page, pages)}
<footer>
<p>Version ${escapeHtml(config.version)}, ${escapeHtml(config.license)}. Source of this page:
<a href="${REPOSITORY}/blob/main/${page.source}">${escapeHtml(page.source)}</a>.</p>
</footer>
</main>
</div>
</body>
</html>
`;
}

/** The links to all pages; of this one to its sections, too. */
function navigation(current: SitePage, pages: SitePages): string {
  const { front, index, guides, others } = pages;
  const entry = (page: SitePage, words = escapeHtml(page.title)) => {
    if (page !== current) return item(relative(current.path, page.path), words);
    const sections = page.headings.filter(({ depth }) => depth === 2)
      .map(({ text, anchor }) => item(`#${escapeHtml(anchor)}`, escapeHtml(text)));
    const inner = sections.length > 1 ? `\n<ul>\n${sections.join("\n")}\n</ul>` : "";
    return `<li><a href="#text" aria-current="page">${words}</a>${inner}</li>`;
  };
  const guideHeading = index === undefined
    ? "Guides"
    : `<a href="${relative(current.path, index.path)}">Guides</a>`;
  return `<nav aria-label="Pages">
${list([entry(front, "Overview")])}
<h2>${guideHeading}</h2>
${list(guides.map((page) => entry(page)))}
<h2>API</h2>
${
    list(entryPages.map(({ specifier, page }) => {
      const words = specifier.slice(config.name.length) || config.name.replace(/^.*\//, "");
      return item(relative(current.path, page), `<code>${escapeHtml(words)}</code>`);
    }))
  }
<h2>Project</h2>
${list([...others.map((page) => entry(page)), item(REPOSITORY, "Source")])}
</nav>`;
}

function list(items: readonly string[]): string {
  return `<ul>\n${items.join("\n")}\n</ul>`;
}

function item(target: string, words: string): string {
  return `<li><a href="${target}">${words}</a></li>`;
}

/** The way to the guide before and the one after. */
function neighbours(page: SitePage, { front, guides }: SitePages): string {
  const order = [front, ...guides], place = order.indexOf(page);
  if (place < 0) return "";
  const way = (to: SitePage | undefined, kind: string, label: string) =>
    to === undefined ? "" : `<a class="${kind}" href="${relative(page.path, to.path)}">` +
      `<small>${label}</small>${to === front ? "Overview" : escapeHtml(to.title)}</a>`;
  return `<nav class="neighbours" aria-label="Neighbours">
${way(order[place - 1], "before", "Previous")}
${way(order[place + 1], "after", "Next")}
</nav>
`;
}
