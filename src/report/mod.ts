/**
 * The contents of an allocator: figures, JSON, pictures, and leaks.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { drawMap, report } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new OffsetAllocator(1000);
 * allocator.allocate(250);
 * report(allocator).used; // 250
 * console.log(drawMap(allocator));
 * ```
 *
 * @module
 */

export type { Allocation, Allocator, Extent, FreeSpace } from "../allocator.ts";
export type { AllocatorWrapper, OptionalMember } from "../operations/mod.ts";

export { report } from "./report.ts";
export type { Report, SizeClass, SizeReport } from "./report.ts";
export { reportJson } from "./report_json.ts";
export type { ReportJson, ReportJsonOptions } from "./report_json.ts";
export { reportSvg } from "./report_svg.ts";
export type { ReportSvgOptions } from "./report_svg.ts";
export { drawMap } from "./draw_map.ts";
export type { MapOptions } from "./draw_map.ts";
export type { Labels, RegionKind, ReportRegion } from "./regions.ts";
export { TrackedAllocator } from "./tracked_allocator.ts";
export type { Leak, TrackedAllocatorOptions } from "./tracked_allocator.ts";
export { formatLeaks } from "./format_leaks.ts";
export type { FormatLeaksOptions } from "./format_leaks.ts";
