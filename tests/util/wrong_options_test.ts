/**
 * Options that are no object, at each entry: a `TypeError` names the argument and what came.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BlobStore as FileBlobStore,
  publishBlobs,
  salvageBlobs,
} from "../../backends/blob_store/mod.ts";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { HttpBlobStore, HttpStore, nodeListener, serveBlobs } from "../../backends/http/mod.ts";
import { keyvAdapter } from "../../backends/keyv/mod.ts";
import { BlobStore as OpfsBlobStore, OpfsStore, SharedBlobStore } from "../../backends/opfs/mod.ts";
import { PostgresStore } from "../../backends/postgres/mod.ts";
import { unstorageDriver } from "../../backends/unstorage/mod.ts";
import { webGlDevice } from "../../backends/webgl/mod.ts";
import {
  drawArguments,
  drawIndexedArguments,
  GpuArena,
  gpuReportJson,
  gpuReportSvg,
  GpuVertexStreams,
} from "../../backends/webgpu/mod.ts";
import * as main from "../../mod.ts";
import { BlobStore } from "../../src/blob_store/mod.ts";
import * as pools from "../../src/pool/mod.ts";
import * as reports from "../../src/report/mod.ts";
import * as shared from "../../src/shared/mod.ts";
import { storeContract } from "../../src/testing/mod.ts";
import { parseTrace, RecordingAllocator, replayTrace } from "../../src/trace/mod.ts";
import { FakeGl } from "../webgl/fake_gl.ts";
import { FakeDevice } from "../webgpu/fake_gpu.ts";

const { Arena, MemoryStore, OffsetAllocator } = main;

/** Options as plain JavaScript gives them. */
type Wrong = never;

const WRONG: [got: string, value: unknown][] = [
  ["null", null],
  ["an object of type Array", []],
  ["an object of type Array", [1]],
  ["a function", () => 1],
];

/** A call that throws, or returns a promise that rejects. */
type Call = (options: Wrong) => unknown;

/** The names in the message of a refusal, as options that are all undefined. */
function nothing(message: string): Record<string, undefined> {
  const names = message.slice(message.indexOf(" with ") + 6, message.lastIndexOf(", got "));
  return Object.fromEntries(names.split(", ").map((name) => [name, undefined]));
}

/** Tests that all calls refuse what is no object, and take undefined for what is not given. */
function refuses(name: string, calls: () => Record<string, Call> | Promise<Record<string, Call>>) {
  it(name, async () => {
    for (const [what, call] of Object.entries(await calls())) {
      let message = "";
      for (const [got, value] of WRONG) {
        const attempt = async () => await call(value as Wrong);
        ({ message } = await assertRejects(attempt, TypeError, undefined, `${what} took ${got}`));
        assertMatch(message, /^Expected [a-zA-Z ]+ to be an object with /, `${what}: ${message}`);
        assertMatch(message, new RegExp(`, got ${got}$`), `${what}: ${message}`);
      }
      assertEquals(await answerOf(call, nothing(message)), await answerOf(call, {}), what);
    }
  });
}

