/**
 * {@linkcode checkRoom}: the options that allocators over a table have in common.
 *
 * @module
 */

import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import type { TableRoom } from "./slots.ts";

/** The options, each of which an allocator may have. */
interface RoomOptions {
  readonly maxAllocations?: number;
  readonly initialAllocations?: number;
  readonly strict?: boolean;
  readonly maxLooks?: number;
}

/**
 * Arguments of a new table, from options that are read once.
 *
 * @param names The names of the options that there are.
 * @throws {TypeError | RangeError} One is not what it must be.
 */
export function checkRoom(options: RoomOptions, names: string): TableRoom {
  const FIXED = 1, STRICT = 2, MAX_ALLOCATIONS = 62_914_560, MOST_LOOKS = 0x7fffffff;
  checkOptions(options, names);
  const { maxAllocations, initialAllocations = 0, strict, maxLooks = MOST_LOOKS } = options;
  if (maxAllocations !== undefined) {
    checkInteger("maxAllocations", maxAllocations, 1, MAX_ALLOCATIONS);
  }
  checkInteger("initialAllocations", initialAllocations, 0, MAX_ALLOCATIONS);
  checkType("strict", strict, "boolean");
  checkInteger("maxLooks", maxLooks, 1, MOST_LOOKS);
  const mode = (strict ? STRICT : 0) | (maxAllocations === undefined ? 0 : FIXED);
  return { maxAllocations, initialAllocations, maxLooks, mode };
}
