/**
 * Figures and names as a person reads them.
 *
 * @module
 */

import { printable } from "../src/util/printable.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/**
 * Bytes to three digits: `999 B`, `1.5 kB`, `45.6 MB`. Decimal units, as in MB/s.
 *
 * @param bytes How many.
 */
export function formatBytes(bytes: number): string {
  let value = bytes, unit = 0;
  // 999.5 would be rounded to a fourth digit.
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))} ${UNITS[unit]}`;
}

/**
 * A count with separators: `1,234`.
 *
 * @param count The count.
 */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/**
 * A count and what is counted: `1 blob`, `1,234 blobs`.
 *
 * @param count The count.
 * @param noun The thing counted.
 */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A key as it stands in a message.
 *
 * @param text The key, or a path.
 */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}
