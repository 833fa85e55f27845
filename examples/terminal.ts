/**
 * What the examples show in a terminal: numbers with units, a map and a report of
 * used and free space, steps with a progress bar.
 *
 * @module
 */

import process from "node:process";
import type { Allocator, Extent } from "@suballoc/offset-allocator";

/** `TERM=dumb` is a terminal without cursor and colours. */
const DUMB = process.env.TERM === "dumb";
const COLOUR = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR && !DUMB;

/** Text in the colour of an ANSI code (2 faint, 32 green, 33 yellow), where colour is shown. */
function coloured(code: number, text: string): string {
  return COLOUR ? `\x1b[${code}m${text}\x1b[0m` : text;
}

/** Text that stands out. */
export function bold(text: string): string {
  return coloured(1, text);
}

/** A count with separators: `1,234`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A count and what is counted: `1 file`, `1,234 files`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Bytes to three digits: `999 B`, `1.5 kB`, `45.6 MB`. Decimal units, as in MB/s. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes, unit = 0;
  // 999.5 would be rounded to a fourth digit.
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}

/** A duration: `4.1 ms`, `0.35 s`, `12.3 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.1) return `${(seconds * 1000).toFixed(1)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** A name as one line of harmless text: a file may be called anything, an escape sequence too. */
export function printable(name: string): string {
  return name.replace(
    /\p{Cc}/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Columns of the terminal; 80 where there is none, or it does not say. */
function columns(stream: { columns?: number }): number {
  return stream.columns || 80;
}

/** Rows under a heading, the first column to the left, numbers to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row, i) => {
    const cells = row.map((text, column) =>
      column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column])
    );
    return i === 0 ? bold(cells.join("  ")) : cells.join("  ");
  }).join("\n");
}

const FREE = "·";
const FULL = "█";
const MAP_ROWS = 6;

/**
 * A picture of a space: each cell stands for an equal part of it and shows how much
 * of that is used. A cell is drawn full or free only where every byte is.
 */
export function formatMap(capacity: number, freeRegions: Iterable<Extent>): string {
  const margin = "999.9 kB  ".length;
  const width = Math.max(8, columns(process.stdout) - margin - 1);
  // A cell has at least one byte.
  const count = Math.min(capacity, MAP_ROWS * width);
  if (count === 0) return "  0 B: nothing to draw";
  const start = (cell: number) => Math.floor(cell * capacity / count);

  const free = new Array<number>(count).fill(0);
  for (const { offset, size } of freeRegions) {
    const end = offset + size;
    let cell = Math.floor(offset / capacity * count);
    while (start(cell) > offset) cell--;
    for (; cell < count && start(cell) < end; cell++) {
      const overlap = Math.min(end, start(cell + 1)) - Math.max(offset, start(cell));
      free[cell] += Math.max(0, overlap);
    }
  }

  const cells = free.map((bytes, cell) => shade(1 - bytes / (start(cell + 1) - start(cell))));
  const lines: string[] = [];
  for (let first = 0; first < count; first += width) {
    const offset = formatBytes(start(first)).padStart(margin - 2);
    lines.push(`${coloured(2, offset)}  ${paint(cells.slice(first, first + width).join(""))}`);
  }
  const legend = `${FULL} full  ▓ over 2/3  ▒ over 1/3  ░ less  ${FREE} free`;
  lines.push(`${" ".repeat(margin)}${paint(legend)}  (${formatBytes(capacity / count)} a cell)`);
  return lines.join("\n");
}

/** The character for a cell of which this share is used. */
function shade(used: number): string {
  if (used === 1) return FULL;
  if (used === 0) return FREE;
  return used > 2 / 3 ? "▓" : used > 1 / 3 ? "▒" : "░";
}

/** Colours runs of cells: full ones green, mixed ones yellow, free ones faint. */
function paint(cells: string): string {
  return cells
    .replace(/█+/g, (run) => coloured(32, run))
    .replace(/[▓▒░]+/g, (run) => coloured(33, run))
    .replace(/·+/g, (run) => coloured(2, run));
}

/** Milliseconds between two pictures of a progress bar; quicker work shows none. */
const REDRAW = 100;

/** A bar on stderr, so that stdout stays clean; where that is no terminal it only counts. */
export class ProgressBar {
  readonly #total: number;
  readonly #start = performance.now();
  readonly #shown = Boolean(process.stderr.isTTY) && !DUMB;
  #drawnAt = this.#start;
  #end: number | undefined;
  #done = 0;

  /** @param total Bytes to do; 0 where nobody knows. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Bytes done so far. */
  get done(): number {
    return this.#done;
  }

  /** Seconds the work has taken. */
  get seconds(): number {
    return ((this.#end ?? performance.now()) - this.#start) / 1000;
  }

  /** Bytes per second in words; `undefined` where there were none. */
  get rate(): string | undefined {
    return this.#done === 0 ? undefined : `${formatBytes(this.#done / this.seconds)}/s`;
  }

  /** Counts bytes as done. */
  advance(bytes: number): void {
    this.#done += bytes;
    if (!this.#shown || performance.now() - this.#drawnAt < REDRAW) return;
    this.#drawnAt = performance.now();
    process.stderr.write(`\r${this.#picture()}\x1b[K`);
  }

  /** Stops the clock and takes the bar away; once is enough. */
  finish(): void {
    if (this.#end !== undefined) return;
    this.#end = performance.now();
    if (this.#drawnAt !== this.#start) process.stderr.write("\r\x1b[K");
  }

  #picture(): string {
    const done = formatBytes(this.#done).padStart(7);
    const rate = (this.rate ?? "").padStart(9);
    if (this.#total === 0) return `  ${done}  ${rate}`;
    // What was counted may have grown since.
    const share = Math.min(1, this.#done / this.#total);
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    const numbers = `${percent}  ${done} of ${formatBytes(this.#total)}  ${rate}`;
    const width = Math.min(40, columns(process.stderr) - numbers.length - 5);
    if (width < 5) return `  ${percent}`;
    const full = Math.floor(share * width);
    return `  ${paint(FULL.repeat(full) + FREE.repeat(width - full))} ${numbers}`;
  }
}

/** Does one step under a progress bar; `work` gives its result and says what it did. */
export function step<T>(
  title: string,
  totalBytes: number,
  work: (bar: ProgressBar) => [result: T, did: string],
): T {
  console.log(`\n${bold(title)}`);
  const bar = new ProgressBar(totalBytes);
  try {
    const [result, did] = work(bar);
    bar.finish();
    const rate = bar.rate === undefined ? "" : ` (${bar.rate})`;
    console.log(`  ${did} in ${formatSeconds(bar.seconds)}${rate}`);
    return result;
  } finally {
    bar.finish();
  }
}

/** The numbers of an arena at one point of the story. */
export interface State {
  readonly name: string;
  readonly capacity: number;
  readonly free: number;
  readonly largest: number;
  readonly holes: number;
  readonly regions: number;
}

/** Shows a map of an allocator's space, here bytes of a file, and gives its numbers. */
export function look(name: string, allocator: Allocator): State {
  const holes = [...allocator.freeRegions()];
  console.log(formatMap(allocator.capacity, holes));
  if (holes.length > 1) console.log(formatHistogram(holes));
  return {
    name,
    capacity: allocator.capacity,
    free: allocator.freeSpace,
    largest: allocator.largestFreeRegion(),
    holes: holes.length,
    regions: allocator.allocationCount,
  };
}

/** Free regions by order of magnitude, one line each. */
function formatHistogram(holes: readonly Extent[]): string {
  const counts = new Map<number, number>();
  for (const { size } of holes.toSorted((a, b) => a.size - b.size)) {
    const least = 10 ** (String(size).length - 1);
    counts.set(least, (counts.get(least) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  const lines = [...counts].map(([least, count]) => {
    const bar = "▇".repeat(Math.ceil(30 * count / most));
    return `    ${formatBytes(least).padStart(6)}  ${formatCount(count).padStart(6)}  ${bar}`;
  });
  return ["  Free regions of at least", ...lines].join("\n");
}

/** The storage report: one line for each state. */
export function printReport(states: readonly State[]): void {
  const heads = ["", "capacity", "regions", "free", "free regions", "largest", "fragmentation"];
  const rows = states.map(({ name, capacity, free, largest, holes, regions }) => [
    name,
    formatBytes(capacity),
    formatCount(regions),
    formatBytes(free),
    formatCount(holes),
    formatBytes(largest),
    free === 0 ? "0 %" : `${(100 * (1 - largest / free)).toFixed(1)} %`,
  ]);
  console.log(`\n${formatTable([heads, ...rows])}`);
  console.log("Fragmentation: how much of the free space lies outside its largest region.");
}
