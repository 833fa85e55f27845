/** Where the GPU arena puts regions, what it refuses, bindings, draws and reports. */

import { gpuReportJson, gpuReportSvg } from "../../backends/webgpu/gpu_arena_report.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { NotAllocatedError, OutOfSpaceError } from "../../mod.ts";
import { formatLeaks, report } from "../../src/report/mod.ts";
import {
  DRAW_BYTES,
  DRAW_INDEXED_BYTES,
  drawArguments,
  drawIndexedArguments,
  GpuArena,
  GpuBufferStore,
  type GpuRegionOptions,
  GpuUsage,
} from "../../backends/webgpu/mod.ts";
import { FakeDevice } from "./fake_gpu.ts";
import { filled, withArena } from "./gpu_helpers.ts";
import { parseXml } from "../support/parse_xml.ts";
import { assertSameBytes, NO_SIZES } from "../support/store_helpers.ts";

const { COPY_SRC, COPY_DST, VERTEX, STORAGE, MAP_READ, INDEX } = GpuUsage;
const SMALL = { initialSlabBytes: 1024, maxSlabBytes: 8192, dedicatedBytes: 4096 };

describe("GpuArena: where regions lie", () => {
  it("gives each usage buffers of its own, with what copies need", () =>
    withArena(SMALL, async (arena) => {
      const roles = ["vertex", "index", "uniform", "storage", "indirect"] as const;
      const regions = roles.map((role) => arena.allocate(10, { role })!);
      const mixed = arena.allocate(10, { usage: VERTEX | STORAGE })!;
      await arena.upload();
      assertStrictEquals(new Set([...regions, mixed].map(({ buffer }) => buffer)).size, 6);
      assertEquals(
        [...regions, mixed].map(({ buffer }) => buffer.usage & ~(COPY_SRC | COPY_DST)),
        [0x20, 0x10, 0x40, 0x80, 0x100, 0xa0],
      );
      assertStrictEquals(arena.allocate(10, { role: "vertex" })!.buffer, regions[0].buffer);
      assertEquals(Array.from(arena.slabs(), ({ role }) => role), [...roles, "vertex+storage"]);
    }));

  it("aligns by the device's limits, by stride and by what was asked for", () =>
    withArena(SMALL, (arena) => {
      const cases: [GpuRegionOptions, number][] = [
        [{ role: "vertex" }, 4],
        [{ role: "uniform" }, 64],
        [{ role: "storage" }, 32],
        [{ role: "storage", stride: 48 }, 96],
        [{ role: "vertex", stride: 20 }, 20],
        [{ role: "index", stride: 2 }, 4],
        [{ role: "index", stride: 4, alignment: 6 }, 12],
        [{ usage: VERTEX | STORAGE, stride: 12 }, 96],
      ];
      for (const [options, alignment] of cases) {
        for (let i = 0; i < 5; i++) {
          const region = arena.allocate(1 + i * 7, options)!;
          assertStrictEquals(region.alignment, alignment);
          assertStrictEquals(region.offset % alignment, 0);
          const { stride } = region;
          if (stride) assertStrictEquals(region.firstElement * stride, region.offset);
        }
      }
    }));

  it("lengthens a slab, then begins another; large ones get a buffer of their own", () =>
    withArena(SMALL, async (arena, device) => {
      const first = arena.allocate(1000, { role: "vertex" })!;
      assertThrows(() => first.buffer, Error, "upload()");
      await arena.upload();
      assertStrictEquals(first.buffer.size, 1024);
      for (let i = 0; i < 10; i++) arena.allocate(1000, { role: "vertex" });
      assertStrictEquals(device.counts.createBuffer, 1);
      await arena.upload();
      const [one, two] = arena.slabs();
      assertEquals([one.byteLength, two.byteLength <= 8192], [8192, true]);
      const large = arena.allocate(5001, { role: "vertex" })!;
      await arena.upload();
      assertStrictEquals(large.buffer.size, 5004);
      assertEquals([arena.stats().slabs, arena.stats().dedicated], [3, 1]);
      large.free();
      await arena.settled();
      await arena.upload();
      assertEquals([arena.stats().slabs, arena.stats().dedicated], [2, 0]);
    }));

  it("keeps the bytes, and tells of the new buffer, when a slab grows", () =>
    withArena(SMALL, async (arena) => {
      const region = arena.allocateFrom(filled(900, 7), { role: "storage" })!;
      await arena.upload();
      const before = region.buffer, told: number[] = [];
      const end = region.onRelocate(({ generation }) => told.push(generation));
      arena.allocate(900, { role: "storage" });
      await arena.upload();
      assert(region.buffer !== before);
      assertStrictEquals(before.state, "destroyed");
      assertEquals([region.generation, told], [1, [1]]);
      assertSameBytes(await region.read(), filled(900, 7), "after growth");
      end();
      arena.allocate(900, { role: "storage" });
      await arena.upload();
      assertEquals([region.generation, told], [2, [1]]);
    }));

  it("stays within maxBytes, as an answer", () =>
    withArena({ ...SMALL, maxBytes: 3003 }, async (arena) => {
      assert(arena.allocate(3001, { role: "vertex" }) === undefined);
      const region = arena.allocate(2000, { role: "vertex" })!;
      assert(arena.allocate(2000, { role: "index" }) === undefined);
      assert(arena.allocate(1000, { role: "vertex" }) !== undefined);
      assertStrictEquals(arena.stats().byteLength, 3000);
      await arena.upload();
      region.free();
      assert(arena.allocate(1500, { role: "vertex" }) === undefined, "still in use");
      await arena.settled();
      assert(arena.allocate(1500, { role: "vertex" }) !== undefined);
    }));

  it("lets empty slabs go after a while, and shortens those that are far too long", () =>
    withArena({ ...SMALL, trimAfter: 3 }, async (arena, device) => {
      const kept = arena.allocateFrom(filled(500, 9), { role: "index" })!;
      const rest = Array.from({ length: 12 }, () => arena.allocate(600, { role: "index" })!);
      const vertices = arena.allocate(100, { role: "vertex" })!;
      await arena.upload();
      const { byteLength } = arena.stats();
      for (const region of [...rest, vertices]) region.free();
      await arena.settled();
      for (let i = 0; i < 3; i++) await arena.upload();
      assertStrictEquals(arena.stats().byteLength, byteLength);
      await arena.upload();
      assertEquals(Array.from(arena.slabs(), (slab) => [slab.role, slab.byteLength]), [
        ["index", 1024],
      ]);
      assertSameBytes(await kept.read(), filled(500, 9), "in the shorter buffer");
      kept.free();
      await arena.settled();
      arena.trim();
      assertEquals([
        arena.stats().slabs,
        device.liveBuffers.filter(({ label }) => /slab/.test(label)),
      ], [
        0,
        [],
      ]);
    }));
});

