/**
 * The figures as a table of plain text.
 *
 * @module
 */

import type { Absence, Figures, Report } from "./measure.ts";

interface Column {
  readonly title: string;
  readonly cell: (figures: Figures) => string;
  /** Title of the column. */
  readonly about: string;
  /** Left out unless some strategy has it; always there by default. */
  readonly when?: (figures: Figures) => boolean;
}

const COLUMNS: readonly Column[] = [
  {
    title: "ns/op",
    cell: ({ ns }) => ns.toFixed(1),
    about: "nanoseconds per operation: the fastest pass, less the empty loop",
  },
  {
    title: "refused",
    cell: ({ refused }) => count(refused),
    about: "allocations that returned NO_SPACE",
  },
  {
    title: "resizes",
    cell: ({ refusedResizes }) => count(refusedResizes),
    about: "resizes that were refused",
    when: ({ refusedResizes }) => refusedResizes > 0,
  },
  {
    title: "gained",
    cell: ({ gained }) => count(gained),
    about: "allocations and resizes refused in the recording, and not here",
    when: ({ gained }) => gained > 0,
  },
  {
    title: "skipped",
    cell: ({ skipped }) => count(skipped),
    about: "operations on allocations that were refused here",
    when: ({ skipped }) => skipped > 0,
  },
  {
    title: "unable",
    cell: ({ unsupported }) => count(unsupported),
    about: "operations that the strategy does not have, or not so",
    when: ({ unsupported }) => unsupported > 0,
  },
  {
    title: "used",
    cell: ({ peakUsed, peakUnits }) => times(peakUsed, peakUnits),
    about: "most units not free, over the most that were asked for at a time",
  },
  {
    title: "highest",
    cell: ({ highWater, peakUnits }) => times(highWater, peakUnits),
    about: "highest end of an allocation, over the same",
  },
  {
    title: "padding",
    cell: ({ padding, peakUnits }) => percent(ratio(padding, peakUnits)),
    about: "most units neither free nor asked for, over the same",
  },
  {
    title: "worst",
    cell: ({ worstFragmentation }) => percent(worstFragmentation),
    about: "worst fragmentation: free space that is not in the largest free region",
  },
  {
    title: "at end",
    cell: ({ endFragmentation }) => percent(endFragmentation),
    about: "fragmentation after the last operation",
  },
  {
    title: "state",
    cell: ({ stateBytes }) => megabytes(stateBytes ?? 0),
    about: "memory of its tables after the trace, to about 0.1 MB",
    when: ({ stateBytes }) => stateBytes !== undefined,
  },
];

const NAME_WIDTH = 18;
const WIDTH = 10;

/** The table, with what its columns mean. */
export function table(report: Report): string {
  const figures = report.strategies.filter((result): result is Figures => "ns" in result);
  const columns = COLUMNS.filter(({ when = () => true }) => figures.some(when));
  const width = NAME_WIDTH + WIDTH * columns.length;
  const row = (name: string, cells: readonly string[]) =>
    name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(WIDTH)).join("");
  const operations = `${count(report.operations)} operations`;
  const lines = [
    `${report.trace}: ${operations} in a space of ${count(report.capacity)} units`,
    "",
  ];
  if (figures.length > 0) {
    lines.push(row("", columns.map(({ title }) => title)), "-".repeat(width));
  }
  for (const result of report.strategies) {
    if ("ns" in result) lines.push(row(result.name, columns.map(({ cell }) => cell(result))));
  }
  const absent = report.strategies.filter((result): result is Absence => "reason" in result);
  if (absent.length > 0) lines.push("");
  for (const { name, reason } of absent) lines.push(`${name.padEnd(NAME_WIDTH)}  ${reason}`);
  if (figures.length > 0) lines.push("");
  for (const { title, about } of columns) lines.push(`${title.padEnd(WIDTH)}${about}`);
  return lines.join("\n");
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function ratio(value: number, whole: number): number {
  return whole === 0 ? 0 : value / whole;
}

function times(value: number, whole: number): string {
  return whole === 0 ? "-" : `${(value / whole).toFixed(2)}x`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function megabytes(bytes: number): string {
  const size = bytes / 1e6;
  return size < 0.1 ? "< 0.1 MB" : `${size.toFixed(size < 10 ? 1 : 0)} MB`;
}
