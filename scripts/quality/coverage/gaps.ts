/**
 * What the tests do not reach, and whether a reason is known for it.
 *
 * @module
 */

import type { Branch, FileCoverage } from "./lcov.ts";

/** Lines that no test reaches, and why. */
export interface Excuse {
  readonly reason: string;
  /** Whether some runs reach them: then the reason is no mistake where one does. */
  readonly sometimes?: boolean;
  /** A part of the text of each such line, by file. It stands for the lines around it, too. */
  readonly lines: Readonly<Record<string, readonly string[]>>;
}

/** Lines in a row that were not reached, or a branch that goes one way only. */
export interface Gap {
  readonly path: string;
  /** The first line and the last one. */
  readonly from: number;
  readonly to: number;
  /** The text of the first line, or of the one that the reason names. */
  readonly text: string;
  /** The ways of a branch that were not taken; of lines, `undefined`. */
  readonly untaken?: readonly boolean[];
  readonly reason?: string;
}

/** Gaps of all files, and the excuses that excuse nothing. */
export interface Gaps {
  readonly gaps: readonly Gap[];
  /** One line for each. */
  readonly stale: readonly string[];
}

/** The gaps of files, with the reasons that `excuses` give; `textOf` is the text of a file. */
export function findGaps(
  files: readonly FileCoverage[],
  excuses: readonly Excuse[],
  textOf: (path: string) => string,
): Gaps {
  const claims = excuses.flatMap(({ reason, lines, sometimes = false }) =>
    Object.entries(lines).flatMap(([path, texts]) =>
      texts.map((text) => ({ path, text, reason, isUsed: sometimes }))
    )
  );
  const gaps = files.flatMap(({ path, lines, branches }) => {
    const texts = textOf(path).split("\n").map((text) => text.trim());
    const mine = claims.filter((claim) => claim.path === path);
    return [...lineGaps(lines), ...branchGaps(lines, branches)].map((gap): Gap => {
      for (let line = gap.from; line <= gap.to; line++) {
        const claim = mine.find(({ text }) => texts[line - 1].includes(text));
        if (!claim) continue;
        claim.isUsed = true;
        return { path, ...gap, text: texts[line - 1], reason: claim.reason };
      }
      return { path, ...gap, text: texts[gap.from - 1] };
    });
  });
  const stale = claims.filter(({ isUsed }) => !isUsed);
  return { gaps, stale: stale.map(({ path, text }) => `${path}: ${text}`) };
}

type Found = Pick<Gap, "from" | "to" | "untaken">;

/** Lines without code between two that were not reached do not part them. */
function lineGaps(lines: ReadonlyMap<number, number>): Found[] {
  const found: { from: number; to: number }[] = [];
  let last: { from: number; to: number } | undefined;
  for (const [line, count] of [...lines].sort(([a], [b]) => a - b)) {
    if (count > 0) last = undefined;
    else if (last) last.to = line;
    else found.push(last = { from: line, to: line });
  }
  return found;
}

/** Of a line that was not reached itself nothing more is to be said. */
function branchGaps(lines: ReadonlyMap<number, number>, branches: readonly Branch[]): Found[] {
  const untaken = new Map<number, boolean[]>();
  for (const { line, isThrough, isTaken } of branches) {
    if (isTaken || lines.get(line) === 0) continue;
    const ways = untaken.get(line) ?? [];
    if (!ways.includes(isThrough)) untaken.set(line, [...ways, isThrough]);
  }
  return [...untaken].map(([line, untaken]) => ({ from: line, to: line, untaken }));
}
