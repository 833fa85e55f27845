/**
 * A group of batches of a fixed size: growth adds one, in place of a copy of everything.
 *
 * @module
 */

import { OutOfSpaceError } from "../../src/allocator.ts";
import { checkInteger } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import type { GeometryLike, MaterialLike, ThreeInside } from "./batched_mesh_inside.ts";
import {
  hasRoom,
  hasSpace,
  Ids,
  type Instance,
  look,
  type Page,
  type PageMesh,
  type Placed,
  rangeOf,
} from "./pages.ts";
import {
  countsOf,
  type StreamingCompactionOptions,
  type StreamingMembers,
  streamingMesh,
} from "./streaming_batched_mesh.ts";

/** The classes of three that {@linkcode streamingBatches} needs: `THREE` has them all. */
export interface ThreeForBatches {
  /** The class of pages. */
  readonly BatchedMesh: new (...args: never[]) => object;
  /** The class of groups. */
  readonly Group: new () => object;
  /** The class of a geometry that goes to another page. */
  readonly BufferGeometry: new () => object;
  /** The class of its attributes. */
  readonly BufferAttribute: new (...args: never[]) => object;
  /** The class that places an instance on another page. */
  readonly Matrix4: new () => object;
  /** The class of its colour. */
  readonly Vector4: new (...args: never[]) => object;
}

/**
 * How a `StreamingBatches` is made.
 *
 * @typeParam M `THREE.BatchedMesh`.
 */
export interface StreamingBatchesOptions<M> {
  /** Vertices of a page; 65,535 by default, the most that 16-bit indices reach. */
  readonly pageVertices?: number | undefined;
  /**
   * Indices of a page; by default as many for each vertex as the geometries have when the page is
   * made.
   */
  readonly pageIndices?: number | undefined;
  /** Instances that a new page takes; 256 by default. A full one takes twice as many then. */
  readonly pageInstances?: number | undefined;
  /** Is called with each new page: to set shadows, layers or sorting. */
  readonly onPage?: ((page: M & StreamingMembers) => void) | undefined;
}

/**
 * The arguments of a method of a batch.
 *
 * @typeParam M `THREE.BatchedMesh`.
 * @typeParam K The name of the method.
 */
export type BatchArguments<M, K> = K extends keyof M
  ? M[K] extends (...args: infer P) => unknown ? P : never
  : never;

/**
 * The members of a `StreamingBatches` beyond a `Group`: the calls of `BatchedMesh`, over all pages.
 *
 * Calls with an id that is none throw a `RangeError`.
 *
 * @typeParam M `THREE.BatchedMesh`.
 */
export interface StreamingBatchesMembers<M> {
  /** The pages: its own children, one draw each. */
  readonly pages: readonly (M & StreamingMembers)[];
  /** The material of all pages. */
  material: M extends { material: infer T } ? T : never;
  /** Geometries on all pages. */
  readonly geometryCount: number;
  /** Instances on all pages. */
  readonly instanceCount: number;
  /**
   * Adds a geometry to a page that has room for it, or to a new one. One that is larger than a page
   * gets a page of its size. O(pages).
   *
   * @returns Its id, which stays the same wherever it goes.
   * @throws {TypeError} It has no positions.
   * @throws {RangeError} The room to reserve is less than it has.
   */
  addGeometry(...args: BatchArguments<M, "addGeometry">): number;
  /** Replaces a geometry, by a larger one too; its instances go with it where its page is full. */
  setGeometryAt(...args: BatchArguments<M, "setGeometryAt">): number;
  /**
   * Removes a geometry and its instances: O(instances of it). A page that is empty goes. Nothing
   * happens where there is no such geometry.
   */
  deleteGeometry(geometryId: number): this;
  /**
   * Adds an instance of a geometry: at the origin, visible, white.
   *
   * @returns Its id.
   */
  addInstance(geometryId: number): number;
  /** Removes an instance. */
  deleteInstance(instanceId: number): this;
  /** Shows another geometry in an instance. */
  setGeometryIdAt(instanceId: number, geometryId: number): this;
  /** The id of the geometry of an instance. */
  getGeometryIdAt(instanceId: number): number;
  /** Places an instance. */
  setMatrixAt(...args: BatchArguments<M, "setMatrixAt">): this;
  /** Writes the place of an instance to `target`. */
  getMatrixAt<T extends BatchArguments<M, "getMatrixAt">[1]>(instanceId: number, target: T): T;
  /** Colours an instance. */
  setColorAt(...args: BatchArguments<M, "setColorAt">): this;
  /** Writes the colour of an instance to `target`. */
  getColorAt<T extends BatchArguments<M, "getColorAt">[1]>(instanceId: number, target: T): T;
  /** Shows or hides an instance. */
  setVisibleAt(instanceId: number, visible: boolean): this;
  /** Tells whether an instance is shown. */
  getVisibleAt(instanceId: number): boolean;
  /** Writes the box around a geometry, before it is placed, to `target`. */
  getBoundingBoxAt<T extends BatchArguments<M, "getBoundingBoxAt">[1]>(
    geometryId: number,
    target: T,
  ): T;
  /** Writes the sphere around a geometry, before it is placed, to `target`. */
  getBoundingSphereAt<T extends BatchArguments<M, "getBoundingSphereAt">[1]>(
    geometryId: number,
    target: T,
  ): T;
  /**
   * Moves geometries of the emptiest pages to the fullest that have space for them, so that pages
   * become empty and go; then compacts pages, until one has the room that is asked for. `maxMoves`
   * counts for all pages together, in each of the two spaces, `maxLooks` for each page. Moves that
   * make room for a geometry of another page are not counted.
   *
   * @returns Geometries that moved, counted in each space within a page.
   * @throws {TypeError} An option is not known.
   * @throws {RangeError} An option is not an integer in range.
   */
  compact(options?: StreamingCompactionOptions): number;
  /** Removes everything and disposes of the pages, not of the material. */
  dispose(): void;
}

