/**
 * The checksum of the runtime, where it is right.
 *
 * @module
 */

import process from "node:process";
import * as zlib from "node:zlib";
import type { Crc32 } from "../../src/blob_store/mod.ts";

/** The first Deno whose `zlib.crc32` is right: those from 2.1 on were not, some only when hot. */
const FIRST_DENO: readonly number[] = [2, 5, 4];

/** The checksum of this runtime, if it has one that is right; Node has it from 20.15 on. */
export function runtimeCrc32(): Crc32 | undefined {
  const { crc32 } = zlib as { crc32?: Crc32 };
  return isRightOn(process.versions.deno) ? crc32 : undefined;
}

/**
 * Whether the checksum of a Deno can be right. What is no version is taken for a later one's.
 *
 * @param deno Its version; undefined on other runtimes.
 */
export function isRightOn(deno: string | undefined): boolean {
  if (deno === undefined) return true;
  const parts = deno.split(/[.+-]/, 3).map(Number);
  for (let i = 0; i < FIRST_DENO.length; i++) {
    if (parts[i] !== FIRST_DENO[i]) return !(parts[i] < FIRST_DENO[i]);
  }
  return true;
}
