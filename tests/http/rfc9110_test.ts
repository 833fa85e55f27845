/**
 * What RFC 9110 says about conditions and ranges, as a table: handed to the handler itself, and
 * over the servers of this runtime.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlobStore } from "../../src/blob_store/mod.ts";
import { serveBlobs } from "../../backends/http/mod.ts";
import { memory } from "../blob_store/helpers.ts";
import { servers } from "./servers.ts";

/** What is in the store before each case. */
const TEXT = "0123456789";

/**
 * A request, and what must come of it. In headers ETAG stands for the blob's etag, TIME for its
 * Last-Modified, OLD and NEW for dates before and behind it.
 */
interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** Headers of the answer; null for none of this name. */
  readonly answer?: Readonly<Record<string, string | null>>;
  readonly text?: string;
}

const bytes = (range: string) => ({ range: `bytes=${range}` });
const part = (from: number, to: number) => ({
  status: 206,
  answer: { "content-range": `bytes ${from}-${to}/10`, "content-length": `${to - from + 1}` },
  text: TEXT.slice(from, to + 1),
});
const whole = {
  status: 200,
  answer: { "content-length": "10", "content-range": null },
  text: TEXT,
};
const none = { status: 416, answer: { "content-range": "bytes */10" } };
const unchanged = { status: 304, answer: { etag: '"ETAG"', "content-length": null }, text: "" };
const failed = { status: 412, answer: { etag: '"ETAG"' } };
const PUT = { method: "PUT", body: "new" }, DELETE = { method: "DELETE" };

