/**
 * A picture of the file that has the shelf: what is in it where, and what is free.
 *
 * @module
 */

import type { FileRegion } from "@suballoc/offset-allocator/opfs";
import { reportSvg, type ReportSvgOptions } from "@suballoc/offset-allocator/report";

/** Any store that knows the regions of its file. */
export interface MappedStore {
  regions(): AsyncIterable<FileRegion>;
}

/** Names of the kinds of regions. */
const LABELS: Readonly<Record<string, string>> = {
  blob: "photos",
  header: "header",
  index: "index",
  log: "log",
};

/** Draws the file of a store as SVG. */
export async function drawFile(
  store: MappedStore,
  options: Pick<ReportSvgOptions, "title" | "width">,
): Promise<string> {
  const regions: FileRegion[] = [];
  for await (const region of store.regions()) regions.push(region);
  const parts = regions.map(({ offset, length, kind }, handle) => {
    return { offset, size: length, kind, handle };
  });
  const last = parts.at(-1);
  // What a report needs of an allocator: its handles are the numbers of the regions here.
  const space = {
    capacity: last === undefined ? 0 : last.offset + last.size,
    allocations: () => parts.filter(({ kind }) => kind !== "free"),
    freeRegions: () => parts.filter(({ kind }) => kind === "free"),
  };
  return reportSvg(space, { ...options, labels: (handle) => LABELS[parts[handle].kind] });
}
