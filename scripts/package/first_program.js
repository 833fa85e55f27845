/**
 * A first program over the installed package, the same on Node 20 and later and on Bun: every
 * entry does something, and what it did is compared.
 *
 * @module
 */

import { Arena, MemoryStore, NO_SPACE, OffsetAllocator } from "@suballoc/offset-allocator";
import { BlobStore } from "@suballoc/offset-allocator/blob-store";
import { main, VERSION } from "@suballoc/offset-allocator/cli";
import { BlobStore as CoreStore } from "@suballoc/offset-allocator/blob-store/core";
import { SyncFileStore } from "@suballoc/offset-allocator/file";
import { serveBlobs } from "@suballoc/offset-allocator/http";
import { keyvAdapter } from "@suballoc/offset-allocator/keyv";
import { SlotPool } from "@suballoc/offset-allocator/pool";
import { report } from "@suballoc/offset-allocator/report";
import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
import { parseTrace, RecordingAllocator } from "@suballoc/offset-allocator/trace";
import { streamingBatchedMesh } from "@suballoc/offset-allocator/three";
import { unstorageDriver } from "@suballoc/offset-allocator/unstorage";
import { webGlDevice } from "@suballoc/offset-allocator/webgl";
import { GpuArena } from "@suballoc/offset-allocator/webgpu";
import { deepStrictEqual, throws } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "first-program-"));

const allocator = new OffsetAllocator(1000);
const handle = allocator.allocate(100, 16);
deepStrictEqual([allocator.offset(handle), allocator.allocate(1001)], [0, NO_SPACE]);
allocator.free(handle);
throws(() => allocator.free(handle), { name: "NotAllocatedError" });

const lines = [], recording = new RecordingAllocator(allocator, (line) => lines.push(line));
recording.allocate(250);
deepStrictEqual(report(recording).used, 250);
deepStrictEqual(parseTrace(lines).capacity, 1000);
deepStrictEqual(new SlotPool(4, { slotSize: 8 }).acquire() >= 0, true);
deepStrictEqual(SharedOffsetAllocator.create(64).freeSpace, 64);

const memory = new Arena(new MemoryStore(64, { maxByteLength: 1024 }), { maxByteLength: 1024 });
memory.allocateOrThrow(512, { alignment: 4 }).view(Float32Array).fill(0.5);
deepStrictEqual(memory.store.byteLength >= 512, true);

const file = new Arena(SyncFileStore.open(join(folder, "regions.bin"), { create: true }), {
  maxByteLength: Infinity,
  closeStore: true,
});
deepStrictEqual([...file.allocateFrom(new Uint8Array([1, 2, 3])).read(1)], [2, 3]);
file.flush();
file.close();

const path = join(folder, "store.blobs");
const store = await BlobStore.open(path, { create: true });
await store.put("a", "text");
await store.close();
let printed = "";
const stdout = { write: (part) => printed += new TextDecoder().decode(part) };
deepStrictEqual([await main(["ls", path], { stdout, stderr: stdout }), printed.trim()], [0, "a"]);

const core = await CoreStore.open(new MemoryStore(0, { maxByteLength: 2 ** 20 }));
await core.put("a", "text");
deepStrictEqual([core instanceof CoreStore, store instanceof CoreStore], [true, true]);
const range = { headers: { range: "bytes=1-2" } };
const response = await serveBlobs(core)(new Request("http://localhost/a", range));
deepStrictEqual([response.status, await response.text()], [206, "ex"]);
deepStrictEqual(await keyvAdapter(core).get("a"), "text");
deepStrictEqual(await unstorageDriver(core).getKeys(), ["a"]);
await core.close();

throws(() => new GpuArena({}), TypeError);
throws(() => webGlDevice({}), TypeError);
throws(() => streamingBatchedMesh({}), TypeError);
const require = createRequire(import.meta.url), name = "@suballoc/offset-allocator";
const manifest = require(`${name}/package.json`);
deepStrictEqual(VERSION, manifest.version);
// By `require` each entry is what it is by `import`: none has a top-level await.
for (const entry of Object.keys(manifest.exports)) {
  if (entry === "./package.json") continue;
  const path = name + entry.slice(1);
  deepStrictEqual(Object.keys(require(path)).sort(), Object.keys(await import(path)).sort());
}
rmSync(folder, { recursive: true });
console.log("well");
