/**
 * A published store in a private bucket, on a server that speaks the language of S3: uploaded by a
 * client that signs, read by a presigned URL, with the CORS rules of the guide, and by signed
 * requests.
 *
 * @module
 */

import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { BlobStore, publishBlobs } from "../../../backends/blob_store/mod.ts";
import { HttpBlobStore, StorageError } from "../../../backends/http/mod.ts";
import { ROOT } from "../../package/emit.ts";
import { freePort } from "./free_port.ts";
import { programOfNpm } from "./packages.ts";
import { letSignedPass } from "./signed_only.ts";

const S3RVER = "3.7.1", COUNT = 3000;
/** The keys of that server. */
const CLIENT = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER", service: "s3" } as const;
/** How often it is looked whether the server answers, every 100 ms. */
const LOOKS = 600;

const keyOf = (i: number) => `photos/${String(i).padStart(6, "0")}.jpg`;
const bytesOf = (i: number, version: number) => new Uint8Array(500 + i % 900).fill(i + version);

/** Throws unless two things are the same. */
function expect(what: string, got: unknown, expected: unknown): void {
  const [one, other] = [got, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: expected ${other}, got ${one}`);
}

/** The rules of the guide, in the form in which a bucket keeps them. */
function corsOfGuide(): string {
  const guide = Deno.readTextFileSync(join(ROOT, "docs/read_over_http.md"));
  const [, recipe] = guide.match(/^```json\n([^]*?)^```/m) ?? [];
  if (recipe === undefined) throw new Error("the guide has no CORS rules");
  const rules: Record<string, string | number | string[]>[] = JSON.parse(recipe);
  const element = (name: string, value: unknown) => `<${name}>${value}</${name}>`;
  const names = (name: string) => name.replace(/^(Allowed|Expose)(.*)s$/, "$1$2");
  const body = rules.map((rule) =>
    element(
      "CORSRule",
      Object.entries(rule).flatMap(([name, value]) =>
        [value].flat().map((one) => element(names(name), one))
      ).join(""),
    )
  ).join("");
  return `<?xml version="1.0"?>${element("CORSConfiguration", body)}`;
}

/** Throws unless all photos are as they were put. */
async function expectPhotos(store: HttpBlobStore, version: number): Promise<void> {
  const numbers = Array.from({ length: 60 }, (_, i) => 47 * i + 3);
  const found = await Promise.all(numbers.map((i) => store.get(keyOf(i))));
  for (const [n, i] of numbers.entries()) {
    const expected = bytesOf(i, version);
    const isSame = found[n]?.length === expected.length && found[n].every((b) => b === expected[0]);
    if (!isSame) throw new Error(`${keyOf(i)} is not what was published`);
  }
}

/** Throws unless a range comes with the headers that the guide promises to pages. */
async function expectHeaders(presigned: string): Promise<void> {
  const answer = await fetch(presigned, {
    headers: { range: "bytes=0-9", origin: "https://page.example" },
  });
  await answer.body?.cancel();
  expect("status", answer.status, 206);
  const exposed = answer.headers.get("access-control-expose-headers")?.toLowerCase().split(/, */);
  expect("exposed", exposed?.sort(), ["content-range", "etag"]);
  const wanted = {
    "access-control-allow-origin": "*",
    "cache-control": "public, max-age=31536000, immutable, no-transform",
    "content-type": "application/octet-stream",
    "content-encoding": null,
  };
  for (const [name, value] of Object.entries(wanted)) expect(name, answer.headers.get(name), value);
}

/** Throws unless a private object is refused to whoever has no signature that holds. */
async function expectRefusals(aws: AwsClient, url: string): Promise<void> {
  const wrong = new AwsClient({ ...CLIENT, secretAccessKey: "wrong" });
  const past = new Date(Date.now() - 7_200_000).toISOString().replace(/[:-]|\.\d{3}/g, "");
  const expired = await aws.sign(`${url}?X-Amz-Expires=3600`, {
    aws: { signQuery: true, datetime: past },
  });
  const tries: Record<string, () => Promise<unknown>> = {
    "no signature": () => HttpBlobStore.open(url),
    "a wrong one": () => HttpBlobStore.open(url, { fetch: (url, init) => wrong.fetch(url, init) }),
    "an old one": () => HttpBlobStore.open(expired.url),
  };
  for (const [what, open] of Object.entries(tries)) {
    const refused = await open().catch((error) => error);
    const isRefused = refused instanceof StorageError && refused.message.includes("answered 403");
    if (!isRefused) throw new Error(`${what}: ${refused}`);
  }
}

/** What the clients of the server see. */
async function check(folder: string, bucket: string): Promise<string> {
  const aws = new AwsClient(CLIENT), url = `${bucket}/photos.blobs`;
  const file = join(folder, "photos.blobs");
  await using source = await BlobStore.open(join(folder, "source"), {
    create: true,
    durability: "none",
  });
  const upload = async (version: number) => {
    for (let start = 0; start < COUNT; start += 500) {
      await source.batch(Array.from({ length: 500 }, (_, i) => {
        return { type: "put", key: keyOf(start + i), value: bytesOf(start + i, version) };
      }));
    }
    await publishBlobs(source, file);
    const response = await aws.fetch(url, {
      method: "PUT",
      body: await Deno.readFile(file),
      headers: {
        "content-type": "application/octet-stream",
        "cache-control": "public, max-age=31536000, immutable, no-transform",
      },
    });
    expect("upload", [response.status, await response.text()], [200, ""]);
  };
  await upload(0);

  // As a page of another origin asks, by the URL alone: the headers are those of the guide.
  const presigned = (await aws.sign(`${url}?X-Amz-Expires=3600`, { aws: { signQuery: true } })).url;
  await expectHeaders(presigned);
  await using byUrl = await HttpBlobStore.open(presigned);
  expect("requests to open", byUrl.requests, 1);
  await byUrl.get(keyOf(2000));
  expect("requests to get", byUrl.requests, 3);
  await expectPhotos(byUrl, 0);

  // A private object: each request is signed, by its headers or by a `fetch` that signs.
  const headers = async ({ url, range }: { url: string; range: string }) => {
    const signed = await aws.sign(url, { headers: { range } });
    return Object.fromEntries([...signed.headers].filter(([name]) => name !== "range"));
  };
  await using byHeaders = await HttpBlobStore.open(url, { headers });
  await using byFetch = await HttpBlobStore.open(url, {
    fetch: (url, init) => aws.fetch(url, init),
  });
  for (const store of [byHeaders, byFetch]) await expectPhotos(store, 0);
  await expectRefusals(aws, url);
  // Another one in its place.
  const { etag } = byHeaders;
  await upload(100);
  for (const store of [byUrl, byHeaders, byFetch]) {
    await store.get(keyOf(2002)); // what is in memory would not show it
    await expectPhotos(store, 100);
    if (store.etag === etag) throw new Error("the new object has the ETag of the old one");
  }
  return `${byUrl.requests} requests`;
}

/** Runs a server with a bucket that has the rules of the guide. */
export async function checkS3(): Promise<string> {
  const [program, ...before] = await programOfNpm("s3rver", S3RVER);
  const folder = await Deno.makeTempDir({ prefix: "s3-" }), port = freePort();
  const cors = join(folder, "cors.xml"), origin = `http://127.0.0.1:${port}`;
  await Deno.writeTextFile(cors, corsOfGuide());
  const where = ["-d", join(folder, "data"), "-a", "127.0.0.1", "-p", String(port), "-s"];
  const args = [...before, ...where, "--configure-bucket", "site", cors];
  const server = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  try {
    for (let look = 1;; look++) {
      const isUp = await fetch(origin).then((response) => response.body?.cancel(), () => "down");
      if (isUp === undefined) break;
      if (look === LOOKS) throw new Error("the server does not start");
      await new Promise((done) => setTimeout(done, 100));
    }
    const guard = letSignedPass(origin, CLIENT);
    try {
      const said = await check(folder, `${guard.origin}/site`);
      expect("refused", guard.refused, 2); // the server behind it refuses what is too old
      return said;
    } finally {
      await guard.close();
    }
  } finally {
    server.kill("SIGTERM");
    await server.status;
    await Deno.remove(folder, { recursive: true });
  }
}
