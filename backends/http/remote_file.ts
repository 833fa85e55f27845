/**
 * One version of a file on a server: what it is known by, and what was read of it.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import type { RangeFile } from "../../src/blob_store/mod.ts";
import { HttpChangedError } from "./http_changed_error.ts";
import type { CacheMode, Requests } from "./requests.ts";

/** Bytes of the first request. */
const FIRST_LENGTH = 65_536;
/** Most bytes that ranges are joined to. */
const MAX_JOINED = 4_194_304; // = 2 ** 22
/** Turns of the microtask queue that gather ranges: promises resolve at several depths. */
const TURNS = 16;

/** A range that somebody waits for. */
interface Wanted {
  readonly maxGap: number;
  readonly start: number;
  readonly end: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** A file as it was at its first request; each answer that is of another one is refused. */
export class RemoteFile implements RangeFile {
  readonly requests: Requests;
  /** Bytes in the file; Infinity where the server lets nobody see it. */
  byteLength: number = Infinity;
  /** Its name among the versions of the file, where it can be seen. */
  etag: string | undefined;
  /** Its first bytes. */
  head: Uint8Array = new Uint8Array(0);
  #modified: string | undefined;
  readonly #mode: CacheMode | undefined;
  #isKnown = false;
  /** Ranges by where they begin and end, those used last at the end. */
  readonly #cache = new Map<string, Promise<Uint8Array>>();
  #cached = 0;
  #wanted: Wanted[] = [];

  private constructor(requests: Requests, mode: CacheMode | undefined) {
    this.requests = requests;
    this.#mode = mode;
  }

  /**
   * Reads the start of the file.
   *
   * @param isAgain True if what a cache of the browser has may be of an older version.
   */
  static async open(requests: Requests, isAgain: boolean): Promise<RemoteFile> {
    const file = new RemoteFile(requests, isAgain ? "no-cache" : undefined);
    const head = new Uint8Array(FIRST_LENGTH);
    let length = 0;
    for await (const piece of file.#request(0, FIRST_LENGTH, false)) {
      head.set(piece, length);
      length += piece.length;
    }
    file.head = head.slice(0, length);
    if (length < FIRST_LENGTH) file.byteLength = length;
    return file;
  }

  isChange(error: unknown): boolean {
    return error instanceof HttpChangedError;
  }

  changed(reason: string, cause: unknown): HttpChangedError {
    return new HttpChangedError(0, 0, reason, { cause });
  }

  /** The bytes from `start` to `end` as they come, no faster than they are taken. */
  pieces(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    return this.#request(start, end, true);
  }

  /** The same; who does not take what comes keeps others waiting, unless it is a stream. */
  #request(start: number, end: number, isStream: boolean): AsyncGenerator<Uint8Array, void, void> {
    const accept = (response: Response, from: number, to: number) =>
      this.#accept(response, from, to);
    return this.requests.pieces(start, end, accept, this.#mode, isStream);
  }

