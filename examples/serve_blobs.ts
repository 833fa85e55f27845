/**
 * A web server for the blobs in one store file: whole, by range, conditionally.
 *
 * ```sh
 * node examples/serve_blobs.ts photos.blobs --port 8000     # Node 24.2 or newer
 * deno run -A examples/serve_blobs.ts photos.blobs --writable
 * bun examples/serve_blobs.ts photos.blobs
 *
 * curl -r 0-99 http://127.0.0.1:8000/cats/1.jpg
 * curl -T cat.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8000/cats/2.jpg
 * curl 'http://127.0.0.1:8000/?prefix=cats/'
 * ```
 *
 * {@linkcode handle} answers a Request with a Response, the Web's own: it fits any server
 * that speaks those. {@linkcode serve} puts it behind `node:http`, which all three
 * runtimes have.
 *
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { unwatchFile, watchFile } from "node:fs";
import type { AddressInfo } from "node:net";
import process from "node:process";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import {
  type BlobInfo,
  BlobStore,
  type ByteRange,
  StoreFullError,
} from "@suballoc/offset-allocator/blob-store";

/** Most bytes of a key, as the store has it. */
const MAX_KEY = 1024;
/** Most characters of a Content-Type that is kept. */
const MAX_TYPE = 255;
/** What `node:http` says when a client went away, which is no event. */
const GONE = ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "EPIPE"];
/** Blobs on one page of a listing. */
const PAGE = 1000;

/** The types of blobs that were put without one. */
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  gif: "image/gif",
  html: "text/html; charset=utf-8",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  wasm: "application/wasm",
  webp: "image/webp",
};

/** A request that is answered with no more than a status. */
class Refusal extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/**
 * Answers a request for a blob, whose key is the percent-encoded path behind the first
 * `/`, or for `/`, the list of the blobs whose keys begin with `?prefix=`: a page of JSON,
 * `{ blobs, next }`, continued with `&after=` and the key in `next`.
 *
 * - GET takes one range. Where several are asked for, all is sent (RFC 9110 leaves that to
 *   the server), as where If-Range gives a date: dates are too coarse to tell puts apart.
 * - PUT stores the body and its Content-Type, DELETE deletes; a store that was opened
 *   read-only refuses both. Writes to one key wait for each other, so that If-Match and
 *   If-None-Match hold until the write is done.
 * - What is sent is checked. Damage that is found later than in the first piece breaks the
 *   body off, as its status is long on its way.
 */
export async function handle(request: Request, store: BlobStore): Promise<Response> {
  try {
    const { pathname, searchParams } = new URL(request.url);
    const methods = ["GET", "HEAD"];
    if (pathname !== "/" && !store.readOnly) methods.push("PUT", "DELETE");
    if (!methods.includes(request.method)) {
      throw new Refusal(405, "This cannot be done here", { allow: methods.join(", ") });
    }
    if (pathname === "/") return await list(searchParams, store);
    const key = keyOf(pathname);
    if (request.method === "PUT") return await inTurn(store, key, () => put(request, store, key));
    if (request.method === "DELETE") {
      return await inTurn(store, key, () => remove(request, store, key));
    }
    return await get(request, store, key);
  } catch (error) {
    const refusal = refusalOf(error);
    // The reason is for the operator of the server.
    if (refusal.status === 500 && !request.signal.aborted) console.error(error);
    const body = request.method === "HEAD" ? null : `${refusal.message}\n`;
    return new Response(body, { status: refusal.status, headers: refusal.headers });
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof StoreFullError) return new Refusal(507, "The store is full");
  return new Refusal(500, "The server cannot do this now");
}

/** The key that a path names. */
function keyOf(pathname: string): string {
  let key: string;
  try {
    key = decodeURIComponent(pathname.slice(1));
  } catch {
    throw new Refusal(400, "The path is not percent-encoded UTF-8");
  }
  if (new TextEncoder().encode(key).length <= MAX_KEY) return key;
  throw new Refusal(400, `A key has at most ${MAX_KEY} bytes`);
}

