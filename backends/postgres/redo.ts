/**
 * Redo rows: the writes of a small commit, each as `offset` (float64), `length` (uint32) and bytes.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import type { Page } from "./page_memory.ts";

/** A write. */
export interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The writes of a commit. */
export interface Redo {
  readonly version: number;
  readonly writes: readonly Write[];
}

/** Bytes of an offset and a length. */
export const WRITE_HEAD = 12;

/** Writes as a row has them. */
export function encodeWrites(writes: readonly Write[]): Uint8Array {
  const length = writes.reduce((sum, { bytes }) => sum + WRITE_HEAD + bytes.length, 0);
  const row = new Uint8Array(length), view = new DataView(row.buffer);
  let at = 0;
  for (const { offset, bytes } of writes) {
    view.setFloat64(at, offset, true);
    view.setUint32(at + 8, bytes.length, true);
    row.set(bytes, at + WRITE_HEAD);
    at += WRITE_HEAD + bytes.length;
  }
  return row;
}

/**
 * The writes of a row.
 *
 * @throws {StorageError} It is damaged.
 */
export function decodeRedo(version: number, row: Uint8Array): Redo {
  const bytes = new Uint8Array(row), view = new DataView(bytes.buffer);
  const writes: Write[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + WRITE_HEAD;
    const offset = start <= bytes.length ? view.getFloat64(at, true) : -1;
    at = offset >= 0 && Number.isSafeInteger(offset)
      ? start + view.getUint32(at + 8, true)
      : Infinity;
    if (at > bytes.length) throw new StorageError("open", 0, 0, `redo row ${version} is damaged`);
    writes.push({ offset, bytes: bytes.subarray(start, at) });
  }
  return { version, writes };
}

/** The numbers of the pages that writes touch. */
export function pagesOf(redos: readonly Redo[], pageSize: number): Set<number> {
  const numbers = new Set<number>();
  for (const { offset, bytes } of redos.flatMap(({ writes }) => writes)) {
    const last = Math.floor((offset + bytes.length - 1) / pageSize);
    for (let n = Math.floor(offset / pageSize); n <= last; n++) numbers.add(n);
  }
  return numbers;
}

/** Brings a page up to date, from the version of its row on; whether a write touched it. */
export function applyRedo(page: Page, redos: readonly Redo[]): boolean {
  const start = page.number * page.bytes.length, end = start + page.bytes.length;
  let isTouched = false;
  for (const { version, writes } of redos) {
    if (version <= page.version) continue;
    for (const { offset, bytes } of writes) {
      const from = Math.max(start, offset), to = Math.min(end, offset + bytes.length);
      if (from >= to) continue;
      page.bytes.set(bytes.subarray(from - offset, to - offset), from - start);
      isTouched = true;
    }
  }
  return isTouched;
}
