/**
 * Geometries whose vertices are all different, and what is drawn of them.
 *
 * @module
 */

import type * as newest from "three";
import type { Random } from "../support/random.ts";

/** What is tested, of some release. */
export type Three = typeof newest;

/** A geometry of so many vertices, each another. */
export function geometryOf(
  three: Three,
  random: Random,
  vertices: number,
  indices: number,
): newest.BufferGeometry {
  const geometry = new three.BufferGeometry();
  for (const [name, itemSize] of [["position", 3], ["uv", 2]] as const) {
    const array = Float32Array.from({ length: vertices * itemSize }, () => random(1000));
    geometry.setAttribute(name, new three.BufferAttribute(array, itemSize));
  }
  if (indices > 0) {
    const array = Uint16Array.from({ length: indices }, () => random(vertices));
    geometry.setIndex(new three.BufferAttribute(array, 1));
  }
  return geometry;
}

/** What is drawn of a range: the attributes of each vertex, one after the other. */
export function drawn(geometry: newest.BufferGeometry, start: number, count: number): number[] {
  const { index, attributes } = geometry, numbers: number[] = [];
  for (let i = start; i < start + count; i++) {
    const vertex = index === null ? i : index.array[i];
    for (const name of ["position", "uv"]) {
      const { array, itemSize } = attributes[name];
      for (let c = 0; c < itemSize; c++) numbers.push(array[vertex * itemSize + c]);
    }
  }
  return numbers;
}
