/**
 * A program that imports every entry of the package, for a page, Node or Bun. It is compiled, not
 * run.
 *
 * @module
 */

import { Arena, type BackingStore } from "@suballoc/offset-allocator";
import { type BlobInfo, BlobStore } from "@suballoc/offset-allocator/blob-store";
import { main } from "@suballoc/offset-allocator/cli";
import { FileStore, SyncFileStore } from "@suballoc/offset-allocator/file";
import { GpuUsage } from "@suballoc/offset-allocator/webgpu";
export * from "./core_consumer.ts";

/** Blobs. */
export async function blobs(path: string): Promise<readonly BlobInfo[]> {
  await using store = await BlobStore.open(path, { create: true, durability: "batch" });
  await store.put("a", "text", { metadata: { type: "text/plain" } });
  const bytes: Uint8Array | undefined = await store.get("a", { range: { offset: 1, length: 2 } });
  await store.put("b", bytes!);
  const stream: ReadableStream<Uint8Array> | undefined = store.stream("a");
  if (stream !== undefined) await store.put("c", stream);
  const stats: BlobInfo[] = [];
  for await (const stat of store.list({ prefix: "a" })) stats.push(stat);
  return stats;
}

/** Files, at once and by promises. */
export async function files(path: string): Promise<Uint8Array> {
  using here = new Arena(SyncFileStore.open(path, { create: true }), { closeStore: true });
  const bytes: Uint8Array = here.allocateFrom(new Uint8Array(3))!.read();
  await using there = new Arena(await FileStore.open(path), { closeStore: true });
  const stores: readonly BackingStore[] = [here.store, there.store];
  const region = await there.allocateOrThrow(bytes.length + stores.length);
  return await region.read();
}

/** The command, within a program. */
export function command(): Promise<number> {
  return main(["--help"]);
}

/** Numbers, so that no declaration of WebGPU is needed. */
export const usage: number = GpuUsage.STORAGE | GpuUsage.VERTEX;