describe("GpuArena: what it refuses, before any call to the device", () => {
  it("bad arguments", () =>
    withArena(SMALL, (arena, device) => {
      const counts = { ...device.counts };
      for (const bad of [...NO_SIZES, 0, 2 ** 29]) {
        const expected = typeof bad === "number" ? RangeError : TypeError;
        assertThrows(
          () => arena.allocate(bad as number, { role: "vertex" }),
          expected,
          "byteLength",
        );
      }
      const refuse = (options: unknown, message: string) => {
        const error = assertThrows(() => arena.allocate(4, options as GpuRegionOptions), Error);
        assert(error.message.includes(message), error.message);
      };
      refuse({}, "role");
      refuse(undefined, "role");
      refuse({ role: "vertices" }, "got vertices");
      refuse({ role: "toString" }, "role");
      refuse({ role: "vertex", usage: STORAGE }, "both");
      refuse({ usage: MAP_READ }, "MAP_READ");
      refuse({ usage: 0 }, "usage");
      refuse({ usage: 0x400 }, "usage");
      refuse({ role: "vertex", stride: 6 }, "multiple of 4");
      refuse({ role: "index", stride: 3 }, "2 or 4");
      refuse({ role: "storage", stride: 0 }, "stride");
      refuse({ role: "storage", alignment: 1.5 }, "alignment");
      assertEquals(arena.stats().slabs, 0);
      assertEquals(device.counts, counts);
    }));

  it("bad options", () => {
    const device = new FakeDevice();
    const refuse = (options: object, message: string) => {
      assert(assertThrows(() => new GpuArena(device, options), Error).message.includes(message));
    };
    refuse({ maxSlabBytes: 2 ** 29 }, "maxSlabBytes");
    refuse({ maxSlabBytes: 1022 }, "maxSlabBytes to be a multiple of 4");
    refuse({ maxSlabBytes: 1024, initialSlabBytes: 2048 }, "initialSlabBytes");
    refuse({ growth: 1 }, "growth");
    refuse({ growth: "2" }, "growth");
    refuse({ dedicatedBytes: -1 }, "dedicatedBytes");
    refuse({ trimAfter: -1 }, "trimAfter");
    refuse({ maxBytes: -1 }, "maxBytes");
    assertThrows(() => new GpuArena(undefined as never), TypeError, "GPUDevice");
  });

  it("writes and reads that are no whole words, or outside the region", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocate(11, { role: "vertex" })!;
      const { pendingBytes } = arena.stats();
      const refuse = (call: () => unknown, kind: new () => Error, message: string) => {
        assertThrows(call, kind, message);
      };
      refuse(() => region.write(filled(4, 1), 2), RangeError, "at to be a multiple of 4, got 2");
      refuse(() => region.write(filled(3, 1), 4), RangeError, "3 at 4 of 11");
      refuse(() => region.write(filled(12, 1)), RangeError, "the region has 11 bytes");
      refuse(() => region.write(filled(4, 1), 8), RangeError, "4 bytes at 8");
      refuse(() => region.write("x" as never), TypeError, "data");
      refuse(() => region.write([1] as never), TypeError, "data");
      assertStrictEquals(arena.stats().pendingBytes, pendingBytes);
      region.write(filled(3, 1), 8);
      region.write(filled(0, 1), 8);
      for (const [at, length] of [[0, 12], [12, 0], [-1, 1], [0.5, 1]]) {
        const { counts: { submit } } = device;
        let error: unknown;
        await region.read(at, length).catch((caught) => error = caught);
        assert(error instanceof RangeError);
        assertStrictEquals(device.counts.submit, submit);
      }
      assertEquals([...await region.read(8)], [1, 1, 1]);
    }));

  it("use after free, double free, and the wrong use", () =>
    withArena(SMALL, async (arena, device) => {
      const region = arena.allocateFrom(filled(8, 1), { role: "vertex" })!;
      await arena.upload();
      assertThrows(() => region.binding(), TypeError, "for vertex");
      assertThrows(() => region.firstElement, TypeError, "stride");
      assertThrows(() => drawArguments(region), TypeError, "stride");
      const counts = { ...device.counts };
      region.free();
      assertStrictEquals(region.freed, true);
      for (
        const use of [
          () => region.free(),
          () => region.buffer,
          () => region.offset,
          () => region.write(filled(4, 1)),
          () => region.binding(),
          () => region.onRelocate(() => {}),
        ]
      ) assertThrows(use, NotAllocatedError);
      let error: unknown;
      await region.read().catch((caught) => error = caught);
      assert(error instanceof NotAllocatedError);
      region[Symbol.dispose]();
      assertEquals(device.counts, counts);
    }));

  it("anything once it is closed", async () => {
    const device = new FakeDevice(), arena = new GpuArena(device, SMALL);
    const region = arena.allocate(8, { role: "vertex" })!;
    await arena.upload();
    arena[Symbol.dispose]();
    arena.close();
    assertThrows(() => arena.allocate(8, { role: "vertex" }), Error, "closed");
    assertThrows(() => region.write(filled(4, 1)), NotAllocatedError);
    assertEquals([device.liveBuffers, device.uncaptured], [[], []]);
  });
});

