/**
 * The pages of a group of batches, and who is where.
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";
import type { BatchedMeshInside, GeometryLike, ThreeInside } from "./batched_mesh_inside.ts";
import type { StreamingMembers } from "./streaming_batched_mesh.ts";

/** A batch of a group. */
export interface PageMesh extends BatchedMeshInside, StreamingMembers {}

/** A page. */
export interface Page {
  /** It takes no part in raycasts: the group does so for all pages. */
  readonly mesh: PageMesh;
  /** The id in the group by the id in the page. */
  readonly instances: number[];
  readonly geometries: Set<number>;
  /** The largest hole of each space. */
  vertexRoom: number;
  indexRoom: number;
  hasColors: boolean;
}

/** Where a geometry is. */
export interface Placed {
  page: Page;
  /** The id in the page. */
  local: number;
  readonly instances: Set<number>;
  vertices: number;
  indices: number;
}

/** Where an instance is: on the page of its geometry. */
export interface Instance {
  geometry: number;
  local: number;
}

/** Values by ids, which are used again. */
export class Ids<T> {
  readonly #values: (T | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  add(value: T): number {
    const id = this.#free.pop() ?? this.#values.length;
    this.#values[id] = value;
    return id;
  }

  has(id: number): boolean {
    return this.#values[id] !== undefined;
  }

  get(id: number): T {
    const value = this.#values[id];
    if (value !== undefined) return value;
    throw new RangeError(`Expected the id of ${this.#what}, got ${describe(id)}`);
  }

  delete(id: number): void {
    this.get(id);
    this.#values[id] = undefined;
    this.#free.push(id);
  }

  /** The same ids with other values. */
  copyFrom(other: Ids<T>, copy: (value: T) => T): void {
    this.#values.push(...other.#values.map((value) => value && copy(value)));
    this.#free.push(...other.#free);
  }
}

/** Notes what changed of a page: its holes and its bounds. */
export function look(page: Page): void {
  page.vertexRoom = page.mesh.vertexSpace.largestFreeRegion();
  page.indexRoom = page.mesh.indexSpace.largestFreeRegion();
  page.mesh.boundingBox = page.mesh.boundingSphere = null;
}

/** Tells whether a hole of each space is large enough. */
export function hasRoom(
  { vertexRoom, indexRoom }: Page,
  vertices: number,
  indices: number,
): boolean {
  return vertexRoom >= vertices && indexRoom >= indices;
}

/** Tells whether the holes are large enough together. */
export function hasSpace({ mesh }: Page, vertices: number, indices: number): boolean {
  return mesh.vertexSpace.freeSpace >= vertices && mesh.indexSpace.freeSpace >= indices;
}

/** A geometry over what a page has of one: views of the vertices, a copy of the indices. */
export function rangeOf(three: ThreeInside, mesh: PageMesh, local: number): GeometryLike {
  const { attributes, index } = mesh.geometry, geometry = new three.BufferGeometry();
  const { vertexStart, vertexCount, indexStart, indexCount } = mesh.getGeometryRangeAt(local);
  for (const [name, { array, itemSize, normalized }] of Object.entries(attributes)) {
    const view = array.subarray(vertexStart * itemSize, (vertexStart + vertexCount) * itemSize);
    geometry.setAttribute(name, new three.BufferAttribute(view, itemSize, normalized));
  }
  if (index !== null) {
    const copy = index.array.slice(indexStart, indexStart + indexCount);
    for (let i = 0; i < copy.length; i++) copy[i] -= vertexStart;
    geometry.setIndex(new three.BufferAttribute(copy, 1));
  }
  const { boundingBox, boundingSphere } = mesh._geometryInfo[local];
  return Object.assign(geometry, { boundingBox, boundingSphere });
}
