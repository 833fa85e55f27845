/**
 * Runs modules of the sources in a page of a browser as it is installed, without a driver: the page
 * posts what it prints. Run by Node.
 *
 * ```sh
 * node scripts/ci/browser/run_in_installed.ts firefox /tests/shared/threads/page.ts
 * node scripts/ci/browser/run_in_installed.ts webkit pure   # the tests that need no runtime
 * ```
 *
 * @module
 */

import process from "node:process";
import { transformSync } from "esbuild";
import { askBrowser } from "./ask_browser.ts";
import type { Serve, Served } from "./isolated_server.ts";
import { pureTests } from "./pure_tests.ts";
import { importMap, serveSources } from "./serve_sources.ts";

/** Browsers without `using`: it is written out for them. */
const LOWERED = ["webkit"];

/** What a page posts. */
interface Answer {
  readonly passed: number;
  readonly failed: number;
}

/**
 * What a page does: the modules are loaded one after the other. Then the tests run that they
 * registered, or one of them has set `globalThis.results`.
 */
async function runInPage(modules: readonly string[]): Promise<void> {
  let printed: Promise<unknown> = Promise.resolve();
  const print = (...parts: unknown[]) => {
    const body = parts.map(String).join(" ");
    printed = printed.then(() => fetch("/line", { method: "POST", body }));
  };
  const told = (error: unknown) => `${error}\n${(error as Error)?.stack ?? ""}`;
  console.log = print;
  addEventListener("error", (event) => print(`uncaught: ${told(event.error ?? event.message)}`));
  addEventListener("unhandledrejection", ({ reason }) => print(`unhandled: ${told(reason)}`));
  let passed = 0, failed = 0;
  const scope = globalThis as {
    runTests?: () => Promise<unknown>;
    results?: Promise<unknown>;
  };
  for (const module of modules) {
    try {
      await import(module);
      const results = await (scope.runTests?.() ?? scope.results) as Record<string, number>;
      if (modules.length > 1) print(`${module} ${results.passed} passed, ${results.failed} failed`);
      passed += results.passed;
      failed += results.failed;
    } catch (error) {
      print(`${module}: ${told(error)}`);
      failed++;
    }
  }
  await printed;
  await fetch("/answer", { method: "POST", body: JSON.stringify({ passed, failed }) });
}

/** The sources as a browser knows the language. */
function served(browser: string): Serve {
  if (!LOWERED.includes(browser)) return serveSources;
  return (url): Served | undefined => {
    const found = serveSources(url);
    if (found?.type !== "text/javascript") return found;
    const { code } = transformSync(String(found.body), { target: "es2022", loader: "js" });
    return { ...found, body: code };
  };
}

const [browser, ...named] = process.argv.slice(2);
const modules = named[0] === "pure" ? pureTests() : named;
const serve = served(browser);
const imports = JSON.stringify(importMap);
// Without these symbols there is no `using`, written out or not.
const symbol = ["dispose", "asyncDispose"]
  .map((name) => `<script>Symbol.${name} ??= Symbol('Symbol.${name}')</script>`).join("");
const page = `<!doctype html><title>Test</title>${LOWERED.includes(browser) ? symbol : ""}` +
  `<script type="importmap">${imports}</script>` +
  `<script type="module">(${runInPage})(${JSON.stringify(modules)})</script>`;
const answer = await askBrowser(browser, (url, posted) => {
  if (url.pathname === "/") return { type: "text/html", body: page };
  if (url.pathname !== "/line") return serve(url, posted);
  console.log(posted);
  return { type: "text/plain", body: "" };
});
const { passed, failed }: Answer = JSON.parse(answer);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
