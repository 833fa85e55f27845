/**
 * A worker that takes slots of a shared pool and gives them back, and writes its number in
 * those that it holds. It runs in a page as well.
 *
 * @module
 */

import { NO_SPACE } from "../../../src/allocator.ts";
import { SharedSlotPool } from "../../../src/shared/shared_slot_pool.ts";
import { LocalSlotCache } from "../../../src/shared/local_slot_cache.ts";
import { seeded } from "../../support/random.ts";
import { mark, unmark } from "./marks.ts";
import { openPort } from "./open_port.ts";

/** What a worker is to do. */
export interface SlotTask {
  readonly buffer: SharedArrayBuffer;
  readonly seed: number;
  readonly steps: number;
  /** After how many steps it lets others have their turn in this thread; never by default. */
  readonly pauseEvery?: number;
  /** Where the first slot begins. */
  readonly firstOffset: number;
  /** Whether it has a cache of its own. */
  readonly local: boolean;
  /** By slot: the handle of whoever holds it, or 0. */
  readonly marks: Int32Array;
  /** Handles, plus one, that one worker leaves for whichever takes them; 0 for none. */
  readonly mailbox: Int32Array;
}

const port = await openPort();
port.listen(async (task: SlotTask) => {
  port.post("begun");
  const shared = SharedSlotPool.attach(task.buffer, { type: Int32Array });
  const { marks, mailbox, pauseEvery = Infinity } = task, random = seeded(task.seed);
  const local = task.local ? new LocalSlotCache(shared, { batch: 8 }) : undefined;
  const pool = local ?? shared, live: number[] = [];
  const slotOf = (handle: number) => (shared.offset(handle) - task.firstOffset) / shared.stride;
  const hold = (handle: number) => {
    mark(marks, slotOf(handle), 1, handle + 1);
    shared.view(handle).fill(handle);
    live.push(handle);
  };
  const letGo = (handle: number) => {
    if (!shared.view(handle).every((value) => value === handle)) throw new Error("other bytes");
    unmark(marks, slotOf(handle), 1, handle + 1);
    pool.release(handle);
  };
  for (let step = 0; step < task.steps; step++) {
    if (step % pauseEvery === pauseEvery - 1) await new Promise((resolve) => setTimeout(resolve));
    const kind = random(100);
    if (kind < 5) {
      const given = live.length > 0 ? live.pop()! + 1 : 0;
      const taken = Atomics.exchange(mailbox, random(mailbox.length), given);
      if (taken !== 0) live.push(taken - 1);
    } else if (kind < 8 && local === undefined && shared.available > 20) {
      try {
        for (const handle of shared.acquireMany(5)) hold(handle);
      } catch (error) {
        if ((error as Error).name !== "PoolExhaustedError") throw error;
      }
    } else if (kind < 55) {
      const handle = pool.tryAcquire();
      if (handle !== NO_SPACE) hold(handle);
    } else if (live.length > 0) letGo(live.splice(random(live.length), 1)[0]);
  }
  local?.trim();
  port.post(live);
});
port.post("ready");