const cases: readonly Case[] = [
  // 9.3: methods
  {
    name: "GET",
    ...whole,
    answer: {
      "accept-ranges": "bytes",
      "cache-control": "no-cache",
      "content-length": "10",
      "content-security-policy": "sandbox",
      "content-type": "text/plain",
      etag: '"ETAG"',
      "last-modified": "TIME",
      "x-content-type-options": "nosniff",
    },
  },
  {
    name: "HEAD",
    method: "HEAD",
    status: 200,
    text: "",
    answer: {
      "accept-ranges": "bytes",
      "content-length": "10",
      "content-type": "text/plain",
      etag: '"ETAG"',
      "last-modified": "TIME",
    },
  },
  { name: "GET of nothing", path: "/none", status: 404 },
  { name: "HEAD of nothing", method: "HEAD", path: "/none", status: 404, text: "" },
  { name: "GET of an empty blob", path: "/empty", status: 200, text: "" },
  { name: "PUT of a new blob", ...PUT, path: "/none", status: 201, text: "" },
  { name: "PUT over a blob", ...PUT, status: 204, text: "" },
  { name: "PUT of a part", ...PUT, headers: { "content-range": "bytes 0-2/9" }, status: 400 },
  {
    name: "PUT encoded",
    ...PUT,
    headers: { "content-encoding": "gzip" },
    status: 415,
    answer: { "accept-encoding": "identity" },
  },
  { name: "DELETE", ...DELETE, status: 204, text: "" },
  { name: "DELETE of nothing", ...DELETE, path: "/none", status: 404 },
  {
    name: "POST",
    method: "POST",
    body: "",
    status: 405,
    answer: { allow: "GET, HEAD, OPTIONS, PUT, DELETE" },
  },
  {
    name: "OPTIONS",
    method: "OPTIONS",
    status: 204,
    text: "",
    answer: { allow: "GET, HEAD, OPTIONS, PUT, DELETE" },
  },

  // 14: ranges
  { name: "the first bytes", headers: bytes("0-3"), ...part(0, 3) },
  { name: "one byte", headers: bytes("9-9"), ...part(9, 9) },
  { name: "from the middle on", headers: bytes("4-"), ...part(4, 9) },
  { name: "beyond the end", headers: bytes("4-99999999999999999999"), ...part(4, 9) },
  { name: "the last bytes", headers: bytes("-3"), ...part(7, 9) },
  { name: "more last bytes than there are", headers: bytes("-99"), ...part(0, 9) },
  { name: "all as a range", headers: bytes("0-"), ...part(0, 9) },
  { name: "the unit in capitals", headers: { range: "Bytes=1-2" }, ...part(1, 2) },
  { name: "behind the end", headers: bytes("10-"), ...none },
  { name: "far behind the end", headers: bytes("99999999999999999999-"), ...none },
  { name: "the last none", headers: bytes("-0"), ...none },
  {
    name: "of an empty blob",
    path: "/empty",
    headers: bytes("0-"),
    status: 416,
    answer: { "content-range": "bytes */0" },
  },
  {
    name: "the last of an empty blob",
    path: "/empty",
    headers: bytes("-5"),
    status: 200,
    text: "",
  },
  { name: "two ranges", headers: bytes("0-1,4-5"), ...whole },
  { name: "backwards", headers: bytes("5-2"), ...whole },
  { name: "no range", headers: bytes("-"), ...whole },
  { name: "no numbers", headers: bytes("a-b"), ...whole },
  { name: "another unit", headers: { range: "lines=0-1" }, ...whole },
  {
    name: "of HEAD",
    method: "HEAD",
    headers: bytes("0-3"),
    status: 200,
    answer: { "content-length": "10", "content-range": null },
    text: "",
  },
  { name: "of PUT", ...PUT, headers: bytes("0-3"), status: 204 },

  // 13.1.5: If-Range
  {
    name: "If-Range with the tag",
    headers: { ...bytes("1-2"), "if-range": '"ETAG"' },
    ...part(1, 2),
  },
  { name: "If-Range with another tag", headers: { ...bytes("1-2"), "if-range": '"x"' }, ...whole },
  {
    name: "If-Range with a weak tag",
    headers: { ...bytes("1-2"), "if-range": 'W/"ETAG"' },
    ...whole,
  },
  { name: "If-Range with a star", headers: { ...bytes("1-2"), "if-range": "*" }, ...whole },
  { name: "If-Range with a date", headers: { ...bytes("1-2"), "if-range": "TIME" }, ...whole },
  {
    name: "If-Range with another tag, behind the end",
    headers: { ...bytes("99-"), "if-range": '"x"' },
    ...whole,
  },

  // 13.1.1: If-Match
  { name: "If-Match", headers: { "if-match": '"ETAG"' }, ...whole },
  { name: "If-Match, one of several", headers: { "if-match": '"a,b", "ETAG"' }, ...whole },
  { name: "If-Match *", headers: { "if-match": "*" }, ...whole },
  { name: "If-Match of another", headers: { "if-match": '"x"' }, ...failed },
  { name: "If-Match, weak", headers: { "if-match": 'W/"ETAG"' }, ...failed },
  { name: "If-Match without quotes", headers: { "if-match": "ETAG" }, ...failed },
  { name: "If-Match of nothing", path: "/none", headers: { "if-match": '"x"' }, status: 404 },
  { name: "PUT If-Match", ...PUT, headers: { "if-match": '"ETAG"' }, status: 204 },
  { name: "PUT If-Match *", ...PUT, headers: { "if-match": "*" }, status: 204 },
  { name: "PUT If-Match of another", ...PUT, headers: { "if-match": '"x"' }, ...failed },
  {
    name: "PUT If-Match where nothing is",
    ...PUT,
    path: "/none",
    headers: { "if-match": "*" },
    status: 412,
    answer: { etag: null },
  },
  { name: "DELETE If-Match", ...DELETE, headers: { "if-match": '"ETAG"' }, status: 204 },
  { name: "DELETE If-Match of another", ...DELETE, headers: { "if-match": '"x"' }, ...failed },
  {
    name: "DELETE If-Match of nothing",
    ...DELETE,
    path: "/none",
    headers: { "if-match": '"x"' },
    status: 404,
  },

  // 13.1.2: If-None-Match
  { name: "If-None-Match", headers: { "if-none-match": '"ETAG"' }, ...unchanged },
  { name: "If-None-Match, weak", headers: { "if-none-match": 'W/"ETAG"' }, ...unchanged },
  {
    name: "If-None-Match, one of several",
    headers: { "if-none-match": '"a" ,W/"ETAG"' },
    ...unchanged,
  },
  { name: "If-None-Match *", headers: { "if-none-match": "*" }, ...unchanged },
  { name: "If-None-Match of another", headers: { "if-none-match": '"x"' }, ...whole },
  {
    name: "HEAD If-None-Match",
    method: "HEAD",
    headers: { "if-none-match": '"ETAG"' },
    ...unchanged,
  },
  {
    name: "If-None-Match of nothing",
    path: "/none",
    headers: { "if-none-match": "*" },
    status: 404,
  },
  {
    name: "If-None-Match goes before a range",
    headers: { ...bytes("99-"), "if-none-match": '"ETAG"' },
    ...unchanged,
  },
  { name: "PUT If-None-Match *", ...PUT, headers: { "if-none-match": "*" }, ...failed },
  {
    name: "PUT If-None-Match * where nothing is",
    ...PUT,
    path: "/none",
    headers: { "if-none-match": "*" },
    status: 201,
  },
  {
    name: "PUT If-None-Match of another",
    ...PUT,
    headers: { "if-none-match": '"x"' },
    status: 204,
  },
  { name: "DELETE If-None-Match", ...DELETE, headers: { "if-none-match": '"ETAG"' }, ...failed },

  // 13.1.3, 13.1.4: dates
  { name: "If-Modified-Since its time", headers: { "if-modified-since": "TIME" }, ...unchanged },
  { name: "If-Modified-Since later", headers: { "if-modified-since": "NEW" }, ...unchanged },
  { name: "If-Modified-Since before", headers: { "if-modified-since": "OLD" }, ...whole },
  { name: "If-Modified-Since no date", headers: { "if-modified-since": "yesterday" }, ...whole },
  {
    name: "If-Modified-Since of PUT",
    ...PUT,
    headers: { "if-modified-since": "NEW" },
    status: 204,
  },
  { name: "If-Unmodified-Since its time", headers: { "if-unmodified-since": "TIME" }, ...whole },
  { name: "If-Unmodified-Since before", headers: { "if-unmodified-since": "OLD" }, ...failed },
  { name: "If-Unmodified-Since no date", headers: { "if-unmodified-since": "2026" }, ...whole },
  {
    name: "PUT If-Unmodified-Since before",
    ...PUT,
    headers: { "if-unmodified-since": "OLD" },
    ...failed,
  },
  {
    name: "DELETE If-Unmodified-Since",
    ...DELETE,
    headers: { "if-unmodified-since": "NEW" },
    status: 204,
  },

  // 13.2.2: the order
  {
    name: "If-Match goes before If-Unmodified-Since",
    headers: { "if-match": '"ETAG"', "if-unmodified-since": "OLD" },
    ...whole,
  },
  {
    name: "If-None-Match goes before If-Modified-Since",
    headers: { "if-none-match": '"x"', "if-modified-since": "NEW" },
    ...whole,
  },
  {
    name: "If-Match goes before If-None-Match",
    headers: { "if-match": '"x"', "if-none-match": '"ETAG"' },
    ...failed,
  },
  { name: "both hold", headers: { "if-match": '"ETAG"', "if-none-match": '"ETAG"' }, ...unchanged },
];

