/**
 * Options of a GPU arena and its regions.
 *
 * @module
 */

import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { MAX_NARROW } from "../../src/gap_table/layout.ts";
import type { GpuLimitsLike } from "./gpu_types.ts";
import { COPY_ALIGNMENT, type GpuRole } from "./gpu_usage.ts";

/** How a `GpuArena` makes its buffers. Lengths are multiples of 4. */
export interface GpuArenaOptions {
  /** Length of a slab's first buffer; 1 MiB by default. */
  readonly initialSlabBytes?: number | undefined;
  /** Length up to which a slab grows, before there is another; 256 MiB, if the device can. */
  readonly maxSlabBytes?: number | undefined;
  /** How many times longer a slab becomes that is too short, above 1; 1.5 by default. */
  readonly growth?: number | undefined;
  /** A larger region has a buffer of its own; half of `maxSlabBytes` by default. */
  readonly dedicatedBytes?: number | undefined;
  /** Most bytes in all buffers together; no limit by default. */
  readonly maxBytes?: number | undefined;
  /** Uploads in a row for which a slab was empty before its buffer goes; 60 by default. */
  readonly trimAfter?: number | undefined;
  /** Most bytes of staging buffers for `encodeUploads`; 16 MiB by default. */
  readonly maxBeltBytes?: number | undefined;
  /** True if `leaks` tells where regions were made; `false` by default. */
  readonly stacks?: boolean | undefined;
  /** How tools call the buffers. */
  readonly label?: string | undefined;
}

/** Options of a region. Either a role or a usage is needed. */
export interface GpuRegionOptions {
  /** Its use. */
  readonly role?: GpuRole | undefined;
  /** Flags of several uses at once, as `GpuUsage.VERTEX | GpuUsage.STORAGE`. */
  readonly usage?: number | undefined;
  /** Bytes per element: the region begins at a whole number of elements. */
  readonly stride?: number | undefined;
  /** Divides the offset, beside the needs of usage and stride. */
  readonly alignment?: number | undefined;
  /** Its name in reports. */
  readonly label?: string | undefined;
  /** True if a compaction leaves it where it is; `false` by default. */
  readonly pinned?: boolean | undefined;
}

/** How slabs grow, in bytes. */
export interface SlabPolicy {
  readonly initialSlabBytes: number;
  readonly maxSlabBytes: number;
  readonly dedicatedBytes: number;
  readonly growth: number;
  readonly trimAfter: number;
}

const MIB = 1_048_576; // = 2 ** 20

const REGION_OPTIONS = ["role", "usage", "stride", "alignment", "label", "pinned"];

/** The options that are numbers, checked, with what they are by default. */
export interface CheckedOptions extends SlabPolicy {
  readonly maxBytes: number;
  readonly maxBeltBytes: number;
}

/** Bytes in the longest slab: what a buffer may have, and an `OffsetAllocator` can count. */
export function longestSlab({ maxBufferSize }: Pick<GpuLimitsLike, "maxBufferSize">): number {
  return Math.min(maxBufferSize, MAX_NARROW);
}

/**
 * Checks the options of an arena on a device with buffers of at most `maxBufferSize` bytes.
 *
 * @throws {TypeError | RangeError} One is out of range.
 */
export function checkArenaOptions(
  options: GpuArenaOptions,
  maxBufferSize: number,
): CheckedOptions {
  checkOptions(
    options,
    "initialSlabBytes maxSlabBytes growth dedicatedBytes maxBytes trimAfter maxBeltBytes stacks " +
      "label",
  );
  checkType("stacks", options.stacks, "boolean");
  checkType("label", options.label, "string");
  const longest = maxBufferSize - maxBufferSize % COPY_ALIGNMENT;
  const { maxSlabBytes = Math.min(256 * MIB, longest), growth = 1.5, trimAfter = 60 } = options;
  checkInteger("maxSlabBytes", maxSlabBytes, COPY_ALIGNMENT, longest);
  const { initialSlabBytes = Math.min(MIB, maxSlabBytes) } = options;
  checkInteger("initialSlabBytes", initialSlabBytes, COPY_ALIGNMENT, maxSlabBytes);
  for (const [name, value] of Object.entries({ maxSlabBytes, initialSlabBytes })) {
    if (value % COPY_ALIGNMENT === 0) continue;
    throw new RangeError(`Expected ${name} to be a multiple of ${COPY_ALIGNMENT}, got ${value}`);
  }
  const { dedicatedBytes = Math.floor(maxSlabBytes / 2) } = options;
  checkInteger("dedicatedBytes", dedicatedBytes, 0, maxSlabBytes);
  checkInteger("trimAfter", trimAfter);
  if (!(typeof growth === "number" && growth > 1 && growth < Infinity)) {
    throw new RangeError(`Expected growth to be a number above 1, got ${describe(growth)}`);
  }
  const { maxBytes = Infinity, maxBeltBytes = 16 * MIB } = options;
  if (maxBytes !== Infinity) checkInteger("maxBytes", maxBytes);
  checkInteger("maxBeltBytes", maxBeltBytes);
  const policy = { initialSlabBytes, maxSlabBytes, dedicatedBytes, growth, trimAfter };
  return { ...policy, maxBytes, maxBeltBytes: maxBeltBytes - maxBeltBytes % COPY_ALIGNMENT };
}

/**
 * Checks the options of a region, as far as its place does not depend on them.
 *
 * @throws {TypeError} They are no object, or one is not known or of another type.
 */
export function checkRegionOptions(options: GpuRegionOptions): void {
  // Each allocation comes here: checkOptions takes 118 ns, this 18, of some 700 in all.
  if (!hasKnownNames(options)) {
    checkOptions(options ?? null, "role usage stride alignment label pinned");
  }
  checkType("label", options.label, "string");
  checkType("pinned", options.pinned, "boolean");
}

/** Tells whether there are names, and all are known: an array and a function have none. */
function hasKnownNames(options: GpuRegionOptions): boolean {
  let isKnown = false;
  for (const name in options) {
    isKnown = REGION_OPTIONS.includes(name);
    if (!isKnown) break;
  }
  return isKnown;
}
