/**
 * A program that imports every entry of the package, for a page, Node or Bun. It is compiled, not
 * run.
 *
 * @module
 */

import { Arena, type BackingStore, MemoryStore } from "@suballoc/offset-allocator";
import {
  type BlobInfo,
  type BlobReader,
  BlobStore,
  type StoreFullError,
} from "@suballoc/offset-allocator/blob-store";
import {
  BlobStore as CoreBlobStore,
  type BlobStoreOptions,
  type StoreFullError as CoreStoreFullError,
} from "@suballoc/offset-allocator/blob-store/core";
import { main } from "@suballoc/offset-allocator/cli";
import { FileStore, SyncFileStore } from "@suballoc/offset-allocator/file";
import { nodeListener, serveBlobs } from "@suballoc/offset-allocator/http";
import { keyvAdapter } from "@suballoc/offset-allocator/keyv";
import { AsyncPool } from "@suballoc/offset-allocator/pool";
import { unstorageDriver } from "@suballoc/offset-allocator/unstorage";
import { GpuUsage } from "@suballoc/offset-allocator/webgpu";
export * from "./core_consumer.ts";

/** Blobs. */
export async function blobs(path: string): Promise<readonly BlobInfo[]> {
  await using store = await BlobStore.open(path, { create: true, durability: "batch" });
  await store.put("a", "text", { metadata: { type: "text/plain" } });
  const bytes: Uint8Array | undefined = await store.get("a", { range: { offset: 1, length: 2 } });
  await store.put("b", bytes!);
  const stream: ReadableStream<Uint8Array> | undefined = await store.stream("a");
  if (stream !== undefined) await store.put("c", stream);
  const stats: BlobInfo[] = [];
  for await (const stat of store.list({ prefix: "a" })) stats.push(stat);
  return stats;
}

/** Metadata of a type of one's own: an interface, which has no index signature. */
interface Photo {
  readonly type: string;
  readonly by?: string;
}

/** Typed metadata, one moment, conditions, and batches. */
export async function photos(path: string, signal: AbortSignal): Promise<string | undefined> {
  await using store = await BlobStore.open<Photo>(path);
  const { etag, metadata } = await store.put("a", "1", { metadata: { type: "x" }, signal });
  await store.batch([{ type: "rename", from: "a", to: "b", ifMatch: etag, ifNoneMatch: "*" }]);
  const reader: BlobReader<Photo> = store;
  using snapshot = await reader.read("b", { signal });
  const stream: ReadableStream<Uint8Array> | undefined = snapshot?.stream({ offset: 1 });
  return stream === undefined ? metadata?.type : snapshot?.info.metadata?.by;
}

/** Options of a caller that are passed on, with undefined for what is not given. */
export async function passOn(
  path: string,
  { signal, timeout }: { readonly signal?: AbortSignal; readonly timeout?: number } = {},
): Promise<number> {
  await using store = await BlobStore.open(path, { waitMs: timeout, signal });
  await store.put("a", "1", { signal, metadata: undefined });
  await store.batch([{ type: "delete", key: "a", ifMatch: undefined }], { signal });
  await using pool = new AsyncPool({ create: () => ({}), max: 1, idleTimeout: timeout });
  return await pool.use(() => 1, { signal, timeout });
}

/** Blobs over any backing store: a store by path is one as well, and errors are the same. */
export async function anywhere(path: string, options: BlobStoreOptions): Promise<boolean> {
  const memory = new MemoryStore(0, { maxByteLength: 2 ** 20 });
  await using store: CoreBlobStore = await CoreBlobStore.open(memory, options);
  await store.put("a", new Uint8Array(3), { metadata: { by: "Ada" } });
  await using byPath: CoreBlobStore = await BlobStore.open(path);
  const error: CoreStoreFullError | undefined = undefined as StoreFullError | undefined;
  return error === undefined && store !== byPath;
}

/** A server for blobs, and drivers over them. */
export async function served(path: string, request: Request): Promise<Response> {
  await using store = await BlobStore.open(path);
  const handler = serveBlobs(store, { authorize: (request, key) => request.url.endsWith(key) });
  const listener: (incoming: never, outgoing: never) => void = nodeListener(handler);
  await unstorageDriver(store).setItem("a", listener.name);
  await keyvAdapter(store).set("a", "text", 1000);
  await keyvAdapter(BlobStore.open(path), { closeStore: true }).disconnect();
  await unstorageDriver(BlobStore.open(path), { closeStore: true }).dispose();
  return await handler(request);
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
