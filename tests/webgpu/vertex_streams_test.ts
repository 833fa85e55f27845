/** Meshes in several streams, against plain arrays. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type GpuVertexPage,
  GpuVertexStreams,
  type GpuVertices,
  NotAllocatedError,
} from "../../backends/webgpu/mod.ts";
import { randomBytes, seeded } from "../support/random.ts";
import type { FakeBuffer } from "./fake_gpu.ts";
import { filled, withArena } from "./gpu_helpers.ts";

const STRIDES = [12, 4, 8];

interface Mesh {
  readonly vertices: GpuVertices<FakeBuffer>;
  readonly bytes: readonly Uint8Array[];
}

describe("GpuVertexStreams", () => {
  it("keeps what was written, at one place in all streams", () =>
    withArena({}, async (arena) => {
      const random = seeded(1);
      const streams = new GpuVertexStreams(arena, { strides: STRIDES, pageVertices: 50 });
      let live: Mesh[] = [], most = 0;
      for (let round = 0; round < 30; round++) {
        live = live.filter(({ vertices }) => {
          if (random(3) > 0) return true;
          vertices.free();
          return false;
        });
        for (let i = random(20); i > 0; i--) {
          const count = 1 + random(random(10) === 0 ? 80 : 20);
          const vertices = streams.allocate(count)!;
          const bytes = STRIDES.map((stride) => randomBytes(random, count * stride));
          bytes.forEach((all, stream) => vertices.write(stream, all));
          const first = random(count), part = randomBytes(random, 4 * (count - first));
          vertices.write(1, part, first);
          bytes[1].set(part, 4 * first);
          live.push({ vertices, bytes });
        }
        most = Math.max(most, streams.pages.length);
        await arena.upload();
        const taken = new Map<GpuVertexPage<FakeBuffer>, number[]>();
        for (const { vertices: { page, baseVertex, vertexCount }, bytes } of live) {
          assert(streams.pages.includes(page));
          const own = taken.get(page) ?? [];
          taken.set(page, own);
          for (let v = baseVertex; v < baseVertex + vertexCount; v++) {
            assert(v < page.vertexCount && !own[v], `vertex ${v} is of one mesh`);
            own[v] = 1;
          }
          for (const [stream, stride] of STRIDES.entries()) {
            const read = page.regions[stream].read(baseVertex * stride, vertexCount * stride);
            assertEquals(await read, bytes[stream]);
          }
        }
      }
      for (const { vertices } of live) vertices.free();
      assertStrictEquals(streams.pages.length, 1);
      assert(most > 3, `${most} pages`);
    }));

  it("uses again what was freed, and gives empty pages back", () =>
    withArena({}, async (arena) => {
      const streams = new GpuVertexStreams(arena, { strides: [4], pageVertices: 10 });
      const first = streams.allocate(10)!, second = streams.allocate(10)!;
      assertStrictEquals(streams.pages.length, 2);
      first.free();
      first.free();
      assert(first.freed && !second.freed);
      assertEquals(streams.pages, [second.page]);
      const large = streams.allocate(25)!;
      assertStrictEquals(large.page.vertexCount, 25);
      second.free();
      assertEquals(streams.pages, [large.page]);
      large.free();
      assertStrictEquals(streams.allocate(3)!.page, large.page, "the last one stays");
      await arena.upload();
    }));

  it("has no mesh where the arena has no space, and leaves nothing behind", () =>
    withArena({ maxBytes: 4096, initialSlabBytes: 1024, maxSlabBytes: 4096 }, async (arena) => {
      const streams = new GpuVertexStreams(arena, { strides: [4, 16], pageVertices: 150 });
      assert(streams.allocate(1) !== undefined);
      assertStrictEquals(streams.allocate(150), undefined);
      await arena.upload();
      assertStrictEquals(arena.stats().regions, 2);
    }));

  it("refuses what is out of range", () =>
    withArena({}, (arena) => {
      const make = (options: object) => () => new GpuVertexStreams(arena, options as never);
      for (const wrong of [undefined, null, 7, {}]) {
        const of = () => new GpuVertexStreams(wrong as never, { strides: [4] });
        assertThrows(of, TypeError, "Expected arena to be a GpuArena, got ");
      }
      assertThrows(make(undefined as never), TypeError, "Expected strides to be an array");
      assertThrows(make({ strides: [6] }), RangeError, "strides[0] to be a multiple of 4, got 6");
      assertThrows(make({ strides: [] }), RangeError, "strides.length");
      assertThrows(make({}), TypeError, "strides");
      assertThrows(make({ strides: [4], page: 1 }), TypeError, "pageVertices");
      const streams = new GpuVertexStreams(arena, { strides: [4, 8] }), mesh = streams.allocate(3)!;
      assertThrows(() => streams.allocate(0), RangeError, "vertexCount");
      assertThrows(() => mesh.write(2, filled(4, 1)), RangeError, "stream");
      assertThrows(() => mesh.write(0, filled(16, 1)), RangeError, "at most 12 bytes, got 16");
      assertThrows(() => mesh.write(1, filled(16, 1), 2), RangeError, "at most 8 bytes");
      assertThrows(() => mesh.write(0, [1] as never), TypeError);
      mesh.free();
      assertThrows(() => mesh.write(0, filled(4, 1)), NotAllocatedError);
    }));
});
