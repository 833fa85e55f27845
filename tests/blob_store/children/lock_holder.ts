/**
 * Holds the lock of a file: `lock_holder.ts PATH [without-sqlite]`. Says on a line of
 * its own, as JSON, what came of it, and holds the lock until its input ends.
 *
 * @module
 */

import process from "node:process";
import { acquireLock, type Lock } from "../../../backends/blob_store/lock.ts";
import { StoreLockedError } from "../../../src/blob_store/blob_store_errors.ts";

const [path, mode] = process.argv.slice(2);
if (mode === "without-sqlite") process.getBuiltinModule = () => undefined;

let lock: Lock | undefined;
try {
  lock = acquireLock(path);
  process.stdout.write('{"held":true}\n');
} catch (error) {
  const holder = error instanceof StoreLockedError ? error.holder ?? null : undefined;
  process.stdout.write(JSON.stringify({ error: String(error), holder }) + "\n");
}
process.stdin.on("end", () => {
  lock?.release();
  process.exit();
});
process.stdin.resume();