/** Answers a request for a path with its query. */
type Send = (path: string, init: RequestInit) => Promise<Response>;

/** Runs every case. */
async function runCases(store: BlobStore, send: Send): Promise<void> {
  for (const { name, method = "GET", path = "/a", headers = {}, body, ...expected } of cases) {
    await store.delete("none");
    await store.put("empty", "");
    await store.put("a", TEXT, { metadata: { type: "text/plain" } });
    const { etag, time } = (await store.stat("a"))!;
    const fill = (text: string) =>
      text.replace("ETAG", etag).replace("TIME", time.toUTCString())
        .replace("OLD", new Date(time.getTime() - 5000).toUTCString())
        .replace("NEW", new Date(time.getTime() + 5000).toUTCString());
    const given = Object.entries(headers).map(([key, value]) => [key, fill(value)]);
    const response = await send(path, { method, headers: Object.fromEntries(given), body });
    const text = await response.text();
    assertEquals(response.status, expected.status, `${name}: ${text}`);
    for (const [key, value] of Object.entries(expected.answer ?? {})) {
      // A server may say that a body that is not there has no length.
      if (value === null && response.headers.get(key) === "0") continue;
      assertEquals(response.headers.get(key), value && fill(value), `${name}: ${key}`);
    }
    if (expected.text !== undefined) assertEquals(text, expected.text, name);
    if (method === "HEAD") assertEquals(text, "", name);
    const after = await store.get("a");
    const isKept = path !== "/a" || response.status >= 300 || !["PUT", "DELETE"].includes(method);
    if (isKept) assertEquals(new TextDecoder().decode(after), TEXT, `${name}: it was changed`);
    else assert(method === "PUT" ? after?.length === 3 : after === undefined, name);
  }
}

describe("RFC 9110", () => {
  it(`holds in ${cases.length} cases`, async () => {
    await using store = await BlobStore.open(memory());
    const handler = serveBlobs(store, { authorize: () => true });
    await runCases(store, (path, init) => handler(new Request(`http://a.test${path}`, init)));
  });

  for (const [kind, serve] of Object.entries(servers)) {
    it(`holds over ${kind}`, async () => {
      await using store = await BlobStore.open(memory());
      const server = await serve(serveBlobs(store, { authorize: () => true }));
      try {
        await runCases(store, (path, init) => fetch(server.url + path, init));
      } finally {
        await server.close();
      }
    });
  }

  it("understands the three forms of a date", async () => {
    await using store = await BlobStore.open(memory());
    await store.put("a", TEXT);
    const handler = serveBlobs(store);
    for (
      const [date, status] of [
        ["Sun, 06 Nov 1994 08:49:37 GMT", 200],
        ["Sunday, 06-Nov-94 08:49:37 GMT", 200],
        ["Sun Nov  6 08:49:37 1994", 200],
        ["Sun, 06 Nov 2094 08:49:37 GMT", 304],
        ["Sunday, 06-Nov-70 08:49:37 GMT", 304],
        ["Sun Nov  6 08:49:37 2094", 304],
        ["Sun, 06 Nov 2094 08:49:37 CET", 200],
        ["Sun, 06 Foo 2094 08:49:37 GMT", 200],
        ["2094-11-06T08:49:37Z", 200],
      ] as const
    ) {
      const headers = { "if-modified-since": date };
      const response = await handler(new Request("http://a.test/a", { headers }));
      assertEquals(response.status, status, date);
    }
  });
});
