/**
 * Counts what makes README, guides and docstrings hard to read, and fails beyond the limits.
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
import { BLACK_LIST, findHard, type Sentence, sentencesOf } from "./prose/sentences.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What is read: pages, and modules whose docstrings users read. */
const READ =
  /^(?:README|CONTRIBUTING|SECURITY|docs\/[^/]+)\.md$|^(?:mod|(?:src|backends|cli)\/.+)\.ts$/;
/** Written by a task, from the first lines of files. */
const WRITTEN = ["docs/architecture.md"];

/** Most sentences in a hundred that begin with a clause, and that are long. */
const MAX_CLAUSES = 0.5, MAX_LONG = 2;
/** Most words of the black list in a thousand words. */
const MAX_BLACK = 2.5;

interface Figures {
  readonly clauses: number;
  readonly long: number;
  readonly black: number;
}

function figuresOf(sentences: readonly Sentence[]): Figures {
  const { clause, long } = findHard(sentences);
  const words = sentences.reduce((sum, sentence) => sum + sentence.words, 0);
  const black = sentences.reduce((n, { text }) => n + (text.match(BLACK_LIST)?.length ?? 0), 0);
  return {
    clauses: 100 * clause.length / sentences.length,
    long: 100 * long.length / sentences.length,
    black: 1000 * black / words,
  };
}

const paths = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => READ.test(path) && !WRITTEN.includes(path)).sort();
const all = paths.flatMap((path) => sentencesOf(path, readFileSync(join(ROOT, path), "utf8")));

for (const start of Deno.args) {
  const { clause, long } = findHard(all);
  for (const { path, text, words } of all.filter(({ path }) => path.startsWith(start))) {
    const sentence = [...clause, ...long].find((hard) => hard.text === text && hard.path === path);
    const black = text.match(BLACK_LIST);
    if (!sentence && !black) continue;
    console.log(`${path}: ${black ? `[${black.join(", ")}] ` : ""}(${words}) ${text}`);
  }
}

let isOver = false;
const groups = { "README and guides": /\.md$/, docstrings: /\.ts$/, all: /./ };
for (const [name, pattern] of Object.entries(groups)) {
  const sentences = all.filter(({ path }) => pattern.test(path)), figures = figuresOf(sentences);
  const words = sentences.reduce((sum, sentence) => sum + sentence.words, 0);
  console.log(
    `${name}: ${sentences.length} sentences, ${words} words; ` +
      `${figures.clauses.toFixed(2)} % begin with a clause (${MAX_CLAUSES}), ` +
      `${figures.long.toFixed(2)} % are long (${MAX_LONG}), ` +
      `${figures.black.toFixed(2)} black words in 1,000 (${MAX_BLACK})`,
  );
  isOver ||= figures.clauses > MAX_CLAUSES || figures.long > MAX_LONG || figures.black > MAX_BLACK;
}
Deno.exit(isOver ? 1 : 0);
