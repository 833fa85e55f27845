/**
 * The contents of an arena of GPU buffers: figures, JSON, a picture, and leaks.
 *
 * @module
 */

import { type ReportJson, reportJson } from "../../src/report/report_json.ts";
import { reportSvg } from "../../src/report/report_svg.ts";
import { describe } from "../../src/util/check_integer.ts";
import { framesOf } from "../../src/util/stack.ts";
import type { Leak } from "../../src/report/tracked_allocator.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import type { LiveGpuRegion } from "./gpu_region.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import type { GpuSlab } from "./slab.ts";

/** Figures of an arena. Used, retiring and free bytes together are `byteLength`. */
export interface GpuArenaStats {
  /** GPU buffers that there are, staging buffers aside. */
  readonly buffers: number;
  /** Bytes in them. */
  readonly bufferBytes: number;
  /** Slabs, those included that get their buffer with the next `upload`. */
  readonly slabs: number;
  /** How many of them belong to one large region each. */
  readonly dedicated: number;
  /** Bytes in all slabs: what `bufferBytes` will be after the next `upload`. */
  readonly byteLength: number;
  /** Live regions. */
  readonly regions: number;
  /** Bytes in regions and in the reserved targets of a compaction. */
  readonly usedBytes: number;
  /** Bytes that were freed and may still be in use by the GPU. */
  readonly retiringBytes: number;
  /** Bytes that are free. */
  readonly freeBytes: number;
  /** The largest free region of any slab. */
  readonly largestFreeBytes: number;
  /** Bytes written that wait for `upload`. */
  readonly pendingBytes: number;
  /** Bytes in staging buffers for `encodeUploads`. */
  readonly beltBytes: number;
}

/** Options of the JSON. */
export interface GpuArenaJsonOptions {
  /** True if every region is listed; `false` by default. */
  readonly regions?: boolean | undefined;
}

/** A slab in {@linkcode GpuArenaJson}. */
export interface GpuSlabJson {
  /** The use of its regions. */
  readonly role: string;
  /** `GpuUsage` flags. */
  readonly usage: number;
  /** True if it belongs to one large region. */
  readonly dedicated: boolean;
  /** Bytes in its buffer; 0 where it has none yet. */
  readonly bufferBytes: number;
  /** The `reportJson` of its allocator, in bytes. */
  readonly report: ReportJson;
}

/** The `reportJson` of an arena, version 1. A later version may add members. */
export interface GpuArenaJson {
  /** Tells it from other JSON. */
  readonly format: "suballoc-gpu-report";
  /** Changes when a member is removed or means something else. */
  readonly version: 1;
  /** The figures of the arena. */
  readonly stats: GpuArenaStats;
  /** All slabs. */
  readonly slabs: readonly GpuSlabJson[];
}

/** Options of the picture. */
export interface GpuArenaSvgOptions {
  /** Width in pixels, at least 320; 960 by default. */
  readonly width?: number | undefined;
}

/** A {@linkcode GpuArena} as the reports see it. */
export interface GpuArenaView {
  /** Its figures. */
  stats(): GpuArenaStats;
  /** Its slabs. */
  slabs(): Iterable<GpuSlab<GpuBufferLike>>;
}

/** Counts what there is. */
export function statsOf(
  slabs: Iterable<GpuSlab<GpuBufferLike> & { readonly regions: ReadonlyMap<number, unknown> }>,
  waiting: Pick<GpuArenaStats, "pendingBytes" | "retiringBytes" | "beltBytes">,
): GpuArenaStats {
  let buffers = 0, bufferBytes = 0, count = 0, dedicated = 0, byteLength = 0, regions = 0;
  let freeBytes = 0, largestFreeBytes = 0;
  for (const slab of slabs) {
    count++;
    if (slab.buffer !== undefined) buffers++;
    bufferBytes += slab.buffer?.size ?? 0;
    if (slab.dedicated) dedicated++;
    byteLength += slab.byteLength;
    regions += slab.regions.size;
    freeBytes += slab.allocator.freeSpace;
    largestFreeBytes = Math.max(largestFreeBytes, slab.allocator.largestFreeRegion());
  }
  const usedBytes = byteLength - freeBytes - waiting.retiringBytes;
  const sizes = { byteLength, regions, usedBytes, freeBytes, largestFreeBytes };
  return { buffers, bufferBytes, slabs: count, dedicated, ...sizes, ...waiting };
}

/** Live regions, with label and stack where they are known. */
export function leaksOf<B extends GpuBufferLike>(regions: Iterable<LiveGpuRegion<B>>): Leak[] {
  return Array.from(regions, ({ handle, start: offset, size, label, trace }) => ({
    handle,
    offset,
    size,
    ...label === undefined ? {} : { label },
    ...trace === undefined ? {} : { stack: framesOf(trace) },
  }));
}

/**
 * The reports of all slabs of an arena as a plain object, for other programs to read. O(regions).
 *
 * @throws {TypeError} An option is not known or of the wrong type.
 */
export function gpuReportJson(
  arena: GpuArenaView,
  options: GpuArenaJsonOptions = {},
): GpuArenaJson {
  checkArena(arena);
  checkOptions(options, "regions");
  const { regions } = options;
  checkType("regions", regions, "boolean");
  return {
    format: "suballoc-gpu-report",
    version: 1,
    stats: arena.stats(),
    slabs: Array.from(arena.slabs(), ({ role, usage, dedicated, buffer, allocator, labelOf }) => ({
      role,
      usage,
      dedicated,
      bufferBytes: buffer?.size ?? 0,
      report: reportJson(allocator, { regions, labels: labelOf }),
    })),
  };
}

/**
 * The pictures of all slabs of an arena, one above the other, as one SVG document. O(regions).
 *
 * @throws {TypeError | RangeError} An option is not known, or `width` no integer in range.
 */
export function gpuReportSvg(
  arena: GpuArenaView,
  options: GpuArenaSvgOptions = {},
): string {
  checkArena(arena);
  checkOptions(options, "width");
  const { width = 960 } = options;
  let height = 0, svg = "", number = 0;
  for (const { role, dedicated, allocator, labelOf } of arena.slabs()) {
    const title = `${role} slab ${number++}${dedicated ? ", dedicated" : ""}`;
    const picture = reportSvg(allocator, { width, title, labels: labelOf });
    svg += picture.replace("<svg ", `<svg y="${height}" `);
    height += Number(picture.match(/ height="(\d+)"/)![1]);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}">\n<title>GPU arena</title>\n${svg}</svg>\n`;
}

/** Throws unless this has slabs and figures. */
function checkArena(arena: GpuArenaView): void {
  const { stats, slabs }: Partial<GpuArenaView> = Object(arena);
  if (typeof stats === "function" && typeof slabs === "function") return;
  throw new TypeError(`Expected arena to be a GpuArena, got ${describe(arena)}`);
}