/** The message of the error of a call; "" where there is none. */
async function answerOf(call: Call, options: object): Promise<string> {
  try {
    await call(options as Wrong);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

const space = () => new OffsetAllocator(1000);
const memory = () => new MemoryStore(0, { maxByteLength: 2 ** 24 });

describe("options that are no object are refused", () => {
  refuses("by allocators", () => ({
    OffsetAllocator: (options) => new OffsetAllocator(100, options),
    WideOffsetAllocator: (options) => new main.WideOffsetAllocator(100, options),
    BestFitAllocator: (options) => new main.BestFitAllocator(100, options),
    TlsfAllocator: (options) => new main.TlsfAllocator(100, options),
    BuddyAllocator: (options) => new main.BuddyAllocator(128, options),
    SlabAllocator: (options) => new main.SlabAllocator(space(), options),
    PageAllocator: (options) => new main.PageAllocator(100, options),
    LinearAllocator: (options) => new main.LinearAllocator(100, options),
    IdAllocator: (options) => new main.IdAllocator(100, options),
    planCompaction: (options) => main.planCompaction(space(), options),
  }));

  refuses("by arenas and memory", () => {
    const arena = new Arena(new MemoryStore(64)), bytes = new Uint8Array(4);
    return {
      Arena: (options) => new Arena(new MemoryStore(64), options),
      allocate: (options) => arena.allocate(4, options),
      allocateOrThrow: (options) => arena.allocateOrThrow(4, options),
      allocateFrom: (options) => arena.allocateFrom(bytes, options),
      compact: (options) => main.compact(arena, options),
      "MemoryStore of a length": (limits) => new MemoryStore(64, limits),
      "MemoryStore of a buffer": (window) => new MemoryStore(bytes.buffer, window),
    };
  });

  refuses("by pools", () => {
    const fixed = new pools.FixedPool(4, { create: () => ({}) });
    const values = new pools.AsyncPool({ create: () => ({}), max: 4 });
    return {
      FixedPool: (options) => new pools.FixedPool(4, options),
      GrowingPool: (options) => new pools.GrowingPool(options),
      AsyncPool: (options) => new pools.AsyncPool(options),
      SlotPool: (options) => new pools.SlotPool(4, options),
      acquireAsync: (options) => fixed.acquireAsync(options),
      "acquire of an AsyncPool": (options) => values.acquire(options),
      use: (options) => values.use(() => 1, options),
    };
  });

  refuses("by what threads share", () => {
    const allocator = shared.SharedOffsetAllocator.create(64);
    const slots = shared.SharedSlotPool.create(4, { slotSize: 8 });
    return {
      create: (options) => shared.SharedOffsetAllocator.create(64, options),
      cache: (cache) => shared.SharedOffsetAllocator.create(64, { cache }),
      attach: (options) => shared.SharedOffsetAllocator.attach(allocator.buffer, options),
      byteLength: (options) => shared.SharedOffsetAllocator.byteLength(64, options),
      allocateAsync: (options) => shared.allocateAsync(allocator, 4, options),
      allocateSync: (options) => shared.allocateSync(allocator, 4, options),
      "create of slots": (options) => shared.SharedSlotPool.create(4, options),
      "byteLength of slots": (options) => shared.SharedSlotPool.byteLength(4, options),
      "attach to slots": (options) => shared.SharedSlotPool.attach(slots.buffer, options),
      acquireAsync: (options) => slots.acquireAsync(options),
      LocalSlotCache: (options) => new shared.LocalSlotCache(slots, options),
    };
  });

  refuses("by reports, traces and the contract of stores", () => {
    const lines: string[] = [];
    new RecordingAllocator(space(), (line) => void lines.push(line)).allocate(4);
    const trace = parseTrace(lines);
    return {
      TrackedAllocator: (options) => new reports.TrackedAllocator(space(), options),
      drawMap: (options) => reports.drawMap(space(), options),
      reportSvg: (options) => reports.reportSvg(space(), options),
      reportJson: (options) => reports.reportJson(space(), options),
      formatLeaks: (options) => reports.formatLeaks([], options),
      replayTrace: (options) => replayTrace(trace, space(), options),
      storeContract: (options) => storeContract(options),
    };
  });

  refuses("by files, before they are opened", () => ({
    SyncFileStore: (options) => SyncFileStore.open("no/such.bin", options),
    FileStore: (options) => FileStore.open("no/such.bin", options),
    BlobStore: (options) => FileBlobStore.open("no/such.blobs", options),
    salvageBlobs: (options) => salvageBlobs("no/such.blobs", "no/other.blobs", options),
  }));

  refuses("by blob stores", async () => {
    const store = await BlobStore.open(memory());
    await store.put("key", "value");
    const snapshot = (await store.read("key"))!, bytes = new Uint8Array(8);
    return {
      open: (options) => BlobStore.open(memory(), options),
      put: (options) => store.put("key", "value", options),
      get: (options) => store.get("key", options),
      getInto: (options) => store.getInto("key", bytes, options),
      read: (options) => store.read("key", options),
      stream: (options) => store.stream("key", options),
      range: (range) => store.get("key", { range }),
      delete: (options) => store.delete("key", options),
      rename: (options) => store.rename("key", "other", options),
      copy: (options) => store.copy("key", "other", options),
      batch: (options) => store.batch([], options),
      list: (options) => store.list(options).next(),
      watch: (options) => store.watch(options),
      verify: (options) => store.verify(options),
      check: (options) => store.check(options),
      compact: (options) => store.compact(options),
      sweep: (options) => store.sweep(options),
      backup: (options) => store.backup(memory(), options),
      publishBlobs: (options) => publishBlobs(store, memory(), options),
      "bytes of a snapshot": (range) => snapshot.bytes(range),
      "stream of a snapshot": (range) => snapshot.stream(range),
      serveBlobs: (options) => serveBlobs(store, options),
      unstorageDriver: (options) => unstorageDriver(store, options),
      keyvAdapter: (options) => keyvAdapter(store, options),
    };
  });

  refuses("by what is on a server or in a browser, before it is asked", () => ({
    HttpStore: (options) => HttpStore.open("http://localhost:1/", options),
    HttpBlobStore: (options) => HttpBlobStore.open("http://localhost:1/", options),
    nodeListener: (options) => nodeListener(() => new Response(), options),
    PostgresStore: (options) => PostgresStore.open({ query: () => 1 } as never, "a", options),
    OpfsStore: (options) => OpfsStore.open("a", options),
    OpfsBlobStore: (options) => OpfsBlobStore.open("a", options),
    SharedBlobStore: (options) => SharedBlobStore.open("a", options),
  }));

  refuses("by what is on a GPU", () => {
    const device = new FakeDevice(), arena = new GpuArena(device);
    const region = arena.allocate(16, { role: "vertex", stride: 4 })!;
    const indices = arena.allocate(16, { role: "index", stride: 4 })!;
    return {
      GpuArena: (options) => new GpuArena(device, options),
      allocate: (options) => arena.allocate(16, options),
      allocateOrThrow: (options) => arena.allocateOrThrow(16, options),
      planCompaction: (options) => arena.planCompaction(options),
      GpuVertexStreams: (options) => new GpuVertexStreams(arena, options),
      drawArguments: (options) => drawArguments(region, options),
      drawIndexedArguments: (options) => drawIndexedArguments(indices, region, options),
      gpuReportJson: (options) => gpuReportJson(arena, options),
      gpuReportSvg: (options) => gpuReportSvg(arena, options),
      webGlDevice: (options) => webGlDevice(new FakeGl() as never, options),
    };
  });
});

describe("what is no class is refused where views are made", () => {
  const message = "Expected type to be a typed array class, got ";
  const slots = shared.SharedSlotPool.create(4, { slotSize: 8 });
  const region = new Arena(new MemoryStore(64)).allocateOrThrow(8);
  const calls: Record<string, (type: never) => unknown> = {
    SlotPool: (type) => new pools.SlotPool(4, { slotSize: 8, type }),
    SharedSlotPool: (type) => shared.SharedSlotPool.create(4, { slotSize: 8, type }),
    attach: (type) => shared.SharedSlotPool.attach(slots.buffer, { type }),
    view: (type) => region.view(type),
  };
  for (const [name, call] of Object.entries(calls)) {
    it(`by ${name}`, () => {
      const wrong = [() => 1, async () => {}, { of() {} }.of, "Float32Array", 4, null, {}];
      for (const type of wrong) assertThrows(() => call(type as never), TypeError, message);
      for (const type of [Float32Array, DataView, class extends Uint8Array {}]) call(type as never);
    });
  }
});
