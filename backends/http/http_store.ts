/**
 * A file on a server as a backing store.
 *
 * @module
 */

import {
  type AsyncBackingStore,
  checkBytes,
  checkRange,
  StorageError,
} from "../../src/arena/backing_store.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger } from "../../src/util/check_integer.ts";
import { RemoteFile } from "./remote_file.ts";
import { type HttpOptions, Requests } from "./requests.ts";

/** Reads of so many bytes go past the blocks. */
const LARGE = 262_144; // = 2 ** 18

/** How a file on a server is read in blocks. */
export interface HttpStoreOptions extends HttpOptions {
  /** Bytes of a block: what is read, is read and kept in whole blocks; 8 KiB by default. */
  readonly blockSize?: number | undefined;
}

/**
 * A file on any server that knows range requests, read-only. It is read in blocks: each is fetched
 * once, blocks that are asked for at the same moment by one request, and those used last are kept.
 * Reads of 256 KiB and more go past that.
 *
 * Every answer is compared with the first one (ETag, date, length): a file that was replaced is
 * never mixed with the old one. A request that fails is repeated; what failed is not kept.
 *
 * | | requests |
 * | - | - |
 * | `open`, `reload` | 1; another one where a page may not see `Content-Range` |
 * | `read` | at most 1, and 0 where its blocks are at hand |
 */
export class HttpStore implements AsyncBackingStore {
  readonly #requests: Requests;
  readonly #blockSize: number;
  #file: RemoteFile;
  #byteLength: number;

  private constructor(requests: Requests, blockSize: number, file: RemoteFile, byteLength: number) {
    this.#requests = requests;
    this.#blockSize = blockSize;
    this.#file = file;
    this.#byteLength = byteLength;
  }

  /**
   * Asks for the first 64 KiB of a file.
   *
   * @throws {StorageError} It cannot be read, or the server knows no range requests.
   * @throws {TypeError | RangeError} The URL, or an option, makes no sense.
   */
  static async open(url: string | URL, options: HttpStoreOptions = {}): Promise<HttpStore> {
    const requests = new Requests(url, options, " blockSize"), { blockSize = 8192 } = options;
    checkInteger("blockSize", blockSize, 512, LARGE);
    const file = await RemoteFile.open(requests, false);
    return new HttpStore(requests, blockSize, file, await lengthOf(file));
  }

  /** Bytes in the file. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The ETag of the file, without `W/`; undefined where there is none that can be seen. */
  get etag(): string | undefined {
    return this.#file.etag;
  }

  /** Requests sent so far, attempts included. */
  get requests(): number {
    return this.#requests.count;
  }

  /** Bytes of the file that came so far. */
  get bytesFetched(): number {
    return this.#requests.bytes;
  }

  /**
   * Fills `into` with the bytes from `offset` on.
   *
   * @throws {HttpChangedError} The file was replaced since; `reload` goes on with the new one.
   * @throws {StorageError} The range is not in the file, or cannot be read.
   */
  async read(offset: number, into: Uint8Array): Promise<void> {
    checkBytes("into", into);
    checkIntact("into", into);
    const { length } = into, end = offset + length;
    checkRange("read", offset, length, this.#byteLength);
    this.#requests.checkOpen();
    const file = this.#file, size = this.#blockSize;
    if (length >= LARGE) {
      let at = 0;
      for await (const piece of file.pieces(offset, end)) {
        into.set(piece, at);
        at += piece.length;
      }
      return;
    }
    const blocks: Promise<void>[] = [];
    for (let start = offset - offset % size; start < end; start += size) {
      const stop = Math.min(start + size, this.#byteLength);
      const copy = (bytes: Uint8Array) => {
        const piece = bytes.subarray(Math.max(0, offset - start), end - start);
        into.set(piece, Math.max(0, start - offset));
      };
      blocks.push(file.range(start, stop).then(copy));
    }
    await Promise.all(blocks);
  }

  /**
   * Refuses: nothing is written over HTTP.
   *
   * @throws {StorageError} Always, unless there is nothing to write.
   */
  // deno-lint-ignore require-await -- what is refused is a rejection
  async write(offset: number, data: Uint8Array): Promise<void> {
    checkBytes("data", data);
    checkIntact("data", data);
    checkRange("write", offset, data.length, this.#byteLength);
    if (data.length === 0) return;
    throw new StorageError("write", offset, data.length, "a file on a server is read-only");
  }

  /**
   * Looks again which file is there, and forgets what was kept of the old one.
   *
   * @throws {StorageError} It cannot be read; nothing has changed.
   */
  async reload(): Promise<void> {
    const file = await RemoteFile.open(this.#requests, true);
    this.#byteLength = await lengthOf(file);
    this.#file = file;
  }

  /** Ends what is under way; further reads are refused. */
  // deno-lint-ignore require-await -- so is every `close` of such a store
  async close(): Promise<void> {
    this.#requests.close(new StorageError("read", 0, 0, "the store is closed"));
  }
}

/** The length of a file, asked for where a page may not see it in the first answer. */
async function lengthOf({ byteLength, requests }: RemoteFile): Promise<number> {
  if (byteLength < Infinity) return byteLength;
  const { url, numbers: { timeoutMs } } = requests;
  const { fetch = globalThis.fetch, headers } = requests.options;
  const given = typeof headers === "function" ? await headers({ url, range: "" }) : headers;
  const signal = AbortSignal.timeout(timeoutMs);
  requests.count++;
  const response = await fetch(url, { method: "HEAD", headers: { ...given }, signal });
  const length = Number(response.headers.get("content-length") ?? NaN);
  if (response.ok && Number.isSafeInteger(length)) return length;
  throw new StorageError("open", 0, 0, `the server does not tell the length of ${url}`);
}
