/**
 * Stands in for `@std/testing/bdd`, over `node:test`, so that one test file runs
 * on Deno, Node and Bun. The names and signatures are the real package's, without
 * what `node:test` has no equal for: `this`, the test context, flat suites.
 *
 * @module
 */

import * as runner from "node:test";
import { followNoPromises } from "./untracked.ts";

followNoPromises();

/** The body of a test or hook. */
export type TestFunction = () => void | Promise<void>;

/** How a test is registered. */
export interface ItDefinition {
  name: string;
  fn: TestFunction;
  /** Registers the test without running it. */
  ignore?: boolean;
  /** Runs only this test and others so marked. */
  only?: boolean;
}

/** How a group is registered. */
export interface DescribeDefinition extends Omit<ItDefinition, "fn"> {
  /** Registers the group's tests; not async. */
  fn?: () => void | undefined;
  beforeAll?: TestFunction;
  afterAll?: TestFunction;
  beforeEach?: TestFunction;
  afterEach?: TestFunction;
}

/** What names a test or group: everything, or name, options and function apart. */
type Args<Definition extends { fn?: unknown }> =
  | [options: Definition]
  | [name: string, fn: NonNullable<Definition["fn"]>]
  | [name: string, options: Omit<Definition, "name">]
  | [name: string, options: Omit<Definition, "fn" | "name">, fn: NonNullable<Definition["fn"]>];

/** The arguments of {@linkcode it}. */
export type ItArgs = Args<ItDefinition>;

/** The arguments of {@linkcode describe}. */
export type DescribeArgs = Args<DescribeDefinition>;

/** One definition from any form of the arguments. */
function definition<D extends { fn?: unknown }>(args: Args<D>): D {
  const [first, second, fn] = args;
  const named = typeof first === "string" ? { name: first } : first;
  const rest = typeof second === "function" ? { fn: second } : second;
  return { ...named, ...rest, ...(fn && { fn }) } as D;
}

/** Registers a group of tests. */
export function describe(...args: DescribeArgs): void {
  const { name, fn, ignore, only, ...hooks } = definition(args);
  runner.describe(name, { skip: ignore, only }, () => {
    if (hooks.beforeAll) beforeAll(hooks.beforeAll);
    if (hooks.afterAll) afterAll(hooks.afterAll);
    if (hooks.beforeEach) beforeEach(hooks.beforeEach);
    if (hooks.afterEach) afterEach(hooks.afterEach);
    fn?.();
  });
}

describe.only = (...args: DescribeArgs): void => describe({ ...definition(args), only: true });
describe.ignore = (...args: DescribeArgs): void => describe({ ...definition(args), ignore: true });
/** Alias of `describe.ignore`. */
describe.skip = describe.ignore;

/** Registers a test. */
export function it(...args: ItArgs): void {
  const { name, fn, ignore, only } = definition(args);
  // A wrapper without parameters: a body with two would be given a callback.
  runner.it(name, { skip: ignore, only }, () => fn());
}

it.only = (...args: ItArgs): void => it({ ...definition(args), only: true });
it.ignore = (...args: ItArgs): void => it({ ...definition(args), ignore: true });
/** Alias of `it.ignore`. */
it.skip = it.ignore;

/** Alias of {@linkcode it}. */
export const test = it;

/** Runs `fn` before the first test of the group. */
export function beforeAll(fn: TestFunction): void {
  runner.before(() => fn());
}

/** Runs `fn` after the last test of the group. */
export function afterAll(fn: TestFunction): void {
  runner.after(() => fn());
}

/** Runs `fn` before each test of the group. */
export function beforeEach(fn: TestFunction): void {
  runner.beforeEach(() => fn());
}

/** Runs `fn` after each test of the group. */
export function afterEach(fn: TestFunction): void {
  runner.afterEach(() => fn());
}

/** Alias of {@linkcode beforeAll}. */
export const before = beforeAll;

/** Alias of {@linkcode afterAll}. */
export const after = afterAll;