async function list(query: URLSearchParams, store: BlobStore): Promise<Response> {
  const prefix = query.get("prefix") ?? "", after = query.get("after") ?? undefined;
  const blobs: BlobInfo[] = [];
  for await (const info of store.list({ prefix, after, limit: PAGE + 1 })) blobs.push(info);
  const next = blobs.length > PAGE ? blobs[PAGE - 1].key : undefined;
  return Response.json({ blobs: blobs.slice(0, PAGE), next }, {
    headers: { "cache-control": "no-cache" },
  });
}

async function get(request: Request, store: BlobStore, key: string): Promise<Response> {
  const info = await store.stat(key);
  const isChanged = checkConditions(request.headers, info, true);
  if (info === undefined) throw new Refusal(404, "There is no such blob");
  const headers = new Headers({ ...validatorsOf(info), "cache-control": "no-cache" });
  if (!isChanged) return new Response(null, { status: 304, headers });

  const range = request.method === "GET" ? rangeOf(request.headers, info) : undefined;
  const { offset, length } = range ?? { offset: 0, length: info.size };
  headers.set("accept-ranges", "bytes");
  headers.set("content-length", `${length}`);
  headers.set("content-type", typeOf(info));
  headers.set("x-content-type-options", "nosniff"); // what was put is not always trusted
  if (range) headers.set("content-range", `bytes ${offset}-${offset + length - 1}/${info.size}`);
  if (request.method === "HEAD") return new Response(null, { headers });

  const body = await streamOf(store, info, { offset, length });
  if (body === undefined) return await get(request, store, key);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** The bytes of the blob that `info` is about; undefined if another one has its key by now. */
async function streamOf(
  store: BlobStore,
  { key, etag }: BlobInfo,
  range: ByteRange,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
  let stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  try {
    stream = await store.stream(key, { range });
    const isSame = async () => (await store.stat(key))?.etag === etag;
    // No other blob has this etag: if it is here after the stream was made, the stream is of it.
    if (stream !== undefined && await isSame()) {
      const body = await begin(stream);
      // Beside a writer a stream may begin with the blob that took the place of this one.
      if (await isSame()) return body;
      stream = body;
    }
    await stream?.cancel();
  } catch (error) {
    // It may be too short for the range, or a writer beside this reader have taken its place.
    await store.refresh();
    const now = await store.stat(key);
    if (now?.etag === etag) throw error;
  }
  return undefined;
}

/** Reads the first piece of a stream ahead, so that what fails at once has a status. */
async function begin<T>(stream: ReadableStream<T>): Promise<ReadableStream<T>> {
  const reader = stream.getReader();
  let ahead: ReadableStreamReadResult<T> | undefined = await reader.read();
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = ahead ?? await reader.read();
      ahead = undefined;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function put(request: Request, store: BlobStore, key: string): Promise<Response> {
  const { headers } = request, type = headers.get("content-type") ?? "";
  if (headers.has("content-range")) throw new Refusal(400, "A blob is put as a whole");
  if (type.length > MAX_TYPE) throw new Refusal(400, "The Content-Type is too long");
  const before = await store.stat(key);
  checkConditions(headers, before, false);
  const metadata = type === "" ? undefined : { type };
  await store.put(key, request.body ?? "", { metadata });
  const info = await store.stat(key);
  const status = before === undefined ? 201 : 204;
  return new Response(null, { status, headers: info && validatorsOf(info) });
}

async function remove(request: Request, store: BlobStore, key: string): Promise<Response> {
  checkConditions(request.headers, await store.stat(key), false);
  if (await store.delete(key)) return new Response(null, { status: 204 });
  throw new Refusal(404, "There is no such blob");
}

/** The last write to each key, of those that are not done. */
const writes = new WeakMap<BlobStore, Map<string, Promise<unknown>>>();

/** Does something with a key once everything begun before with the same key is done. */
async function inTurn<T>(store: BlobStore, key: string, action: () => Promise<T>): Promise<T> {
  const last = writes.get(store) ?? new Map<string, Promise<unknown>>();
  writes.set(store, last);
  const turn = (last.get(key) ?? Promise.resolve()).then(action, action);
  last.set(key, turn);
  try {
    return await turn;
  } finally {
    if (last.get(key) === turn) last.delete(key);
  }
}

/** What names the content of a blob to caches. */
function validatorsOf({ etag, time }: BlobInfo): Record<string, string> {
  return { etag: `"${etag}"`, "last-modified": time.toUTCString() };
}

/** The type that was put with a blob, else the one that its name ends with. */
function typeOf({ key, metadata }: BlobInfo): string {
  const { type } = (metadata ?? {}) as { type?: unknown };
  // Other programs may have put anything into the metadata.
  if (typeof type === "string" && /^[\x21-\x7e][\x20-\x7e]*$/.test(type)) return type;
  const extension = /\.(\w+)$/.exec(key)?.[1].toLowerCase() ?? "";
  return Object.hasOwn(TYPES, extension) ? TYPES[extension] : "application/octet-stream";
}

/**
 * Refuses a request whose conditions the blob does not meet (RFC 9110, section 13.2.2).
 * Of a read it tells whether what the client has is out of date.
 */
function checkConditions(headers: Headers, info: BlobInfo | undefined, isRead: boolean): boolean {
  const ifMatch = headers.get("if-match"), ifNoneMatch = headers.get("if-none-match");
  const unmodifiedSince = headers.get("if-unmodified-since");
  const modifiedSince = headers.get("if-modified-since");
  const refusal = () => new Refusal(412, "The blob is not as the request has it");
  // Dates are in seconds. What is no date, or of no blob, compares with nothing.
  const time = Math.floor(info ? info.time.getTime() / 1000 : NaN) * 1000;

  if (ifMatch !== null && !names(ifMatch, info)) throw refusal();
  if (ifMatch === null && time > Date.parse(unmodifiedSince ?? "")) throw refusal();
  if (ifNoneMatch === null) return !(isRead && time <= Date.parse(modifiedSince ?? ""));
  const isSame = names(ifNoneMatch.replaceAll("W/", ""), info);
  if (isSame && !isRead) throw refusal();
  return !isSame;
}

/** Whether a list of entity tags, or `*`, names the blob. */
function names(tags: string, info: BlobInfo | undefined): boolean {
  if (info === undefined) return false;
  return tags.trim() === "*" || tags.split(",").some((tag) => tag.trim() === `"${info.etag}"`);
}

/** The part that is asked for; undefined for all of it. */
function rangeOf(headers: Headers, { size, etag }: BlobInfo): Required<ByteRange> | undefined {
  const range = headers.get("range"), ifRange = headers.get("if-range");
  if (range === null || !/^bytes=/i.test(range) || range.includes(",")) return undefined;
  if (ifRange !== null && ifRange !== `"${etag}"`) return undefined;
  const [, first, last] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(range) ?? [];
  if (first || last) {
    const offset = first ? Number(first) : Math.max(0, size - Number(last));
    const end = first && last ? Math.min(Number(last) + 1, size) : size;
    if (offset < end) return { offset, length: end - offset };
  }
  throw new Refusal(416, "There is no such range", { "content-range": `bytes */${size}` });
}

/** Where and how to serve. */
export interface ServeOptions {
  /** The port; 0, any free one, by default. */
  readonly port?: number;
  /** The address; only this machine by default. */
  readonly hostname?: string;
  /** How long a connection may lie still: a blob that is being sent keeps its place. */
  readonly idleMs?: number;
}

/** A server that runs. */
export interface Serving {
  /** Where it is reached, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Ends the server: what is being answered has `graceMs` left. The store stays open. */
  close(graceMs?: number): Promise<void>;
}

/** Serves the blobs of a store. */
export async function serve(store: BlobStore, options: ServeOptions = {}): Promise<Serving> {
  const { port = 0, hostname = "127.0.0.1", idleMs = 60_000 } = options;
  // A large blob may take as long as it takes to come, if only it does not lie still.
  const server = createServer({ requestTimeout: 0 }, (incoming, outgoing) => {
    respond(incoming, outgoing, store).catch((error) => {
      outgoing.destroy();
      if (!GONE.includes((error as { code?: string }).code ?? "")) console.error(error);
    });
  });
  server.setTimeout(idleMs);
  server.listen(port, hostname);
  await once(server, "listening");
  const { address, family, port: chosen } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${chosen}`,
    async close(graceMs = 5000) {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Answers one request of `node:http`. */
async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  store: BlobStore,
): Promise<void> {
  let request: Request;
  try {
    request = requestOf(incoming);
  } catch {
    outgoing.writeHead(400).end(); // a method or an address that the Web does not have
    return;
  }
  const response = await handle(request, store);
  incoming.resume(); // what is left of a body that was refused: the client reads no answer before
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) outgoing.end();
  // Reads on as the client does, and cancels the body when the client goes away.
  else await pipeline(response.body as AsyncIterable<Uint8Array>, outgoing);
}

function requestOf(incoming: IncomingMessage): Request {
  const { method = "GET", url = "/" } = incoming;
  const gone = new AbortController(), hasBody = method !== "GET" && method !== "HEAD";
  // Only path and query count; a proxy's client may send the whole address.
  return new Request(url.startsWith("/") ? `http://localhost${url}` : url, {
    method,
    headers: incoming.headers as Record<string, string>,
    signal: gone.signal,
    body: hasBody ? bodyOf(incoming, gone) : null,
    duplex: "half",
  } as RequestInit);
}

