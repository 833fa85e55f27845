/**
 * A handler that serves the blobs of a store over HTTP.
 *
 * @module
 */

import type { BlobInfo, BlobSnapshot, Metadata } from "../../src/blob_store/mod.ts";
import { describe } from "../../src/util/mod.ts";
import {
  conditionsOf,
  evaluate,
  isIfRange,
  selected,
  type Version,
  versionOf,
  type WriteConditions,
} from "./conditions.ts";
import { keyOfPath } from "./key_path.ts";
import { type Part, partOf } from "./ranges.ts";
import { conditionFailed, Refusal, refusalOf } from "./refusal.ts";
import { lengthOf, piecesOf } from "./request_body.ts";
import { bodyOf } from "./response_body.ts";
import {
  type Authorize,
  type BlobHandler,
  type ServeBlobsOptions,
  type ServedStore,
  type Settings,
  settingsOf,
} from "./serve_options.ts";

/** Most bytes of a key, as the store has it. */
const MAX_KEY = 1024;
/** Most characters of a Content-Type that is kept. */
const MAX_TYPE = 255;
/** Most blobs on one page of a listing. */
const MAX_PAGE = 1000;
/** How often a DELETE whose condition may hold again is tried. */
const MAX_ATTEMPTS = 16;
/** For how many seconds a browser keeps the answer to a preflight. */
const MAX_AGE = "7200";

/** Headers of an answer that pages of other origins may see. */
const EXPOSED =
  "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag, Last-Modified";
/** Headers that they may send. */
const ACCEPTED = "Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, " +
  "If-Range, If-Unmodified-Since, Range";

const NOTHING = "There is no such blob";

/** A request for a key. */
interface Call {
  readonly request: Request;
  readonly key: string;
  readonly store: ServedStore<unknown>;
  readonly settings: Settings;
}

/**
 * Makes a handler that answers requests for blobs: the key is the path behind `basePath`,
 * percent-encoded once, as {@linkcode pathOfKey} writes it.
 *
 * | method | answer |
 * | - | - |
 * | GET, HEAD of a key | 200, 206, 304, 404, 412, 416 |
 * | PUT | 201 where nothing was, 204; 400, 408, 411, 412, 413, 415, 507 |
 * | DELETE | 204, 404, 412 |
 * | GET, HEAD of `basePath`, with `list` | 200: `{ blobs, next }` as JSON |
 * | OPTIONS | 204, for the preflight of browsers too |
 * | any | 400 no such address, 401 or 403 by `authorize`, 405, 414, 500, 503 |
 *
 * Conditions and ranges are those of RFC 9110. A request for several ranges is answered with the
 * whole blob, and so is an If-Range with a date. All bytes of an answer are of one version, however
 * busy the writers are. Conditions of a PUT or a DELETE are checked when it is committed: of
 * many that have the same If-Match one passes. A PUT that ends early keeps nothing.
 *
 * A list takes `?prefix=`, `&after=` and `&limit=`, at most 1000; each blob has `key`, `size`,
 * `time`, `etag` and `type`. Where there are more, `next` is what to give as `after`.
 *
 * Damage that is found after the first piece breaks the body off, as its status is long on its way.
 *
 * @param store A store that is open; it stays open.
 * @throws {TypeError | RangeError} An option is not known, or makes no sense.
 */
export function serveBlobs<Meta = Metadata>(
  store: ServedStore<Meta>,
  options: ServeBlobsOptions<Meta> = {},
): BlobHandler {
  const settings = settingsOf(store, options as ServeBlobsOptions<unknown>);
  return async (request) => {
    if (typeof Object(request).headers?.get !== "function") {
      throw new TypeError(`Expected request to be a Request, got ${describe(request)}`);
    }
    let response: Response;
    try {
      response = await answer(request, store, settings);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal.status >= 500) settings.onError?.(error, request);
      response = responseOf(refusal, request.method === "HEAD");
    }
    return shared(response, request, settings);
  };
}

function responseOf({ status, message, headers }: Refusal, isHead: boolean): Response {
  const text = `${message}\n`, response = new Response(isHead ? null : text, { status, headers });
  response.headers.set("content-length", `${text.length}`);
  response.headers.set("content-type", "text/plain");
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}