describe("GpuArena: wrong arguments of plain JavaScript", () => {
  // What no type lets pass.
  const wrong = (value: unknown) => value as never;

  it("says what to give instead of what leads to a device", () => {
    const refused: [unknown, string][] = [
      [undefined, "GPUDevice, got undefined"],
      [{}, "got an object of type Object"],
      [
        new (class GPUCanvasContext {
          configure() {}
        })(),
        "got an object of type GPUCanvasContext",
      ],
      [
        new (class WebGL2RenderingContext {
          createBuffer() {}
        })(),
        "got an object of type WebGL2RenderingContext",
      ],
      [{ requestDevice() {} }, "await its requestDevice()"],
      [{ requestAdapter() {} }, "await its requestAdapter() first"],
      [Promise.resolve(new FakeDevice()), "of type Promise: await it"],
    ];
    for (const [device, message] of refused) {
      assertThrows(() => new GpuArena(wrong(device)), TypeError, message);
      assertThrows(() => new GpuBufferStore(wrong(device), { byteLength: 8 }), TypeError, message);
    }
  });

  it("refuses options that nobody knows", () =>
    withArena(SMALL, async (arena, device) => {
      const vertices = arena.allocate(24, { role: "vertex", stride: 12 })!;
      const indices = arena.allocate(8, { role: "index", stride: 2 })!;
      const calls: [() => unknown, string][] = [
        [() => new GpuArena(device, wrong({ maxBytess: 8 })), "got maxBytess"],
        [() => new GpuArena(device, wrong({ stacks: "no" })), "stacks to be a boolean"],
        [() => new GpuArena(device, wrong({ label: 8 })), "label to be a string"],
        [() => new GpuArena(device, wrong(1024)), "got 1024"],
        [() => arena.allocate(8, wrong({ role: "vertex", aligment: 8 })), "alignment"],
        [() => arena.allocate(8, wrong("vertex")), 'got the string "vertex"'],
        [() => arena.allocate(8, wrong(undefined)), "options to be an object with"],
        [() => arena.allocate(8, wrong({ role: "vertex", pinned: 1 })), "pinned to be a boolean"],
        [() => arena.allocateOrThrow(8, wrong({ role: "vertex", size: 8 })), "got size"],
        [() => arena.allocateFrom(filled(8, 1), wrong({ rôle: "vertex" })), "role"],
        [() => gpuReportJson(arena, wrong({ region: true })), "got region"],
        [() => gpuReportSvg(arena, wrong(320)), "got 320"],
        [() => gpuReportSvg(wrong(undefined) as never), "arena to be a GpuArena"],
        [() => gpuReportJson(wrong({}) as never), "arena to be a GpuArena"],
        [() => drawArguments(vertices, wrong({ count: 3 })), "vertexCount"],
        [() => drawArguments(vertices, wrong(3)), "got 3"],
        [() => drawIndexedArguments(indices, vertices, wrong({ first: 3 })), "firstIndex"],
        [() => new GpuBufferStore(device, wrong({ byteLength: 8, role: "vertex" })), "got role"],
      ];
      const before = { ...device.counts };
      for (const [call, message] of calls) assertThrows(call, TypeError, message);
      const plan = () => arena.planCompaction(wrong({ maxMove: 1 }));
      await assertRejects(plan, TypeError, "maxMoves");
      await assertRejects(() => arena.planCompaction(wrong(8)), TypeError, "got 8");
      assertEquals(device.counts, before);
      assertStrictEquals(arena.stats().regions, 2);
    }));
});

