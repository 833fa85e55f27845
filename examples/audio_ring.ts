/**
 * Audio between two threads: one renders a tone into blocks, the other one hears it. A block is
 * a slot of a pool in shared memory: nothing is copied, and no garbage is made that could hold
 * the sound up.
 *
 * ```sh
 * deno run -A examples/audio_ring.ts
 * node examples/audio_ring.ts 2 440 tone.wav   # Node 24.2 or newer; seconds, Hz, a file
 * ```
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { playTone } from "./audio_ring/play_tone.ts";
import { wavOf } from "./audio_ring/wav.ts";

const SAMPLE_RATE = 48_000;

async function main([seconds = "10", frequency = "440", path]: string[]): Promise<number> {
  if (!(Number(seconds) > 0) || !(Number(frequency) > 0)) {
    console.error("Usage: audio_ring.ts [seconds] [frequency in Hz] [file.wav]");
    return 2;
  }
  const start = performance.now();
  const heard = await playTone({
    seconds: Number(seconds),
    frequency: Number(frequency),
    sampleRate: SAMPLE_RATE,
    blockSize: 128,
    ringLength: 32,
    keep: path !== undefined,
  });
  const elapsed = (performance.now() - start) / 1000;
  const { blocks, samples, slots, lost } = heard, sound = samples / SAMPLE_RATE;
  console.log(`${blocks} blocks of 128 samples went through ${slots} slots, ${lost} were lost`);
  console.log(`heard: ${heard.frequency.toFixed(3)} Hz, level ${heard.rms.toFixed(4)} (RMS)`);
  console.log(`${sound.toFixed(1)} s of sound in ${elapsed.toFixed(2)} s`);
  console.log(`waits: producer ${heard.producerWaits}, consumer ${heard.waits}`);
  if (path !== undefined) {
    writeFileSync(path, wavOf(heard.kept, SAMPLE_RATE));
    console.log(`written to ${path}`);
  }
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
