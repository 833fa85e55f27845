/**
 * Leaks as text.
 *
 * @module
 */

import { checkArray } from "../util/check_array.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { printable } from "../util/printable.ts";
import type { Leak } from "./tracked_allocator.ts";

/** How {@linkcode formatLeaks} writes. */
export interface FormatLeaksOptions {
  /** Most groups in the text; 20 by default, `Infinity` for all. */
  readonly most?: number | undefined;
}

const MAX_HANDLES = 8;

/**
 * Writes leaks for a person: those of the same label and stack together, the groups of most
 * units first.
 *
 * @param leaks The result of {@linkcode TrackedAllocator.leaks}.
 * @param options How to write.
 * @returns Lines; one that says so if no allocation is live.
 * @throws {TypeError} `leaks` is no array, or an option is not known or no number.
 * @throws {RangeError} `most` is not an integer in range.
 */
export function formatLeaks(leaks: readonly Leak[], options: FormatLeaksOptions = {}): string {
  checkArray("leaks", leaks);
  checkOptions(options, "most");
  const { most = 20 } = options;
  if (most !== Infinity) checkInteger("most", most);
  if (leaks.length === 0) return "No allocation is live";
  const groups = new Map<string, Leak[]>();
  for (const leak of leaks) {
    const key = JSON.stringify([leak.label, leak.stack]), group = groups.get(key);
    if (group === undefined) groups.set(key, [leak]);
    else group.push(leak);
  }
  const sorted = [...groups.values()].map((group) => ({ group, units: unitsOf(group) }))
    .sort((a, b) => b.units - a.units);

  const lines = [`${allocations(leaks.length)} live, ${units(unitsOf(leaks))}`];
  for (const { group, units: size } of sorted.slice(0, most)) {
    const [{ label, stack }] = group;
    const name = label === undefined ? "without a label" : `"${printable(label)}"`;
    lines.push(`  ${group.length} ${name}, ${units(size)}: ${places(group)}`);
    if (stack) lines.push(...stack.split("\n").map((line) => `    ${printable(line)}`));
  }
  if (sorted.length > most) {
    const rest = sorted.slice(most).flatMap(({ group }) => group);
    lines.push(`  and ${allocations(rest.length)} more, ${units(unitsOf(rest))}`);
  }
  return lines.join("\n");
}

/** Where the allocations of a group lie. */
function places(group: readonly Leak[]): string {
  const shown = group.slice(0, MAX_HANDLES)
    .map(({ handle, offset, size }) => `${offset}..${offset + size} (handle ${handle})`);
  return shown.join(", ") + (group.length > MAX_HANDLES ? ", …" : "");
}

function unitsOf(leaks: readonly Leak[]): number {
  return leaks.reduce((sum, { size }) => sum + size, 0);
}

function allocations(count: number): string {
  return `${count} allocation${count === 1 ? "" : "s"}`;
}

function units(count: number): string {
  return `${count} unit${count === 1 ? "" : "s"}`;
}
