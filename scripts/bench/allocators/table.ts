/**
 * The reports of all runtimes as one table of plain text.
 *
 * @module
 */

import { type Report, ROOM, type WorkloadResult } from "./measure.ts";

/** Times of the strategies as multiples of that of the first, in one table per runtime. */
export function strategyTables(reports: readonly Report[]): string {
  return reports.map(({ runtime, engine, strategies }) => {
    const names = strategies[0].strategies.map(({ name }) => name.replace(/Allocator$/, ""));
    const row = (label: string, cells: readonly string[]) =>
      line(label, cells.map((cell) => cell.padStart(9)));
    const columns = names.map((_, i) =>
      strategies.flatMap((workload) => workload.strategies[i].ratio ?? [])
    );
    return [
      row(`${runtime}, ${engine}`, names),
      "-".repeat(LABEL_WIDTH + 9 * names.length),
      ...strategies.map(({ name, about, strategies: results }) =>
        row(
          `${name.padEnd(9)} ${about}`,
          results.map(({ ns, ratio }, i) =>
            ns === undefined || ratio === undefined
              ? "-"
              : i === 0
              ? `${ns.toFixed(1)} ns`
              : times(ratio)
          ),
        )
      ),
      row("geometric mean of those", [
        "",
        ...columns.slice(1).map((ratios) => times(mean(ratios))),
      ]),
    ].join("\n");
  }).join("\n\n");
}

/** Rows of one kind. Every runtime has the same columns. */
interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

interface Row {
  readonly label: string;
  /** The cells of each runtime. */
  readonly cells: readonly (readonly string[])[];
}

const LABEL_WIDTH = 28;
const CELL_WIDTHS = [7, 9, 8];
const GROUP_WIDTH = CELL_WIDTHS.reduce((sum, width) => sum + width);

/** The table; the names are those of the peers. */
export function table(reports: readonly Report[], peerNames: readonly string[]): string {
  const heads = [
    line("", reports.map(({ runtime }) => runtime.padStart(GROUP_WIDTH))),
    line("", reports.map(({ engine }) => engine.padStart(GROUP_WIDTH))),
  ];
  return [
    ...heads,
    ...sections(reports, peerNames).flatMap((section) => [
      "",
      line(section.title, reports.map(() => group(section.columns))),
      "-".repeat(LABEL_WIDTH + GROUP_WIDTH * reports.length),
      ...section.rows.map(({ label, cells }) => line(label, cells.map(group))),
    ]),
  ].join("\n");
}

/** A workload, and the nanoseconds of two ways to run it. */
type Pair = readonly [name: string, about: string, firstNs: number, secondNs: number];

/** One way to run the workloads, beside another one. */
function pairs(
  title: string,
  ratio: string,
  reports: readonly Report[],
  of: (report: Report) => readonly Pair[],
): Section {
  const named = (report: Report) =>
    of(report).map(([name, about, firstNs, secondNs]) => ({ name, about, firstNs, secondNs }));
  return {
    title,
    columns: ["ns/op", ratio],
    rows: [
      ...rows(
        reports,
        named,
        ({ firstNs, secondNs }) => [ns(secondNs), times(secondNs / firstNs)],
      ),
      {
        label: "geometric mean",
        cells: reports.map((report) => [
          ns(mean(of(report).map(([, , , secondNs]) => secondNs))),
          times(mean(of(report).map(([, , firstNs, secondNs]) => secondNs / firstNs))),
        ]),
      },
    ],
  };
}

function sections(reports: readonly Report[], peerNames: readonly string[]): Section[] {
  const columns = ["ns/op", ...peerNames];
  return [
    {
      title: "workload",
      columns,
      rows: [
        ...rows(reports, (report) => report.workloads, workloadCells),
        {
          label: "geometric mean",
          cells: reports.map(({ workloads }) => [
            ns(mean(workloads.map((workload) => workload.ns))),
            ...peerNames.map((_, i) => times(mean(workloads.map(({ peers }) => peers[i].ratio)))),
          ]),
        },
      ],
    },
    {
      title: "free one, allocate one",
      columns,
      rows: rows(reports, (report) => report.live, workloadCells),
    },
    pairs(
      "bundled and minified",
      "/ files",
      reports,
      ({ bundled }) =>
        bundled.map(({ name, about, filesNs, bundledNs }) => [name, about, filesNs, bundledNs]),
    ),
    pairs(
      "capacity 2^40: WideOffsetAllocator",
      "/ 32-bit",
      reports,
      ({ wide }) =>
        wide.map(({ name, about, narrowNs, wideNs }) => [name, about, narrowNs, wideNs]),
    ),
    {
      title: `room for ${ROOM.toLocaleString("en")}`,
      columns: ["32-bit", "wide"],
      rows: [
        {
          label: "microseconds to construct",
          cells: reports.map(({ construction: { narrow, wide } }) =>
            [narrow, wide].map(({ microseconds }) => microseconds.toFixed(0))
          ),
        },
        {
          label: "bytes per allocation",
          cells: reports.map(({ construction: { narrow, wide } }) =>
            [narrow, wide].map(({ bytesEach }) => bytesEach?.toFixed(1) ?? "-")
          ),
        },
      ],
    },
  ];
}

/** A row for each of the results that all reports have. */
function rows<Result extends { readonly name: string; readonly about: string }>(
  reports: readonly Report[],
  of: (report: Report) => readonly Result[],
  cells: (result: Result) => string[],
): Row[] {
  return of(reports[0]).map(({ name, about }, i) => ({
    label: `${name.padEnd(9)} ${about}`,
    cells: reports.map((report) => cells(of(report)[i])),
  }));
}

function workloadCells({ ns: ours, peers }: WorkloadResult): string[] {
  return [ns(ours), ...peers.map(({ ratio }) => times(ratio))];
}

function line(label: string, groups: readonly string[]): string {
  return (label.padEnd(LABEL_WIDTH) + groups.join("")).trimEnd();
}

function group(cells: readonly string[]): string {
  return CELL_WIDTHS.map((width, i) => (cells[i] ?? "").padStart(width)).join("");
}

function ns(value: number): string {
  return value.toFixed(1);
}

function times(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(ratio < 100 ? 1 : 0)}x`;
}

/** The geometric mean, which does not depend on what a ratio is taken to. */
function mean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
