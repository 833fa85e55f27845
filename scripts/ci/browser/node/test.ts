/**
 * Stands in for `node:test` in a page, as far as `tests/support/testing/bdd.ts` uses it. What is
 * registered runs when the page calls `globalThis.runTests()`.
 *
 * @module
 */

type Body = () => unknown;
type Options = { readonly skip?: boolean };

interface Group {
  readonly name: string;
  readonly parent: Group | undefined;
  readonly entries: (() => Promise<void>)[];
  readonly before: Body[];
  readonly after: Body[];
  readonly beforeEach: Body[];
  readonly afterEach: Body[];
}

let counts = { passed: 0, failed: 0, skipped: 0 };
let group: Group = newGroup("", undefined);

function newGroup(name: string, parent: Group | undefined): Group {
  return { name, parent, entries: [], before: [], after: [], beforeEach: [], afterEach: [] };
}

/** The groups around a test, the outermost first. */
function path(inner: Group | undefined): Group[] {
  return inner === undefined ? [] : [...path(inner.parent), inner];
}

function titleOf(inner: Group, name: string): string {
  return [...path(inner).map(({ name }) => name), name].filter(Boolean).join(" > ");
}

/** Runs steps; tells of the first that fails. */
async function succeeds(title: string, steps: readonly Body[]): Promise<boolean> {
  try {
    for (const step of steps) await step();
    return true;
  } catch (error) {
    console.log(`FAILED ${title}: ${error}\n${(error as Error)?.stack ?? ""}`);
    return false;
  }
}

/** Runs what a group has. */
async function runGroup({ name, parent, entries, before, after }: Group): Promise<void> {
  if (!await succeeds(`${titleOf(parent ?? group, name)} before`, before)) counts.failed++;
  for (const entry of entries) await entry();
  if (!await succeeds(`${titleOf(parent ?? group, name)} after`, after)) counts.failed++;
}

export function describe(name: string, { skip }: Options, body: Body): void {
  if (skip) return void counts.skipped++;
  const outer = group, inner = newGroup(name, outer);
  group = inner;
  try {
    body();
  } finally {
    group = outer;
  }
  outer.entries.push(() => runGroup(inner));
}

export function it(name: string, { skip }: Options, body: Body): void {
  if (skip) return void counts.skipped++;
  const inner = group;
  inner.entries.push(async () => {
    const groups = path(inner), title = titleOf(inner, name);
    const began = await succeeds(title, [...groups.flatMap((one) => one.beforeEach), body]);
    const ended = await succeeds(title, groups.reverse().flatMap((one) => one.afterEach));
    if (began && ended) counts.passed++;
    else counts.failed++;
  });
}

export const before = (body: Body): void => void group.before.push(body);
export const after = (body: Body): void => void group.after.push(body);
export const beforeEach = (body: Body): void => void group.beforeEach.push(body);
export const afterEach = (body: Body): void => void group.afterEach.push(body);

/** Runs what was registered since the last call. */
async function runTests(): Promise<typeof counts> {
  const registered = group;
  group = newGroup("", undefined);
  await runGroup(registered);
  const found = counts;
  counts = { passed: 0, failed: 0, skipped: 0 };
  return found;
}

Object.assign(globalThis, { runTests });
