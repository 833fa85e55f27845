/**
 * A static server without a network: a `fetch` that answers with ranges of one file, and does what
 * servers do wrong where it is told to.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** A request as it came. */
export interface SeenRequest {
  /** The value of its `Range`. */
  readonly range: string;
  readonly headers: Headers;
  /** How the browser's cache is to be used. */
  readonly cache: string | undefined;
}

/** What an answer becomes; `undefined` leaves it as it is. */
export type Fault = (
  response: Response,
  request: SeenRequest,
) => Response | undefined | Promise<Response | undefined>;

/** A file and who asked for it. */
export class FileServer {
  bytes: Uint8Array<ArrayBuffer>;
  etag: string | null = '"1"';
  modified: string | null = "Wed, 01 Jan 2025 00:00:00 GMT";
  /** Whether a page may see no more than what CORS lets it: no ETag, no Content-Range. */
  isForeign = false;
  readonly seen: SeenRequest[] = [];
  /** Changes answers, one call an answer. */
  fault: Fault | undefined;
  /** Called before each answer is made. */
  before: (() => void) | undefined;
  /** Most answers under way at one moment. */
  mostAtOnce = 0;
  #now = 0;
  #version = 1;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  /** Puts another file in place of this one, with another name and date. */
  replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.#version++;
    if (this.etag !== null) this.etag = `"${this.#version}"`;
    if (this.modified !== null) {
      this.modified = new Date(1735689600000 + 1000 * this.#version).toUTCString();
    }
  }

  /** Bytes that the requests asked for. */
  get bytesAsked(): number {
    return this.seen.reduce((sum, { range }) => {
      const [start, end] = boundsOf(range);
      return sum + Math.min(end, this.bytes.length) - start;
    }, 0);
  }

  /** The `fetch` of this server. */
  readonly fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    const request = { range: headers.get("range") ?? "", headers, cache: init.cache };
    if (init.method !== "HEAD") this.seen.push(request);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#now);
    try {
      await new Promise<void>((done) => setImmediate(done));
      this.before?.();
      init.signal?.throwIfAborted();
      const response = this.#answer(request, init.method === "HEAD");
      return await this.fault?.(response, request) ?? response;
    } finally {
      this.#now--;
    }
  };

  #answer({ range }: SeenRequest, isHead: boolean): Response {
    const { bytes } = this, headers = new Headers();
    if (this.etag !== null && !this.isForeign) headers.set("etag", this.etag);
    if (this.modified !== null) headers.set("last-modified", this.modified);
    if (isHead) {
      headers.set("content-length", String(bytes.length));
      return new Response(null, { headers });
    }
    const [start, end] = boundsOf(range), stop = Math.min(end, bytes.length);
    if (start >= stop) return new Response("", { status: 416, headers });
    if (!this.isForeign) headers.set("content-range", `bytes ${start}-${stop - 1}/${bytes.length}`);
    headers.set("content-length", String(stop - start));
    return new Response(bytes.slice(start, stop), { status: 206, headers });
  }
}

/** The bounds of a range, the end exclusive. */
export function boundsOf(range: string): [number, number] {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range)!;
  return [Number(first), Number(last) + 1];
}

/** The same answer with other headers, or another body or status. */
export function changed(
  response: Response,
  { status = response.status, body = response.body, headers = {} }: {
    status?: number;
    body?: BodyInit | null;
    headers?: Record<string, string | null>;
  },
): Response {
  const all = new Headers(response.headers);
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) all.delete(name);
    else all.set(name, value);
  }
  return new Response(body, { status, headers: all });
}
