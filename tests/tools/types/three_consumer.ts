/// <reference lib="dom" />
/**
 * What a program with three writes. It is compiled, not run: against `@types/three`.
 *
 * @module
 */

import {
  OutOfSpaceError,
  streamingBatchedMesh,
  streamingBatches,
  type StreamingMembers,
} from "@suballoc/offset-allocator/three";
import * as THREE from "three";
import * as WEBGPU from "three/webgpu";

const StreamingBatchedMesh = streamingBatchedMesh(THREE.BatchedMesh);
type StreamingBatchedMesh = InstanceType<typeof StreamingBatchedMesh>;

const StreamingBatches = streamingBatches(THREE);
type StreamingBatches = InstanceType<typeof StreamingBatches>;

/** A mesh of tiles. */
export class Tiles {
  readonly mesh: StreamingBatchedMesh = new StreamingBatchedMesh(
    1000,
    1_000_000,
    6_000_000,
    new THREE.MeshStandardMaterial(),
  );

  /** Adds a tile; returns its instance. */
  add(geometry: THREE.BufferGeometry, at: THREE.Vector3): number | undefined {
    try {
      const id: number = this.mesh.addGeometry(geometry), instance = this.mesh.addInstance(id);
      this.mesh.setMatrixAt(instance, new THREE.Matrix4().setPosition(at)).optimize();
      return instance;
    } catch (error) {
      if (error instanceof OutOfSpaceError) return undefined;
      throw error;
    }
  }

  /** What is done each frame. */
  frame(members: StreamingMembers = this.mesh): number {
    return members.compact({ vertices: 1000, maxMoves: 8 }) + this.mesh.vertexSpace.freeSpace;
  }
}

/** A program that grows by pages. */
export function pages(scene: THREE.Scene, geometry: THREE.BufferGeometry): StreamingBatches {
  const batches = new StreamingBatches(new THREE.MeshBasicMaterial(), {
    pageInstances: 100,
    onPage: (page) => {
      page.castShadow = true;
      page.setCustomSort((list) => list.reverse());
    },
  });
  scene.add(batches);
  const instance: number = batches.addInstance(batches.addGeometry(geometry, 100));
  batches.setMatrixAt(instance, new THREE.Matrix4()).setVisibleAt(instance, true);
  batches.setColorAt(instance, new THREE.Color());
  const color: THREE.Vector4 = batches.getColorAt(instance, new THREE.Vector4());
  const box: THREE.Box3 = batches.getBoundingBoxAt(0, new THREE.Box3());
  batches.position.set(color.x, box.min.y, batches.pages[0].geometry.drawRange.start);
  batches.material = new THREE.MeshLambertMaterial();
  batches.addEventListener("added", () => batches.compact());
  return batches.clone();
}

/** The same with the other renderer's build. */
export const Nodes = streamingBatches(WEBGPU);
/** With as much of three as it needs. */
export const OfParts = streamingBatches({
  BatchedMesh: THREE.BatchedMesh,
  Group: THREE.Group,
  BufferGeometry: THREE.BufferGeometry,
  BufferAttribute: THREE.BufferAttribute,
  Matrix4: THREE.Matrix4,
  Vector4: THREE.Vector4,
});
