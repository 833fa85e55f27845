/**
 * A blob store in a file on a server, read by range requests.
 *
 * @module
 */

import type { Metadata } from "../../src/blob_store/mod.ts";
import {
  RangeBlobStore,
  type RangeBlobStoreOptions,
} from "../../src/blob_store/range_blob_store.ts";
import { RemoteFile } from "./remote_file.ts";
import { type HttpOptions, Requests } from "./requests.ts";

/** How a store on a server is read. */
export interface HttpBlobStoreOptions extends HttpOptions, RangeBlobStoreOptions {}

/**
 * The blobs of a store that is a file on any server, bucket or CDN that knows range requests.
 *
 * Every byte is checked. Where the file is replaced, a call returns what is in the old one or what
 * is in the new one. A stream, a list or a snapshot that has begun in the old one and cannot be
 * completed there fails with an {@linkcode HttpChangedError}. Calls that are made together share
 * requests, and neighbours are fetched at once.
 */
export class HttpBlobStore<Meta = Metadata> extends RangeBlobStore<Meta> {
  readonly #requests: Requests;

  private constructor(requests: Requests, opened: unknown) {
    super(opened);
    this.#requests = requests;
  }

  /**
   * Opens the store that a URL names.
   *
   * @throws {StorageError} The file cannot be read, or the server knows no range requests.
   * @throws {CorruptStoreError} It is no blob store, or damaged beyond its blobs.
   * @throws {TypeError | RangeError} The URL, or an option, makes no sense.
   */
  static async open<Meta = Metadata>(
    url: string | URL,
    options: HttpBlobStoreOptions = {},
  ): Promise<HttpBlobStore<Meta>> {
    const requests = new Requests(url, options, " decode now"), { decode, now } = options;
    const opened = await super.openSource({
      open: (isAgain) => RemoteFile.open(requests, isAgain),
      checkOpen: () => requests.checkOpen(),
      close: (reason) => requests.close(reason),
    }, { decode, now });
    return new HttpBlobStore<Meta>(requests, opened);
  }

  /** Requests sent so far, attempts included. */
  get requests(): number {
    return this.#requests.count;
  }

  /** Bytes of the file that came so far. */
  get bytesFetched(): number {
    return this.#requests.bytes;
  }
}
