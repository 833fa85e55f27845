/**
 * A worker that waits for slots of a shared pool, or for space of a shared allocator.
 *
 * @module
 */

import { NO_SPACE } from "../../../src/allocator.ts";
import {
  allocateAsync,
  allocateSync,
  SharedOffsetAllocator,
  SharedSlotPool,
} from "../../../src/shared/mod.ts";
import { seeded } from "../../support/random.ts";
import { mark, unmark } from "./marks.ts";
import { openPort } from "./open_port.ts";

/** What a worker is to do. */
export interface WaitingTask {
  readonly buffer: SharedArrayBuffer;
  readonly kind: "pool" | "space" | "fuzz pool" | "fuzz space";
  readonly isAsync: boolean;
  readonly worker: number;
  readonly timeout?: number;
  /** Units that are waited for. */
  readonly size?: number;
  readonly seed?: number;
  readonly steps?: number;
  /** By slot or unit: what its holder put there. */
  readonly marks?: Int32Array;
}

async function waitOnce(task: WaitingTask): Promise<number> {
  const { buffer, isAsync, timeout, worker, size = 1 } = task;
  if (task.kind === "pool") {
    const pool = SharedSlotPool.attach(buffer, { abandonedAfter: 300 });
    return isAsync ? await pool.acquireAsync({ timeout }) : pool.acquireSync(timeout);
  }
  const allocator = SharedOffsetAllocator.attach(buffer, { worker, abandonedAfter: 300 });
  return isAsync
    ? await allocateAsync(allocator, size, { timeout })
    : allocateSync(allocator, size, { timeout });
}

/** Waits, holds and gives back again and again; returns how many waits came to nothing. */
async function fuzz({ buffer, kind, worker, seed = 0, steps = 0, marks }: WaitingTask) {
  const random = seeded(seed), isPool = kind === "fuzz pool";
  const pool = isPool ? SharedSlotPool.attach(buffer) : undefined;
  const allocator = isPool ? undefined : SharedOffsetAllocator.attach(buffer, { worker });
  let refused = 0;
  const orNone = (error: unknown) => {
    if ((error as Error).name !== "PoolTimeoutError") throw error;
    return NO_SPACE;
  };
  const once = async (isAsync: boolean, timeout: number | undefined) => {
    const size = 1 + random(8);
    let handle = 0;
    if (pool === undefined) {
      handle = isAsync
        ? await allocateAsync(allocator!, size, { timeout })
        : allocateSync(allocator!, size, { timeout });
    } else if (isAsync) {
      handle = await pool.acquireAsync({ timeout }).catch(orNone);
    } else {
      try {
        handle = pool.acquireSync(timeout);
      } catch (error) {
        handle = orNone(error);
      }
    }
    if (handle === NO_SPACE) return void refused++;
    const offset = pool === undefined ? allocator!.offset(handle) : pool.offset(handle) / 8;
    const length = pool === undefined ? size : 1;
    mark(marks!, offset, length, handle + 1);
    if (isAsync && random(3) === 0) await new Promise((resolve) => setTimeout(resolve));
    unmark(marks!, offset, length, handle + 1);
    (pool ?? { release: (one: number) => allocator!.free(one) }).release(handle);
  };
  for (let step = 0; step < steps; step++) {
    const timeout = [undefined, undefined, 0, 1, 5][random(5)];
    if (random(2) === 0) await once(false, timeout);
    else await Promise.all(Array.from({ length: 1 + random(5) }, () => once(true, timeout)));
  }
  return refused;
}

const port = await openPort();
port.listen(async (task: WaitingTask) => {
  port.post("begun");
  if (task.kind.startsWith("fuzz")) return port.post(await fuzz(task));
  port.post(await waitOnce(task).catch((error) => (error as Error).name));
});
port.post("ready");
