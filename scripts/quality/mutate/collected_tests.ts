/**
 * Stands in for `@std/testing/bdd` where mutants are tested: keeps the tests, so that they can
 * run in any order.
 *
 * @module
 */

type Body = () => unknown;
type Options = { name?: string; fn?: Body; ignore?: boolean; only?: boolean } & Partial<Hooks>;
type Args = [name: string | Options, options?: Body | Options, fn?: Body];

/** A test. */
export interface CollectedTest {
  readonly name: string;
  /** The outermost of its groups that prepares something for all its tests. */
  readonly prepared: string | undefined;
  /** The test with the hooks of its groups. */
  readonly run: () => Promise<void>;
}

interface Hooks {
  beforeAll: Body;
  afterAll: Body;
  beforeEach: Body;
  afterEach: Body;
}

/** A group, or a whole file. */
interface Group {
  readonly name: string;
  readonly outer: Group | undefined;
  readonly hooks: { readonly [kind in keyof Hooks]: Body[] };
  isBegun: boolean;
}

/** All tests of the files that were loaded. */
export const collected: CollectedTest[] = [];

const groups: Group[] = [];
let group = newGroup("");

function newGroup(name: string, outer?: Group): Group {
  const hooks = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
  const made = { name, outer, hooks, isBegun: false };
  groups.push(made);
  return made;
}

/** What is registered from now on belongs to this file. */
export function beginFile(name: string): void {
  group = newGroup(name);
}

/** Runs what comes after all tests. */
export async function finish(): Promise<void> {
  for (const { hooks, isBegun } of groups.reverse()) {
    if (isBegun) { for (const hook of hooks.afterAll) await hook(); }
  }
}

function definition([first, second, third]: Args): Options {
  const named = typeof first === "string" ? { name: first } : first;
  const rest = typeof second === "function" ? { fn: second } : second;
  return { ...named, ...rest, ...(third && { fn: third }) };
}

export function describe(...args: Args): void {
  const { name = "", fn, ignore, ...hooks } = definition(args);
  if (ignore) return;
  const outer = group;
  group = newGroup(`${outer.name} > ${name}`, outer);
  for (const kind of ["beforeAll", "afterAll", "beforeEach", "afterEach"] as const) {
    const hook = hooks[kind];
    if (hook !== undefined) group.hooks[kind].push(hook);
  }
  fn?.();
  group = outer;
}

export function it(...args: Args): void {
  const { name, fn, ignore } = definition(args), own = group;
  if (ignore || fn === undefined) return;
  const path: Group[] = [];
  for (let at: Group | undefined = own; at !== undefined; at = at.outer) path.unshift(at);
  collected.push({
    name: `${own.name} > ${name}`,
    get prepared() {
      return path.find(({ hooks }) => hooks.beforeAll.length > 0)?.name;
    },
    async run() {
      for (const each of path) {
        if (!each.isBegun) { for (const hook of each.hooks.beforeAll) await hook(); }
        each.isBegun = true;
      }
      for (const { hooks } of path) for (const hook of hooks.beforeEach) await hook();
      await fn();
      for (const { hooks } of path.toReversed()) for (const hook of hooks.afterEach) await hook();
    },
  });
}

const skip = (): void => {};
describe.skip =
  describe.ignore =
  it.skip =
  it.ignore =
    skip;
describe.only = describe;
it.only = it;

export const test = it;

export const beforeAll = (fn: Body): void => void group.hooks.beforeAll.push(fn);
export const afterAll = (fn: Body): void => void group.hooks.afterAll.push(fn);
export const beforeEach = (fn: Body): void => void group.hooks.beforeEach.push(fn);
export const afterEach = (fn: Body): void => void group.hooks.afterEach.push(fn);
export { afterAll as after, beforeAll as before };