  /**
   * Some bytes, which are not to be changed. Ranges that are asked for together are fetched
   * together, and none twice as long as it is kept.
   */
  range(start: number, end: number, maxGap = 0): Promise<Uint8Array> {
    if (end <= Math.max(start, this.head.length)) {
      return Promise.resolve(this.head.subarray(start, end));
    }
    const name = `${start}-${end}`, cache = this.#cache;
    let bytes = cache.get(name);
    if (bytes === undefined) {
      bytes = new Promise((resolve, reject) => {
        this.#want({ start, end, maxGap, resolve, reject });
      });
      this.#cached += end - start;
      bytes.catch(() => this.#drop(name, bytes!));
    } else cache.delete(name);
    cache.set(name, bytes);
    const { cacheBytes } = this.requests.numbers;
    for (const [oldest, held] of cache) {
      if (this.#cached <= cacheBytes) break;
      this.#drop(oldest, held);
    }
    return bytes;
  }

  /** Forgets a range. */
  #drop(name: string, bytes: Promise<Uint8Array>): void {
    if (this.#cache.get(name) !== bytes) return;
    this.#cache.delete(name);
    const [start, end] = name.split("-").map(Number);
    this.#cached -= end - start;
  }

  #want(wanted: Wanted): void {
    this.#wanted.push(wanted);
    if (this.#wanted.length === 1) this.#gather();
  }

  /** Waits for what else is asked for at this moment; then asks the server. */
  async #gather(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await undefined;
    const all = this.#wanted.splice(0).sort((a, b) => a.start - b.start);
    const maxGap = Math.max(this.requests.numbers.maxGap, ...all.map((w) => w.maxGap));
    let joined: Wanted[] = [], start = 0, end = 0;
    for (const wanted of all) {
      const isNear = wanted.start <= end + maxGap && wanted.end - start <= MAX_JOINED;
      if (joined.length > 0 && !isNear) {
        this.#fetch(start, end, joined);
        joined = [];
      }
      if (joined.length === 0) ({ start, end } = wanted);
      joined.push(wanted);
      end = Math.max(end, wanted.end);
    }
    this.#fetch(start, end, joined);
  }

  /** Fetches ranges by one request. Each is there as soon as its last byte is. */
  async #fetch(start: number, end: number, wanted: Wanted[]): Promise<void> {
    const buffer = new Uint8Array(end - start);
    let length = 0, left = wanted;
    try {
      for await (const piece of this.#request(start, end, false)) {
        buffer.set(piece, length);
        length += piece.length;
        left = left.filter((range) => {
          if (range.end > start + length) return true;
          range.resolve(buffer.slice(range.start - start, range.end - start));
          return false;
        });
      }
    } catch (error) {
      for (const { reject } of left) reject(error);
    }
  }

  /**
   * Looks at the head of an answer.
   *
   * @returns The byte behind the last one that it brings.
   * @throws {HttpChangedError} It is of another version of the file.
   * @throws {StorageError} It is not what was asked for.
   */
  #accept({ status, headers }: Response, start: number, end: number): number {
    const fail = (reason: string): never => {
      throw new StorageError("read", start, end - start, `${reason} (${this.requests.url})`);
    };
    const changed = (reason: string): never => {
      throw new HttpChangedError(start, end - start, reason);
    };
    if (status === 416) {
      if (this.#isKnown) changed("it has no such bytes any more");
      const all = headers.get("content-range") ?? "";
      if (/\/[1-9]/.test(all)) fail(`the server refuses the range of ${all}`);
      this.#isKnown = true;
      return start; // it is empty
    }
    if (status === 200) fail("the server sent the whole file: it knows no range requests");
    if (status !== 206) fail(`the server answered ${status}`);
    const encoding = headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity") fail(`the server sent it with Content-Encoding ${encoding}`);
    const given = headers.get("content-range"), told = headers.get("content-length");
    const [, first, last, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(given ?? "")?.map(Number) ??
      [];
    const total = all >= 0 ? all : undefined;
    // A page of another origin sees no Content-Range, unless the server lets it.
    let limit = told === null ? end : start + Number(told);
    if (given !== null) {
      limit = last + 1;
      if (first !== start || !(limit > start)) fail(`the server sent ${given}`);
    }
    if (!(limit <= end)) fail("the server sent another range");
    const etag = headers.get("etag")?.replace(/^W\//, "");
    const modified = headers.get("last-modified") ?? undefined;
    if (!this.#isKnown) {
      if (limit < end && total !== undefined && limit !== total) fail(`the server sent ${given}`);
      this.byteLength = total ?? Infinity;
      this.etag = etag;
      this.#modified = modified;
      this.#isKnown = true;
    } else {
      if ((etag ?? this.etag) !== (this.etag ?? etag)) changed(`its ETag is ${etag}`);
      if ((modified ?? this.#modified) !== (this.#modified ?? modified)) {
        changed(`it was last modified on ${modified}`);
      }
      const { byteLength } = this;
      if (total !== undefined && byteLength < Infinity && total !== byteLength) {
        changed(`it has ${total} bytes`);
      }
    }
    if (limit < end && this.head.length > 0) changed(`it ends at byte ${limit}`);
    return limit;
  }
}
