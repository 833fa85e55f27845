/**
 * Reports of coverage in the format of lcov, as `deno coverage --lcov` writes them.
 *
 * @module
 */

/** One of the two ways past a piece of code that may be passed over. */
export interface Branch {
  /** The line where the piece begins, from 1 on. */
  readonly line: number;
  /** `true` for the way through the piece, `false` for the way around it. */
  readonly isThrough: boolean;
  readonly isTaken: boolean;
}

/** What was reached of a file. */
export interface FileCoverage {
  readonly path: string;
  /** How often each line that has code was run, by its number from 1 on. */
  readonly lines: ReadonlyMap<number, number>;
  readonly branches: readonly Branch[];
}

/** The files of a report, their paths as they stand there. */
export function parseLcov(report: string): FileCoverage[] {
  return report.split("end_of_record").filter((record) => record.includes("SF:")).map((record) => {
    let path = "";
    const lines = new Map<number, number>(), branches: Branch[] = [];
    for (const text of record.split("\n")) {
      const [, key, value] = /^([A-Z]+):(.*)$/.exec(text) ?? [];
      if (key === "SF") path = value;
      else if (key === "DA") {
        const [line, count] = value.split(",").map(Number);
        lines.set(line, count);
      } else if (key === "BRDA") {
        // Line, function, way and count; "-" counts for a function that never ran.
        const [line, , way, count] = value.split(",");
        branches.push({ line: Number(line), isThrough: way === "0", isTaken: Number(count) > 0 });
      }
    }
    return { path, lines, branches };
  });
}
