/** Groups of pages over two releases of three: what is drawn, against what was added. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as newest from "three";
import * as yearOld from "three-0.181";
import { streamingBatches } from "../../backends/three/mod.ts";
import { check } from "../../src/operations/mod.ts";
import { type Random, seeded } from "../support/random.ts";
import { sharedOf } from "../support/share.ts";
import { drawn, geometryOf, type Three } from "./geometries.ts";

/** What is known of an instance. */
interface Known {
  geometry: number;
  x: number;
  color: number | undefined;
  isVisible: boolean;
}

/** Pages of 100 vertices and 300 indices. */
const SMALL = { pageVertices: 100, pageIndices: 300, pageInstances: 2 };

function classOf(three: Three) {
  return streamingBatches(three);
}

type Batches = InstanceType<ReturnType<typeof classOf>>;

/** What every instance of a group draws, by its id, as the pages say. */
function drawnOf(group: Batches): Map<string, string> {
  const all = new Map<string, string>();
  for (const page of group.pages) {
    check(page.vertexSpace);
    check(page.indexSpace);
    const infos = (page as unknown as {
      _instanceInfo: { active: boolean; visible: boolean; geometryIndex: number }[];
    })._instanceInfo;
    infos.forEach(({ active, visible, geometryIndex }, id) => {
      if (!active) return;
      const { start, count } = page.getGeometryRangeAt(geometryIndex)!;
      const { elements } = page.getMatrixAt(id, new newest.Matrix4());
      const { _colorsTexture } = page as unknown as { _colorsTexture: object | null };
      const color = _colorsTexture === null
        ? [1, 1, 1, 1]
        : page.getColorAt(id, new newest.Vector4()).toArray();
      const numbers = drawn(page.geometry, start, count);
      all.set(`${elements[12]}`, [color, visible, numbers].join());
    });
  }
  return all;
}

/** Does what a program may do, at random, and compares what is drawn after each step. */
function streamRandomly(three: Three, seed: number, isIndexed: boolean): void {
  const random = seeded(seed);
  let group: Batches = new (classOf(three))(new three.MeshBasicMaterial(), SMALL);
  const geometries = new Map<number, newest.BufferGeometry>(), known = new Map<number, Known>();
  let next = 1, most = 0, shrunk = 0;
  const make = () => {
    const isLarge = random(40) === 0, count = 1 + random(isLarge ? 250 : 40);
    return geometryOf(three, random, count, isIndexed ? 3 * (1 + random(20)) : 0);
  };
  const matrix = new three.Matrix4();
  const addInstance = (geometry: number) => {
    const id = group.addInstance(geometry), x = next++;
    assert(!known.has(id), `id ${id} is taken`);
    group.setMatrixAt(id, matrix.makeTranslation(x, 0, 0));
    known.set(id, { geometry, x, color: undefined, isVisible: true });
  };
  for (let step = 0; step < 300; step++) {
    const context = `seed ${seed}, step ${step}`, pages = group.pages.length;
    const ids = [...geometries.keys()], id = ids[random(ids.length || 1)];
    const instances = [...known.keys()], instance = instances[random(instances.length || 1)];
    const action = random(100), isGrowing = step % 150 < 75;
    if (ids.length < 3 || action < (isGrowing ? 40 : 10)) {
      const geometry = make(), added = group.addGeometry(geometry);
      assert(!geometries.has(added), `${context}: id ${added} is taken`);
      geometries.set(added, geometry);
      addInstance(added);
    } else if (action < 55) {
      group.deleteGeometry(id);
      geometries.delete(id);
      for (const [one, { geometry }] of known) if (geometry === id) known.delete(one);
    } else if (action < 65) {
      const geometry = make();
      assertStrictEquals(group.setGeometryAt(id, geometry), id);
      geometries.set(id, geometry);
    } else if (action < 80) addInstance(id);
    else if (instance === undefined) continue;
    else if (action < 84) {
      group.deleteInstance(instance);
      known.delete(instance);
    } else if (action < 88) {
      group.setGeometryIdAt(instance, id);
      known.get(instance)!.geometry = id;
    } else if (action < 90) {
      const color = random(256) / 256;
      group.setColorAt(instance, new three.Color(color, 0, 0));
      known.get(instance)!.color = color;
    } else if (action < 93) {
      known.get(instance)!.isVisible = random(2) === 0;
      group.setVisibleAt(instance, known.get(instance)!.isVisible);
    } else if (action < 97) assert(group.compact({ maxMoves: 3 }) <= 6, context);
    else if (action < 99) group.compact();
    else group = group.clone() as Batches;

    most = Math.max(most, group.pages.length);
    if (group.pages.length < pages) shrunk++;
    const expected = new Map<string, string>();
    for (const [one, { geometry, x, color, isVisible }] of known) {
      const source = geometries.get(geometry)!;
      const count = source.index?.count ?? source.attributes.position.count;
      const rgba = color === undefined ? [1, 1, 1, 1] : [color, 0, 0, 1];
      expected.set(`${x}`, [rgba, isVisible, drawn(source, 0, count)].join());
      assertStrictEquals(group.getGeometryIdAt(one), geometry, context);
      assertStrictEquals(group.getMatrixAt(one, matrix).elements[12], x, context);
      assertStrictEquals(group.getVisibleAt(one), isVisible, context);
      assertStrictEquals(group.getColorAt(one, new three.Color()).r, color ?? 1, context);
    }
    const found = drawnOf(group);
    assertEquals(new Set(found.keys()), new Set(expected.keys()), context);
    for (const [x, text] of expected) assertStrictEquals(found.get(x), text, `${context}, at ${x}`);
    assertEquals([group.geometryCount, group.instanceCount], [geometries.size, known.size]);
  }
  for (const id of geometries.keys()) group.deleteGeometry(id);
  assertEquals([group.pages.length, group.children.length, group.instanceCount], [1, 1, 0]);
  assert(most > 4 && shrunk > 3, `${most} pages, ${shrunk} times fewer`);
}

