/**
 * The states in which calls are measured.
 *
 * @module
 */

import { type Allocator, NO_SPACE } from "../../../src/allocator.ts";
import { type Random, seeded } from "../../../tests/support/random.ts";
import type { Subject } from "./subjects.ts";

/** Units of every hole of {@linkcode fullOf}: the next size is in the same bin everywhere. */
export const HOLE = 64;
/** Units of the allocation that is freed and made again. */
export const SMALL = 16;
/** Holes that are one unit larger, where they are asked for. */
export const LARGER = 32;
/** Free units at the end of {@linkcode mixedOf}, beside what its allocations may need. */
const TAIL = 2 ** 24;
/** Most times that {@linkcode mixedOf} frees and allocates, where neither searches. */
const MOST_TURNS = 200_000;

/** An allocator with some allocations. */
export interface State {
  readonly allocator: Allocator;
  /** All of them but the first and what is measured itself; in any order. */
  readonly handles: number[];
  readonly random: Random;
}

/** A state without any free region but small holes of one size. */
export interface FullState extends State {
  /** Frees an allocation and makes it again: from then on no refusal is known. */
  readonly forget: () => void;
}

/** `live` allocations of sizes at random, holes between them, and a tail that takes anything. */
export function mixedOf(subject: Subject, live: number): State {
  const { most = 400, lead = 1, turns = MOST_TURNS, isStack = false } = subject, random = seeded(1);
  const extra = live >>> 2, room = isStack ? 2 ** 40 : (live + extra) * most + TAIL;
  const capacity = lead + room, slots = live + extra + 10_000;
  const allocator = subject.make({ capacity, live: slots }), handles: number[] = [];
  if (lead > 0) placed(allocator.allocate(lead));
  for (let i = 0; i < live + extra; i++) {
    handles.push(placed(allocator.allocate(1 + random(most))));
  }
  for (let i = 0; i < extra; i++) {
    const at = random(handles.length);
    allocator.free(handles[at]);
    handles[at] = handles[handles.length - 1];
    handles.pop();
  }
  for (let i = 0; i < Math.min(live, turns); i++) {
    const at = random(handles.length);
    allocator.free(handles[at]);
    handles[at] = placed(allocator.allocate(1 + random(most)));
  }
  return { allocator, handles, random };
}

/** How {@linkcode fullOf} differs from what it makes by default. */
interface FullOptions {
  /** As in `OffsetAllocatorOptions`. */
  readonly maxLooks?: number;
  /** Whether {@linkcode LARGER} holes have a unit more; a search looks at them last. */
  readonly hasLarger?: boolean;
}

/**
 * `live` allocations with a hole behind each and no other free unit. All holes are of
 * {@linkcode HOLE} units, and none begins at a multiple of 128.
 */
export function fullOf(subject: Subject, live: number, options: FullOptions = {}): FullState {
  const { wall = SMALL, lead = 1, spare = 0, isStack = false } = subject, smalls = 2 * HOLE / SMALL;
  const { maxLooks, hasLarger = false } = options;
  const capacity = lead + spare + smalls * SMALL + live * (wall + HOLE) + (hasLarger ? LARGER : 0);
  const allocator = subject.make({ capacity, live: 2 * live + 10_000, maxLooks });
  const handles: number[] = [], holes: number[] = [], small: number[] = [];
  const addSmall = () => {
    for (let i = 0; i < smalls; i++) small.push(placed(allocator.allocate(SMALL)));
  };
  if (lead > 0) placed(allocator.allocate(lead));
  if (!isStack) addSmall();
  for (let i = 0; i < live; i++) {
    handles.push(placed(allocator.allocate(wall)));
    const isLarger = hasLarger && i >= live - LARGER;
    holes.push(placed(allocator.allocate(isLarger ? HOLE + 1 : HOLE)));
  }
  if (isStack) addSmall();
  fill(allocator);
  for (let i = live - 1; i >= 0; i--) allocator.free(holes[i]); // the oldest is the last
  let one = isStack ? small[smalls - 1] : small[smalls >>> 1];
  const forget = () => {
    allocator.free(one);
    one = placed(allocator.allocate(SMALL));
  };
  forget();
  return { allocator, handles, random: seeded(1), forget };
}

/** Takes what is free beside whole slots: the space that a parent has left. */
function fill(allocator: Allocator): void {
  const { parent } = allocator as { readonly parent?: Allocator };
  if (parent === undefined) return;
  for (let size; (size = parent.largestFreeRegion()) > 0;) placed(parent.allocate(size));
}

/** A handle, which is one. */
export function placed(handle: number): number {
  if (handle === NO_SPACE) throw new Error("An allocation got no place");
  return handle;
}
