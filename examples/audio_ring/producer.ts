/**
 * The thread that makes the sound: a block at a time into a slot of the pool.
 *
 * @module
 */

import { LocalSlotCache, SharedSlotPool } from "@suballoc/offset-allocator/shared";
import type { AudioTask } from "./play_tone.ts";
import { Ring } from "./ring.ts";
import { answer } from "./thread.ts";

/** Renders all blocks of a tone; gives how often it had to wait. */
function produce({ buffer, ring, blocks, sampleRate, frequency }: AudioTask): number {
  const shared = SharedSlotPool.attach(buffer, { type: Float32Array });
  const out = new Ring(ring);
  const step = 2 * Math.PI * frequency / sampleRate;
  let phase = 0;
  using pool = new LocalSlotCache(shared, { batch: 2 });
  for (let block = 0; block < blocks; block++) {
    // The ring is shorter than the pool: with room in the ring there is a slot.
    const handle = pool.acquire(), samples = pool.view(handle);
    for (let i = 0; i < samples.length; i++) {
      samples[i] = 0.5 * Math.sin(phase);
      phase += step;
    }
    out.put(handle);
  }
  return out.waits;
}

await answer(produce);
