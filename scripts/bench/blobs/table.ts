/**
 * The report of a runtime as a table of plain text, with what was to be reached.
 *
 * @module
 */

import { FILES, OURS } from "./contestants.ts";
import type { Figure, Report, Row, Unit } from "./report.ts";

/** By row and contestant: for a peer the least ratio, for the blob store the most of its unit. */
const TARGETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  put: { "sqlite": 1.6, "lmdb": 4, [FILES]: 15 },
  bulk: { "sqlite": 2, "lmdb": 2, [FILES]: 3 },
  get: { "sqlite": 1.5, "lmdb": 0.9, [FILES]: 1.3 },
  getInto: { "lmdb": 1 },
  hot: { "lmdb": 1 },
  hotInto: { "lmdb": 1 },
  one: { "sqlite": 1 },
  churn: { [OURS]: 1.1 },
  open: { [OURS]: 30 },
  crash: { [OURS]: 150 },
  memory: { [OURS]: 120 },
};

/** The targets of the time to open hold for so many blobs. */
const OPEN_TITLE = /^100,000 /;

/** How a figure reads, with its unit. */
const FORMATS: Readonly<Record<Unit, (value: number) => string>> = {
  "blobs/s": (value) => `${Math.round(value).toLocaleString("en")}/s`,
  "ms": (value) => `${value.toFixed(value < 10 ? 2 : 1)} ms`,
  "bytes": (value) => `${value.toFixed(1)} B`,
  "times": (value) => value.toFixed(3),
};

/** The table of a runtime: of each section those that took part. */
export function table({ runtime, engine, contestants, sections }: Report): string {
  return [
    `${runtime}, ${engine}`,
    ...sections.flatMap(({ title, rows }) => {
      const names = contestants.filter((name) => rows.some(({ figures }) => name in figures));
      const cells = rows.map((row) => [row.label, ...names.map((name) => cell(row, name, title))]);
      return ["", ...aligned([[title, ...names], ...cells])];
    }),
  ].join("\n");
}

function cell({ id, unit, figures }: Row, name: string, title: string): string {
  const figure: Figure | undefined = figures[name];
  if (figure === undefined) return "-";
  const { value, ratio } = figure;
  const text = ratio === undefined ? FORMATS[unit](value) : `${ratio.toFixed(2)}x`;
  const target = TARGETS[id]?.[name];
  if (target === undefined || (id === "open" && !OPEN_TITLE.test(title))) return text;
  // As it is printed: 0.998 is 1.00.
  const isMet = ratio === undefined ? value <= target : Number(ratio.toFixed(2)) >= target;
  return `${text} (${target} ${isMet ? "ok" : "MISS"})`;
}

/** Columns as wide as they must be, a rule below the first row. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((text, column) => column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))
      .join("  ")
  );
  return [lines[0], "-".repeat(lines[0].length), ...lines.slice(1)];
}
