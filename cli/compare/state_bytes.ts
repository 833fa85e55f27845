/**
 * The memory that an allocator takes, where the runtime tells.
 *
 * @module
 */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | null | undefined;

/**
 * Bytes of what a function makes and gives, tables and all. JavaScriptCore does not say;
 * `undefined` then.
 */
export function stateBytes(make: () => object): number | undefined {
  collect ??= collector();
  if (collect === null) return undefined;
  const before = used(collect), made = make(), after = used(collect);
  return keep(made) ? Math.max(0, after - before) : undefined;
}

/** V8's collector, which no program sees without a flag. */
function collector(): (() => void) | null {
  if (process.versions.bun !== undefined) return null;
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

function used(collect: () => void): number {
  // Buffers are given back by a thread that the second call waits for.
  collect();
  collect();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

/** Makes the object live until here. */
function keep(object: object): boolean {
  return Object.isExtensible(object);
}
