/**
 * Writes the tables of `docs/architecture.md` from the first sentences of the files.
 *
 * ```sh
 * deno task architecture
 * ```
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { readTree, ROOT } from "../../tests/support/rules.ts";
import { withTables } from "./architecture/tables.ts";

const page = `${ROOT}docs/architecture.md`;
writeFileSync(page, withTables(readFileSync(page, "utf8"), readTree()));
