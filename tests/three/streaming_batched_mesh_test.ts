/** Batches over two releases of three: what is drawn, against the geometries that were added. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as newest from "three";
import * as yearOld from "three-0.181";
import { streamingBatchedMesh } from "../../backends/three/mod.ts";
import { OutOfSpaceError } from "../../mod.ts";
import { check } from "../../src/operations/mod.ts";
import { seeded } from "../support/random.ts";
import { share, sharedOf } from "../support/share.ts";
import { drawn, geometryOf, type Three } from "./geometries.ts";

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

/** Buffers as a renderer has them: uploaded whole at first, then by ranges. */
class Buffers {
  readonly #buffers: WeakMap<object, newest.TypedArray> = new WeakMap();

  /** Uploads what a mesh says, and compares all of it. */
  upload({ geometry: { attributes, index } }: newest.BatchedMesh, context: string): void {
    for (const one of [...Object.values(attributes), ...index === null ? [] : [index]]) {
      const attribute = one as newest.BufferAttribute, { array, updateRanges } = attribute;
      const buffer = this.#buffers.get(attribute);
      if (buffer === undefined) this.#buffers.set(attribute, array.slice());
      else {
        for (const { start, count } of updateRanges) {
          buffer.set(array.subarray(start, start + count), start);
        }
        assertStrictEquals(buffer.join(), array.join(), context);
      }
      attribute.clearUpdateRanges();
    }
  }
}

