/** Batches over two releases of three: what is drawn, against the geometries that were added. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as newest from "three";
import * as yearOld from "three-0.181";
import { streamingBatchedMesh } from "../../backends/three/mod.ts";
import { OutOfSpaceError } from "../../mod.ts";
import { check } from "../../src/operations/mod.ts";
import { type Random, seeded } from "../support/random.ts";

type Three = typeof newest;

/** A geometry of so many vertices, each another. */
function geometryOf(three: Three, random: Random, vertices: number, indices: number) {
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
function drawn(geometry: newest.BufferGeometry, start: number, count: number): number[] {
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

/** Compares what a mesh draws of a geometry. */
function expectDrawn(
  mesh: newest.BatchedMesh,
  id: number,
  source: newest.BufferGeometry,
  context: string,
): void {
  const { start, count } = mesh.getGeometryRangeAt(id)!;
  const expected = drawn(source, 0, source.index?.count ?? source.attributes.position.count);
  assertStrictEquals(drawn(mesh.geometry, start, count).join(), expected.join(), context);
}

function streamRandomly(three: Three, seed: number, isIndexed: boolean): void {
  const random = seeded(seed), Streaming = streamingBatchedMesh(three.BatchedMesh);
  let mesh = new Streaming(200, 600, 900), size = 600;
  const live = new Map<number, newest.BufferGeometry>(), instances = new Map<number, number>();
  const make = () =>
    geometryOf(three, random, 1 + random(40), isIndexed ? 3 * (1 + random(20)) : 0);
  for (let step = 0; step < 400; step++) {
    const action = random(100), ids = [...live.keys()], id = ids[random(ids.length || 1)];
    const context = `seed ${seed}, step ${step}`, before = mesh.vertexSpace.freeSpace;
    try {
      if (live.size < 3 || action < 45) {
        const geometry = make(), added = mesh.addGeometry(geometry);
        assert(!live.has(added), `${context}: id ${added} is taken`);
        live.set(added, geometry);
        instances.set(mesh.addInstance(added), added);
      } else if (action < 75) {
        mesh.deleteGeometry(id);
        live.delete(id);
        for (const [one, of] of instances) if (of === id) instances.delete(one);
      } else if (action < 85) {
        const geometry = make();
        mesh.setGeometryAt(id, geometry);
        live.set(id, geometry);
      } else if (action < 88) mesh.optimize();
      else if (action < 94) mesh.compact({ maxMoves: 2 });
      else if (action < 96 && size < 1000) mesh.setGeometrySize(size += 50, size * 2);
      else if (action < 97) mesh = mesh.clone() as typeof mesh;
      else instances.set(mesh.addInstance(id), id);
    } catch (error) {
      if (!(error instanceof OutOfSpaceError)) throw error;
      assertStrictEquals(mesh.vertexSpace.freeSpace, before, context);
    }
    if (step % 10 === 0) {
      for (const [id, source] of live) expectDrawn(mesh, id, source, `${context}, id ${id}`);
      for (const [one, of] of instances) assertStrictEquals(mesh.getGeometryIdAt(one), of);
      check(mesh.vertexSpace);
      check(mesh.indexSpace);
      assertStrictEquals(mesh.instanceCount, instances.size, context);
    }
  }
  for (const id of live.keys()) mesh.deleteGeometry(id);
  assertEquals([mesh.unusedVertexCount, mesh.instanceCount], [size, 0]);
  mesh.addGeometry(geometryOf(three, random, size, isIndexed ? 3 : 0));
}

for (const three of [newest, yearOld as unknown as Three]) {
  const Streaming = streamingBatchedMesh(three.BatchedMesh);
  const random = seeded(1);

  describe(`StreamingBatchedMesh on three r${three.REVISION}`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      it(`draws what was added, seed ${seed}`, () => streamRandomly(three, seed, seed % 3 > 0));
    }

    it("draws, picks and bounds as a BatchedMesh", () => {
      const [own, plain] = [Streaming, three.BatchedMesh].map((Mesh) => {
        const mesh = new Mesh(50, 2000, 4000, new three.MeshBasicMaterial());
        const box = new three.BoxGeometry(1, 1, 1), sphere = new three.SphereGeometry(1, 8, 8);
        const ids = Array.from({ length: 20 }, (_, i) => mesh.addGeometry(i % 2 ? box : sphere));
        for (let i = 0; i < 20; i++) {
          const instance = mesh.addInstance(ids[i]);
          mesh.setMatrixAt(instance, new three.Matrix4().makeTranslation(3 * i, 0, 0));
        }
        for (let i = 0; i < 20; i += 3) mesh.deleteGeometry(ids[i]);
        mesh.optimize();
        mesh.computeBoundingBox();
        return mesh;
      });
      assertEquals(own.boundingBox, plain.boundingBox);
      for (let x = -1; x < 60; x++) {
        const ray = new three.Raycaster(
          new three.Vector3(x, 0.2, 9),
          new three.Vector3(0, 0, -1),
        );
        const [a, b] = [own, plain].map((mesh) =>
          ray.intersectObject(mesh).map(({ distance, batchId }) => [distance, batchId])
        );
        assertEquals(a, b);
      }
    });

    it("leaves no ghost id where a geometry does not fit", () => {
      const mesh = new Streaming(10, 100, 100);
      const add = (vertices: number, indices: number, reserved?: number) =>
        mesh.addGeometry(geometryOf(three, random, vertices, indices), reserved);
      assertStrictEquals(add(10, 3), 0);
      assertThrows(() => add(91, 3), OutOfSpaceError, "vertices");
      assertThrows(() => add(10, 99), OutOfSpaceError, "indices");
      assertThrows(() => add(10, 3, 9), RangeError, "reservedVertexCount");
      assertThrows(() => mesh.addGeometry({} as never), TypeError, "positions");
      assertThrows(() => mesh.addInstance(1), RangeError, "id of a geometry");
      assertStrictEquals(add(90, 97), 1);
      assertEquals([mesh.unusedVertexCount, mesh.unusedIndexCount], [0, 0]);
      const large = geometryOf(three, random, 11, 3);
      assertThrows(() => mesh.setGeometryAt(0, large), OutOfSpaceError);
      mesh.deleteGeometry(1);
      assertStrictEquals(mesh.setGeometryAt(0, large), 0);
      expectDrawn(mesh, 0, large, "larger, with its id");
    });

    it("uses again what was freed, also where all was", () => {
      const mesh = new Streaming(10, 100, 100), geometry = geometryOf(three, random, 50, 30);
      for (let i = 0; i < 100; i++) {
        const [a, b] = [mesh.addGeometry(geometry), mesh.addGeometry(geometry)];
        mesh.deleteGeometry(a);
        mesh.deleteGeometry(b);
      }
      assertEquals([mesh.unusedVertexCount, mesh.unusedIndexCount], [100, 100]);
    });

    it("takes 130,000 geometries, grows with them, and deletes with no look at all others", () => {
      const count = 130_000, mesh = new Streaming(count, count, count);
      const geometry = geometryOf(three, random, 1, 1), start = performance.now();
      for (let i = 0; i < count; i++) mesh.addInstance(mesh.addGeometry(geometry));
      mesh.setGeometrySize(count + 10, count + 10);
      for (let i = 0; i < count; i += 4) mesh.deleteGeometry(i);
      for (let i = 0; i < count; i += 4) mesh.addInstance(mesh.addGeometry(geometry));
      // three's own takes minutes for that: each delete looks at all instances, each add sorts.
      const time = performance.now() - start;
      assert(time < 60_000, `${time} ms`);
      assertStrictEquals(mesh.instanceCount, count);
    });

    it("keeps lists of what is to be uploaded short while it is not drawn", () => {
      const mesh = new Streaming(10, 100_000, 100_000);
      const geometry = geometryOf(three, random, 40, 30);
      const ids = Array.from({ length: 2000 }, () => mesh.addGeometry(geometry));
      for (let i = 0; i < 2000; i += 2) mesh.setGeometryAt(ids[i], geometry);
      const { attributes, index } = mesh.geometry;
      for (const one of [attributes.position, attributes.uv, index!]) {
        const { updateRanges } = one as newest.BufferAttribute;
        assert(updateRanges.length > 0 && updateRanges.length <= 513, `${updateRanges.length}`);
      }
    });

    it("refuses a class that is another inside, by what it lacks", () => {
      class Other extends three.BatchedMesh {
        constructor(instances: number, vertices: number) {
          super(instances, vertices);
          delete (this as unknown as { _nextVertexStart?: number })._nextVertexStart;
        }
      }
      const Wrong = streamingBatchedMesh(Other);
      assertThrows(() => new Wrong(1, 1), Error, "has no _nextVertexStart");
      assertThrows(() => streamingBatchedMesh(three as never), TypeError, "THREE.BatchedMesh");
      const mesh = new Streaming(1, 10, 10);
      assertThrows(() => mesh.compact({ maxMove: 1 } as never), TypeError, "maxMoves");
    });
  });
}
