/**
 * The use of a range of a GPU buffer, and the place that it needs.
 *
 * @module
 */

import { checkInteger } from "../../src/util/check_integer.ts";
import { GpuUsage } from "./gpu_types.ts";
import type { GpuLimitsLike } from "./gpu_types.ts";

/** Uses of regions. Each role has slabs of its own. */
export type GpuRole = "vertex" | "index" | "uniform" | "storage" | "indirect";

// Flags of WebGPU, not taken out of GpuUsage: bundlers keep what is read at module level.
const MAP_READ = 0x1, MAP_WRITE = 0x2, COPY_SRC = 0x4, COPY_DST = 0x8;
const INDEX = 0x10, VERTEX = 0x20, UNIFORM = 0x40, STORAGE = 0x80, INDIRECT = 0x100;

const ROLES: Readonly<Record<GpuRole, number>> = {
  vertex: VERTEX,
  index: INDEX,
  uniform: UNIFORM,
  storage: STORAGE,
  indirect: INDIRECT,
};

/** Divides the offset and size of every copy and write, as WebGPU demands. */
export const COPY_ALIGNMENT = 4;

/** The place of a region: its size, alignment and use. */
export interface PlaceOptions {
  readonly role?: GpuRole;
  readonly usage?: number;
  readonly stride?: number;
  readonly alignment?: number;
}

/**
 * The usage flags that a region asks for, with those that let it be moved.
 *
 * @throws {TypeError | RangeError} Neither a role nor a usage was given, or both, or no valid one.
 */
export function usageOf({ role, usage }: PlaceOptions): number {
  if (usage === undefined) {
    if (Object.keys(ROLES).includes(role as string)) {
      return ROLES[role as GpuRole] | COPY_SRC | COPY_DST;
    }
    const roles = Object.keys(ROLES).join(", ");
    throw new TypeError(`Expected role to be one of ${roles}, or a usage, got ${String(role)}`);
  }
  if (role !== undefined) throw new TypeError("Expected a role or a usage, got both");
  return checkUsage(usage);
}

/**
 * A usage with what is needed to copy in and out.
 *
 * @throws {TypeError | RangeError} It is no set of flags, or one that can be mapped.
 */
export function checkUsage(usage: number): number {
  checkInteger("usage", usage, 1, 0x3ff);
  if ((usage & (MAP_READ | MAP_WRITE)) !== 0) {
    throw new RangeError(
      `Expected usage without MAP_READ and MAP_WRITE, which go with no other use, got ${usage}`,
    );
  }
  return usage | COPY_SRC | COPY_DST;
}

/** Divides every offset of a usage: for copies, and for bindings. */
export function usageAlignment(usage: number, limits: GpuLimitsLike): number {
  const uniform = (usage & UNIFORM) !== 0 ? limits.minUniformBufferOffsetAlignment : 1;
  const storage = (usage & STORAGE) !== 0 ? limits.minStorageBufferOffsetAlignment : 1;
  // All three are powers of two.
  return Math.max(COPY_ALIGNMENT, uniform, storage);
}

/**
 * The alignment of a region: that of its usage, its stride, so that
 * the first element is a whole one, and what was asked for.
 *
 * @throws {TypeError | RangeError} `stride` or `alignment` is not one that the usage can have.
 */
export function alignmentOf(usage: number, least: number, options: PlaceOptions): number {
  const { stride, alignment } = options;
  if (stride === undefined && alignment === undefined) return least;
  let common = least;
  if (stride !== undefined) {
    checkInteger("stride", stride, 1);
    if ((usage & INDEX) !== 0 && stride !== 2 && stride !== 4) {
      throw new RangeError(`Expected stride to be 2 or 4 for indices, got ${stride}`);
    }
    if ((usage & VERTEX) !== 0 && stride % 4 !== 0) {
      throw new RangeError(`Expected stride to be a multiple of 4 for vertices, got ${stride}`);
    }
    common = multiple(common, stride);
  }
  if (alignment !== undefined) {
    checkInteger("alignment", alignment, 1);
    common = multiple(common, alignment);
  }
  checkInteger("the alignment of usage, stride and alignment together", common, 1);
  return common;
}

/** Name of a usage: its role, or its flags. */
export function nameOfUsage(usage: number): string {
  const own = usage & ~(COPY_SRC | COPY_DST);
  const role = Object.entries(ROLES).find(([, flag]) => flag === own)?.[0];
  if (role !== undefined) return role;
  const flags = Object.entries(GpuUsage).filter(([, flag]) => (own & flag) !== 0);
  return flags.map(([name]) => name.toLowerCase()).join("+") || "copy";
}

/** Most bytes that a binding of a usage may have. */
export function maxBindingSize(usage: number, limits: GpuLimitsLike): number {
  let most = limits.maxBufferSize;
  if ((usage & UNIFORM) !== 0) most = Math.min(most, limits.maxUniformBufferBindingSize);
  if ((usage & STORAGE) !== 0) most = Math.min(most, limits.maxStorageBufferBindingSize);
  return most;
}

/** Least common multiple. */
function multiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a / x * b;
}
