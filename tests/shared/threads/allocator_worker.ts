/**
 * A worker that allocates and frees in a shared allocator, marks every unit that it was given
 * and logs what it does. It runs in a page as well: it needs no package and no `node:` module.
 *
 * @module
 */

import { NO_SPACE } from "../../../src/allocator.ts";
import { SharedOffsetAllocator } from "../../../src/shared/shared_allocator.ts";
import { seeded } from "../../support/random.ts";
import { mark, unmark } from "./marks.ts";
import { openPort } from "./open_port.ts";

/** What a worker is to do. */
export interface AllocatorTask {
  readonly state: SharedArrayBuffer;
  readonly worker: number;
  readonly seed: number;
  readonly steps: number;
  /** After how many steps it lets others have their turn in this thread; never by default. */
  readonly pauseEvery?: number;
  /** By unit: the handle of the allocation that it is part of, or 0. */
  readonly marks: Int32Array;
  /** Handles that one worker leaves for whichever takes them; 0 for none. */
  readonly mailbox: Int32Array;
  /** Word 0 counts the events of all workers, word 1 their steps. */
  readonly counters: Int32Array;
  /** {@linkcode EVENT_WORDS} for each step of this worker, if it is to be kept. */
  readonly log?: Int32Array;
}

/** What a worker tells at the end. */
export interface AllocatorOutcome {
  /** Handles of what it holds. */
  readonly live: readonly number[];
  readonly refused: number;
}

/** Words of an event: its number, 1 for an allocation or 2 for a free, offset, size. */
export const EVENT_WORDS = 4;

const MOST_LIVE = 150;

/** Does what a task asks for. */
export async function work(task: AllocatorTask): Promise<AllocatorOutcome> {
  const { state, worker, marks, mailbox, counters, log, pauseEvery = Infinity } = task;
  const allocator = SharedOffsetAllocator.attach(state, { worker, abandonedAfter: 60_000 });
  const random = seeded(task.seed), live: number[] = [];
  let refused = 0, events = 0;
  const note = (kind: number, offset: number, size: number) => {
    log?.set([Atomics.add(counters, 0, 1), kind, offset, size], events++ * EVENT_WORDS);
  };
  for (let step = 0; step < task.steps; step++) {
    Atomics.add(counters, 1, 1);
    if (step % pauseEvery === pauseEvery - 1) await new Promise((resolve) => setTimeout(resolve));
    if (random(100) < 5) {
      // Somebody else frees what this worker allocated, and the other way round.
      const given = live.length > 0 ? live.splice(random(live.length), 1)[0] : 0;
      const taken = Atomics.exchange(mailbox, random(mailbox.length), given);
      if (taken !== 0) live.push(taken);
    }
    if (live.length > 0 && (live.length >= MOST_LIVE || random(2) === 0)) {
      const at = random(live.length), handle = live[at];
      live[at] = live[live.length - 1];
      live.pop();
      const offset = allocator.offset(handle), size = allocator.size(handle);
      unmark(marks, offset, size, handle);
      note(2, offset, size); // before it is free
      allocator.free(handle);
    } else {
      const size = random(20) === 0 ? random(400) : 1 + random(24);
      const handle = allocator.allocate(size, random(4) === 0 ? 1 + random(8) : 1);
      if (handle === NO_SPACE) {
        refused++;
        continue;
      }
      const offset = allocator.offset(handle);
      note(1, offset, size); // after it was taken
      mark(marks, offset, size, handle);
      live.push(handle);
    }
  }
  return { live, refused };
}

const port = await openPort();
port.listen(async (task: AllocatorTask) => {
  port.post("begun");
  port.post(await work(task));
});
port.post("ready");
