/**
 * Files of a browser, by structure: no DOM library is needed, which lacks half of it.
 *
 * @module
 */

/** A `FileSystemSyncAccessHandle`: a file that a dedicated worker reads and writes in place. */
export interface SyncAccessHandleLike {
  /** Reads from `at` on; returns how many bytes there were. */
  read(buffer: Uint8Array, options?: { at?: number }): number;
  /** Writes from `at` on; returns how many bytes were written. */
  write(buffer: Uint8Array, options?: { at?: number }): number;
  /** Makes the file this long. */
  truncate(newSize: number): void;
  /** Bytes in the file. */
  getSize(): number;
  /** Makes what was written durable. */
  flush(): void;
  /** Frees the file. */
  close(): void;
}

/** The used part of a `Blob` or a `File`. */
export interface BlobLike {
  /** Bytes in it. */
  readonly size: number;
  /** A part of it; nothing is read yet. */
  slice(start: number, end: number): BlobLike;
  /** Reads all of it. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A `FileSystemFileHandle` of the origin private file system. */
export interface OpfsFileHandle {
  /** Its kind. */
  readonly kind: "file";
  /** Its name, without the folders. */
  readonly name: string;
  /** A snapshot of the file. */
  getFile(): Promise<BlobLike>;
  /** Opens the file; only in dedicated workers. */
  createSyncAccessHandle?(options?: { mode?: string }): Promise<SyncAccessHandleLike>;
  /** Renames the file, over another one if there is one of this name. */
  move?(name: string): Promise<void>;
}

/** A `FileSystemDirectoryHandle` of the origin private file system. */
export interface OpfsFolder {
  getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<OpfsFolder>;
  getFileHandle(name: string, options?: { create?: boolean }): Promise<OpfsFileHandle>;
  removeEntry(name: string): Promise<void>;
  /** The names on the way to a file; null where it is not below this folder. */
  resolve(file: OpfsFileHandle): Promise<string[] | null>;
  keys(): AsyncIterable<string>;
}

/** The options of a Web Lock. */
export interface WebLockOptions {
  readonly mode?: "exclusive" | "shared";
  readonly ifAvailable?: boolean;
  readonly signal?: AbortSignal;
}

/** The used part of `navigator.locks`. */
export interface WebLocks {
  request(
    name: string,
    options: WebLockOptions,
    held: (lock: unknown) => Promise<unknown> | void,
  ): Promise<unknown>;
}

/** The used part of `navigator`. */
interface NavigatorLike {
  readonly storage?: { getDirectory?(): Promise<OpfsFolder> };
  readonly locks?: WebLocks;
}

function navigatorHere(): NavigatorLike {
  return (globalThis as unknown as { navigator?: NavigatorLike }).navigator ?? {};
}

/** The Web Locks of this origin; undefined where a runtime has none. */
export function webLocks(): WebLocks | undefined {
  return navigatorHere().locks;
}

/**
 * The root of the origin private file system.
 *
 * @throws {TypeError} There is none here.
 */
export async function rootFolder(): Promise<OpfsFolder> {
  const { storage } = navigatorHere();
  if (typeof storage?.getDirectory === "function") return await storage.getDirectory();
  throw new TypeError(
    "Expected a browser with an origin private file system, " +
      "in a secure context (https: or localhost)",
  );
}
