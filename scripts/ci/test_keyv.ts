/**
 * Runs Keyv's own suite for storage adapters over the adapter of `./keyv`, on Node, in a temporary
 * folder: the suite brings a test runner and native modules, which the project does not need.
 *
 * ```sh
 * deno task test:keyv
 * ```
 *
 * @module
 */

import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { ROOT, run } from "../package/emit.ts";

const SUITE = "@keyv/test-suite@2.1.2";
/** Cases that the suite has; fewer mean that some did not run. */
const CASES = 42;

const folder = await Deno.makeTempDir({ prefix: "keyv-" });
try {
  const keyv = `keyv@${manifest.devDependencies.keyv}`;
  const install = "install --ignore-scripts --legacy-peer-deps --no-audit --no-fund".split(" ");
  await Deno.writeTextFile(join(folder, "package.json"), '{ "type": "module" }');
  await run("npm", [...install, SUITE, keyv], folder);
  await Deno.writeTextFile(join(folder, "adapter.test.ts"), testOf(ROOT));
  const report = join(folder, "report.json");
  const vitest = ["vitest", "run", "--root", folder, "--reporter=json", `--outputFile=${report}`];
  await run("npx", vitest, folder).catch(() => {}); // the report says more
  const { numPassedTests, numTotalTests, testResults } = JSON.parse(
    await Deno.readTextFile(report),
  );
  for (const { message, assertionResults } of testResults) {
    if (message !== "") console.log(message);
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== "passed") console.log(`${status}: ${fullName}\n${failureMessages.join("\n")}`);
    }
  }
  console.log(`${numPassedTests} of ${numTotalTests} cases of ${SUITE} pass`);
  Deno.exitCode = numPassedTests === numTotalTests && numTotalTests >= CASES ? 0 : 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** The test file: the suite over stores in memory. */
function testOf(root: string): string {
  return `
    import * as test from "vitest";
    import Keyv from "keyv";
    import suite, { keyvIteratorTests } from "@keyv/test-suite";
    import { MemoryStore } from ${JSON.stringify(join(root, "mod.ts"))};
    import { BlobStore } from ${JSON.stringify(join(root, "src/blob_store/mod.ts"))};
    import { keyvAdapter } from ${JSON.stringify(join(root, "backends/keyv/mod.ts"))};

    const store = await BlobStore.open(new MemoryStore(0, { maxByteLength: 2 ** 24 }));
    await store.put("other", "of another program");
    const adapter = () => keyvAdapter(store, { prefix: "keyv/" });
    suite(test, Keyv, adapter);
    keyvIteratorTests(test, Keyv, adapter);
    test.afterAll(async () => {
      test.expect(await store.has("other")).toBe(true);
      await store.close();
    });
  `;
}