describe("GpuArena: allocateOrThrow", () => {
  it("gives a region, or an error with what is free", () =>
    withArena({ initialSlabBytes: 256, maxBytes: 1024, stacks: true }, (arena) => {
      const region = arena.allocateOrThrow(600, { role: "vertex", label: "first" });
      assertStrictEquals(region.size, 600);
      assert(arena.leaks()[0].stack?.split("\n")[0].includes("gpu_arena_test"));
      const error = assertThrows(
        () => arena.allocateOrThrow(500, { role: "vertex", alignment: 16 }),
        OutOfSpaceError,
        "Cannot allocate 500 bytes at a multiple of 16: 424",
      );
      const { requested, alignment, largestFree, totalFree } = error;
      assertEquals([requested, alignment, largestFree, totalFree], [500, 16, 424, 424]);
      assertStrictEquals(arena.stats().regions, 1);
    }));
});

describe("GpuRegion: bindings and draws", () => {
  it("binds all of it, or a part", () =>
    withArena(SMALL, async (arena) => {
      arena.allocate(32, { role: "storage" });
      const region = arena.allocate(101, { role: "storage" })!;
      await arena.upload();
      const { buffer, offset } = region;
      assertEquals(region.binding(), { buffer, offset, size: 104 });
      assertEquals(region.binding(64), { buffer, offset: offset + 64, size: 40 });
      assertEquals(region.binding(32, 8), { buffer, offset: offset + 32, size: 8 });
      assertThrows(() => region.binding(16), RangeError, "multiple of 32");
      assertThrows(() => region.binding(0, 0), RangeError, "length");
      assertThrows(() => region.binding(96, 8), RangeError, "the region has 101 bytes");
      const long = arena.allocate(70000, { role: "uniform" })!;
      await arena.upload();
      assertThrows(() => long.binding(), RangeError, "at most 65536 bytes");
      assertStrictEquals(long.binding(0, 65536).size, 65536);
    }));

  it("gives the arguments of draws", () =>
    withArena(SMALL, (arena) => {
      arena.allocate(24, { role: "vertex", stride: 12 });
      arena.allocate(10, { role: "index", stride: 2 });
      const vertices = arena.allocate(120, { role: "vertex", stride: 12 })!;
      const indices = arena.allocate(30, { role: "index", stride: 2 })!;
      assertEquals([vertices.elementCount, vertices.firstElement], [10, 2]);
      assertEquals([...drawArguments(vertices)], [10, 1, 2, 0]);
      const some = { firstVertex: 3, vertexCount: 6, instanceCount: 2, firstInstance: 5 };
      assertEquals([...drawArguments(vertices, some)], [6, 2, 5, 5]);
      assertEquals([...drawIndexedArguments(indices, vertices)], [15, 1, 6, 2, 0]);
      const part = { firstIndex: 3, indexCount: 9, instanceCount: 4, firstInstance: 1 };
      assertEquals([...drawIndexedArguments(indices, vertices, part)], [9, 4, 9, 2, 1]);
      assertStrictEquals(drawArguments(vertices).byteLength, DRAW_BYTES);
      assertStrictEquals(drawIndexedArguments(indices, vertices).byteLength, DRAW_INDEXED_BYTES);
      assertThrows(() => drawArguments(vertices, { vertexCount: 11 }), RangeError, "vertexCount");
      assertThrows(() => drawArguments(indices), TypeError, "vertices");
      assertThrows(() => drawIndexedArguments(vertices, vertices), TypeError, "for index");
      assertThrows(() => drawArguments(undefined as never), TypeError, "vertices");
      const foreign = new GpuArena(new FakeDevice()).allocate(8, { role: "index", stride: 2 })!;
      assertThrows(() => drawIndexedArguments(foreign, vertices), TypeError, "same device");
    }));
});

