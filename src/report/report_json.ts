/**
 * The report as JSON, for other programs to read.
 *
 * @module
 */

import { checkSpace, type Extent, type FreeSpace } from "../allocator.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { type Report, report } from "./report.ts";
import { type Labels, regionsOf, type ReportRegion, spansOf } from "./regions.ts";

/** Options of {@linkcode reportJson}. */
export interface ReportJsonOptions {
  /** True if every region is listed; `false` by default. */
  readonly regions?: boolean | undefined;
  /** Returns the label of an allocation. */
  readonly labels?: Labels | undefined;
}

/** The result of {@linkcode reportJson}, version 1. A later version may add members. */
export interface ReportJson extends Report {
  /** Tells it from other JSON. */
  readonly format: "suballoc-report";
  /** Changes when a member is removed or means something else. */
  readonly version: 1;
  /** The spans of the space, in address order. */
  readonly spans: readonly Extent[];
  /** All regions in address order, with the option `regions`. */
  readonly regions?: readonly ReportRegion[];
}

/**
 * Reports as a plain object that `JSON.stringify` writes without loss.
 *
 * @param allocator Any strategy, or a `RangeAllocator`; it does not change.
 * @param options The parts to include.
 * @throws {TypeError} `allocator` is none, or an option is not known or of the wrong type.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { reportJson } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new OffsetAllocator(1000);
 * allocator.allocate(100);
 * const text = JSON.stringify(reportJson(allocator, { regions: true }));
 * ```
 */
export function reportJson(allocator: FreeSpace, options: ReportJsonOptions = {}): ReportJson {
  checkSpace(allocator);
  checkOptions(options, "regions labels");
  checkType("regions", options.regions, "boolean");
  checkType("labels", options.labels, "function");
  const spans = Array.from(spansOf(allocator), ({ offset, size }) => ({ offset, size }));
  const figures = { format: "suballoc-report", version: 1, ...report(allocator), spans } as const;
  if (!options.regions) return figures;
  return { ...figures, regions: [...regionsOf(allocator, options.labels)] };
}
