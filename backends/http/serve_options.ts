/**
 * How blobs are served, checked and with its defaults.
 *
 * @module
 */

import type { BlobInfo, BlobSnapshot, ListOptions, Metadata } from "../../src/blob_store/mod.ts";
import {
  checkInteger,
  checkOptions,
  checkType,
  describe,
  MAX_TIMEOUT,
} from "../../src/util/mod.ts";
import type { WriteConditions } from "./conditions.ts";
import { withSlash } from "./key_path.ts";

/** Answers a request, as `Deno.serve`, `Bun.serve` and Hono want it. It never rejects. */
export type BlobHandler = (request: Request) => Promise<Response>;

/**
 * True if a request may be answered: `true` alone lets it pass. `false` is answered with 403; a
 * `Response`, such as a 401 with `WWW-Authenticate`, is sent as it is.
 */
export type Authorize = (
  request: Request,
  key: string,
) => boolean | Response | Promise<boolean | Response>;

/** The served store: a `BlobStore`, or anything that reads like one. */
export interface ServedStore<Meta = Metadata> {
  /** True if writes are refused. */
  readonly readOnly?: boolean;
  /** The info of a blob and its bytes, of one version. */
  read(key: string): Promise<BlobSnapshot<Meta> | undefined>;
  /** The info of a blob. */
  stat(key: string): Promise<BlobInfo<Meta> | undefined>;
  /** The blobs in the order of their keys. */
  list(options: ListOptions): AsyncIterable<BlobInfo<Meta>>;
  /** Puts a blob, if the conditions hold. */
  put?(
    key: string,
    value: AsyncIterable<Uint8Array>,
    options: WriteConditions & { readonly metadata?: Meta },
  ): Promise<BlobInfo<Meta>>;
  /** Deletes a blob, if it has this etag. */
  delete?(key: string, options: { readonly ifMatch?: string }): Promise<boolean>;
}

