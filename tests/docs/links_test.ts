/**
 * Every link between the pages of the repository leads somewhere, and what finds dead ones does.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync } from "node:fs";
import {
  deadHtmlLinks,
  deadMarkdownLinks,
  deadMentions,
} from "../../scripts/docs/site/check_links.ts";
import { readMarkdown } from "../../scripts/docs/site/markdown.ts";
import { type Files, readTree, ROOT } from "../support/rules.ts";

const inRepository = (path: string) => existsSync(ROOT + path);

/** What a broken link is called, by the page that has it; only `there.md` exists beside them. */
const DEAD_MARKDOWN: Readonly<Record<string, [page: string, complaint: string]>> = {
  "a file": ["See\n[this](gone.md).", "docs/a.md:1: gone.md: no such file"],
  "the line": ["# A\n\ntext\n\n- [this](gone.md)", "docs/a.md:5: gone.md: no such file"],
  "a file of a folder": ["[x](../src/gone.ts)", "docs/a.md:1: ../src/gone.ts: no such file"],
  "a place outside": ["[x](../../b.md)", "docs/a.md:1: ../../b.md: no such file"],
  "a path from the root": ["[x](/docs/a.md)", "docs/a.md:1: /docs/a.md: no such file"],
  "an anchor here": ["# A\n\n[x](#b)", "docs/a.md:3: #b: no such heading"],
  "an anchor there": ["[x](there.md#gone)", "docs/a.md:1: there.md#gone: no such heading"],
  "an anchor's case": ["# A\n\n[x](#A)", "docs/a.md:3: #A: no such heading"],
  "an anchor that was given out": ["# A\n# A\n[x](#a-2)", "docs/a.md:3: #a-2: no such heading"],
  "a drawing": ["![x](drawings/gone.svg)", "docs/a.md:1: drawings/gone.svg: no such file"],
  "a definition": ["[x][y]\n\n[y]: gone.md", "docs/a.md:1: gone.md: no such file"],
  "HTML in a line": ['a <a href="gone.md">b</a>', "docs/a.md:1: gone.md: no such file"],
  "HTML in a block": ['<p>\n<img src="b.png">\n</p>', "docs/a.md:1: b.png: no such file"],
  "a cell": ["| a |\n| - |\n| [x](b.md) |", "docs/a.md:1: b.md: no such file"],
  "http": ["[x](http://example.com)", "docs/a.md:1: http://example.com: only https leads outside"],
};

const THERE = `# There

## What it costs, call by call

## \`free()\` & _resize_

## There
`;

/** Links that are sound. */
const SOUND = [
  "[x](there.md) [x](./there.md#there) [x](there.md#there-1) [x](there.md?plain=1#there)",
  "[x](there.md#what-it-costs-call-by-call) [x](there.md#free--resize) [x](../docs/there.md)",
  "<https://example.com> [x](https://example.com/#gone) [x](mailto:a@example.com)",
  "`[x](gone.md)`\n\n```md\n[x](gone.md)\n```\n\n    [x](gone.md)",
];

const SITE: Files = new Map([
  ["index.html", '<h1 id="a&amp;b">A</h1><a href="#a%26b"></a><a href="#a&amp;b"></a>'],
  ["api/~/B.html", '<a href="../../index.html#a&amp;b"></a><a href="https://example.com"></a>'],
]);

/** What is found in a page beside those of `SITE`. */
const DEAD_HTML: Readonly<Record<string, string>> = {
  '<a href="gone.html">': "gone.html: no such file",
  '<img alt="" src="../gone.svg">': "../gone.svg: no such file",
  '<a class="x" href="api/~/B.html#gone">': "api/~/B.html#gone: no such anchor",
  '<a href="#gone">': "#gone: no such anchor",
  '<a href="/index.html">': "/index.html: no such file",
  '<a href="file:///home/me/a.ts">': "file:///home/me/a.ts: only https leads outside",
  '<script src="//example.com/x.js">': "//example.com/x.js: only https leads outside",
};

describe("links", () => {
  const files = Array.from(readTree());

  it("of README, CHANGELOG, CONTRIBUTING and the guides lead somewhere", () => {
    const pages = files.filter(([path]) => /^(?:docs\/)?[^/]+\.md$/.test(path));
    assertEquals(deadMarkdownLinks(new Map(pages), inRepository), []);
  });

  it("of comments lead to guides", () => {
    const sources = files.filter(([path]) => path.endsWith(".ts"));
    assertEquals(deadMentions(new Map(sources), inRepository), []);
  });
});

describe("the link check", () => {
  // What lies beside the repository is on this machine only.
  const exists = (path: string) => ["docs", "docs/a.md", "docs/there.md", "../b.md"].includes(path);
  for (const [what, [page, complaint]] of Object.entries(DEAD_MARKDOWN)) {
    it(`finds what is dead: ${what}`, () => {
      const pages = new Map([["docs/a.md", page], ["docs/there.md", THERE]]);
      assertEquals(deadMarkdownLinks(pages, exists), [complaint]);
    });
  }

  it("finds nothing in what is sound", () => {
    for (const page of SOUND) {
      const pages = new Map([["docs/a.md", page], ["docs/there.md", THERE]]);
      assertEquals(deadMarkdownLinks(pages, exists), []);
    }
  });

  it("finds guides that a comment names and that are gone", () => {
    const sources = new Map([
      ["src/a.ts", "/** See `docs/there.md`, docs/gone.md. */\nconst path = 'docs/new.md';"],
      ["src/b.ts", "/**\n * See\n * docs/drawings/gone.svg.\n */\n  // And docs/gone.md"],
    ]);
    assertEquals(deadMentions(sources, exists), [
      "src/a.ts: docs/gone.md: no such file",
      "src/b.ts: docs/drawings/gone.svg: no such file",
      "src/b.ts: docs/gone.md: no such file",
    ]);
  });

  it("finds what is dead in HTML", () => {
    assertEquals(deadHtmlLinks(SITE, (path) => SITE.has(path)), []);
    for (const [html, complaint] of Object.entries(DEAD_HTML)) {
      const pages = new Map([...SITE, ["new.html", html]]);
      assertEquals(deadHtmlLinks(pages, (path) => pages.has(path)), [`new.html: ${complaint}`]);
    }
  });
});

describe("the anchors of headings", () => {
  it("are those that GitHub gives", () => {
    const text = THERE + "\n## Größe: 2^53 - 1\n\n## [Link](x.md) `a_b`\n\n```sh\n# none\n```\n";
    assertEquals(readMarkdown(text).headings.map(({ anchor }) => anchor), [
      "there",
      "what-it-costs-call-by-call",
      "free--resize",
      "there-1",
      "größe-253---1",
      "link-a_b",
    ]);
  });
});
