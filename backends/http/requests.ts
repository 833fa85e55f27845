/**
 * Range requests for one URL: how many at once, how often again, how long to wait.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { checkSignal } from "../../src/util/wait_options.ts";

/** Headers of a request: names and values. */
export type HttpHeaders = Readonly<Record<string, string>>;

/** How a browser's cache is used, but by default; no name of the DOM library is needed. */
export type CacheMode = "no-cache";

/** A request that is about to be sent. */
export interface HttpRequest {
  /** The file. */
  readonly url: string;
  /** The value of its `Range`, as `bytes=0-65535`. */
  readonly range: string;
}

/** How a file on a server is read. */
export interface HttpOptions {
  /**
   * Sends the requests; by default the `fetch` of the runtime. One that signs requests, or has a
   * cache of its own, goes here.
   */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /**
   * Headers of each request, or a function that makes them anew for each attempt. In a page they
   * cost another request to another origin, the preflight, unless the browser remembers it.
   */
  readonly headers?:
    | (HttpHeaders | ((request: HttpRequest) => HttpHeaders | Promise<HttpHeaders>))
    | undefined;
  /** Most bytes that are kept in memory, those used last; 16 MiB by default. */
  readonly cacheBytes?: number | undefined;
  /** Most bytes between two ranges that are fetched by one request; 16 KiB by default. */
  readonly maxGap?: number | undefined;
  /** Most requests at once, streams not counted; 6 by default. */
  readonly concurrency?: number | undefined;
  /** How often a range is asked for again after a network error, 408, 429 or 5xx; by default 2. */
  readonly retries?: number | undefined;
  /** After so many ms without a byte a request counts as failed; 30,000 by default. */
  readonly timeoutMs?: number | undefined;
  /** Ends all requests, and refuses others. */
  readonly signal?: AbortSignal | undefined;
}

/** Of each option that is a number: its default, and the least. */
const NUMBERS = {
  cacheBytes: [16_777_216, 0],
  maxGap: [16_384, 0],
  concurrency: [6, 1],
  retries: [2, 0],
  timeoutMs: [30_000, 1],
} as const;

/** The options that are numbers. */
export type HttpNumbers = Record<keyof typeof NUMBERS, number>;

/** Most ms to wait before the next attempt, whatever the server asks for. */
const MAX_WAIT = 5000;
/** The wait before the first attempt that follows; it doubles. */
const FIRST_WAIT = 100;

/** Looks at an answer: gives the byte behind the last one that it brings, or throws. */
export type Accept = (response: Response, start: number, end: number) => number;

/** An answer that may be another one next time. */
class Unanswered extends Error {
  /** Ms that the server asks to wait. */
  readonly wait: number;

  constructor(message: string, wait: number = 0) {
    super(message);
    this.wait = wait;
  }
}

/** Sends the requests for a file. */
export class Requests {
  readonly url: string;
  /** Requests sent. */
  count = 0;
  /** Bytes that came. */
  bytes = 0;
  readonly options: HttpOptions;
  /** The options that are numbers, given or not. */
  readonly numbers: HttpNumbers = {} as HttpNumbers;
  readonly #free: (() => void)[] = [];
  #running = 0;
  readonly #closed: AbortController = new AbortController();

  /**
   * @throws {TypeError | RangeError} The URL, or an option, makes no sense.
   */
  constructor(url: string | URL, options: HttpOptions, others: string = "") {
    checkOptions(options, `fetch headers signal ${Object.keys(NUMBERS).join(" ")}${others}`);
    const { fetch, headers, signal } = options;
    if (typeof url !== "string" && !(url instanceof URL)) {
      throw new TypeError(`Expected url to be a string or a URL, got ${describe(url)}`);
    }
    for (const name of Object.keys(NUMBERS) as (keyof HttpNumbers)[]) {
      const [standard, least] = NUMBERS[name], { [name]: value = standard } = options;
      checkInteger(name, value, least);
      this.numbers[name] = value;
    }
    checkType("fetch", fetch, "function");
    if (headers !== undefined && typeof headers !== "function" && typeof headers !== "object") {
      throw new TypeError(
        `Expected headers to be an object or a function, got ${describe(headers)}`,
      );
    }
    checkSignal(signal);
    this.url = String(url);
    this.options = options;
    if (signal?.aborted) this.close(signal.reason);
    signal?.addEventListener("abort", () => this.close(signal.reason), { once: true });
  }

