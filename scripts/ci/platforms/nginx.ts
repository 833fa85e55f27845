/**
 * A published store on a real nginx, with the configuration that the guide gives: read over HTTP,
 * replaced while it is read, copied, and the copy opened for writing.
 *
 * @module
 */

import { join } from "node:path";
import { BlobStore, publishBlobs } from "../../../backends/blob_store/mod.ts";
import { HttpBlobStore, HttpStore, StorageError } from "../../../backends/http/mod.ts";
import { ROOT } from "../../package/emit.ts";
import { freePort } from "./free_port.ts";
import { needPackages } from "./packages.ts";

const COUNT = 3000;
/** How often it is looked whether the server answers, every 20 ms. */
const LOOKS = 500;

const keyOf = (i: number) => `photos/${String(i).padStart(6, "0")}.jpg`;
const bytesOf = (i: number, version: number) => new Uint8Array(500 + i).fill(i + version);

/** The configuration of the guide, in a server of ours. */
function configuration(folder: string, port: number): string {
  const guide = Deno.readTextFileSync(join(ROOT, "docs/read_over_http.md"));
  const [, recipe] = guide.match(/^```nginx\n([^]*?)^```/m) ?? [];
  if (recipe === undefined) throw new Error("the guide has no block for nginx");
  return `daemon off; user root; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
  access_log ${folder}/access.log;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  gzip on; gzip_types *; gzip_min_length 1;
  server {
    listen 127.0.0.1:${port}; root ${folder}/site;
    ${recipe}
    location ^~ /whole/ { max_ranges 0; alias ${folder}/site/; }
  }
}
`;
}

/** Throws unless two things are the same. */
function expect(what: string, got: unknown, expected: unknown): void {
  const [one, other] = [got, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: expected ${other}, got ${one}`);
}

/** Throws unless all photos are as they were put. */
async function expectPhotos(store: HttpBlobStore, version: number): Promise<void> {
  const numbers = Array.from({ length: 100 }, (_, i) => 29 * i);
  const found = await Promise.all(numbers.map((i) => store.get(keyOf(i))));
  for (const [n, i] of numbers.entries()) {
    const expected = bytesOf(i, version);
    const isSame = found[n]?.length === expected.length && found[n].every((b) => b === expected[0]);
    if (!isSame) throw new Error(`${keyOf(i)} is not what was published`);
  }
}

/** What the clients of the server see. */
async function check(folder: string, origin: string): Promise<string> {
  const published = join(folder, "site/photos.blobs"), url = `${origin}/photos.blobs`;
  await using source = await BlobStore.open(join(folder, "source"), {
    create: true,
    durability: "none",
  });
  const publish = async (version: number) => {
    for (let i = 0; i < COUNT; i++) await source.put(keyOf(i), bytesOf(i, version));
    await publishBlobs(source, published);
  };
  await publish(0);
  const { headers, status } = await fetch(url, { headers: { range: "bytes=0-9" } });
  expect("status", status, 206);
  const wanted = {
    "accept-ranges": null, // nginx sends it with a whole file
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Content-Range, ETag",
    "cache-control": "public, max-age=60, no-transform",
    "content-encoding": null,
    "content-type": "application/octet-stream",
  };
  for (const [name, value] of Object.entries(wanted)) expect(name, headers.get(name), value);
  await using store = await HttpBlobStore.open(url);
  expect("requests to open", store.requests, 1);
  await store.get(keyOf(2000));
  expect("requests to get", store.requests, 3);
  await expectPhotos(store, 0);
  let listed = 0;
  for await (const { key } of store.list()) expect("key", key, keyOf(listed++));
  expect("keys", listed, COUNT);
  // The same file as a store of its own.
  const far = await HttpStore.open(url), copy = join(folder, "copy");
  await using reader = await BlobStore.open(far, { readOnly: true, closeStore: true });
  expect("blobs copied", (await reader.backup(copy)).blobs, COUNT);
  await using writer = await BlobStore.open(copy);
  await writer.put("new", "written");
  await writer.check();
  expect("damaged", (await writer.verify()).damaged, []);
  // Another one in its place.
  const { etag } = store;
  await publish(100);
  await store.get(keyOf(2002)); // what is in memory would not show it
  await expectPhotos(store, 100);
  if (store.etag === etag) throw new Error("the new file has the ETag of the old one");
  const refused = await HttpBlobStore.open(`${origin}/whole/photos.blobs`).catch((error) => error);
  if (!(refused instanceof StorageError && refused.message.includes("no range requests"))) {
    throw new Error(`a server without ranges: ${refused}`);
  }
  const log = await Deno.readTextFile(join(folder, "access.log"));
  expect("preflights", log.includes("OPTIONS"), false);
  return `${store.requests} requests`;
}

/** Runs nginx with the configuration of the guide. */
export async function checkNginx(): Promise<string> {
  needPackages(["nginx-light"]);
  const folder = await Deno.makeTempDir({ prefix: "nginx-" }), port = freePort();
  const origin = `http://127.0.0.1:${port}`, config = join(folder, "nginx.conf");
  await Deno.mkdir(join(folder, "site"));
  await Deno.writeTextFile(config, configuration(folder, port));
  const args = ["-p", folder, "-c", config];
  const server = new Deno.Command("nginx", { args, stdout: "null", stderr: "null" }).spawn();
  try {
    for (let look = 1;; look++) {
      const isUp = await fetch(origin).then((response) => response.body?.cancel(), () => "down");
      if (isUp === undefined) break;
      if (look === LOOKS) throw new Error(await Deno.readTextFile(join(folder, "error.log")));
      await new Promise((done) => setTimeout(done, 20));
    }
    return await check(folder, origin);
  } finally {
    server.kill("SIGTERM");
    await server.status;
    await Deno.remove(folder, { recursive: true });
  }
}
