/**
 * Checks of the arguments of an arena and its regions, before anything changes.
 *
 * @module
 */

import type { BackingStore } from "./backing_store.ts";
import { bytesIn, isBuffer } from "../util/bytes_in.ts";
import { describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";

/** Bytes to be copied: those that a typed array or a `DataView` covers, or all of a buffer. */
export type RegionData = ArrayBufferView | ArrayBufferLike;

/** Letters of a string that a message shows. */
const MAX_SHOWN = 40;

/**
 * Throws unless a value is a backing store.
 *
 * @throws {TypeError} It is something else; the message says what makes a store of it.
 */
export function checkStore(store: unknown): asserts store is BackingStore {
  const { read, write, byteLength, buffer, then } = Object(store) as Record<string, unknown>;
  const isStore = typeof read === "function" && typeof write === "function";
  if (isStore && typeof byteLength === "number") return;
  let hint = "";
  if (store === undefined) hint = ": new MemoryStore(byteLength) is one";
  else if (typeof store === "number" || buffer !== undefined || isBuffer(store)) {
    hint = ": wrap it in a MemoryStore";
  } else if (typeof store === "string") {
    hint = ": FileStore.open and SyncFileStore.open take a path";
  } else if (typeof then === "function") hint = ": await it";
  throw new TypeError(`Expected store to be a backing store, got ${describe(store)}${hint}`);
}

/** Throws unless a region can be asked for with these; quick where they are right. */
export function checkRegionOptions(options: unknown): void {
  let isKnown = false; // no names: as an array has none
  for (const name in options as object | null | undefined) {
    isKnown = name === "alignment" || name === "label";
    if (!isKnown) break;
  }
  if (isKnown) return;
  if (typeof options === "number") {
    throw new TypeError(`Expected options to be { alignment: ${options} }, got ${options}`);
  }
  checkOptions(options, "alignment label");
}

/**
 * The bytes that a view covers, or a buffer has; not a copy.
 *
 * @throws {TypeError} It is neither.
 */
export function bytesOf(name: string, value: unknown): Uint8Array {
  const bytes = bytesIn(value);
  if (bytes !== undefined) return bytes;
  const got = typeof value === "string"
    ? `${describe(value.slice(0, MAX_SHOWN))}: encode it with a TextEncoder`
    : describe(value);
  throw new TypeError(`Expected ${name} to be a typed array, a DataView or a buffer, got ${got}`);
}
