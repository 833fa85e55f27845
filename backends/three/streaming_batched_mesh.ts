/**
 * three's `BatchedMesh`, whose vertex and index ranges come from two allocators.
 *
 * @module
 */

import { type Allocator, NO_SPACE, OutOfSpaceError } from "../../src/allocator.ts";
import { allocateAt } from "../../src/operations/allocate_at.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import {
  type BatchedMeshConstructor,
  type BatchedMeshInside,
  expectInside,
  type GeometryInfo,
  type GeometryLike,
  type TextureLike,
} from "./batched_mesh_inside.ts";
import { type Moved, Space } from "./space.ts";
import { boundUploads, changed, forgetUploads, mergeUploads } from "./uploads.ts";

/** Bounds of one compaction of a mesh. */
export interface StreamingCompactionOptions {
  /**
   * Vertices that are to find room. Vertices move only while no hole has so many and the free space
   * does. By default they move while there is a hole.
   */
  readonly vertices?: number | undefined;
  /** The same for indices. */
  readonly indices?: number | undefined;
  /** Most geometries moved in each of the two spaces; no limit by default. */
  readonly maxMoves?: number | undefined;
  /** Most looks of the planner in each; no limit by default. The next call goes on from there. */
  readonly maxLooks?: number | undefined;
}

