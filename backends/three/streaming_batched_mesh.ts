/**
 * three's `BatchedMesh`, whose vertex and index ranges come from two allocators.
 *
 * @module
 */

import { type Allocator, NO_SPACE, OutOfSpaceError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { allocateAt } from "../../src/operations/allocate_at.ts";
import { applyMove, planCompaction } from "../../src/operations/compaction.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import {
  type AttributeLike,
  type BatchedMeshConstructor,
  type BatchedMeshInside,
  expectInside,
  type GeometryInfo,
  type GeometryLike,
} from "./batched_mesh_inside.ts";

/** Bounds of one compaction of a mesh. */
export interface StreamingCompactionOptions {
  /** Most geometries moved in each of the two spaces; no limit by default. */
  readonly maxMoves?: number;
  /** Most looks of the planner in each; no limit by default. */
  readonly maxLooks?: number;
}

/** What a `StreamingBatchedMesh` has beyond a `BatchedMesh`. */
export interface StreamingMembers {
  /** The space of the vertices: to look at, as for reports. */
  readonly vertexSpace: Allocator;
  /** The space of the indices. */
  readonly indexSpace: Allocator;
  /**
   * Gathers the free space, within bounds: some a frame, where a large geometry may come. Only
   * what moves is uploaded.
   *
   * @returns Geometries that moved, counted in each space.
   */
  compact(options?: StreamingCompactionOptions): number;
}

/**
 * The class made of a `BatchedMesh` class.
 *
 * @typeParam C The class: `typeof THREE.BatchedMesh`.
 */
export type StreamingBatchedMeshClass<C> = C extends new (...args: infer P) => infer I
  ? new (...args: P) => I & StreamingMembers
  : never;

/** Longer lists of ranges to upload are merged: a mesh that is not drawn piles them up. */
const MAX_RANGES = 512;

/**
 * Makes a class like `BatchedMesh`, for geometries that come and go: `addGeometry` and
 * `deleteGeometry` reuse ranges in place of a repack of everything. Ids, instances, raycasts,
 * bounds, sorting and culling are those of `BatchedMesh`.
 *
 * - `addGeometry` finds room wherever it is, and compacts where no hole is large enough.
 * - `setGeometryAt` takes larger geometries, too: the id stays.
 * - `optimize` compacts both spaces. An error leaves everything as it was.
 * - `deleteGeometry` costs O(instances of it), `addInstance` O(1).
 *
 * It reads private names of three, r178 to r187. A mesh of a release without them is an error.
 *
 * @param base `THREE.BatchedMesh`, of `three` or `three/webgpu`.
 * @throws {TypeError} It is no class.
 */
export function streamingBatchedMesh<C extends new (...args: never[]) => object>(
  base: C,
): StreamingBatchedMeshClass<C> {
  if (typeof base !== "function") {
    throw new TypeError(`Expected base to be THREE.BatchedMesh, got ${describe(base)}`);
  }
  return streaming(
    base as unknown as BatchedMeshConstructor,
  ) as unknown as StreamingBatchedMeshClass<C>;
}

/** A space of vertices or indices: who has which range. */
class Space {
  readonly allocator: OffsetAllocator;
  /** By geometry. */
  readonly #handles: number[] = [];
  readonly #owners: Map<number, number> = new Map();

  constructor(capacity: number) {
    this.allocator = new OffsetAllocator(capacity);
  }

  /** Where the last range ends. */
  get end(): number {
    return this.allocator.capacity - this.allocator.tailSpace;
  }

  give(id: number, handle: number): void {
    this.#handles[id] = handle;
    this.#owners.set(handle, id);
  }

  free(id: number): void {
    const handle = this.#handles[id];
    if (handle === undefined) return;
    delete this.#handles[id];
    this.#owners.delete(handle);
    this.allocator.free(handle);
  }

