/**
 * How the functions beside the strategies reach the state of one.
 *
 * @module
 */

import { type Allocator, checkAllocator } from "../allocator.ts";
import { BinIndex } from "../gap_table/bin_table.ts";
import type { GapTable, SearchedTable } from "../gap_table/gap_table.ts";
import { growth } from "../gap_table/growth.ts";
import { type BinShape, NARROW, OFFSET_SHAPE, STRIDE } from "../gap_table/layout.ts";
import { describe } from "../util/check_integer.ts";

/** Members an allocator may have for these functions: one of them at least. */
interface Operated {
  /** The words of an `OffsetAllocator`, or the table of another strategy. */
  table?: unknown;
  /** Has a wrapped allocator do an operation. */
  readonly forward?: Forward;
}

/**
 * How a wrapper has its inner allocator do an operation, so that it can note what was done.
 *
 * @param name The name of the function that was called.
 * @param args Its other arguments.
 * @param act Does it with the inner allocator.
 * @param caller The function that was called.
 */
export type Forward = <R>(
  name: string,
  args: readonly unknown[],
  act: (inner: Allocator) => R,
  caller: (...args: never[]) => unknown,
) => R;

/** Tells whether {@linkcode operate} can do an operation with an allocator. */
export function canOperate(allocator: Allocator, name: string): boolean {
  const { forward, [name as "table"]: own, table }: Operated = Object(allocator);
  const { inner }: { readonly inner?: Allocator } = Object(allocator);
  if (typeof own === "function") return true;
  if (typeof forward === "function") return inner !== undefined && canOperate(inner, name);
  return isTable(table);
}

/**
 * Does an operation that an allocator has no method for, unless it has one: a method of its own
 * is called, a wrapper asked, else the table is worked on.
 *
 * @param name The name of the function that was called.
 * @param args Its other arguments.
 * @param onTable Does it with a table.
 * @param caller The function itself, for wrappers that note who called it.
 * @throws {TypeError} `allocator` is no allocator, or has none of these.
 */
export function operate<R>(
  allocator: Allocator,
  name: string,
  args: readonly unknown[],
  onTable: (table: GapTable, allocator: Allocator) => R,
  caller: (...args: never[]) => unknown = operate,
): R {
  checkAllocator(allocator);
  const { forward, [name as "table"]: own } = allocator as Operated;
  if (typeof own === "function") return own.apply(allocator, args);
  if (typeof forward === "function") {
    const act = (inner: Allocator) => operate(inner, name, args, onTable, caller);
    return forward.call(allocator, name, args, act, caller) as R;
  }
  return onTable(tableOf(allocator, name, BinIndex), allocator);
}

/** The tables over bare words, by their allocator: a call is to make little garbage. */
const views = new WeakMap<object, GapTable>();

/**
 * The table of an allocator. Over bare words it is made at the first call, and again when the
 * words are others.
 *
 * @param name The name of the function that was called.
 * @param View The view's constructor over bare words.
 */
export function tableOf<T extends GapTable>(
  allocator: Allocator,
  name: string,
  View: new (shape: BinShape, words: Int32Array) => T,
): T {
  const operated = allocator as Operated, { table } = operated;
  if (isWords(table)) {
    const known = views.get(allocator);
    if (known?.words === table && known instanceof View) return known;
    const view = new View(OFFSET_SHAPE, table);
    view.growth = growth;
    view.onWords(() => operated.table = view.words);
    views.set(allocator, view);
    return view;
  }
  if (isTable(table)) return table as GapTable as T;
  const got = `${describe(allocator)} with neither`;
  throw new TypeError(`Expected an allocator with ${name}() or a table of gaps, got ${got}`);
}

function isTable(table: unknown): table is GapTable {
  return isWords(table) || typeof (table as SearchedTable | undefined)?.search === "function";
}

function isWords(table: unknown): table is Int32Array {
  return table instanceof Int32Array && table[STRIDE] === NARROW;
}