/** Members of a `StreamingBatchedMesh` beyond a `BatchedMesh`. */
export interface StreamingMembers {
  /** The space of the vertices: to look at, as for reports. */
  readonly vertexSpace: Allocator;
  /** The space of the indices. */
  readonly indexSpace: Allocator;
  /**
   * Gathers the free space, within bounds: some a frame, where a large geometry may come. Only
   * what moves is uploaded. O(1) where the holes are large enough already.
   *
   * @returns Geometries that moved, counted in each space.
   * @throws {TypeError} An option is not known.
   * @throws {RangeError} An option is not an integer in range.
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

/**
 * Makes a class like `BatchedMesh`, for geometries that come and go: `addGeometry` and
 * `deleteGeometry` reuse ranges in place of a repack of everything. Ids, instances, raycasts,
 * bounds, sorting and culling are those of `BatchedMesh`.
 *
 * - `addGeometry` finds room wherever it is; where no hole is large enough, it moves what it takes
 *   to make one.
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
  return streamingMesh(
    base as unknown as BatchedMeshConstructor,
  ) as unknown as StreamingBatchedMeshClass<C>;
}

/** The class over a base that is taken for a `BatchedMesh`. */
export function streamingMesh(base: BatchedMeshConstructor): BatchedMeshConstructor {
  return class StreamingBatchedMesh extends base implements StreamingMembers {
    #vertices: Space;
    #indices: Space;
    /** Instances by geometry. */
    #instances: Map<number, Set<number>> = new Map();
    /** The arrays drawn last, whose ranges are the changes since. */
    #drawn: GeometryLike | undefined;

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
      // The first one sets the attributes of all: not one that has no room.
      const isFirst = this.geometry.attributes.position === undefined;
      if (!isFirst) this._validateGeometry(geometry);
      const [vertex, index] = this.#take(vertexCount, indexCount);
      if (isFirst) this._initializeGeometry(geometry);
      const available = this._availableGeometryIds, free = available.pop();
      // Of a longer list the base sorts all.
      this._availableGeometryIds = free === undefined ? [] : [free];
      this._nextVertexStart = startOf(this.#vertices, vertex);
      this._nextIndexStart = startOf(this.#indices, index);
      const id = super.addGeometry(geometry, vertexCount, indexCount);
      this._availableGeometryIds = available;
      if (vertex !== NO_SPACE) this.#vertices.give(id, vertex);
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
        const longerIndex = Math.max(indexCount, reservedIndexCount, 0);
        this.#expectFree(
          longer - reservedVertexCount,
          longerIndex - Math.max(reservedIndexCount, 0),
        );
        this.#vertices.free(id); // it is written again, all of it
        this.#indices.free(id);
        const [vertex, index] = this.#take(longer, longerIndex);
        if (vertex !== NO_SPACE) this.#vertices.give(id, vertex);
        info.vertexStart = startOf(this.#vertices, vertex);
        info.reservedVertexCount = longer;
        if (index !== NO_SPACE) {
          this.#indices.give(id, index);
          info.indexStart = startOf(this.#indices, index);
          info.reservedIndexCount = longerIndex;
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
      checkOptions(options, "vertices indices maxMoves maxLooks");
      const { vertices, indices } = options;
      const moves = compactFor(this.#vertices, "vertices", vertices, options, this.#vertexMoved) +
        compactFor(this.#indices, "indices", indices, options, this.#indexMoved);
      if (moves > 0) this.#changed();
      return moves;
    }

    override onBeforeRender(...args: [{ isWebGPURenderer?: boolean }, ...unknown[]]): void {
      super.onBeforeRender(...args);
      // A new attribute was, or is now, uploaded whole; its ranges would be uploaded once more.
      if (this.#drawn !== this.geometry) forgetUploads(this.#drawn = this.geometry);
      // WebGLRenderer merges ranges itself.
      else if (args[0].isWebGPURenderer) mergeUploads(this.geometry);
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
      this.#vertices.resize(maxVertexCount);
      this.#indices.resize(maxIndexCount);
    }

    override setInstanceCount(maxInstanceCount: number): void {
      super.setInstanceCount(maxInstanceCount);
      this.#texturesChanged();
    }

    override setColorAt(id: number, color: unknown): this {
      const before = this._colorsTexture;
      super.setColorAt(id, color);
      if (this._colorsTexture !== before) this.#texturesChanged();
      return this;
    }

    override copy(source: BatchedMeshInside): this {
      super.copy(source);
      // three's textures write to the arrays of the source; r181 leaves the colours out.
      this._initMatricesTexture();
      copyTexture(source._matricesTexture, this._matricesTexture);
      this._initIndirectTexture();
      copyTexture(source._indirectTexture, this._indirectTexture);
      if (source._colorsTexture !== null) {
        this._initColorsTexture();
        copyTexture(source._colorsTexture, this._colorsTexture!);
      }
      this.#vertices = new Space(this._maxVertexCount);
      this.#indices = new Space(this._maxIndexCount);
      this.#instances = new Map();
      this._geometryInfo.forEach((info, id) => {
        if (!info.active) return;
        const { vertexStart, reservedVertexCount, indexStart, reservedIndexCount } = info;
        reserve(this.#vertices, id, vertexStart, reservedVertexCount);
        reserve(this.#indices, id, indexStart, reservedIndexCount);
      });
      this._instanceInfo.forEach(({ active, geometryIndex }, id) => {
        if (active) this.#instancesOf(geometryIndex).add(id);
      });
      this.#changed();
      return this;
    }

    /** Throws where there is less free space. */
    #expectFree(vertexCount: number, indexCount: number): void {
      const vertices = this.#vertices.allocator, indices = this.#indices.allocator;
      if (vertices.freeSpace < vertexCount) {
        throw new OutOfSpaceError(vertices, vertexCount, 1, "vertices");
      }
      if (indices.freeSpace < indexCount) {
        throw new OutOfSpaceError(indices, indexCount, 1, "indices");
      }
    }

    /** Ranges for so many vertices and indices, or an error and none. */
    #take(vertexCount: number, indexCount: number): [number, number] {
      this.#expectFree(vertexCount, indexCount);
      this.#vertices.makeRoom(vertexCount, this.#vertexMoved);
      this.#indices.makeRoom(indexCount, this.#indexMoved);
      return [ // compaction leaves one hole: all that is free
        vertexCount === 0 ? NO_SPACE : this.#vertices.allocator.allocate(vertexCount),
        indexCount === 0 ? NO_SPACE : this.#indices.allocator.allocate(indexCount),
      ];
    }

    readonly #vertexMoved: Moved = (id, from, to, size) => {
      const { attributes, index } = this.geometry, info = this._geometryInfo[id];
      for (const attribute of Object.values(attributes)) {
        const { array, itemSize } = attribute;
        array.copyWithin(to * itemSize, from * itemSize, (from + size) * itemSize);
        changed(attribute, to * itemSize, size * itemSize);
      }
      const { indexStart, reservedIndexCount } = info;
      info.vertexStart = to;
      if (index === null) {
        info.start = to;
        return;
      }
      // Indices count from the first vertex of the mesh.
      const end = indexStart + reservedIndexCount;
      for (let i = indexStart; i < end; i++) index.array[i] += to - from;
      changed(index, indexStart, reservedIndexCount);
    };

    readonly #indexMoved: Moved = (id, from, to, size) => {
      const index = this.geometry.index!, info = this._geometryInfo[id];
      index.array.copyWithin(to, from, from + size);
      changed(index, to, size);
      info.indexStart = info.start = to;
    };

    #infoOf(id: number): GeometryInfo {
      const info = this._geometryInfo[id];
      if (info?.active) return info;
      throw new RangeError(`Expected the id of a geometry, got ${describe(id)}`);
    }

    /** `WebGPURenderer` goes on with old textures until it hears of a change of the material. */
    #texturesChanged(): void {
      for (const material of [this.material].flat()) material.needsUpdate = true;
    }

    #instancesOf(geometryId: number): Set<number> {
      let all = this.#instances.get(geometryId);
      if (all === undefined) this.#instances.set(geometryId, all = new Set());
      return all;
    }

    /** State for a loader to go on with; and no endless lists of uploads. */
    #changed(): void {
      this._nextVertexStart = this.#vertices.end;
      this._nextIndexStart = this.#indices.end;
      this._visibilityChanged = true;
      boundUploads(this.geometry);
    }
  };
}

/** Vertices and indices that a geometry is to have, checked against those it has. */
export function countsOf(
  geometry: GeometryLike,
  vertices: number,
  indices: number,
): [number, number] {
  const position = geometry?.attributes?.position;
  if (position === undefined) {
    throw new TypeError(`Expected geometry to have positions, got ${describe(geometry)}`);
  }
  const indexCount = geometry.index?.count ?? 0;
  if (vertices !== -1) checkInteger("reservedVertexCount", vertices, position.count);
  if (indices !== -1) checkInteger("reservedIndexCount", indices, indexCount);
  for (const [name, { count }] of Object.entries(geometry.attributes)) {
    if (count <= position.count) continue; // the rest would lie in another geometry
    throw new RangeError(`Expected ${name} to have at most ${position.count} items, got ${count}`);
  }
  const isIndexed = geometry.index !== null;
  return [
    vertices === -1 ? position.count : vertices,
    isIndexed && indices !== -1 ? indices : indexCount,
  ];
}

function copyTexture(from: TextureLike, to: TextureLike): void {
  to.image.data.set(from.image.data);
  to.needsUpdate = true;
}

/** Where a range begins; 0 for an empty one. */
function startOf({ allocator }: Space, handle: number): number {
  return handle === NO_SPACE ? 0 : allocator.offset(handle);
}

/** Gives a geometry the range that it has in another mesh. */
function reserve(space: Space, id: number, start: number, count: number): void {
  if (count > 0) space.give(id, allocateAt(space.allocator, start, count));
}

/** Compacts a space, unless there is a hole of the size that is wanted, or there can be none. */
function compactFor(
  space: Space,
  name: string,
  wanted: number | undefined,
  bounds: StreamingCompactionOptions,
  moved: Moved,
): number {
  if (wanted !== undefined) {
    checkInteger(name, wanted);
    const { allocator } = space;
    if (allocator.largestFreeRegion() >= wanted || allocator.freeSpace < wanted) return 0;
  }
  return space.compact(bounds, moved);
}
