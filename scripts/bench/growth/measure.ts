/**
 * The figures of `deno task bench:growth`, on the runtime that this runs on.
 *
 * @module
 */

import { host } from "../runner.ts";
import { type Other, others } from "./others.ts";
import { costOfFunction, Promises } from "./promises.ts";
import { type Case, type Row, rows, Stage } from "./rows.ts";
import { type Subject, subjects } from "./subjects.ts";

/** How long to measure. */
export interface Effort {
  /** Numbers of live allocations. */
  readonly live: readonly number[];
  /** Milliseconds for one figure, if two rounds take no longer. */
  readonly budget: number;
}

export const FULL: Effort = { live: [1000, 10_000, 100_000, 1_000_000], budget: 25 };
export const QUICK: Effort = { live: [1000, 10_000], budget: 3 };

/** A round with fewer calls than it may have is one that took so many milliseconds. */
const SLICE = 5;
/** Rounds after which a figure hardly gets better. */
const MOST_ROUNDS = 200;
/** Milliseconds after which one round has to do. */
const LONG = 400;
/** Nanoseconds below which a difference of two times says nothing. */
const LEAST = 5;

/** The cost of a call. */
export interface GrowthResult {
  readonly name: string;
  /** Nanoseconds for each number of live allocations: the least of several rounds. */
  readonly ns: readonly number[];
  /** The time grows with this power of the number. */
  readonly exponent: number;
  /** What the documentation says. */
  readonly promise: string;
}

/** The costs of all calls of a strategy. */
export interface SubjectResult {
  readonly name: string;
  readonly rows: readonly GrowthResult[];
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly cpu: string;
  readonly live: readonly number[];
  readonly subjects: readonly SubjectResult[];
}

/** Measures all rows with this in the names of their strategy and call. */
export async function measure(effort: Effort, only: string = ""): Promise<Report> {
  const results = subjects.map((subject) => measureSubject(subject, effort, only));
  for (const other of others) results.push(await measureOther(other, effort, only));
  return { ...host(), live: effort.live, subjects: results.filter(({ rows }) => rows.length > 0) };
}

async function measureOther(other: Other, effort: Effort, only: string): Promise<SubjectResult> {
  const { live, budget } = effort, promises = new Promises([other.source]);
  const wanted = async (count: number) =>
    (await other.rows(count)).filter(({ name }) => `${other.name}, ${name}`.includes(only));
  const some = await wanted(live[0]);
  if (some.length === 0) return { name: other.name, rows: [] };
  for (const { task } of some) timeOf(task, QUICK.budget); // for the compiler
  const columns: number[][] = [];
  for (const count of live) {
    columns.push((await wanted(count)).map(({ task }) => timeOf(task, budget)));
  }
  const rows = some.map(({ name, line }, i) => {
    const ns = columns.map((column) => column[i]);
    return { name, ns, exponent: exponentOf(live, ns), promise: promises.at(line) };
  });
  return { name: other.name, rows };
}

function measureSubject(
  subject: Subject,
  { live, budget }: Effort,
  only: string,
): SubjectResult {
  const own = rows.filter(({ name, has }) =>
    (has === undefined || has(subject)) && `${subject.name}, ${name}`.includes(only)
  );
  if (own.length === 0) return { name: subject.name, rows: [] };
  const promises = new Promises(subject.sources);
  measureRows(subject, own, live[0], QUICK.budget); // for the compiler
  const columns = live.map((count) => measureRows(subject, own, count, budget));
  return {
    name: subject.name,
    rows: own.map((row, i) => {
      const ns = columns.map((column) => column[i]);
      return {
        name: row.name,
        ns,
        exponent: exponentOf(live, ns),
        promise: promiseOf(row, subject, promises),
      };
    }),
  };
}

/** Nanoseconds of each row with so many live allocations. */
function measureRows(
  subject: Subject,
  own: readonly Row[],
  live: number,
  budget: number,
): number[] {
  const stage = new Stage(subject, live);
  return own.map((row) => {
    try {
      return timeOf(row.make(stage), budget);
    } catch (cause) {
      throw new Error(`${subject.name}, ${live} live, ${row.name}`, { cause });
    }
  });
}

/** What the documentation says of a row, or "". */
export function promiseOf(row: Row, subject: Subject, promises: Promises): string {
  const { method, condition, operation } = row;
  const line = condition === undefined ? undefined : subject.lines[condition];
  if (line !== undefined) return promises.at(line);
  if (operation !== undefined && !promises.names(method)) {
    return costOfFunction(`src/operations/${operation}.ts`, method) ?? "";
  }
  return promises.of(method) ?? "";
}

/** Nanoseconds of one call or item: the least of the rounds, less what is between the calls. */
function timeOf(task: Case, budget: number): number {
  const { calls: most = 400, isWhole = false, items = 1 } = task;
  const begin = performance.now();
  let calls = isWhole ? most : 1, whole = Infinity, between = Infinity;
  for (let round = 0; round < 2 || performance.now() < begin + budget; round++) {
    if (round === 1 && performance.now() > begin + LONG) break;
    const [time, spent] = roundOf(task, calls);
    if (calls < most && time < SLICE) {
      calls = Math.min(most, calls * 8);
      round = -1;
      whole = between = Infinity;
    } else {
      whole = Math.min(whole, time / calls);
      between = Math.min(between, spent / calls);
    }
    if (round === MOST_ROUNDS) break;
  }
  return Math.max((whole - between) * 1e6, LEAST) / items;
}

/** Milliseconds of a round, and those of what is done between its calls. */
function roundOf({ before, between, call, after }: Case, calls: number): [number, number] {
  let spent = 0;
  before?.();
  if (between !== undefined) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) between();
    spent = performance.now() - start;
  }
  const start = performance.now();
  let result: unknown;
  for (let i = 0; i < calls; i++) {
    between?.();
    result = call(i);
  }
  const time = performance.now() - start;
  sink.last = result;
  after?.();
  return [time, spent];
}

/** Where results go, so that they are used. */
const sink: { last: unknown } = { last: undefined };

/** The slope of log time over log number, by least squares. */
function exponentOf(live: readonly number[], ns: readonly number[]): number {
  const x = live.map(Math.log), y = ns.map(Math.log);
  const meanX = mean(x), meanY = mean(y);
  const slope = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i] - meanY), 0);
  return slope / x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