async function answer(
  request: Request,
  store: ServedStore<unknown>,
  settings: Settings,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url), { method } = request;
  const key = keyOfPath(pathname, settings.basePath);
  if (key === undefined) throw new Refusal(404, "There is nothing here");
  if (key === null) throw new Refusal(400, "The path is not percent-encoded UTF-8");
  const isList = key === "", methods = ["GET", "HEAD", "OPTIONS"];
  if (!isList && settings.authorize !== undefined) methods.push("PUT", "DELETE");
  if (!methods.includes(method)) {
    throw new Refusal(405, "This cannot be done here", { allow: methods.join(", ") });
  }
  if (method === "OPTIONS") return preflight(request, methods, settings);
  if (isList && !settings.list) throw new Refusal(404, "There is nothing here");
  if (new TextEncoder().encode(key).length > MAX_KEY) {
    throw new Refusal(414, `A key has at most ${MAX_KEY} bytes`);
  }
  const isRead = method === "GET" || method === "HEAD";
  const subject = isList ? searchParams.get("prefix") ?? "" : key;
  const denial = await denialOf(
    isRead ? settings.authorizeRead : settings.authorize,
    request,
    subject,
  );
  if (denial !== undefined) return denial;
  if (isList) return await list(request, searchParams, store, settings);
  const call = { request, key, store, settings };
  return isRead ? await get(call) : method === "PUT" ? await put(call) : await remove(call);
}

/** The refusal for a caller that may not do this; undefined for others. */
async function denialOf(
  check: Authorize | undefined,
  request: Request,
  key: string,
): Promise<Response | undefined> {
  const verdict = check === undefined ? true : await check(request, key);
  if (verdict === true) return undefined;
  if (typeof verdict === "object" && verdict !== null) return new Response(verdict.body, verdict);
  throw new Refusal(403, "This is not allowed");
}

async function get({ request, key, store, settings }: Call): Promise<Response> {
  const blob = await store.read(key);
  if (blob === undefined) throw new Refusal(404, NOTHING);
  try {
    const encoding = codingFor(request.headers, blob.encoding);
    const { status, headers, part } = headOf(request, blob, encoding, settings);
    if (blob.encoding !== undefined) headers.append("vary", "Accept-Encoding");
    if (request.method === "HEAD" || part === undefined) {
      blob.close();
      return new Response(null, { status, headers });
    }
    const { idleTimeoutMs } = settings;
    const onError = (error: unknown) => settings.onError?.(error, request);
    const body = await bodyOf(blob, encoding ? undefined : part, { idleTimeoutMs, onError });
    return new Response(body, { status, headers });
  } catch (error) {
    blob.close();
    throw error;
  }
}

/** The content coding that a client wants a blob in; a part of one is always sent without. */
function codingFor<T extends string>(headers: Headers, coding: T | undefined): T | undefined {
  if (coding === undefined || headers.has("range")) return undefined;
  let accepted = 0;
  for (const item of (headers.get("accept-encoding") ?? "").toLowerCase().split(",")) {
    const [name, q = "1"] = item.split(/;\s*q=/).map((text) => text.trim());
    if (name === coding) return Number(q) > 0 ? coding : undefined;
    if (name === "*") accepted = Number(q);
  }
  return accepted > 0 ? coding : undefined;
}

/** Status and headers of the answer to a GET or a HEAD, and the part of the blob that is sent. */
function headOf(
  request: Request,
  { info, encodedSize }: BlobSnapshot<unknown>,
  encoding: string | undefined,
  settings: Settings,
): { status: number; headers: Headers; part?: Part } {
  const version = selected(info, encoding), verdict = evaluate(request.headers, version, true);
  if (verdict === "failed") throw conditionFailed(version.tags[0]);
  const { cacheControl, contentSecurityPolicy } = settings;
  const headers = new Headers(validatorsOf(version));
  headers.set(
    "cache-control",
    typeof cacheControl === "string" ? cacheControl : cacheControl(info),
  );
  if (verdict === "unchanged") return { status: 304, headers };

  const whole = { offset: 0, length: encoding === undefined ? info.size : encodedSize };
  const part = partIn(request, version, info.size);
  const { offset, length } = part ?? whole;
  headers.set("accept-ranges", "bytes");
  headers.set("content-length", `${length}`);
  headers.set("content-type", settings.contentType(info) ?? "application/octet-stream");
  headers.set("x-content-type-options", "nosniff"); // what was put is not always trusted
  if (contentSecurityPolicy !== "") headers.set("content-security-policy", contentSecurityPolicy);
  if (encoding !== undefined) headers.set("content-encoding", encoding);
  if (part) headers.set("content-range", `bytes ${offset}-${offset + length - 1}/${info.size}`);
  return { status: part ? 206 : 200, headers, part: part ?? whole };
}

/** The part that is asked for; undefined for all. */
function partIn(request: Request, version: Version, size: number): Part | undefined {
  const { headers, method } = request;
  if (method !== "GET" || !isIfRange(headers.get("if-range"), version)) return undefined;
  const part = partOf(headers.get("range"), size);
  if (part !== null) return part;
  throw new Refusal(416, "There is no such range", { "content-range": `bytes */${size}` });
}

