/**
 * The thread that hears the sound: it measures what arrives and gives the slots back.
 *
 * @module
 */

import { LocalSlotCache, SharedSlotPool } from "@suballoc/offset-allocator/shared";
import type { AudioTask, Heard } from "./play_tone.ts";
import { Ring } from "./ring.ts";
import { answer } from "./thread.ts";

/** Takes all blocks of a tone in. */
function consume({ buffer, ring, blocks, sampleRate, keep }: AudioTask): Heard {
  const shared = SharedSlotPool.attach(buffer, { type: Float32Array });
  const input = new Ring(ring);
  const kept = new Float32Array(keep ? blocks * shared.slotSize / 4 : 0);
  let samples = 0, squares = 0, before = 0, firstRise = -1, lastRise = -1, rises = 0;
  using pool = new LocalSlotCache(shared, { batch: 2 });
  for (let block = 0; block < blocks; block++) {
    const handle = input.take(), view = pool.view(handle);
    if (keep) kept.set(view, samples);
    for (let i = 0; i < view.length; i++, samples++) {
      const sample = view[i];
      squares += sample * sample;
      if (before < 0 && sample >= 0) {
        // Where the line between the two samples crosses zero.
        lastRise = samples - sample / (sample - before);
        if (rises++ === 0) firstRise = lastRise;
      }
      before = sample;
    }
    pool.release(handle);
  }
  const frequency = rises > 1 ? (rises - 1) * sampleRate / (lastRise - firstRise) : 0;
  return { samples, frequency, rms: Math.sqrt(squares / samples), waits: input.waits, kept };
}

await answer(consume);
