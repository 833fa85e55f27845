/**
 * Which ranges of an attribute are to be uploaded.
 *
 * @module
 */

import type { AttributeLike, GeometryLike } from "./batched_mesh_inside.ts";

/** Longer lists are merged: a mesh that is not drawn piles them up. */
const MAX_RANGES = 512;
/** Numbers between two ranges that cost less than a second upload. */
const GAP = 64;

/** Notes that numbers of an attribute were written. */
export function changed(attribute: AttributeLike, start: number, count: number): void {
  attribute.addUpdateRange(start, count);
  attribute.needsUpdate = true;
}

/** Keeps the lists of what is to be uploaded short. */
export function boundUploads(geometry: GeometryLike): void {
  for (const attribute of attributesOf(geometry)) {
    if (attribute.updateRanges.length > MAX_RANGES) mergeRanges(attribute);
  }
}

/** Joins ranges that overlap or almost touch. */
export function mergeUploads(geometry: GeometryLike): void {
  for (const attribute of attributesOf(geometry)) {
    if (attribute.updateRanges.length > 1) mergeRanges(attribute);
  }
}

/** Takes what is to be uploaded for uploaded: an attribute without ranges is uploaded whole. */
export function forgetUploads(geometry: GeometryLike): void {
  for (const { updateRanges } of attributesOf(geometry)) updateRanges.length = 0;
}

function attributesOf({ attributes, index }: GeometryLike): AttributeLike[] {
  const all = Object.values(attributes);
  return index === null ? all : [...all, index];
}

/** Joins ranges; all of them, where that is not enough. */
function mergeRanges({ updateRanges }: AttributeLike): void {
  updateRanges.sort((a, b) => a.start - b.start);
  let last = 0;
  for (const { start, count } of updateRanges) {
    const range = updateRanges[last], end = range.start + range.count;
    if (start <= end + GAP) range.count = Math.max(end, start + count) - range.start;
    else updateRanges[++last] = { start, count };
  }
  if (last >= MAX_RANGES / 2) {
    const { start, count } = updateRanges[last];
    updateRanges[0].count = start + count - updateRanges[0].start;
    last = 0;
  }
  updateRanges.length = last + 1;
}
