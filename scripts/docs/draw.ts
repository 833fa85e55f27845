/**
 * Draws the pictures of `docs/how_it_works.md` from the code itself: the bins, the words of
 * an allocator, where allocators put things, what lies in the file of a blob store.
 *
 * ```sh
 * npx -y deno@2.9.6 run -A scripts/docs/draw.ts
 * ```
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { drawings } from "./draw/drawings.ts";

const folder = fileURLToPath(new URL("../../docs/drawings/", import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [name, svg] of await drawings()) writeFileSync(folder + name, svg);
