/**
 * Mixed requests from a second process, over every server of this runtime: no wrong byte, no wrong
 * length, no lost update. `deno task bench:serve` sends fifty times as many.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { serveBlobs } from "../../backends/http/mod.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";
import type { LoadReport } from "./load.ts";
import { servers } from "./servers.ts";

const SCRIPT = fileURLToPath(new URL("./load.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"];
const REQUESTS = 2000;

removeAfterwards();

for (const [kind, serve] of Object.entries(servers)) {
  it(`${REQUESTS} mixed requests over ${kind} are answered as they should`, async () => {
    await using store = await BlobStore.open(newPath(), { create: true, durability: "batch" });
    const errors: unknown[] = [];
    const options = { authorize: () => true, list: true, onError: (e: unknown) => errors.push(e) };
    const server = await serve(serveBlobs(store, options));
    try {
      const seed = Date.now() % 1e6, args = [...RUN, SCRIPT, server.url, `${REQUESTS}`, `${seed}`];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
        .catch(({ stdout, stderr }) => ({ stdout, stderr }));
      assert(stdout !== "", `seed ${seed}: ${stderr}`);
      const { answers, updates }: LoadReport = JSON.parse(stdout);
      const sent = Object.values(answers).reduce((sum, count) => sum + count);
      assert(sent >= REQUESTS && updates > 20, JSON.stringify(answers));
      for (const name of ["GET 200", "GET 206", "GET 304", "HEAD 200", "PUT 204", "DELETE 204"]) {
        assert(answers[name] > 0, `${name}: none of ${JSON.stringify(answers)}`);
      }
      assertEquals(errors, []);
    } finally {
      await server.close();
    }
    assertEquals((await store.verify()).damaged, []);
    await store.check();
  });
}