  /** Moves ranges down; `moved` copies before the next. */
  compact(
    options: StreamingCompactionOptions,
    moved: (id: number, from: number, to: number, size: number) => void,
  ): number {
    const plan = planCompaction(this.allocator, options);
    for (const move of plan) {
      moved(this.#owners.get(move.handle)!, move.from, move.to, move.size);
      applyMove(this.allocator, move);
    }
    return plan.length;
  }
}

/** The class over a base that is taken for a `BatchedMesh`. */
function streaming(base: BatchedMeshConstructor): BatchedMeshConstructor {
  return class StreamingBatchedMesh extends base implements StreamingMembers {
    #vertices: Space;
    #indices: Space;
    /** Instances by geometry. */
    #instances: Map<number, Set<number>> = new Map();

    constructor(
      maxInstanceCount: number,
      maxVertexCount: number,
      maxIndexCount?: number,
      material?: unknown,
    ) {
      super(maxInstanceCount, maxVertexCount, maxIndexCount, material);
      // `clone` calls without arguments, and copies then.
      if (maxVertexCount !== undefined) expectInside(this);
      this.#vertices = new Space(maxVertexCount ?? 0);
      this.#indices = new Space(maxIndexCount ?? 2 * (maxVertexCount ?? 0));
    }

    get vertexSpace(): Allocator {
      return this.#vertices.allocator;
    }

    get indexSpace(): Allocator {
      return this.#indices.allocator;
    }

    get unusedVertexCount(): number {
      return this.#vertices.allocator.freeSpace;
    }

    get unusedIndexCount(): number {
      return this.#indices.allocator.freeSpace;
    }

    override addGeometry(geometry: GeometryLike, vertices = -1, indices = -1): number {
      const [vertexCount, indexCount] = countsOf(geometry, vertices, indices);
      this._initializeGeometry(geometry);
      this._validateGeometry(geometry);
      const [vertex, index] = this.#take(vertexCount, indexCount);
      const available = this._availableGeometryIds, free = available.pop();
      // Of a longer list the base sorts all.
      this._availableGeometryIds = free === undefined ? [] : [free];
      this._nextVertexStart = this.#vertices.allocator.offset(vertex);
      this._nextIndexStart = index === NO_SPACE ? 0 : this.#indices.allocator.offset(index);
      const id = super.addGeometry(geometry, vertexCount, indexCount);
      this._availableGeometryIds = available;
      this.#vertices.give(id, vertex);
      if (index !== NO_SPACE) this.#indices.give(id, index);
      this.#changed();
      return id;
    }

    override setGeometryAt(id: number, geometry: GeometryLike): number {
      const info = this.#infoOf(id), [vertexCount, indexCount] = countsOf(geometry, -1, -1);
      const { reservedVertexCount, reservedIndexCount } = info;
      this._validateGeometry(geometry);
      const isIndexLong = geometry.index !== null && indexCount > reservedIndexCount;
      if (vertexCount > reservedVertexCount || isIndexLong) {
        const longer = Math.max(vertexCount, reservedVertexCount);
        const [vertex, index] = this.#take(longer, Math.max(indexCount, reservedIndexCount, 0));
        this.#vertices.free(id);
        this.#indices.free(id);
        this.#vertices.give(id, vertex);
        info.vertexStart = this.#vertices.allocator.offset(vertex);
        info.reservedVertexCount = longer;
        if (index !== NO_SPACE) {
          this.#indices.give(id, index);
          info.indexStart = this.#indices.allocator.offset(index);
          info.reservedIndexCount = Math.max(indexCount, reservedIndexCount);
        }
      }
      super.setGeometryAt(id, geometry);
      this.#changed();
      return id;
    }

    override deleteGeometry(id: number): this {
      const info = this._geometryInfo[id];
      if (info === undefined || !info.active) return this;
      for (const instance of this.#instances.get(id) ?? []) super.deleteInstance(instance);
      this.#instances.delete(id);
      this.#vertices.free(id);
      this.#indices.free(id);
      info.active = false;
      this._availableGeometryIds.push(id);
      this._visibilityChanged = true;
      this.#changed();
      return this;
    }

    override addInstance(geometryId: number): number {
      this.#infoOf(geometryId);
      const available = this._availableInstanceIds, free = available.pop();
      this._availableInstanceIds = free === undefined ? [] : [free];
      try {
        const id = super.addInstance(geometryId);
        this.#instancesOf(geometryId).add(id);
        return id;
      } finally {
        this._availableInstanceIds = available;
      }
    }

    override deleteInstance(id: number): this {
      const geometryId = this._instanceInfo[id]?.geometryIndex;
      super.deleteInstance(id);
      this.#instances.get(geometryId)?.delete(id);
      return this;
    }

    override setGeometryIdAt(id: number, geometryId: number): this {
      const before = this._instanceInfo[id]?.geometryIndex;
      super.setGeometryIdAt(id, geometryId);
      this.#instances.get(before)?.delete(id);
      this.#instancesOf(geometryId).add(id);
      return this;
    }

    override optimize(): this {
      this.compact();
      return this;
    }

    compact(options: StreamingCompactionOptions = {}): number {
      checkOptions(options, "maxMoves maxLooks");
      const { attributes, index } = this.geometry, infos = this._geometryInfo;
      let moves = this.#vertices.compact(options, (id, from, to, size) => {
        for (const attribute of Object.values(attributes)) {
          const { array, itemSize } = attribute;
          array.copyWithin(to * itemSize, from * itemSize, (from + size) * itemSize);
          changed(attribute, to * itemSize, size * itemSize);
        }
        const info = infos[id], { indexStart, reservedIndexCount } = info;
        info.vertexStart = to;
        if (index === null) {
          info.start = to;
          return;
        }
        // Indices count from the first vertex of the mesh.
        const end = indexStart + reservedIndexCount;
        for (let i = indexStart; i < end; i++) index.array[i] += to - from;
        changed(index, indexStart, reservedIndexCount);
      });
      if (index !== null) {
        moves += this.#indices.compact(options, (id, from, to, size) => {
          index.array.copyWithin(to, from, from + size);
          changed(index, to, size);
          infos[id].indexStart = infos[id].start = to;
        });
      }
      if (moves > 0) this._visibilityChanged = true;
      this.#changed();
      return moves;
    }

    override setGeometrySize(maxVertexCount: number, maxIndexCount: number): void {
      checkInteger("maxVertexCount", maxVertexCount, this.#vertices.end);
      checkInteger("maxIndexCount", maxIndexCount, this.#indices.end);
      const infos = this._geometryInfo;
      this._geometryInfo = []; // the base spreads them as arguments, of which there may be too many
      try {
        super.setGeometrySize(maxVertexCount, maxIndexCount);
      } finally {
        this._geometryInfo = infos;
      }
      resizeSpace(this.#vertices.allocator, maxVertexCount);
      resizeSpace(this.#indices.allocator, maxIndexCount);
    }

    override copy(source: BatchedMeshInside): this {
      super.copy(source);
      this.#vertices = new Space(this._maxVertexCount);
      this.#indices = new Space(this._maxIndexCount);
      this.#instances = new Map();
      this._geometryInfo.forEach((info, id) => {
        if (!info.active) return;
        const { vertexStart, reservedVertexCount, indexStart, reservedIndexCount } = info;
        const vertices = this.#vertices, indices = this.#indices;
        vertices.give(id, allocateAt(vertices.allocator, vertexStart, reservedVertexCount));
        if (indexStart < 0) return;
        indices.give(id, allocateAt(indices.allocator, indexStart, reservedIndexCount));
      });
      this._instanceInfo.forEach(({ active, geometryIndex }, id) => {
        if (active) this.#instancesOf(geometryIndex).add(id);
      });
      this.#changed();
      return this;
    }

    /** Ranges for so many vertices and indices, or an error and none. */
    #take(vertexCount: number, indexCount: number): [number, number] {
      const vertices = this.#vertices.allocator, indices = this.#indices.allocator;
      const isShort = vertices.largestFreeRegion() < vertexCount ||
        indices.largestFreeRegion() < indexCount;
      const isRoom = vertices.freeSpace >= vertexCount && indices.freeSpace >= indexCount;
      if (isShort && isRoom) this.compact();
      const vertex = vertices.allocate(vertexCount);
      if (vertex === NO_SPACE) throw new OutOfSpaceError(vertices, vertexCount, 1, "vertices");
      if (indexCount === 0) return [vertex, NO_SPACE];
      const index = indices.allocate(indexCount);
      if (index !== NO_SPACE) return [vertex, index];
      vertices.free(vertex);
      throw new OutOfSpaceError(indices, indexCount, 1, "indices");
    }

    #infoOf(id: number): GeometryInfo {
      const info = this._geometryInfo[id];
      if (info?.active) return info;
      throw new RangeError(`Expected the id of a geometry, got ${describe(id)}`);
    }

    #instancesOf(geometryId: number): Set<number> {
      let all = this.#instances.get(geometryId);
      if (all === undefined) this.#instances.set(geometryId, all = new Set());
      return all;
    }

    /** What a loader goes on with; and no endless lists of what is to be uploaded. */
    #changed(): void {
      this._nextVertexStart = this.#vertices.end;
      this._nextIndexStart = this.#indices.end;
      const { attributes, index } = this.geometry;
      for (const attribute of Object.values(attributes)) mergeRanges(attribute);
      if (index !== null) mergeRanges(index);
    }
  };
}