/** A group of boxes and spheres in a row, and the same in one mesh. */
function rows(three: Three, random: Random) {
  const group = new (classOf(three))(new three.MeshBasicMaterial(), {
    pageVertices: 300,
    pageInstances: 4,
  });
  const plain = new three.BatchedMesh(60, 10_000, 30_000, new three.MeshBasicMaterial());
  const shapes = [new three.BoxGeometry(1, 1, 1), new three.SphereGeometry(0.8, 8, 8)];
  const ids = Array.from({ length: 30 }, () => {
    const shape = shapes[random(2)];
    return [group.addGeometry(shape), plain.addGeometry(shape)];
  });
  ids.forEach(([a, b], i) => {
    const matrix = new three.Matrix4().makeTranslation(3 * i, 0, 0);
    group.setMatrixAt(group.addInstance(a), matrix);
    plain.setMatrixAt(plain.addInstance(b), matrix);
  });
  return { group, plain, ids };
}

for (const three of [newest, yearOld as unknown as Three]) {
  const Batches = classOf(three), random = seeded(1);
  const geometry = (vertices: number, indices = 3) => geometryOf(three, random, vertices, indices);

  describe(`StreamingBatches on three r${three.REVISION}`, () => {
    for (const seed of sharedOf([1, 2, 3, 4])) {
      it(`draws what was added, seed ${seed}`, () => streamRandomly(three, seed, seed % 4 > 0));
    }

    it("is picked and bounded as one mesh, by the ids of the group", () => {
      const { group, plain, ids } = rows(three, random);
      assert(group.pages.length > 3);
      const look = () => {
        for (const object of [group, plain]) object.updateMatrixWorld(true);
        for (let x = -1; x < 100; x++) {
          const from = new three.Vector3(x, 0.1, 9), to = new three.Vector3(0, 0, -1);
          const [a, b] = [group, plain].map((object) =>
            new three.Raycaster(from, to).intersectObject(object).map((one) => {
              assertStrictEquals(one.object, object);
              return [one.distance, one.batchId];
            })
          );
          assertEquals(a, b);
        }
        plain.computeBoundingBox();
        assertEquals(new three.Box3().setFromObject(group), plain.boundingBox);
      };
      look();
      for (const i of [0, 3, 4, 9, 29]) {
        group.deleteGeometry(ids[i][0]);
        plain.deleteGeometry(ids[i][1]);
      }
      group.compact();
      const far = new three.Matrix4().makeTranslation(-40, 7, 0);
      for (const mesh of [group, plain]) mesh.setMatrixAt(20, far);
      look();
    });

    it("grows by pages, and copies nothing", () => {
      const group = new Batches(undefined, SMALL), first = group.addGeometry(geometry(60));
      const { array } = group.pages[0].geometry.attributes.position;
      for (let i = 0; i < 9; i++) group.addGeometry(geometry(60));
      assertStrictEquals(group.pages.length, 10);
      assertStrictEquals(group.pages[0].geometry.attributes.position.array, array);
      assert(group.pages.every(({ geometry }) => geometry.index!.array instanceof Uint16Array));
      group.addGeometry(geometry(40));
      assertStrictEquals(group.pages.length, 10, "into a hole");
      group.deleteGeometry(first);
      group.addGeometry(geometry(60));
      assertStrictEquals(group.pages.length, 10, "into what was freed");
    });

    it("has pages of 16-bit indices and of the proportions of what is in them", () => {
      const group = new Batches(), sphere = new three.SphereGeometry(1, 30, 30);
      for (let i = 0; i < 69; i++) group.addGeometry(sphere);
      const [page, second] = group.pages;
      assertStrictEquals(page.vertexSpace.capacity, 65_535);
      assert(page.geometry.index!.array instanceof Uint16Array);
      assert(page.unusedVertexCount < 961 && page.unusedIndexCount < 5_400);
      assertStrictEquals(second.unusedVertexCount, 65_535 - 961);
    });

    it("gives a geometry that is larger than a page one of its own", () => {
      const group = new Batches(undefined, SMALL), small = group.addGeometry(geometry(10));
      const large = group.addGeometry(geometry(250)), other = group.addGeometry(geometry(80));
      assertEquals(group.pages.map(({ vertexSpace }) => vertexSpace.capacity), [100, 250]);
      assertStrictEquals(group.setGeometryAt(small, geometry(120, 6)), small);
      assertEquals(group.pages.map(({ vertexSpace }) => vertexSpace.capacity), [100, 250, 120]);
      group.deleteGeometry(large).deleteGeometry(small).deleteGeometry(other);
      assertEquals(group.pages.map(({ vertexSpace }) => vertexSpace.capacity), [100]);
    });

    it("empties pages whose geometries have room elsewhere", () => {
      const group = new Batches(undefined, SMALL);
      const ids = Array.from({ length: 100 }, () => group.addGeometry(geometry(10)));
      assertStrictEquals(group.pages.length, 10);
      ids.forEach((id, i) => i % 10 > 1 && group.deleteGeometry(id));
      assertStrictEquals(group.pages.length, 10);
      let calls = 0;
      while (group.compact({ maxMoves: 4 }) > 0) calls++;
      assert(calls >= 4 && calls < 20, `${calls} calls`);
      assert(group.pages.length <= 3, `${group.pages.length} pages`); // one may be a spare
      assertStrictEquals(group.geometryCount, 20);
    });

    it("compacts until a page has the room that is asked for", () => {
      const group = new Batches(undefined, SMALL);
      const ids = Array.from({ length: 40 }, () => group.addGeometry(geometry(10)));
      ids.forEach((id, i) => i % 2 > 0 && i % 10 < 8 && group.deleteGeometry(id));
      const holes = () => group.pages.map((one) => one.vertexSpace.largestFreeRegion());
      const pages = group.pages.length;
      assertStrictEquals(new Batches(undefined, SMALL).compact({ vertices: 30 }), 0);
      group.compact({ vertices: 30, maxMoves: 100 });
      assert(Math.max(...holes()) >= 30 || group.pages.length < pages);
      assertThrows(() => group.compact({ maxMove: 1 } as never), TypeError, "maxMoves");
      assertThrows(() => group.compact({ maxMoves: -1 }), RangeError, "maxMoves");
    });

    it("adds a page where little is free, and moves where much is", () => {
      for (const [pages, after] of [[2, 2], [3, 4]]) {
        for (const isCopy of [false, true]) {
          const first = new Batches(undefined, SMALL);
          const ids = Array.from({ length: 10 * pages }, () => first.addGeometry(geometry(10)));
          const group = (isCopy ? first.clone() : first) as typeof first;
          group.deleteGeometry(ids[3]).deleteGeometry(ids[6]); // of 20 free vertices none fits
          group.addGeometry(geometry(15));
          assertStrictEquals(group.pages.length, after, `${pages} pages, copied: ${isCopy}`);
        }
      }
    });

    it("keeps to the attributes of the first page on all pages", () => {
      const group = new Batches(undefined, SMALL), more = geometry(60);
      group.addGeometry(geometry(60));
      more.setAttribute("color", new three.BufferAttribute(new Float32Array(180), 3));
      group.addGeometry(more);
      assertEquals(Object.keys(group.pages[1].geometry.attributes), ["position", "uv"]);
      const fewer = geometry(60);
      fewer.deleteAttribute("uv");
      assertThrows(() => group.addGeometry(fewer), Error, 'missing "uv"');
      assertThrows(() => group.addGeometry(geometry(5, 0)), Error, '"index"');
      assertEquals([group.pages.length, group.geometryCount], [2, 2]);
    });

    it("hands its material to all pages, and each new page to a function", () => {
      const [red, blue] = [new three.MeshBasicMaterial(), new three.MeshBasicMaterial()];
      const onPage = (page: { castShadow: boolean }) => page.castShadow = true;
      const group = new Batches(red, { ...SMALL, onPage });
      for (let i = 0; i < 3; i++) group.addGeometry(geometry(60));
      group.material = blue;
      group.addGeometry(geometry(60));
      assert(group.pages.every((page) => page.castShadow && page.material === blue));
      // Bounds of a page are of no use to cull it: they are old as soon as an instance is moved.
      assert(group.pages.every((page) => !page.frustumCulled && page.maxInstanceCount === 2));
      assertStrictEquals(group.material, blue);
      const disposed: unknown[] = [];
      const pages = group.pages;
      for (const page of pages) {
        page.geometry.addEventListener("dispose", () => disposed.push(page));
      }
      group.dispose();
      assertEquals(disposed, [...pages]);
      assertEquals([group.children.length, group.geometryCount], [0, 0]);
      group.addInstance(group.addGeometry(geometry(60, 0)));
      assertEquals(group.instanceCount, 1, "it can be used again");
    });

    it("copies objects beside the pages, too", () => {
      const group = new Batches(undefined, SMALL), light = new three.PointLight();
      group.add(light);
      group.addInstance(group.addGeometry(geometry(60)));
      const copy = group.clone() as typeof group;
      assertEquals(copy.children.map(({ type }) => type), ["Mesh", "PointLight"]);
      copy.deleteGeometry(0);
      assertEquals([copy.instanceCount, group.instanceCount], [0, 1]);
    });

    it("refuses ids that are none, and what is not three", () => {
      const group = new Batches(undefined, SMALL), id = group.addGeometry(geometry(10));
      const instance = group.addInstance(id);
      group.deleteInstance(instance);
      assertThrows(() => group.setVisibleAt(instance, true), RangeError, "id of an instance");
      assertThrows(() => group.addInstance(7), RangeError, "id of a geometry, got 7");
      assertThrows(() => group.addGeometry({} as never), TypeError, "positions");
      assertThrows(() => new Batches(undefined, { pageVertices: 0 }), RangeError, "pageVertices");
      assertThrows(() => new Batches(undefined, { page: 1 } as never), TypeError, "page");
      assertThrows(() => new Batches(undefined, { onPage: 1 } as never), TypeError, "onPage");
      const { Group: _, ...rest } = three;
      assertThrows(() => streamingBatches(rest as never), TypeError, "without Group");
    });
  });
}
