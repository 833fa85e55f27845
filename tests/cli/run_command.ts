/**
 * Runs the command as the package's `bin` does, where the entry is not the program itself.
 *
 * @module
 */

import { run } from "../../cli/mod.ts";

void run();
