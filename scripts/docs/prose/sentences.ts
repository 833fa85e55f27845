/**
 * The sentences of guides and docstrings, and what makes one hard to read.
 *
 * @module
 */

import { Marked, type Token } from "marked";

/** A sentence, and where it is. */
export interface Sentence {
  readonly path: string;
  readonly text: string;
  readonly words: number;
}

/** Turns of speech with a plainer word: see CONTRIBUTING.md. */
const BLACK_LIST = new RegExp(
  `\\b(?:${
    [
      "whoever",
      "meanwhile",
      "anew",
      "by itself",
      "of use",
      "lies",
      "for ever",
      "without a word",
      "gives(?! up)",
      "toss of a coin",
    ].join("|")
  })\\b`,
  "gi",
);

/** A sentence whose subject is a clause, as its first word tells. */
const CLAUSE = /^(?:What|Whoever|Whether|Who|That)\b(?!.*\?$)/;

/** Words that a reader takes in one go. */
const MAX_WORDS = 35;

/** Where one sentence ends and another one begins. */
const END = /(?<=[.!?]["')]*)\s+(?=["'(]*[\p{Lu}\p{N}])/u;

/** The sentences of a Markdown page or of the docstrings of a module; code and tables left out. */
export function sentencesOf(path: string, text: string): Sentence[] {
  const pages = path.endsWith(".md") ? [text] : docstringsOf(text);
  return pages.flatMap(paragraphsOf).flatMap((paragraph) =>
    paragraph.replace(/\s+/g, " ").trim().split(END).map((text) => {
      return { path, text, words: text.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0 };
    })
  ).filter(({ words }) => words > 0);
}

/** What makes a sentence hard to read: a clause as its subject, its length, its words. */
export type Fault = "clause" | "long" | "black";
export const FAULTS: readonly Fault[] = ["clause", "long", "black"];

/** How often each fault is in a sentence. */
export function faultsOf({ text, words }: Sentence): Record<Fault, number> {
  return {
    clause: CLAUSE.test(text) ? 1 : 0,
    long: words > MAX_WORDS ? 1 : 0,
    black: text.match(BLACK_LIST)?.length ?? 0,
  };
}

/** The texts of `/** ... *\/` comments, a tag being a paragraph of its own. */
function docstringsOf(source: string): string[] {
  return Array.from(
    source.matchAll(/^[ \t]*\/\*\*(.*?)\*\//gms),
    ([, body]) =>
      body.replace(/^[ \t]*\*[ \t]?/gm, "")
        .replace(/^@(?:module|internal|example|abstract|enum)\b.*$/gm, "")
        .replace(/\{@\w+ ([^}]*)\}/g, "`$1`")
        .replace(/^@(?:param|typeParam|template) \S+/gm, "\n\n")
        .replace(/^@throws \{[^}]*\}/gm, "\n\n")
        .replace(/^@\w+/gm, "\n\n"),
  );
}

function paragraphsOf(markdown: string): string[] {
  const found: string[] = [];
  const visit = (tokens: readonly Token[]) => {
    for (const token of tokens) {
      if (token.type === "paragraph" || token.type === "text") found.push(plain([token]));
      else if (token.type === "list") visit(token.items);
      else if (token.type === "blockquote" || token.type === "list_item") visit(token.tokens ?? []);
    }
  };
  visit(new Marked().lexer(markdown));
  return found;
}

/** The words of a piece of Markdown; a piece of code is one word. */
function plain(tokens: readonly Token[]): string {
  return tokens.map((token) => {
    if (token.type === "codespan") return "Code";
    if (token.type === "html") return "";
    if ("tokens" in token && token.tokens) return plain(token.tokens);
    return "text" in token ? token.text : "";
  }).join("");
}
