/**
 * A tone on its way from one thread to another.
 *
 * @module
 */

import { SharedSlotPool } from "@suballoc/offset-allocator/shared";
import { runThread } from "./thread.ts";

/** What is to be played. */
export interface Tone {
  readonly seconds: number;
  readonly frequency: number;
  readonly sampleRate: number;
  /** Samples in a block. */
  readonly blockSize: number;
  /** Blocks that are under way at most. */
  readonly ringLength: number;
  /** Whether the samples that arrived are wanted. */
  readonly keep?: boolean;
}

/** What both threads are told. */
export interface AudioTask {
  /** The pool of blocks. */
  readonly buffer: SharedArrayBuffer;
  /** The handles of the blocks that are under way. */
  readonly ring: Int32Array;
  readonly blocks: number;
  readonly sampleRate: number;
  readonly frequency: number;
  readonly keep: boolean;
}

/** What arrived. */
export interface Heard {
  readonly samples: number;
  /** In Hz, by the zero crossings. */
  readonly frequency: number;
  readonly rms: number;
  /** How often the thread had to wait for a block. */
  readonly waits: number;
  /** The samples themselves, if they are wanted. */
  readonly kept: Float32Array;
}

/** What came of a tone. */
export interface AudioFigures extends Heard {
  readonly blocks: number;
  /** How often the producer had to wait for room in the ring. */
  readonly producerWaits: number;
  /** Slots of the pool, and those that never came back. */
  readonly slots: number;
  readonly lost: number;
}

/** Plays a tone: one thread renders it into slots, the other one hears it there. */
export async function playTone(tone: Tone): Promise<AudioFigures> {
  const { seconds, frequency, sampleRate, blockSize, ringLength, keep = false } = tone;
  // As many as are in the ring, in the hands of both threads, and in their caches.
  const slots = ringLength + 2 + 2 * 4;
  const pool = SharedSlotPool.create(slots, { slotSize: 4 * blockSize, type: Float32Array });
  const ring = new Int32Array(new SharedArrayBuffer(4 * (2 + ringLength)));
  const blocks = Math.ceil(seconds * sampleRate / blockSize);
  const task: AudioTask = { buffer: pool.buffer, ring, blocks, sampleRate, frequency, keep };
  const [producerWaits, heard] = await Promise.all([
    runThread<number>(new URL("./producer.ts", import.meta.url), task),
    runThread<Heard>(new URL("./consumer.ts", import.meta.url), task),
  ]);
  return { ...heard, blocks, producerWaits, slots, lost: slots - pool.available };
}
