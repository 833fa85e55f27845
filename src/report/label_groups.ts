/**
 * Allocations of the same label, taken together: what a picture can tell apart.
 *
 * @module
 */

import type { ReportRegion } from "./regions.ts";

/** The allocations of one label. */
export interface LabelGroup {
  /** The label. */
  readonly label: string;
  /** Number of allocations. */
  count: number;
  /** Units in all of them. */
  units: number;
}

/** The groups of most units, largest first, at most `most` of them. */
export function labelGroups(regions: Iterable<ReportRegion>, most: number): LabelGroup[] {
  const groups = new Map<string, LabelGroup>();
  for (const { label, size } of regions) {
    if (label === undefined) continue;
    let group = groups.get(label);
    if (group === undefined) groups.set(label, group = { label, count: 0, units: 0 });
    group.count++;
    group.units += size;
  }
  return [...groups.values()].sort((a, b) => b.units - a.units).slice(0, most);
}