function streamRandomly(three: Three, seed: number, isIndexed: boolean): void {
  const random = seeded(seed), Streaming = streamingBatchedMesh(three.BatchedMesh);
  let mesh = new Streaming(200, 600, 900), size = 600;
  const buffers = new Buffers();
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
      buffers.upload(mesh, context);
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
    for (const seed of sharedOf([1, 2, 3, 4, 5, 6])) {
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
      for (const wrong of [{}, undefined]) {
        assertThrows(() => mesh.addGeometry(wrong as never), TypeError, "positions");
      }
      assertThrows(() => mesh.addInstance(1), RangeError, "id of a geometry");
      assertStrictEquals(add(90, 97), 1);
      assertEquals([mesh.unusedVertexCount, mesh.unusedIndexCount], [0, 0]);
      const large = geometryOf(three, random, 11, 3);
      assertThrows(() => mesh.setGeometryAt(0, large), OutOfSpaceError);
      mesh.deleteGeometry(1);
      assertStrictEquals(mesh.setGeometryAt(0, large), 0);
      expectDrawn(mesh, 0, large, "larger, with its id");
    });

    it("replaces a geometry by one that needs its own space, too", () => {
      const mesh = new Streaming(10, 100, 100);
      const [a, b, c] = [30, 30, 30].map((count) =>
        mesh.addGeometry(geometryOf(three, random, count, count))
      );
      mesh.deleteGeometry(a);
      const large = geometryOf(three, random, 70, 60), other = geometryOf(three, random, 30, 30);
      mesh.setGeometryAt(c, other);
      assertStrictEquals(mesh.setGeometryAt(b, large), b);
      expectDrawn(mesh, b, large, "the larger");
      expectDrawn(mesh, c, other, "the other, which was moved");
      assertEquals([mesh.unusedVertexCount, mesh.unusedIndexCount], [0, 10]);
    });

    it("shares nothing that changes with its copies", () => {
      const mesh = new Streaming(4, 100, 100), matrix = new three.Matrix4();
      const id = mesh.addInstance(mesh.addGeometry(geometryOf(three, random, 10, 3)));
      mesh.setColorAt(id, new three.Color(1, 0, 0));
      const copy = mesh.clone();
      assertStrictEquals(copy.getColorAt(id, new three.Color()).getHex(), 0xff0000);
      copy.setMatrixAt(id, new three.Matrix4().makeTranslation(9, 0, 0));
      copy.setColorAt(id, new three.Color(0, 0, 1));
      assertStrictEquals(mesh.getMatrixAt(id, matrix).elements[12], 0);
      assertStrictEquals(mesh.getColorAt(id, new three.Color()).getHex(), 0xff0000);
      assertStrictEquals(copy.getMatrixAt(id, matrix).elements[12], 9);
      const { array } = mesh.geometry.attributes.position;
      assert(copy.geometry.attributes.position.array !== array);
    });

    it("goes on with a mesh that was loaded", () => {
      // In r181 any BatchedMesh that was loaded lacks its lists of ids.
      if (three.REVISION === "181") return;
      const mesh = new Streaming(10, 200, 200), kept = geometryOf(three, random, 40, 30);
      const ids = [geometryOf(three, random, 60, 60), kept].map((one) => mesh.addGeometry(one));
      mesh.addInstance(ids[1]);
      mesh.deleteGeometry(ids[0]);
      const text = JSON.stringify(mesh.toJSON()), loader = new three.ObjectLoader();
      const loaded = loader.parse(JSON.parse(text)) as newest.BatchedMesh;
      const own = new Streaming(0, 0).copy(loaded as typeof mesh) as typeof mesh;
      assertEquals([own.unusedVertexCount, own.instanceCount], [160, 1]);
      const more = geometryOf(three, random, 130, 99), id = own.addGeometry(more);
      expectDrawn(own, ids[1], kept, "what was loaded");
      expectDrawn(own, id, more, "what was added");
    });

    it("takes geometries without vertices", () => {
      const mesh = new Streaming(10, 100, 100), empty = geometryOf(three, random, 0, 0);
      empty.setIndex([]);
      const ids = [geometryOf(three, random, 9, 3), empty, empty].map((one) =>
        mesh.addGeometry(one)
      );
      mesh.addInstance(ids[1]);
      mesh.deleteGeometry(ids[0]);
      mesh.optimize();
      const full = geometryOf(three, random, 60, 60);
      mesh.setGeometryAt(ids[2], full);
      const copied = mesh.clone();
      expectDrawn(copied, ids[2], full, "a copy");
      copied.deleteGeometry(ids[1]).deleteGeometry(ids[2]);
      assertEquals([copied.unusedVertexCount, copied.instanceCount], [100, 0]);
    });

    it("takes its attributes from the first geometry that has room", () => {
      const mesh = new Streaming(10, 100, 100);
      assertThrows(() => mesh.addGeometry(geometryOf(three, random, 101, 0)), OutOfSpaceError);
      const fits = geometryOf(three, random, 50, 6);
      expectDrawn(mesh, mesh.addGeometry(fits), fits, "the first that fits");
      const other = geometryOf(three, random, 1, 0);
      assertThrows(() => mesh.addGeometry(other), Error, 'consistently have "index"');
      const long = geometryOf(three, random, 5, 3);
      long.setAttribute("uv", new three.BufferAttribute(new Float32Array(12), 2));
      assertThrows(() => mesh.addGeometry(long), RangeError, "uv to have at most 5 items, got 6");
      assertEquals([mesh.unusedVertexCount, mesh.unusedIndexCount], [50, 94]);
    });

    it("takes interleaved, normalized and short attributes, and indices of 8 to 32 bits", () => {
      for (const Index of [Uint8Array, Uint16Array, Uint32Array]) {
        const make = () => {
          const data = new three.InterleavedBuffer(
            Int16Array.from({ length: 40 }, () => random(30_000)),
            5,
          );
          return new three.BufferGeometry()
            .setAttribute("position", new three.InterleavedBufferAttribute(data, 3, 0, true))
            .setAttribute("uv", new three.InterleavedBufferAttribute(data, 2, 3, true))
            .setIndex(new three.BufferAttribute(new Index(9).map(() => random(8)), 1));
        };
        const drawnOf = (mesh: newest.BatchedMesh, id: number) => {
          const { start, count } = mesh.getGeometryRangeAt(id)!;
          return drawn(mesh.geometry, start, count);
        };
        const [own, plain] = [Streaming, three.BatchedMesh].map((Mesh) => new Mesh(10, 100, 100));
        const geometries = [make(), make(), make()];
        const ids = geometries.map((one) => [own.addGeometry(one), plain.addGeometry(one)]);
        own.deleteGeometry(ids[0][0]).optimize();
        for (const [a, b] of ids.slice(1)) assertEquals(drawnOf(own, a), drawnOf(plain, b));
        assert(own.geometry.attributes.position.normalized);
      }
    });

    it("moves only where no hole has the room that is asked for", () => {
      const mesh = new Streaming(100, 1000, 1000);
      const ids = Array.from(
        { length: 100 },
        () => mesh.addGeometry(geometryOf(three, random, 10, 10)),
      );
      for (let i = 0; i < 100; i += 2) mesh.deleteGeometry(ids[i]);
      assertStrictEquals(mesh.compact({ vertices: 10, indices: 10 }), 0);
      assertStrictEquals(mesh.compact({ vertices: 501, indices: 501 }), 0, "more than is free");
      assertStrictEquals(mesh.vertexSpace.largestFreeRegion(), 10);
      let calls = 0;
      const bounds = { vertices: 100, indices: 60, maxMoves: 3, maxLooks: 40 };
      while (mesh.vertexSpace.largestFreeRegion() < 100 && calls < 30) {
        assert(mesh.compact(bounds) <= 6);
        calls++;
      }
      assert(calls > 1 && calls < 30, `${calls} calls`);
      const holes = [mesh.vertexSpace, mesh.indexSpace].map((space) => space.largestFreeRegion());
      assert(holes[0] >= 100 && holes[0] < 200 && holes[1] >= 60 && holes[1] < 160, `${holes}`);
      assertThrows(() => mesh.compact({ vertices: -1 }), RangeError, "vertices");
    });

    it("moves no more than it takes to make room", () => {
      const mesh = new Streaming(1000, 10_000, 10_000);
      const ids = Array.from(
        { length: 1000 },
        () => mesh.addGeometry(geometryOf(three, random, 10, 10)),
      );
      for (let i = 0; i < 1000; i += 2) mesh.deleteGeometry(ids[i]);
      mesh.addGeometry(geometryOf(three, random, 100, 100));
      let moved = 0;
      for (let i = 1; i < 1000; i += 2) {
        if (mesh.getGeometryRangeAt(ids[i])!.vertexStart !== 10 * i) moved++;
      }
      assert(moved >= 5 && moved <= 40, `${moved} moved`);
    });

    it("has other starts drawn after a compaction, also without sorting and culling", () => {
      const mesh = new Streaming(10, 1000, 1000), small = geometryOf(three, random, 10, 9);
      mesh.perObjectFrustumCulled = mesh.sortObjects = false;
      const ids = [mesh.addGeometry(small), mesh.addGeometry(small)];
      mesh.addInstance(ids[1]);
      const inside = mesh as unknown as { _multiDrawStarts: Int32Array };
      const rest = [new three.Scene(), new three.PerspectiveCamera(), mesh.geometry] as const;
      const draw = () => {
        const material = new three.MeshBasicMaterial();
        mesh.onBeforeRender({} as never, ...rest, material, undefined as never);
        return inside._multiDrawStarts[0];
      };
      assertStrictEquals(draw(), 18);
      mesh.deleteGeometry(ids[0]);
      assertStrictEquals(draw(), 18);
      assertStrictEquals(mesh.compact(), 2);
      assertStrictEquals(draw(), 0);
    });

    it("uploads what is new once", () => {
      const mesh = new Streaming(10, 1000, 1000), small = geometryOf(three, random, 10, 9);
      const draw = (renderer: object) => {
        const rest = [new three.Scene(), new three.PerspectiveCamera(), mesh.geometry] as const;
        const material = new three.MeshBasicMaterial();
        mesh.onBeforeRender(renderer as never, ...rest, material, undefined as never);
      };
      const ranges = () =>
        (mesh.geometry.attributes.position as newest.BufferAttribute).updateRanges;
      mesh.perObjectFrustumCulled = mesh.sortObjects = false;
      const ids = [mesh.addGeometry(small), mesh.addGeometry(small), mesh.addGeometry(small)];
      draw({ isWebGPURenderer: true });
      assertEquals(ranges(), [], "a new attribute is uploaded whole");
      for (const id of [ids[2], ids[0], ids[0]]) mesh.setGeometryAt(id, small);
      draw({ isWebGPURenderer: true });
      assertEquals(ranges(), [{ start: 0, count: 90 }], "what almost touches is one");
      mesh.setGeometrySize(2000, 2000);
      mesh.setGeometryAt(ids[1], small);
      draw({ isWebGPURenderer: true });
      assertEquals(ranges(), [], "a new attribute again");
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
      const count = share(130_000), mesh = new Streaming(count, count, count);
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
      const buffers = new Buffers(), other = geometryOf(three, random, 40, 30);
      buffers.upload(mesh, "at first");
      for (let i = 0; i < 2000; i += 2) mesh.setGeometryAt(ids[i], i % 8 ? geometry : other);
      const { attributes, index } = mesh.geometry;
      for (const one of [attributes.position, attributes.uv, index!]) {
        const { updateRanges } = one as newest.BufferAttribute;
        assert(updateRanges.length > 0 && updateRanges.length <= 513, `${updateRanges.length}`);
      }
      buffers.upload(mesh, "after many changes");
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
