/**
 * A first program over the installed package, the same on Node 20 and later and on Bun: every
 * entry does something, and what it did is compared.
 *
 * @module
 */

import { Arena, MemoryStore, NO_SPACE, OffsetAllocator } from "@suballoc/offset-allocator";
import { BlobStore } from "@suballoc/offset-allocator/blob-store";
import { main, VERSION } from "@suballoc/offset-allocator/cli";
import { SyncFileStore } from "@suballoc/offset-allocator/file";
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

throws(() => new GpuArena({}), TypeError);
const manifest = createRequire(import.meta.url)("@suballoc/offset-allocator/package.json");
deepStrictEqual(VERSION, manifest.version);
rmSync(folder, { recursive: true });
console.log("well");
