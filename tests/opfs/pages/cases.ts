/**
 * What the cases of these pages have in common: other tabs and frames, and how the cases are run.
 *
 * @module
 */

import type { RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import type { startHelper } from "./page.ts";

/** What is used of the DOM. */
interface Dom {
  readonly document: {
    createElement(name: string): Frame;
    readonly body: { append(frame: Frame): void };
  };
  open(address: string): TabLike | null;
}

/** An `<iframe>`. */
export interface Frame {
  src: string;
  readonly contentWindow: TabLike;
  remove(): void;
  addEventListener(type: "load", listener: () => void, options: object): void;
}

/** The window of another tab, or of a frame. */
export interface TabLike {
  startHelper?: typeof startHelper;
  RemoteBlobStore?: typeof RemoteBlobStore;
  close(): void;
  readonly location: { reload(): void };
}

export const dom: Dom = globalThis as unknown as Dom;
let paths = 0;

/** A path where nothing is. */
export function newPath(): string {
  return `pages/${paths++}.blobs`;
}

/** Throws unless two values are alike. */
export function expect(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: got ${a}, expected ${b}`);
}

/** Waits. */
export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits for another window to have its helpers. */
export async function helpersOf(window: TabLike): Promise<typeof startHelper> {
  for (let i = 0; i < 500; i++, await pause(20)) {
    if (window.startHelper !== undefined) return window.startHelper;
  }
  throw new Error("the other window has no helpers");
}

/** Another tab. */
export async function openTab(): Promise<TabLike> {
  const tab = dom.open("/helpers");
  if (tab === null) throw new Error("the browser opens no tab");
  await helpersOf(tab);
  return tab;
}

/** Longest that a case may take, in milliseconds: on an idle machine it is two seconds. */
const LIMIT = 120_000;

/** Cases by their names. */
export type Cases = Readonly<Record<string, () => Promise<void>>>;

/** Runs cases one after the other; where the page names some, only these. */
export async function runCases(cases: Cases): Promise<{ passed: number; failed: number }> {
  let passed = 0, failed = 0;
  const { only } = globalThis as { only?: string };
  for (const [name, body] of Object.entries(cases)) {
    if (only && !name.includes(only)) continue;
    const start = performance.now();
    const late = pause(LIMIT).then(() => `it takes more than ${LIMIT} ms`);
    const ended = body().then(() => undefined, (error) => error.stack || `${error}`);
    const problem = await Promise.race([ended, late]);
    if (problem === undefined) passed++;
    else failed++;
    const time = `${(performance.now() - start).toFixed(0)} ms`;
    console.log(problem === undefined ? `  ok ${name}, ${time}` : `  FAILED ${name}: ${problem}`);
  }
  return { passed, failed };
}