  /** Ends all requests, and refuses others. */
  close(reason: unknown): void {
    this.#closed.abort(reason);
  }

  /** Throws where it is closed. */
  checkOpen(): void {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason;
  }

  /**
   * The bytes from `start` to `end`, as they come. A body that breaks off goes on where it ended.
   *
   * @param accept Looks at each answer.
   * @param cache The mode of the browser's cache.
   * @param isStream True if the reader may take its time: then it does not keep others waiting.
   */
  async *pieces(
    start: number,
    end: number,
    accept: Accept,
    cache: CacheMode | undefined,
    isStream: boolean,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { retries } = this.numbers;
    const at = { start, end };
    for (let attempt = 0; at.start < at.end; attempt++) {
      if (!isStream) await this.#enter();
      let wait = 0;
      try {
        this.checkOpen();
        yield* this.#attempt(at, accept, cache);
      } catch (cause) {
        if (cause instanceof StorageError) throw cause;
        this.checkOpen();
        if (attempt >= retries) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new StorageError("read", start, end - start, `${reason} (${this.url})`, { cause });
        }
        wait = cause instanceof Unanswered && cause.wait || FIRST_WAIT * 2 ** attempt;
      } finally {
        if (!isStream) this.#leave();
      }
      if (wait > 0) await new Promise((done) => setTimeout(done, Math.min(wait, MAX_WAIT)));
    }
  }

  /** Sends one request, and hands on what comes. */
  async *#attempt(
    at: { start: number; end: number },
    accept: Accept,
    cache: CacheMode | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { timeoutMs } = this.numbers, { headers, fetch = globalThis.fetch } = this.options;
    const closed = this.#closed.signal, request = new AbortController();
    const stop = () => request.abort(closed.reason);
    closed.addEventListener("abort", stop);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let fail: (reason: unknown) => void = () => {};
    request.signal.addEventListener("abort", () => fail(request.signal.reason));
    // A fetch that knows no signals must not keep its caller waiting either.
    const inTime = <T>(promise: Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        fail = reject;
        const late = new Unanswered(`no byte came for ${timeoutMs} ms`);
        timer = setTimeout(() => request.abort(late), timeoutMs);
        promise.then(resolve, reject);
      }).finally(() => clearTimeout(timer));
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    try {
      const range = `bytes=${at.start}-${at.end - 1}`, { url } = this;
      const given = typeof headers === "function" ? await headers({ url, range }) : headers;
      this.checkOpen();
      this.count++;
      const init: RequestInit = { headers: { ...given, range }, signal: request.signal };
      if (cache !== undefined) init.cache = cache;
      const response = await inTime(fetch(url, init));
      const { status, body } = response;
      if (status === 408 || status === 429 || status >= 500) {
        throw new Unanswered(`the server answered ${status}`, retryAfter(response));
      }
      const end = accept(response, at.start, at.end);
      // What else it may have to say is not of the file.
      if (end > at.start) reader = body?.getReader();
      while (reader !== undefined) {
        const { done, value } = await inTime(reader.read());
        if (done) break;
        this.bytes += value.length;
        if (at.start + value.length > end) {
          const reason = "the server sent more than that";
          throw new StorageError("read", at.start, end - at.start, reason);
        }
        at.start += value.length;
        yield value;
      }
      if (at.start < end) throw new Unanswered(`the answer broke off at byte ${at.start}`);
      at.end = end;
    } finally {
      clearTimeout(timer);
      closed.removeEventListener("abort", stop);
      request.abort();
      reader?.cancel().catch(() => {});
    }
  }

  /** Waits for its turn. */
  async #enter(): Promise<void> {
    if (this.#running >= this.numbers.concurrency) {
      await new Promise<void>((free) => this.#free.push(free));
    } else this.#running++;
  }

  #leave(): void {
    const next = this.#free.shift();
    if (next !== undefined) next();
    else this.#running--;
  }
}

/** Ms that an answer asks to wait; 0 where it says nothing. */
function retryAfter({ headers }: Response): number {
  const after = headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(after) ? 1000 * Number(after) : Date.parse(after) - Date.now();
  return ms > 0 ? ms : 0;
}