describe("GpuArena: reports", () => {
  it("counts, draws and lists what there is", () =>
    withArena({ ...SMALL, stacks: true, label: "scene" }, async (arena, device) => {
      const mesh = arena.allocateFrom(filled(100, 1), { role: "vertex", label: "mesh" })!;
      arena.allocate(40, { role: "uniform", label: "camera" });
      assertEquals([arena.stats().buffers, arena.stats().pendingBytes], [0, 100]);
      await arena.upload();
      assertEquals(device.liveBuffers.map(({ label }) => label), [
        "scene: vertex slab",
        "scene: uniform slab",
      ]);
      const { buffers, bufferBytes, regions, usedBytes, pendingBytes } = arena.stats();
      assertEquals([buffers, bufferBytes, regions, usedBytes, pendingBytes], [2, 2048, 2, 164, 0]);

      const leaks = arena.leaks();
      assertEquals(leaks.map(({ label, size }) => [label, size]), [["mesh", 100], ["camera", 40]]);
      for (const { stack } of leaks) {
        assert(stack?.split("\n")[0].includes("gpu_arena_test"), stack);
      }
      assert(formatLeaks(leaks).includes('"mesh", 100 units'));

      const json = JSON.parse(JSON.stringify(gpuReportJson(arena, { regions: true })));
      assertEquals([json.format, json.version, json.slabs.length], ["suballoc-gpu-report", 1, 2]);
      assertEquals(json.slabs[0].report.regions[0].label, "mesh");
      assertEquals(json.stats, { ...arena.stats() });
      const [slab] = arena.slabs();
      assertStrictEquals(report(slab.allocator).used, 100);

      const svg = parseXml(gpuReportSvg(arena));
      assertStrictEquals(svg.children.filter(({ name }) => name === "svg").length, 2);
      mesh.free();
      assertEquals([arena.stats().retiringBytes, arena.leaks().length], [100, 1]);
      assert(gpuReportSvg(arena).includes("freed, in use by the GPU"));
    }));

  it("goes over regions and slabs", () =>
    withArena(SMALL, (arena) => {
      const regions = Array.from({ length: 5 }, () => arena.allocate(16, { role: "index" })!);
      regions[2].free();
      assertEquals([...arena.regions()], regions.filter(({ freed }) => !freed));
      assertEquals(Array.from(arena.slabs(), ({ dedicated, usage }) => [dedicated, usage]), [
        [false, INDEX | COPY_SRC | COPY_DST],
      ]);
    }));
});