/** Vertices and indices that a geometry is to have, checked against those it has. */
function countsOf(geometry: GeometryLike, vertices: number, indices: number): [number, number] {
  const position = geometry?.attributes?.position;
  if (position === undefined) {
    throw new TypeError(`Expected geometry to have positions, got ${describe(geometry)}`);
  }
  const indexCount = geometry.index?.count ?? 0;
  if (vertices !== -1) checkInteger("reservedVertexCount", vertices, position.count);
  if (indices !== -1) checkInteger("reservedIndexCount", indices, indexCount);
  const isIndexed = geometry.index !== null;
  return [
    vertices === -1 ? position.count : vertices,
    isIndexed && indices !== -1 ? indices : indexCount,
  ];
}

function resizeSpace(allocator: OffsetAllocator, capacity: number): void {
  if (capacity > allocator.capacity) allocator.grow(capacity - allocator.capacity);
  else if (capacity < allocator.capacity) allocator.shrink(allocator.capacity - capacity);
}

function changed(attribute: AttributeLike, start: number, count: number): void {
  attribute.addUpdateRange(start, count);
  attribute.needsUpdate = true;
}

/** Joins ranges that touch, where there are many; all of them, where that is not enough. */
function mergeRanges(attribute: AttributeLike): void {
  if (attribute.updateRanges.length <= MAX_RANGES) return;
  const sorted = attribute.updateRanges.sort((a, b) => a.start - b.start);
  const merged = [sorted[0]];
  let end = sorted[0].start + sorted[0].count;
  for (const range of sorted) {
    const last = merged[merged.length - 1], until = range.start + range.count;
    if (range.start > end) merged.push(range);
    else last.count = Math.max(end, until) - last.start;
    end = Math.max(end, until);
  }
  const all = { start: merged[0].start, count: end - merged[0].start };
  attribute.updateRanges.splice(0, Infinity, ...merged.length > MAX_RANGES / 2 ? [all] : merged);
}
