/**
 * Judges the prose of README, guides and docstrings: too many sentences that are hard to read fail.
 *
 * @module
 */

import { type Fault, FAULTS, faultsOf, type Sentence, sentencesOf } from "./sentences.ts";

/** What is read: pages, and modules whose docstrings users read. */
const READ =
  /^(?:README|CONTRIBUTING|SECURITY|docs\/[^/]+)\.md$|^(?:mod|(?:src|backends|cli)\/.+)\.ts$/;
/** Written by a task, from the first lines of files. */
const WRITTEN = ["docs/architecture.md"];

/** What has limits of its own. */
const GROUPS: Readonly<Record<string, RegExp>> = {
  "README and guides": /\.md$/,
  docstrings: /\.ts$/,
  all: /./,
};

/** The most of each fault: in a hundred sentences, or in a thousand words. */
export const LIMITS: Readonly<Record<Fault, number>> = { clause: 0.5, long: 2, black: 2.5 };

/** How each fault is said, with what is counted. */
const SAID: Readonly<Record<Fault, string>> = {
  clause: "% begin with a clause",
  long: "% are long",
  black: "black words in 1,000",
};

/** What was found. */
export interface Judgement {
  /** A line for each group: its figures, and their limits. */
  readonly figures: readonly string[];
  /** A line for each sentence of a group that is over a limit, or that was asked for. */
  readonly sentences: readonly string[];
  /** True if a group is over a limit. */
  readonly isOver: boolean;
}

/**
 * Judges the files that are read.
 *
 * @param files Texts by their paths from the root.
 * @param starts Beginnings of paths whose faults are listed in any case.
 */
export function judge(files: ReadonlyMap<string, string>, starts: readonly string[]): Judgement {
  const paths = [...files.keys()].filter((path) => READ.test(path) && !WRITTEN.includes(path));
  const all = paths.sort().flatMap((path) => sentencesOf(path, files.get(path)!));
  const figures: string[] = [], listed = new Map<Sentence, Set<Fault>>();
  const list = (sentences: readonly Sentence[], kinds: readonly Fault[]) => {
    for (const sentence of sentences) {
      const faults = kinds.filter((kind) => faultsOf(sentence)[kind] > 0);
      if (faults.length === 0) continue;
      listed.set(sentence, new Set([...listed.get(sentence) ?? [], ...faults]));
    }
  };
  list(all.filter(({ path }) => starts.some((start) => path.startsWith(start))), FAULTS);
  let isOver = false;
  for (const [name, pattern] of Object.entries(GROUPS)) {
    const sentences = all.filter(({ path }) => pattern.test(path));
    const rates = ratesOf(sentences), over = FAULTS.filter((kind) => rates[kind] > LIMITS[kind]);
    isOver ||= over.length > 0;
    list(sentences, over);
    const said = FAULTS.map((kind) => `${rates[kind].toFixed(2)} ${SAID[kind]} (${LIMITS[kind]})`);
    const words = sumOf(sentences, ({ words }) => words);
    figures.push(`${name}: ${sentences.length} sentences, ${words} words; ${said.join(", ")}`);
  }
  const lines = Array.from(listed, ([{ path, text, words }, faults]) => {
    return `${path}: [${[...faults].join(", ")}] (${words}) ${text}`;
  });
  return { figures, sentences: lines, isOver };
}

function ratesOf(sentences: readonly Sentence[]): Record<Fault, number> {
  const faults = sentences.map(faultsOf);
  const perSentence = 100 / Math.max(1, sentences.length);
  const perWord = 1000 / Math.max(1, sumOf(sentences, ({ words }) => words));
  return {
    clause: perSentence * sumOf(faults, ({ clause }) => clause),
    long: perSentence * sumOf(faults, ({ long }) => long),
    black: perWord * sumOf(faults, ({ black }) => black),
  };
}

function sumOf<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((sum, item) => sum + numberOf(item), 0);
}
