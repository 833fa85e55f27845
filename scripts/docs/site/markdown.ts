/**
 * What stands in a Markdown page: its headings with their anchors, its links, its blocks of code.
 *
 * @module
 */

import { Marked, type MarkedToken, type Token } from "marked";

/** A heading. */
export interface Heading {
  /** 1 for the title. */
  readonly depth: number;
  /** Its words, without marks. */
  readonly text: string;
  /** What a link to it has behind `#`, as GitHub makes it. */
  readonly anchor: string;
}

/** Something that a page refers to. */
export interface Link {
  /** As it is written. */
  readonly target: string;
  /** The line of the paragraph, list or table that it stands in; the first is 1. */
  readonly line: number;
}

/** A fenced block of code. */
export interface CodeBlock {
  /** What stands behind the opening fence: `ts`, `ts ignore`, empty. */
  readonly info: string;
  /** The code. */
  readonly text: string;
  /** The line of the fence, or of the list that it stands in; the first is 1. */
  readonly line: number;
}

/** What this module tells of a page. */
export interface Page {
  /** The words of the first heading; empty where there is none. */
  readonly title: string;
  readonly headings: readonly Heading[];
  readonly links: readonly Link[];
  readonly blocks: readonly CodeBlock[];
}

/** An attribute of HTML within Markdown that refers to something. */
export const REFERENCE: RegExp = /(?<=\s)(href|src|srcset)="([^"]*)"/g;

/** Reads a page. */
export function readMarkdown(text: string): Page {
  const marked = new Marked(), anchors = new Anchors();
  const headings: Heading[] = [], links: Link[] = [], blocks: CodeBlock[] = [];
  let line = 1;
  const visit = (token: MarkedToken) => {
    switch (token.type) {
      case "heading": {
        const words = wordsOf(token.tokens);
        headings.push({ depth: token.depth, text: words, anchor: anchors.next(words) });
        break;
      }
      case "link":
      case "image":
        links.push({ target: token.href, line });
        break;
      case "html":
        for (const [, , target] of token.raw.matchAll(REFERENCE)) links.push({ target, line });
        break;
      case "code":
        if (token.codeBlockStyle === "indented") break;
        blocks.push({ info: token.lang ?? "", text: token.text, line });
    }
  };
  for (const token of marked.lexer(text)) {
    marked.walkTokens([token], (each) => visit(each as MarkedToken));
    line += token.raw.split("\n").length - 1;
  }
  return { title: headings[0]?.text ?? "", headings, links, blocks };
}

/** The words of a piece of Markdown, without marks. */
export function wordsOf(tokens: readonly Token[]): string {
  return tokens.map((token) => {
    if ("tokens" in token && token.tokens) return wordsOf(token.tokens);
    return "text" in token ? token.text : "";
  }).join("");
}

/** Gives the headings of one page their anchors, in their order. */
export class Anchors {
  readonly #given = new Map<string, number>();

  /** The anchor of the next heading: a number is added to one that was there. */
  next(words: string): string {
    const plain = words.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    const count = this.#given.get(plain) ?? 0;
    this.#given.set(plain, count + 1);
    return count === 0 ? plain : `${plain}-${count}`;
  }
}
