/**
 * What `deno task coverage` makes of a report.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync } from "node:fs";
import { EXCUSES } from "../../scripts/quality/coverage/excuses.ts";
import { findGaps } from "../../scripts/quality/coverage/gaps.ts";
import { parseLcov } from "../../scripts/quality/coverage/lcov.ts";
import { ROOT } from "../support/rules.ts";

const TEXT = `export function half(n: number): number {
  if (n % 2 !== 0) {
    // A note.

    throw new RangeError("odd");
  }
  return n / 2;
}
const other = () => 0;
`;

/** `half` was called with even numbers, `other` was not called. */
const REPORT = `SF:/code/half.ts
FN:1,half
FNDA:3,half
BRDA:2,1,0,0
BRDA:2,1,1,3
DA:1,1
DA:2,3
DA:5,0
DA:6,0
DA:7,3
DA:9,0
LF:6
LH:3
end_of_record
SF:/code/never.ts
BRDA:1,1,0,-
DA:1,1
end_of_record
`;

describe("the list of reasons", () => {
  it("names files that are there", () => {
    const paths = EXCUSES.flatMap(({ lines }) => Object.keys(lines));
    assertEquals(paths.filter((path) => !existsSync(ROOT + path)), []);
  });
});

describe("a report of lcov", () => {
  it("is read", () => {
    const [half, never, ...rest] = parseLcov(REPORT);
    assertEquals(rest, []);
    assertEquals(half.path, "/code/half.ts");
    assertEquals([...half.lines], [[1, 1], [2, 3], [5, 0], [6, 0], [7, 3], [9, 0]]);
    assertEquals(half.branches, [
      { line: 2, isThrough: true, isTaken: false },
      { line: 2, isThrough: false, isTaken: true },
    ]);
    assertEquals(never.branches, [{ line: 1, isThrough: true, isTaken: false }]);
    assertEquals(parseLcov(""), []);
  });
});

describe("what no test reaches", () => {
  const [half] = parseLcov(REPORT);
  const path = half.path;
  const find = (lines: Record<string, string[]>) =>
    findGaps([half], [{ reason: "why", lines }], () => TEXT);

  it("is lines in a row, and branches that go one way", () => {
    assertEquals(find({}), {
      gaps: [
        { path, from: 5, to: 6, text: 'throw new RangeError("odd");' },
        { path, from: 9, to: 9, text: "const other = () => 0;" },
        { path, from: 2, to: 2, untaken: [true], text: "if (n % 2 !== 0) {" },
      ],
      stale: [],
    });
  });

  it("has the reason that names one of its lines", () => {
    const { gaps, stale } = find({ [path]: ["RangeError", "n % 2"] });
    assertEquals(gaps.map(({ reason }) => reason), ["why", undefined, "why"]);
    assertEquals(stale, []);
  });

  it("makes reasons stale whose lines are reached, gone, or of another file", () => {
    const { gaps, stale } = find({ [path]: ["return n / 2", "gone"], "other.ts": ["RangeError"] });
    assertEquals(gaps.map(({ reason }) => reason), [undefined, undefined, undefined]);
    assertEquals(stale, [`${path}: return n / 2`, `${path}: gone`, "other.ts: RangeError"]);
  });

  it("keeps a reason for what is reached sometimes", () => {
    const excuse = { reason: "why", sometimes: true, lines: { [path]: ["return n / 2"] } };
    assertEquals(findGaps([half], [excuse], () => TEXT).stale, []);
  });

  it("says nothing of a branch in a line that was not reached", () => {
    const lines = new Map([[2, 0]]), branches = [{ line: 2, isThrough: true, isTaken: false }];
    const { gaps } = findGaps([{ path, lines, branches }], [], () => TEXT);
    assertEquals(gaps.map(({ untaken }) => untaken), [undefined]);
  });
});
