/**
 * Measures bundles in a worker of a page of a browser that is started for it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { askBrowser } from "../../ci/browser/ask_browser.ts";
import type { Served } from "../../ci/browser/isolated_server.ts";
import { byEsbuild } from "../../package/bundles.ts";
import type { Modules, Times } from "./measure.ts";
import type { Answer, Task } from "./worker.ts";

/** A worker that does not load answers too. */
const PAGE = `<!doctype html><title>Guard</title><script>
  new Worker("/worker.js", { type: "module" }).onerror = ({ message, filename, lineno }) =>
    fetch("/answer", {
      method: "POST",
      body: JSON.stringify({ error: \`\${message} (\${filename}:\${lineno})\` }),
    });
</script>`;

/** What a worker of a page runs, for {@linkcode measureInPage}: `worker.ts`, bundled. */
export function workerScript(): Promise<string> {
  const path = fileURLToPath(new URL("worker.ts", import.meta.url));
  return byEsbuild(`import ${JSON.stringify(path)};`, "sources", false);
}

/** A bundle, and the names that it exports. */
export interface Bundle {
  readonly code: string;
  readonly names: readonly string[];
}

/**
 * Measures one of the guarded subjects in a browser, a lane for each bundle.
 *
 * @param worker The {@linkcode workerScript}.
 * @throws {Error} If the browser is not installed, or does not answer.
 */
export async function measureInPage(
  browser: string,
  name: string,
  worker: string,
  bundles: readonly Bundle[],
  repeats: number,
): Promise<Times> {
  const lanes: Modules[] = bundles.map(({ names }, i) =>
    Object.fromEntries(names.map((name) => [name, `/${i}.js`]))
  );
  const task: Task = { name, lanes, repeats };
  const script = (body: string): Served => ({ type: "text/javascript", body });
  const served: Record<string, Served> = {
    "/": { type: "text/html", body: PAGE },
    "/worker.js": script(worker),
    "/task": { type: "application/json", body: JSON.stringify(task) },
  };
  for (const [i, { code }] of bundles.entries()) served[`/${i}.js`] = script(code);
  const answer: Answer = JSON.parse(await askBrowser(browser, ({ pathname }) => served[pathname]));
  if ("error" in answer) throw new Error(`${name} failed on ${browser}: ${answer.error}`);
  return answer.times;
}
