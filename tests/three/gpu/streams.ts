/**
 * A scene of shapes that come and go, three times: as a `BatchedMesh` with more space than it
 * needs, as a `StreamingBatchedMesh` with little, and as a `StreamingBatches` of small pages.
 *
 * @module
 */

import type * as newest from "three";
import { streamingBatchedMesh, streamingBatches } from "../../../backends/three/mod.ts";
import { type Random, seeded } from "../../support/random.ts";
import type { Three } from "../geometries.ts";

/** What a batch of any kind can do. */
export interface Batch extends newest.Object3D {
  material: newest.Material | newest.Material[];
  addGeometry(geometry: newest.BufferGeometry, vertices?: number, indices?: number): number;
  setGeometryAt(id: number, geometry: newest.BufferGeometry): number;
  deleteGeometry(id: number): unknown;
  addInstance(id: number): number;
  deleteInstance(id: number): unknown;
  setMatrixAt(id: number, matrix: newest.Matrix4): unknown;
  setColorAt(id: number, color: newest.Color): unknown;
  setVisibleAt(id: number, isVisible: boolean): unknown;
  clone(): this;
  dispose(): void;
}

/** The most vertices and indices of a shape. */
const MOST = { vertices: 77, indices: 360 };
/** Shapes in a frame. */
const SHAPES = 40;

/** A shape somewhere, as every batch knows it. */
interface Live {
  readonly geometries: number[];
  readonly instances: number[];
}

/** The three batches, which are told the same. */
export class Streams {
  readonly three: Three;
  readonly scene: newest.Scene;
  readonly camera: newest.PerspectiveCamera;
  readonly batches: Batch[];
  readonly names: readonly string[] = ["BatchedMesh", "StreamingBatchedMesh", "StreamingBatches"];
  readonly material: newest.MeshLambertMaterial;
  readonly isIndexed: boolean;
  readonly #random: Random = seeded(7);
  readonly #live: Live[] = [];

  constructor(three: Three, isIndexed: boolean) {
    this.three = three;
    this.isIndexed = isIndexed;
    this.scene = new three.Scene();
    this.scene.add(new three.AmbientLight(0xffffff, 1));
    const sun = new three.DirectionalLight(0xffffff, 2);
    sun.position.set(1, 2, 3);
    this.scene.add(sun);
    this.camera = new three.PerspectiveCamera(50, 1, 0.1, 100);
    this.camera.position.z = 10; // some shapes are out of sight
    this.material = new three.MeshLambertMaterial();
    const { vertices, indices } = MOST, each = isIndexed ? vertices : indices;
    // Space for all shapes, and for all that come later.
    const plain = new three.BatchedMesh(400, 300 * each, 300 * indices, this.material);
    const tight = SHAPES * (isIndexed ? 45 : 190);
    const Streaming = streamingBatchedMesh(three.BatchedMesh);
    const own = new Streaming(400, tight, isIndexed ? SHAPES * 170 : 0, this.material);
    const pages = new (streamingBatches(three))(this.material, {
      pageVertices: 4 * each,
      pageInstances: 4,
    });
    this.batches = [plain, own, pages] as unknown as Batch[];
    for (const batch of this.batches) batch.frustumCulled = false;
    for (let i = 0; i < SHAPES; i++) this.add();
  }

  get own(): newest.BatchedMesh & { compact(bounds?: object): number } {
    return this.batches[1] as unknown as ReturnType<Streams["own"]["clone"]>;
  }

  get pages(): Batch & { compact(bounds?: object): number; readonly pages: readonly unknown[] } {
    return this.batches[2] as ReturnType<Streams["pages"]["clone"]>;
  }

  #shape(): newest.BufferGeometry {
    const { three } = this, random = this.#random, size = (8 + random(8)) / 10;
    const shape = random(3) === 0
      ? new three.BoxGeometry(size, size, size)
      : new three.SphereGeometry(size, 4 + random(7), 3 + random(4));
    return this.isIndexed ? shape : shape.toNonIndexed();
  }

  /** Adds a shape with one or two instances. */
  add(): void {
    const { three } = this, random = this.#random, shape = this.#shape();
    const reserved = [this.isIndexed ? MOST.vertices : MOST.indices, MOST.indices];
    const geometries = this.batches.map((batch, i) =>
      // Only three's own needs room for what replaces it.
      i === 0 ? batch.addGeometry(shape, reserved[0], reserved[1]) : batch.addGeometry(shape)
    );
    const instances: number[] = [];
    for (let count = 1 + random(2); count > 0; count--) {
      const [x, y, z] = [random(1000), random(1000), random(1000)].map((i) => i / 100 - 5);
      const matrix = new three.Matrix4().makeRotationX(x).setPosition(x, y, z);
      const color = new three.Color().setHSL(random(100) / 100, 1, 0.5);
      this.batches.forEach((batch, i) => {
        const id = batch.addInstance(geometries[i]);
        batch.setMatrixAt(id, matrix);
        batch.setColorAt(id, color);
        instances[i] = id;
      });
    }
    this.#live.push({ geometries, instances });
  }

  /** Deletes a shape. */
  delete(): void {
    const [{ geometries }] = this.#live.splice(this.#random(this.#live.length), 1);
    this.batches.forEach((batch, i) => batch.deleteGeometry(geometries[i]));
  }

  /** Shows another shape in place of one, and hides an instance or shows it again. */
  replace(): void {
    const random = this.#random, shape = this.#shape(), isVisible = random(3) > 0;
    const { geometries, instances } = this.#live[random(this.#live.length)];
    this.batches.forEach((batch, i) => {
      batch.setGeometryAt(geometries[i], shape);
      batch.setVisibleAt(instances[i], isVisible);
    });
  }

  /** A frame of a stream: some shapes go, some come, some change. */
  step(): void {
    for (let i = 0; i < 4; i++) {
      this.delete();
      this.add();
    }
    this.replace();
    this.replace();
  }
}