async function put({ request, key, store, settings }: Call): Promise<Response> {
  const { headers } = request, type = headers.get("content-type") ?? "";
  if (headers.has("content-range")) throw new Refusal(400, "A blob is put as a whole");
  if (!/^(?:identity)?$/i.test(headers.get("content-encoding") ?? "")) {
    throw new Refusal(415, "A blob is put unencoded", { "accept-encoding": "identity" });
  }
  if (type.length > MAX_TYPE || !/^[\x20-\x7e]*$/.test(type)) {
    throw new Refusal(400, "The Content-Type cannot be kept");
  }
  const length = lengthOf(headers, settings);
  const before = present(await store.stat(key)), conditions = checked(headers, before);
  const metadata = type === "" ? undefined : { type };
  const pieces = piecesOf(request, length, settings);
  const info = await store.put!(key, pieces, { metadata, ...conditions });
  const status = before === undefined ? 201 : 204;
  return new Response(null, { status, headers: validatorsOf(versionOf(info)) });
}

async function remove({ request, key, store }: Call): Promise<Response> {
  for (let attempt = 1;; attempt++) {
    const before = present(await store.stat(key));
    if (before === undefined) throw new Refusal(404, NOTHING);
    const { ifMatch } = checked(request.headers, before);
    try {
      if (await store.delete!(key, { ifMatch })) return new Response(null, { status: 204 });
    } catch (error) {
      // What took its place may meet the condition as well.
      if (refusalOf(error).status !== 412 || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

function present(info: BlobInfo<unknown> | undefined): Version | undefined {
  return info && versionOf(info);
}

/** Conditions for the commit of a write, if they hold now. */
function checked(headers: Headers, version: Version | undefined): WriteConditions {
  if (evaluate(headers, version, false) === "failed") throw conditionFailed(version?.etag);
  return conditionsOf(headers, version);
}

async function list(
  request: Request,
  query: URLSearchParams,
  store: ServedStore<unknown>,
  settings: Settings,
): Promise<Response> {
  const prefix = query.get("prefix") ?? "", after = query.get("after") ?? undefined;
  const limit = query.get("limit") ?? `${MAX_PAGE}`;
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > MAX_PAGE) {
    throw new Refusal(400, `A limit is a number from 1 to ${MAX_PAGE}`);
  }
  const blobs: Record<string, unknown>[] = [];
  let next: string | undefined;
  for await (const info of store.list({ prefix, after, limit: Number(limit) + 1 })) {
    if (blobs.length === Number(limit)) next = blobs.at(-1)!.key as string;
    const { key, size, time, etag } = info;
    blobs.push({ key, size, time, etag, type: settings.contentType(info) });
  }
  if (next !== undefined) blobs.pop();
  const body = request.method === "HEAD" ? null : JSON.stringify({ blobs, next });
  return new Response(body, {
    headers: {
      "cache-control": "no-cache",
      "content-type": "application/json",
      "x-content-type-options": "nosniff",
    },
  });
}

function preflight(request: Request, methods: readonly string[], settings: Settings): Response {
  const headers = new Headers({ allow: methods.join(", ") });
  if (request.headers.has("access-control-request-method") && isSharedWith(request, settings)) {
    headers.set("access-control-allow-methods", methods.join(", "));
    headers.set("access-control-allow-headers", ACCEPTED);
    headers.set("access-control-max-age", MAX_AGE);
  }
  return new Response(null, { status: 204, headers });
}

/** A response, with what lets pages of other origins see it. */
function shared(response: Response, request: Request, settings: Settings): Response {
  const { cors } = settings, { headers } = response;
  if (cors !== "*" && cors.length > 0) headers.append("vary", "Origin");
  if (!isSharedWith(request, settings)) return response;
  headers.set(
    "access-control-allow-origin",
    cors === "*" ? "*" : request.headers.get("origin")!,
  );
  headers.set("access-control-expose-headers", EXPOSED);
  // A page that is isolated takes nothing from elsewhere without it.
  headers.set("cross-origin-resource-policy", "cross-origin");
  return response;
}

/** Tells whether the page that asks may see the answer. */
function isSharedWith({ headers }: Request, { cors }: Settings): boolean {
  return cors === "*" || cors.includes(headers.get("origin") ?? "");
}

/** Headers that name the content of a blob to caches. */
function validatorsOf({ tags, time }: Version): Record<string, string> {
  return { etag: `"${tags[0]}"`, "last-modified": time.toUTCString() };
}