/**
 * The class made of three.
 *
 * @typeParam T `typeof THREE`.
 */
export type StreamingBatchesClass<T extends ThreeForBatches> = new (
  material?: InstanceType<T["BatchedMesh"]> extends { material: infer A } ? A : never,
  options?: StreamingBatchesOptions<InstanceType<T["BatchedMesh"]>>,
) => InstanceType<T["Group"]> & StreamingBatchesMembers<InstanceType<T["BatchedMesh"]>>;

/**
 * Makes a class of groups of `BatchedMesh` pages, with the calls of one `BatchedMesh`: for scenes
 * that grow without a known end. Growth adds a page, so that nothing is copied; pages have 16-bit
 * indices.
 *
 * - Ids of geometries and instances are those of the group, and stay.
 * - Every page is a draw of its own. Objects are sorted and culled within their page.
 * - A page that is empty goes, but for one. `compact` empties pages.
 *
 * @param three `THREE`, of `three` or `three/webgpu`: any object with the classes it needs.
 * @throws {TypeError} One is missing.
 *
 * @example
 * ```ts
 * import * as THREE from "three";
 * import { streamingBatches } from "@suballoc/offset-allocator/three";
 *
 * const StreamingBatches = streamingBatches(THREE);
 * const tiles = new StreamingBatches(new THREE.MeshNormalMaterial());
 * const id = tiles.addGeometry(new THREE.SphereGeometry(1, 30, 30));
 * const instance = tiles.addInstance(id);
 * tiles.setMatrixAt(instance, new THREE.Matrix4().makeTranslation(0, 1, 0));
 * tiles.deleteGeometry(id); // and its instances
 * tiles.dispose();
 * ```
 */
export function streamingBatches<T extends ThreeForBatches>(three: T): StreamingBatchesClass<T> {
  const names = ["BatchedMesh", "Group", "BufferGeometry", "BufferAttribute", "Matrix4", "Vector4"];
  const missing = names.filter((name) =>
    typeof (three as unknown as Record<string, unknown> | undefined)?.[name] !== "function"
  );
  if (missing.length > 0) {
    throw new TypeError(`Expected three to be THREE, got one without ${missing.join(", ")}`);
  }
  return batches(three as unknown as ThreeInside) as unknown as StreamingBatchesClass<T>;
}

/** With less of the space free, a new page is better than moves that make a hole. */
const FREE_SHARE = 0.1;