/** How blobs are served. */
export interface ServeBlobsOptions<Meta = Metadata> {
  /** The path before the keys; `/` by default. Other paths are answered with 404. */
  readonly basePath?: string | undefined;
  /**
   * True if a PUT or a DELETE of a key may be done. Without it both are refused with 405.
   */
  readonly authorize?: Authorize | undefined;
  /** True if a key may be read, or with a prefix as its key be listed; by default all may. */
  readonly authorizeRead?: Authorize | undefined;
  /** True if `basePath` itself lists the blobs; by default false. */
  readonly list?: boolean | undefined;
  /** The Cache-Control of a blob; `"no-cache"` by default: kept, and asked for each time. */
  readonly cacheControl?: (string | ((info: BlobInfo<Meta>) => string)) | undefined;
  /**
   * The Content-Type of a blob. By default the `type` in its metadata, where PUT keeps it, else
   * `application/octet-stream`.
   */
  readonly contentType?: (info: BlobInfo<Meta>) => string | undefined;
  /**
   * The Content-Security-Policy of a blob; `"sandbox"` by default: a page that somebody stored runs
   * no script and has no cookies. An empty string sends none.
   */
  readonly contentSecurityPolicy?: string | undefined;
  /** Origins whose pages may use the server, `"*"` for all; by default none. */
  readonly cors?: "*" | readonly string[] | undefined;
  /** Most bytes that are put; 1 GiB by default. More is answered with 413. */
  readonly maxBodyBytes?: number | undefined;
  /** True if a PUT without Content-Length is refused, with 411; by default false. */
  readonly requireLength?: boolean | undefined;
  /** Most milliseconds to wait for all of a body; an hour by default. Then it is 408. */
  readonly bodyTimeoutMs?: number | undefined;
  /**
   * Most milliseconds between two pieces of a body, in either direction; 30 seconds by default. A
   * PUT is then 408, and a blob that is sent is broken off: its place in the store is free again.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** Told of what failed in the store; a client only gets the status. By default nobody is. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/** Options with their defaults. */
export interface Settings extends Required<Omit<ServeBlobsOptions<unknown>, Optional>> {
  readonly authorize: Authorize | undefined;
  readonly authorizeRead: Authorize | undefined;
  readonly onError: ServeBlobsOptions["onError"];
}

type Optional = "authorize" | "authorizeRead" | "onError";

const NAMES = "basePath authorize authorizeRead list cacheControl contentType " +
  "contentSecurityPolicy cors maxBodyBytes requireLength bodyTimeoutMs idleTimeoutMs onError";

/** Characters of a type that can be sent. */
const TYPE = /^[\x21-\x7e][\x20-\x7e]*$/;
const MAX_BODY = 1_073_741_824; // = 2 ** 30
const BODY_TIMEOUT = 3_600_000;
const IDLE_TIMEOUT = 30_000;

/**
 * Options with their defaults.
 *
 * @throws {TypeError | RangeError} One is not known, or makes no sense.
 */
export function settingsOf(
  store: ServedStore<unknown>,
  options: ServeBlobsOptions<unknown>,
): Settings {
  checkStore(store);
  checkOptions(options, NAMES);
  const { authorize, authorizeRead, onError } = options;
  for (const name of ["authorize", "authorizeRead", "contentType", "onError"] as const) {
    checkType(name, options[name], "function");
  }
  const { basePath = "/", list = false, requireLength = false } = options;
  checkType("list", list, "boolean");
  checkType("requireLength", requireLength, "boolean");
  if (typeof basePath !== "string" || !/^\/[^?#]*$/.test(basePath)) {
    throw new TypeError(
      `Expected basePath to be a path that begins with /, got ${describe(basePath)}`,
    );
  }
  if (authorize !== undefined && (store.put === undefined || store.readOnly)) {
    throw new TypeError("Expected authorize with a store that takes writes, got one that is read");
  }
  const { cacheControl = "no-cache", contentType = typeOf, contentSecurityPolicy = "sandbox" } =
    options;
  if (typeof cacheControl !== "function") checkHeader("cacheControl", cacheControl);
  checkHeader("contentSecurityPolicy", contentSecurityPolicy);
  const { maxBodyBytes = MAX_BODY, bodyTimeoutMs = BODY_TIMEOUT, idleTimeoutMs = IDLE_TIMEOUT } =
    options;
  checkInteger("maxBodyBytes", maxBodyBytes);
  checkInteger("bodyTimeoutMs", bodyTimeoutMs, 1, MAX_TIMEOUT);
  checkInteger("idleTimeoutMs", idleTimeoutMs, 1, MAX_TIMEOUT);
  return {
    basePath: withSlash(new URL(basePath, "http://localhost").pathname),
    authorize,
    authorizeRead,
    list,
    cacheControl,
    contentType,
    contentSecurityPolicy,
    cors: originsOf(options.cors),
    maxBodyBytes,
    requireLength,
    bodyTimeoutMs,
    idleTimeoutMs,
    onError,
  };
}

function checkStore(store: unknown): void {
  const { read, stat, list } = Object(store) as Partial<ServedStore>;
  if ([read, stat, list].every((method) => typeof method === "function")) return;
  throw new TypeError(`Expected store to be a blob store, got ${describe(store)}`);
}

function checkHeader(name: string, value: unknown): void {
  if (typeof value === "string" && /^[\x20-\x7e]*$/.test(value)) return;
  throw new TypeError(`Expected ${name} to be the text of a header, got ${describe(value)}`);
}

/** The origins that are let in, as browsers write them. */
function originsOf(cors: unknown): "*" | readonly string[] {
  if (cors === undefined || cors === "*") return cors ?? [];
  const isOrigin = (value: unknown) =>
    typeof value === "string" && /^[a-z]+[\w+.-]*:\/\/[^/\s]+$|^null$/.test(value);
  if (Array.isArray(cors) && cors.every(isOrigin)) return [...cors];
  const got = Array.isArray(cors) ? describe(cors.find((one) => !isOrigin(one))) : describe(cors);
  throw new TypeError(
    `Expected cors to be "*" or an array of origins as "https://a.example", got ${got}`,
  );
}

/** The type that was put with a blob; other programs may have put anything into the metadata. */
function typeOf({ metadata }: BlobInfo<unknown>): string | undefined {
  const { type } = Object(metadata) as { type?: unknown };
  return typeof type === "string" && TYPE.test(type) ? type : undefined;
}
