/**
 * Runs a module of the sources in a page of headless Chromium. Run by Node.
 *
 * ```sh
 * node scripts/ci/browser/run_in_chromium.ts /tests/webgpu/gpu/page.ts
 * node scripts/ci/browser/run_in_chromium.ts /tests/shared/threads/page.ts
 * ```
 *
 * @module
 */

import process from "node:process";
import { openPage } from "./open_page.ts";
import { serveSources } from "./serve_sources.ts";

const [module] = process.argv.slice(2);
await openPage(`/?${module}`, serveSources);
