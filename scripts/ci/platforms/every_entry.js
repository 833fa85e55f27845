/**
 * Every entry of the installed package, deeper than a first program goes: on a runtime of some age
 * it shows what the package needs and the runtime lacks. No `using`, no syntax after ES2022.
 *
 * @module
 */

import * as core from "@suballoc/offset-allocator";
import { BlobStore, StoreLockedError } from "@suballoc/offset-allocator/blob-store";
import { BlobStore as CoreStore } from "@suballoc/offset-allocator/blob-store/core";
import { main, VERSION } from "@suballoc/offset-allocator/cli";
import { FileStore, SyncFileStore } from "@suballoc/offset-allocator/file";
import { nodeListener, serveBlobs } from "@suballoc/offset-allocator/http";
import { keyvAdapter } from "@suballoc/offset-allocator/keyv";
import { BlobSourceStore } from "@suballoc/offset-allocator/opfs";
import * as pools from "@suballoc/offset-allocator/pool";
import { PostgresStore } from "@suballoc/offset-allocator/postgres";
import { report, reportSvg } from "@suballoc/offset-allocator/report";
import * as shared from "@suballoc/offset-allocator/shared";
import { parseTrace, RecordingAllocator } from "@suballoc/offset-allocator/trace";
import { streamingBatchedMesh } from "@suballoc/offset-allocator/three";
import { unstorageDriver } from "@suballoc/offset-allocator/unstorage";
import { webGlDevice } from "@suballoc/offset-allocator/webgl";
import { GpuArena } from "@suballoc/offset-allocator/webgpu";
import { deepStrictEqual, ok, rejects, throws } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const folder = mkdtempSync(join(tmpdir(), "every-entry-"));
const bytesOf = (length, seed) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7) & 255);
const isSame = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Allocates and frees, and looks whether all space comes back. */
function goThrough(allocator) {
  const handles = [];
  for (let i = 0; i < 200; i++) {
    const handle = allocator.allocate(1 + i % 7);
    ok(handle !== core.NO_SPACE);
    handles.push(handle);
  }
  for (let i = 0; i < 200; i += 2) allocator.free(handles[i]);
  core.check(allocator);
  for (let i = 1; i < 200; i += 2) allocator.free(handles[i]);
  deepStrictEqual([allocator.freeSpace, allocator.allocationCount], [allocator.capacity, 0]);
  throws(() => allocator.free(handles[0]), { name: "NotAllocatedError" });
}

function allocators() {
  for (
    const allocator of [
      new core.OffsetAllocator(4096),
      new core.WideOffsetAllocator(2 ** 40),
      new core.BestFitAllocator(4096),
      new core.TlsfAllocator(4096),
      new core.BuddyAllocator(4096),
      new core.PageAllocator(4096),
      shared.SharedOffsetAllocator.create(4096),
    ]
  ) {
    goThrough(allocator);
  }
}

function operations() {
  const allocator = new core.OffsetAllocator(1000);
  const handles = Array.from({ length: 10 }, () => allocator.allocate(50));
  for (let i = 0; i < 10; i += 2) allocator.free(handles[i]);
  const at = core.allocateAt(allocator, 800, 100);
  deepStrictEqual([allocator.offset(at), core.allocationAt(allocator, 850)?.handle], [800, at]);
  const restored = core.restore(core.snapshot(allocator));
  deepStrictEqual([...restored.allocations()], [...allocator.allocations()]);
  for (const move of core.planCompaction(allocator)) core.applyMove(allocator, move);
  core.check(allocator);
  deepStrictEqual([...allocator.freeRegions()].length, 1);
  core.trim(allocator);
  core.storageReport(allocator);
  ok(report(allocator).used > 0 && reportSvg(allocator).startsWith("<svg"));
  const lines = [], recording = new RecordingAllocator(allocator, (line) => lines.push(line));
  recording.allocate(10);
  deepStrictEqual(parseTrace(lines).capacity, 1000);
  throws(() => new GpuArena({}), TypeError);
  ok(PostgresStore.sql({ prefix: "x_" }).includes('"x_page"'));
  throws(() => webGlDevice({}), TypeError);
  throws(() => new BlobSourceStore({}), TypeError);
  throws(() => streamingBatchedMesh({}), TypeError);
}

async function arenas() {
  const memory = new core.MemoryStore(64, { maxByteLength: 2 ** 16 });
  const path = join(folder, "regions.bin");
  for (
    const store of [
      memory,
      SyncFileStore.open(path, { create: true }),
      await FileStore.open(join(folder, "other.bin"), { create: true }),
    ]
  ) {
    const arena = new core.Arena(store, { maxByteLength: 2 ** 16, closeStore: true });
    const parts = [];
    for (let i = 0; i < 20; i++) parts.push(await arena.allocateFrom(bytesOf(500, i)));
    for (let i = 0; i < 20; i += 2) parts[i].free();
    await core.compact(arena);
    for (let i = 1; i < 20; i += 2) ok(isSame(await parts[i].read(), bytesOf(500, i)), `part ${i}`);
    await arena.flush();
    await arena.close();
  }
  ok(statSync(path).size > 0);
}