/** The class over what is taken for three. */
function batches(three: ThreeInside) {
  const Batch = streamingMesh(three.BatchedMesh);

  return class StreamingBatches extends three.Group {
    #options: StreamingBatchesOptions<unknown>;
    #material: MaterialLike | undefined;
    #pages: Page[] = [];
    #geometries: Ids<Placed> = new Ids("a geometry");
    #instances: Ids<Instance> = new Ids("an instance");
    #vertexCount = 0;
    #indexCount = 0;
    #hasColors = false;

    constructor(material?: MaterialLike, options: StreamingBatchesOptions<unknown> = {}) {
      super();
      checkOptions(options, "pageVertices pageIndices pageInstances onPage");
      const { pageVertices = 1, pageIndices = 0, pageInstances = 1, onPage } = options;
      checkInteger("pageVertices", pageVertices, 1);
      checkInteger("pageIndices", pageIndices);
      checkInteger("pageInstances", pageInstances, 1);
      checkType("onPage", onPage, "function");
      this.#material = material;
      this.#options = options;
    }

    get pages(): readonly PageMesh[] {
      return this.#pages.map(({ mesh }) => mesh);
    }

    /** The material of all pages; of a group without pages and without one, `undefined`. */
    get material(): MaterialLike | undefined {
      return this.#material;
    }

    set material(material: MaterialLike) {
      this.#material = material;
      for (const { mesh } of this.#pages) mesh.material = material;
    }

    get geometryCount(): number {
      return this.#geometries.size;
    }

    get instanceCount(): number {
      return this.#instances.size;
    }

    addGeometry(geometry: GeometryLike, reservedVertices = -1, reservedIndices = -1): number {
      const [vertices, indices] = countsOf(geometry, reservedVertices, reservedIndices);
      this.#pages[0]?.mesh._validateGeometry(geometry);
      const page = this.#pageFor(vertices, indices);
      const local = page.mesh.addGeometry(geometry, vertices, indices);
      const id = this.#geometries.add({ page, local, instances: new Set(), vertices, indices });
      page.geometries.add(id);
      this.#count(vertices, indices);
      look(page);
      return id;
    }

    setGeometryAt(id: number, geometry: GeometryLike): number {
      const placed = this.#geometries.get(id), { page, local } = placed;
      const [vertices, indices] = countsOf(geometry, -1, -1);
      const longer = Math.max(vertices, placed.vertices);
      const longerIndex = Math.max(indices, placed.indices);
      try {
        page.mesh.setGeometryAt(local, geometry);
      } catch (error) {
        if (!(error instanceof OutOfSpaceError)) throw error;
        this.#move(id, this.#pageFor(longer, longerIndex, page), geometry, longer, longerIndex);
      }
      this.#count(longer - placed.vertices, longerIndex - placed.indices);
      placed.vertices = longer;
      placed.indices = longerIndex;
      look(placed.page);
      this.#dropIfEmpty(page);
      return id;
    }

    deleteGeometry(id: number): this {
      if (!this.#geometries.has(id)) return this;
      const { page, local, instances, vertices, indices } = this.#geometries.get(id);
      for (const instance of instances) this.#instances.delete(instance);
      this.#geometries.delete(id);
      page.mesh.deleteGeometry(local);
      page.geometries.delete(id);
      this.#count(-vertices, -indices);
      look(page);
      this.#dropIfEmpty(page);
      return this;
    }

    addInstance(geometryId: number): number {
      const placed = this.#geometries.get(geometryId);
      const id = this.#instances.add({ geometry: geometryId, local: -1 });
      try {
        this.#instances.get(id).local = this.#addTo(placed.page, placed.local, id);
      } catch (error) {
        this.#instances.delete(id);
        throw error;
      }
      placed.instances.add(id);
      return id;
    }

    deleteInstance(id: number): this {
      const { geometry, local } = this.#instances.get(id), placed = this.#geometries.get(geometry);
      placed.page.mesh.deleteInstance(local);
      placed.instances.delete(id);
      this.#instances.delete(id);
      this.#changed(placed.page);
      return this;
    }

    setGeometryIdAt(id: number, geometryId: number): this {
      const instance = this.#instances.get(id), before = this.#geometries.get(instance.geometry);
      const after = this.#geometries.get(geometryId);
      before.instances.delete(id);
      if (after.page === before.page) after.page.mesh.setGeometryIdAt(instance.local, after.local);
      else {
        const { local } = instance;
        this.#carry(id, before.page, after.page, after.local);
        before.page.mesh.deleteInstance(local);
      }
      after.instances.add(id);
      instance.geometry = geometryId;
      this.#changed(after.page);
      return this;
    }

    getGeometryIdAt(id: number): number {
      return this.#instances.get(id).geometry;
    }

    setMatrixAt(id: number, matrix: unknown): this {
      const [page, local] = this.#find(id);
      page.mesh.setMatrixAt(local, matrix);
      this.#changed(page);
      return this;
    }

    getMatrixAt(id: number, matrix: unknown): unknown {
      const [{ mesh }, local] = this.#find(id);
      return mesh.getMatrixAt(local, matrix);
    }

    setColorAt(id: number, color: unknown): this {
      const [page, local] = this.#find(id);
      page.mesh.setColorAt(local, color);
      page.hasColors = this.#hasColors = true;
      return this;
    }

    getColorAt(id: number, color: { fromArray(numbers: number[]): unknown }): unknown {
      const [{ mesh, hasColors }, local] = this.#find(id);
      return hasColors ? mesh.getColorAt(local, color) : color.fromArray([1, 1, 1, 1]);
    }

    setVisibleAt(id: number, visible: boolean): this {
      const [{ mesh }, local] = this.#find(id);
      mesh.setVisibleAt(local, visible);
      return this;
    }

    getVisibleAt(id: number): boolean {
      const [{ mesh }, local] = this.#find(id);
      return mesh.getVisibleAt(local);
    }

    getBoundingBoxAt(id: number, target: unknown): unknown {
      const { page, local } = this.#geometries.get(id);
      return page.mesh.getBoundingBoxAt(local, target);
    }

    getBoundingSphereAt(id: number, target: unknown): unknown {
      const { page, local } = this.#geometries.get(id);
      return page.mesh.getBoundingSphereAt(local, target);
    }

    compact(options: StreamingCompactionOptions = {}): number {
      checkOptions(options, "vertices indices maxMoves maxLooks");
      const { vertices, indices, maxMoves = Infinity } = options;
      if (maxMoves !== Infinity) checkInteger("maxMoves", maxMoves);
      let moves = this.#emptyPages(maxMoves);
      const isReady = (page: Page) =>
        (vertices ?? indices) !== undefined && hasRoom(page, vertices ?? 0, indices ?? 0);
      for (const page of this.#pages.some(isReady) ? [] : this.#pages) {
        if (moves >= maxMoves) break;
        moves += page.mesh.compact({ ...options, maxMoves: maxMoves - moves });
        look(page);
        if (isReady(page)) break;
      }
      return moves;
    }

    /** Moves geometries from the emptiest pages to the fullest that have space for them. */
    #emptyPages(maxMoves: number): number {
      const used = ({ mesh }: Page) => mesh.vertexSpace.capacity - mesh.vertexSpace.freeSpace;
      const byUse = [...this.#pages].sort((a, b) => used(b) - used(a));
      let moves = 0;
      for (let source = byUse.pop(); source !== undefined; source = byUse.pop()) {
        for (const id of source.geometries) {
          const { vertices, indices, local } = this.#geometries.get(id);
          const target = byUse.find((page) => hasRoom(page, vertices, indices)) ??
            byUse.find((page) => hasSpace(page, vertices, indices));
          if (target === undefined || moves >= maxMoves) return moves;
          this.#move(id, target, rangeOf(three, source.mesh, local));
          moves++;
        }
        this.#dropIfEmpty(source);
      }
      return moves;
    }

    /** Intersections with what is drawn; `batchId` is the id of the group. */
    raycast(raycaster: unknown, intersects: unknown[]): false {
      for (const { mesh, instances } of this.#pages) {
        const found: { batchId: number; object: unknown }[] = [];
        Batch.prototype.raycast.call(mesh, raycaster, found);
        for (const one of found) {
          one.batchId = instances[one.batchId];
          one.object = this;
          intersects.push(one);
        }
      }
      return false; // the pages are done
    }

    override copy(source: this, isRecursive = true): this {
      super.copy(source, false);
      this.dispose();
      const copies = new Map<Page, Page>();
      this.#options = source.#options;
      this.#material = source.#material;
      this.#hasColors = source.#hasColors;
      this.#count(source.#vertexCount, source.#indexCount);
      for (const page of source.#pages) {
        const copy = { ...page, mesh: page.mesh.clone(), instances: [...page.instances] };
        copies.set(page, { ...copy, geometries: new Set(page.geometries) });
        this.#enter(copies.get(page)!);
      }
      this.#geometries.copyFrom(source.#geometries, (placed) => {
        const { page, instances } = placed;
        return { ...placed, page: copies.get(page)!, instances: new Set(instances) };
      });
      this.#instances.copyFrom(source.#instances, (instance) => ({ ...instance }));
      if (!isRecursive) return this;
      const own = new Set<unknown>(source.pages);
      for (const child of source.children) if (!own.has(child)) this.add(child.clone());
      return this;
    }

    dispose(): void {
      for (const { mesh } of this.#pages.splice(0)) {
        this.remove(mesh);
        mesh.dispose();
      }
      this.#geometries = new Ids("a geometry");
      this.#instances = new Ids("an instance");
      this.#vertexCount = this.#indexCount = 0;
    }

    #find(id: number): [Page, number] {
      const { geometry, local } = this.#instances.get(id);
      return [this.#geometries.get(geometry).page, local];
    }

    #count(vertices: number, indices: number): void {
      this.#vertexCount += vertices;
      this.#indexCount += indices;
    }

    /**
     * The first page with a hole; else, where much of the space is free, that with most of it; else
     * a new one.
     */
    #pageFor(vertices: number, indices: number, except?: Page): Page {
      let best: Page | undefined, capacity = 0;
      for (const page of this.#pages) {
        capacity += page.mesh.vertexSpace.capacity;
        if (page === except) continue;
        if (hasRoom(page, vertices, indices)) return page;
        if (!hasSpace(page, vertices, indices)) continue;
        const { freeSpace } = page.mesh.vertexSpace;
        if (freeSpace > (best?.mesh.vertexSpace.freeSpace ?? -1)) best = page;
      }
      const isFull = capacity - this.#vertexCount < capacity * FREE_SHARE;
      return best === undefined || isFull ? this.#newPage(vertices, indices) : best;
    }

    #newPage(vertices: number, indices: number): Page {
      const { pageVertices = 65_535, pageInstances = 256, pageIndices } = this.#options;
      const size = Math.max(pageVertices, vertices);
      const each = (this.#indexCount + indices) / Math.max(1, this.#vertexCount + vertices);
      const indexSize = Math.max(pageIndices ?? Math.ceil(size * each), indices);
      const mesh = new Batch(pageInstances, size, indexSize, this.#material) as PageMesh;
      const first = this.#pages[0]?.mesh.geometry;
      if (first !== undefined) mesh._initializeGeometry(first); // the attributes of the first page
      const page: Page = {
        mesh,
        instances: [],
        geometries: new Set(),
        vertexRoom: size,
        indexRoom: indexSize,
        hasColors: false,
      };
      this.#enter(page);
      this.#options.onPage?.(mesh);
      return page;
    }

    #enter(page: Page): void {
      const { mesh } = page;
      mesh.frustumCulled = false; // its objects are, by bounds that are never old
      mesh.raycast = () => {};
      this.#pages.push(page);
      this.add(mesh);
    }

    /** Removes a page without geometries, unless it is the only one, of the usual size. */
    #dropIfEmpty(page: Page): void {
      if (page.geometries.size > 0) return;
      const isSpare = !this.#pages.some((one) => one !== page && one.geometries.size === 0);
      const { pageVertices = 65_535 } = this.#options;
      if (
        isSpare && (page.mesh.vertexSpace.capacity === pageVertices || this.#pages.length === 1)
      ) {
        return;
      }
      this.#pages = this.#pages.filter((one) => one !== page);
      this.remove(page.mesh);
      page.mesh.dispose();
    }

    #addTo(page: Page, local: number, id: number): number {
      const { mesh, instances } = page;
      const { instanceCount, maxInstanceCount } = mesh;
      if (instanceCount === maxInstanceCount) mesh.setInstanceCount(2 * maxInstanceCount);
      const added = mesh.addInstance(local);
      // So that the shaders of the page know of colours.
      if (this.#hasColors) mesh.setColorAt(added, new three.Vector4(1, 1, 1, 1));
      page.hasColors = this.#hasColors;
      instances[added] = id;
      mesh.boundingBox = mesh.boundingSphere = null;
      return added;
    }

    /** Gives an instance a place on another page. */
    #carry(id: number, from: Page, to: Page, geometry: number): void {
      const instance = this.#instances.get(id), { local } = instance;
      const added = this.#addTo(to, geometry, id);
      to.mesh.setMatrixAt(added, from.mesh.getMatrixAt(local, new three.Matrix4()));
      if (from.hasColors) {
        to.mesh.setColorAt(added, from.mesh.getColorAt(local, new three.Vector4()));
      }
      to.mesh.setVisibleAt(added, from.mesh.getVisibleAt(local));
      instance.local = added;
    }

    /** Puts a geometry on another page, with its instances. */
    #move(id: number, to: Page, geometry: GeometryLike, vertices?: number, indices?: number): void {
      const placed = this.#geometries.get(id), { page, local } = placed;
      const added = to.mesh.addGeometry(
        geometry,
        vertices ?? placed.vertices,
        indices ?? placed.indices,
      );
      for (const instance of placed.instances) this.#carry(instance, page, to, added);
      page.mesh.deleteGeometry(local);
      page.geometries.delete(id);
      to.geometries.add(id);
      placed.page = to;
      placed.local = added;
      this.#changed(page);
      look(page);
      look(to);
    }

    #changed({ mesh }: Page): void {
      mesh.boundingBox = mesh.boundingSphere = null;
    }
  };
}