/** The body of a request as a stream that fails where the client goes away before its end. */
function bodyOf(incoming: Readable, gone: AbortController): ReadableStream<Uint8Array> {
  // A handler that has read enough still answers: the connection must stay.
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        gone.abort();
        throw error;
      }
    },
    cancel() {
      chunks.return?.();
    },
  }, { highWaterMark: 0 });
}

const HELP = `Serves the blobs in a store file over HTTP.

Usage: serve_blobs.ts [options] STORE

  STORE            The file. It is opened read-only, and what another process writes
                   to it is seen within a second.
  --writable       Takes PUT and DELETE as well; the file is made if it is not there.
                   There is no access control: anyone who reaches the server may write.
  --port N         The port, 8000 by default; 0 takes any free one.
  --hostname NAME  The address, 127.0.0.1 by default: this machine alone.
  --help           Shows this text.`;

/** The command. Gives its exit status. */
async function main(args: string[]): Promise<number> {
  let values, positionals;
  try {
    ({ values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        writable: { type: "boolean", default: false },
        port: { type: "string", default: "8000" },
        hostname: { type: "string", default: "127.0.0.1" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    if (positionals.length !== 1) throw new Error(`one STORE, not ${positionals.length}`);
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65535) {
      throw new Error(`--port is an integer from 0 to 65535, not ${values.port}`);
    }
  } catch (error) {
    console.error(`serve_blobs: ${(error as Error).message}\n--help shows the usage`);
    return 2;
  }
  const [path] = positionals, { writable, hostname } = values;
  try {
    await using store = await BlobStore.open(path, { readOnly: !writable, create: writable });
    const server = await serve(store, { port: Number(values.port), hostname });
    console.log(`${path} at ${server.url}${writable ? ", writable" : ""}`);
    const follow = () => void store.refresh().catch((error) => console.error(error));
    if (!writable) watchFile(path, { interval: 1000 }, follow);
    await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    unwatchFile(path);
    await server.close();
    return 0;
  } catch (error) {
    console.error(`serve_blobs: ${(error as Error).message}`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
