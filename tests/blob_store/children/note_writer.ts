/**
 * A process that says it has started, and a little later writes a note: `path.text` becomes
 * `path.owner`.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const path = process.argv[2], text = readFileSync(`${path}.text`);
console.log("started");
setTimeout(() => writeFileSync(`${path}.owner`, text), 50);
