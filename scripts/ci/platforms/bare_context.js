/**
 * Runs a bundle in a context that has nothing but what ECMAScript defines: its global `bare.run` is
 * called there. What the host must lend to a blob store is lent, and nothing else. Run by Node.
 *
 * ```sh
 * node bare_context.js bundle.js
 * ```
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { createContext, runInContext } from "node:vm";

/** What a blob store takes of its host: docs/limits.md names them. */
const LENT = ["TextEncoder", "TextDecoder", "crypto", "queueMicrotask"];

const context = createContext({});
// V8 puts these into every context; the language does not have them.
runInContext("delete globalThis.console; delete globalThis.WebAssembly;", context);
runInContext(readFileSync(process.argv[2], "utf8"), context);
const without = await runInContext("bare.run()", context);
for (const name of LENT) context[name] = globalThis[name];
const failed = await runInContext("bare.run()", context);
for (const text of failed) console.log(text);
const onlyBlobs = without.length === 1 && without[0].startsWith("blobs:");
if (!onlyBlobs) console.log(`With nothing lent:\n${without.join("\n")}`);
process.exit(failed.length === 0 && onlyBlobs ? 0 : 1);