async function pooled() {
  const objects = new pools.FixedPool(2, { create: () => ({ uses: 0 }) });
  const first = objects.acquire();
  objects.acquire();
  const waiting = objects.acquireAsync({ timeout: 5000 });
  first.release();
  ok((await waiting).value !== undefined);
  await rejects(objects.acquireAsync({ timeout: 5 }), { name: "PoolTimeoutError" });
  const growing = new pools.GrowingPool({ create: () => [], initialCapacity: 1, maxCapacity: 4 });
  deepStrictEqual([growing.acquire(), growing.acquire()].length, 2);
  const values = new pools.AsyncPool({ create: () => Promise.resolve({}), max: 2 });
  deepStrictEqual(await values.use(() => 5), 5);
  await values.close();
  const slots = new pools.SlotPool(4, { slotSize: 8 });
  slots.release(slots.acquire());
  const state = shared.SharedSlotPool.create(4, { slotSize: 8 });
  const other = shared.SharedSlotPool.attach(state.buffer);
  other.release(state.acquire());
  const allocator = shared.SharedOffsetAllocator.create(100);
  await shared.freeAsync(allocator, await shared.allocateAsync(allocator, 100, { timeout: 0 }));
  deepStrictEqual(allocator.freeSpace, 100);
}

/** What a blob store does, over a path or a backing store. */
async function blobs(open, openBackup, target) {
  let store = await open({ create: true });
  await store.put("text", "déjà vu");
  await store.put("blob", new Blob([bytesOf(300_000, 1)]), { metadata: { n: 1 } });
  await store.put("response", new Response("body"));
  await store.batch([
    { type: "put", key: "a", value: bytesOf(5000, 2) },
    { type: "put", key: "b", value: "b" },
    { type: "delete", key: "text" },
  ]);
  await Promise.all(Array.from({ length: 300 }, (_, i) => store.put(`k${i}`, bytesOf(i * 40, i))));
  deepStrictEqual(await store.has("text"), false);
  let length = 0;
  for await (const part of await store.stream("blob")) length += part.length;
  deepStrictEqual(length, 300_000);
  const part = await store.get("blob", { range: { offset: 100_000, length: 1000 } });
  ok(isSame(part, bytesOf(300_000, 1).subarray(100_000, 101_000)));
  await store.check();
  await store.checkpoint();
  for (let i = 0; i < 300; i += 2) await store.delete(`k${i}`);
  await store.compact();
  deepStrictEqual((await store.verify()).damaged, []);
  const { blobs: copied } = await store.backup(target);
  deepStrictEqual(copied, 154);
  await store.close();
  await rejects(store.put("late", "x"));
  store = await open({});
  for (let i = 1; i < 300; i += 2) {
    ok(isSame(await store.get(`k${i}`), bytesOf(i * 40, i)), `k${i}`);
  }
  await store.close();
  const backup = await openBackup();
  const keys = [];
  for await (const { key } of backup.list({ prefix: "k" })) keys.push(key);
  deepStrictEqual(keys.length, 150);
  await backup.close();
}

async function blobStores() {
  const path = join(folder, "store.blobs"), copy = join(folder, "copy.blobs");
  const open = (options) => BlobStore.open(path, options);
  await blobs(open, () => BlobStore.open(copy, { readOnly: true }), copy);
  const writer = await open({});
  await rejects(open({}), (error) => error instanceof StoreLockedError);
  const reader = await open({ readOnly: true });
  await writer.put("new", "x");
  await reader.refresh();
  deepStrictEqual((await reader.get("new"))?.length, 1);
  await reader.close();
  if (Symbol.asyncDispose !== undefined) await writer[Symbol.asyncDispose]();
  await writer.close();

  const [memory, other] = [0, 1].map(() => new core.MemoryStore(0, { maxByteLength: 2 ** 22 }));
  await blobs((options) => CoreStore.open(memory, options), () => CoreStore.open(other), other);
}

async function served() {
  const store = await CoreStore.open(new core.MemoryStore(0, { maxByteLength: 2 ** 22 }));
  const handler = serveBlobs(store, { authorize: () => true });
  const server = createServer(nodeListener(handler)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/a`, bytes = bytesOf(300_000, 3);
  const put = await fetch(url, { method: "PUT", body: bytes });
  deepStrictEqual([put.status, await put.text()], [201, ""]);
  ok(isSame(new Uint8Array(await (await fetch(url)).arrayBuffer()), bytes));
  const part = await fetch(url, { headers: { range: "bytes=5-99" } });
  deepStrictEqual([part.status, (await part.arrayBuffer()).byteLength], [206, 95]);
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections?.();
  await closed;

  const driver = unstorageDriver(store, { base: "u:" }), adapter = keyvAdapter(store);
  await driver.setItems([{ key: "a", value: "1" }, { key: "b", value: "2" }]);
  await adapter.set("k", "3", 60_000);
  deepStrictEqual([await driver.getKeys(), await adapter.get("k")], [["a", "b"], "3"]);
  await driver.clear();
  deepStrictEqual(await driver.getItem("a"), null);
  await store.close();
}

async function command() {
  const path = join(folder, "store.blobs"), out = join(folder, "cat.bin");
  let printed = "";
  const textOf = (part) => typeof part === "string" ? part : new TextDecoder().decode(part);
  const stdout = { write: (part) => void (printed += textOf(part)) };
  const run = (...args) => main(args, { stdout, stderr: stdout });
  deepStrictEqual([await run("ls", path, "a"), printed.trim()], [0, "a"], printed);
  deepStrictEqual(await run("get", path, "a", out), 0, printed);
  ok(isSame(readFileSync(out), bytesOf(5000, 2)));
  deepStrictEqual(await run("import", path, folder, "--prefix", "in/"), 0, printed);
  deepStrictEqual(await run("check", path), 0, printed);
  deepStrictEqual(await run("--version"), 0);
  ok(printed.includes(VERSION));
}

for (const part of [allocators, operations, arenas, pooled, blobStores, served, command]) {
  try {
    await part();
  } catch (error) {
    console.log(`${part.name} FAILED`);
    console.log(error);
    process.exitCode = 1;
  }
}
rmSync(folder, { recursive: true });
console.log(process.exitCode ? "not well" : "well");
