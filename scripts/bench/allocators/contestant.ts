/**
 * What is timed, and the loop that times it.
 *
 * @module
 */

import type { Trace } from "../../../cli/compare/workloads.ts";

/** The part of an allocator that is timed. */
export interface Subject {
  /** A number of 0 or more that names the block, or `NO_SPACE`. */
  allocate(size: number): number;
  free(handle: number): void;
}

/** One column of the comparison. */
export interface Contestant {
  readonly name: string;
  readonly create: (trace: Trace) => Subject;
  /** The timed loop over `[begin, end)` of a trace; gives the number of refusals. */
  readonly drive: typeof drive;
}

/**
 * Each contestant has a copy of the loop, made from its source. In one loop for all
 * the calls would see several classes, and an engine then neither knows the target
 * nor inlines it: the second contestant, and the first from then on, would pay for
 * the company. The name in the source keeps the engine from taking the copies for one.
 */
export function contestant(name: string, create: (trace: Trace) => Subject): Contestant {
  return { name, create, drive: new Function(`/* ${name} */ return ${drive};`)() };
}

/** Copied by source: it may use nothing but its parameters. */
function drive(
  subject: Subject,
  slots: Int32Array,
  sizes: Int32Array,
  begin: number,
  end: number,
  handles: Int32Array,
): number {
  let refused = 0;
  for (let i = begin; i < end; i++) {
    const slot = slots[i];
    if (slot >= 0) {
      const handle = subject.allocate(sizes[i]);
      handles[slot] = handle;
      if (handle < 0) refused++;
    } else {
      const handle = handles[~slot];
      if (handle >= 0) subject.free(handle);
    }
  }
  return refused;
}
