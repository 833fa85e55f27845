/**
 * A handler of requests behind the servers of `node:http`, typed by structure.
 *
 * @module
 */

import { checkOptions, checkType, describe } from "../../src/util/mod.ts";

/** The part of an `IncomingMessage` that is used. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  /** The method. */
  readonly method?: string | undefined;
  /** The path with its query, or the whole address. */
  readonly url?: string | undefined;
  /** The headers by their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The pieces of the body; breaking off need not end the connection. */
  iterator?(options: { destroyOnReturn: boolean }): AsyncIterator<Uint8Array>;
  /** Calls a function with each piece of the body. */
  on(event: "data", listener: (piece: Uint8Array) => void): unknown;
  /** Ends the connection. */
  destroy(): unknown;
}

/** The part of a `ServerResponse` that is used. */
export interface NodeResponse {
  /** True if the connection has ended. */
  readonly destroyed: boolean;
  /** Sends status and headers. */
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  /** Sends a piece; false: wait for `drain`. */
  write(piece: Uint8Array): boolean;
  /** Ends the answer. */
  end(): unknown;
  /** Ends the connection. */
  destroy(): unknown;
  /** Calls a function at an event. */
  on(event: "drain" | "close", listener: () => void): unknown;
}

/** How requests are handed on. */
export interface NodeListenerOptions {
  /** Told of what a handler threw; by default nobody is. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Most bytes of a body that nobody reads, until the connection is ended. */
const MAX_DRAINED = 16_777_216; // = 2 ** 24

/**
 * A listener for `createServer` of `node:http`, `node:https` and `node:http2`, which Deno and Bun
 * have too. It reads no faster than the client does, and cancels the body of the answer when the
 * client goes away; where that goes away before the end of its own body, the body fails. An answer
 * that fails on its way ends the connection, so that nobody takes a part for the whole.
 *
 * @param handler The handler, such as `serveBlobs(store)`.
 * @throws {TypeError} The handler or an option is not what it must be.
 */
export function nodeListener(
  handler: (request: Request) => Response | Promise<Response>,
  options: NodeListenerOptions = {},
): (incoming: NodeRequest, outgoing: NodeResponse) => void {
  if (typeof handler !== "function") {
    throw new TypeError(`Expected handler to be a function, got ${describe(handler)}`);
  }
  checkOptions(options, "onError");
  checkType("onError", options.onError, "function");
  return (incoming, outgoing) => {
    respond(handler, incoming, outgoing).catch((error) => {
      outgoing.destroy();
      options.onError?.(error);
    });
  };
}

async function respond(
  handler: (request: Request) => Response | Promise<Response>,
  incoming: NodeRequest,
  outgoing: NodeResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  let request: Request;
  try {
    request = requestOf(incoming, gone);
  } catch {
    outgoing.writeHead(400, { connection: "close" }); // no method or address of the Web
    outgoing.end();
    return;
  }
  const response = await handler(request);
  drain(incoming);
  const headers: Record<string, string | string[]> = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  if (":method" in incoming.headers) delete headers.connection; // HTTP/2 has none
  outgoing.writeHead(response.status, headers);
  if (response.body === null) outgoing.end();
  else await send(response.body, outgoing);
}

/** Reads what is left of a body that was refused: many a client reads no answer before. */
function drain(incoming: NodeRequest): void {
  let total = 0;
  incoming.on("data", ({ length }) => {
    if ((total += length) > MAX_DRAINED) incoming.destroy();
  });
}

async function send(body: ReadableStream<Uint8Array>, outgoing: NodeResponse): Promise<void> {
  const reader = body.getReader();
  let wake = () => {};
  outgoing.on("drain", () => wake());
  outgoing.on("close", () => {
    wake();
    reader.cancel().catch(() => {}); // it may have failed, and that is told below
  });
  if (outgoing.destroyed) await reader.cancel();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (outgoing.destroyed) return;
    if (!outgoing.write(value)) await new Promise<void>((resolve) => wake = resolve);
  }
  if (!outgoing.destroyed) outgoing.end();
}

function requestOf(incoming: NodeRequest, gone: AbortController): Request {
  const { method = "GET", url = "/" } = incoming, headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (name.startsWith(":") || value === undefined) continue; // of HTTP/2
    for (const one of typeof value === "string" ? [value] : value) headers.append(name, one);
  }
  const host = headers.get("host") ?? incoming.headers[":authority"] ?? "localhost";
  const hasBody = method !== "GET" && method !== "HEAD";
  // The client of a proxy may send the whole address.
  return new Request(url.startsWith("/") ? `http://${host}${url}` : url, {
    method,
    headers,
    signal: gone.signal,
    body: hasBody ? bodyOf(incoming, gone) : null,
    duplex: "half",
  } as RequestInit);
}

/** The body of a request as a stream that fails where the client goes away before its end. */
function bodyOf(incoming: NodeRequest, gone: AbortController): ReadableStream<Uint8Array> {
  // A handler that has read enough still answers: the connection must stay.
  const pieces = incoming.iterator?.({ destroyOnReturn: false }) ??
    incoming[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        gone.abort();
        throw error;
      }
    },
    cancel() {
      pieces.return?.();
    },
  }, { highWaterMark: 0 });
}
