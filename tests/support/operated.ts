/**
 * An allocator that has the functions beside the strategies as methods, to be tested like one that
 * has them itself.
 *
 * @module
 */

import type { Allocator } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import * as operations from "../../src/operations/mod.ts";
import { canOperate } from "../../src/operations/operate.ts";
import type { AnyAllocator } from "./fuzz_run.ts";

const FUNCTIONS = [
  "check",
  "allocateAt",
  "appendAt",
  "allocateMany",
  "freeMany",
  "planCompaction",
  "applyMove",
  "snapshot",
] as const;

/** The allocator, with each function as a method that it can be given to. */
export function operated(allocator: AnyAllocator): AnyAllocator {
  const able = FUNCTIONS.filter((name) => canOperate(allocator, name))
    .filter((name) => name !== "snapshot" || isSaved(allocator));
  const methods = new Map<unknown, unknown>(able.map((name) => {
    const call = operations[name] as (...args: unknown[]) => unknown;
    return [name, (...args: unknown[]) => call(allocator, ...args)];
  }));
  return new Proxy(allocator, {
    get(target, name) {
      if (methods.has(name)) return methods.get(name);
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** Whether the state of an allocator can be saved. */
function isSaved(allocator: Allocator & { readonly inner?: Allocator }): boolean {
  const { inner } = allocator;
  if (inner !== undefined) return isSaved(inner);
  return allocator instanceof OffsetAllocator || allocator instanceof WideOffsetAllocator ||
    "snapshot" in allocator;
}
