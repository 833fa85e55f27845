/**
 * The example that passes audio between threads: what arrives is what was played.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { playTone } from "../../examples/audio_ring/play_tone.ts";
import { Ring } from "../../examples/audio_ring/ring.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/audio_ring.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];

removeAfterwards();

describe("audio_ring", () => {
  it("hears all of the tone, and gets every slot back", async () => {
    const tone = { seconds: 1.5, frequency: 1000, sampleRate: 44_100, blockSize: 100 };
    const heard = await playTone({ ...tone, ringLength: 4, keep: true });
    assertEquals([heard.blocks, heard.samples, heard.lost], [662, 66_200, 0]);
    assert(Math.abs(heard.frequency - 1000) < 0.01, `${heard.frequency} Hz`);
    assert(Math.abs(heard.rms - 0.5 / Math.SQRT2) < 0.001, `level ${heard.rms}`);
    // Every sample is where it belongs: no block twice, none left out.
    heard.kept.forEach((sample, i) => {
      const expected = 0.5 * Math.sin(2 * Math.PI * 1000 * i / 44_100);
      assert(Math.abs(sample - expected) < 1e-3, `sample ${i} is ${sample}, not ${expected}`);
    });
  });

  it("has a ring that holds so many and keeps their order", () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * 5));
    const one = new Ring(words), other = new Ring(words);
    for (let round = 0; round < 50; round += 3) {
      for (let i = 0; i < 3; i++) one.put(round + i);
      for (let i = 0; i < 3; i++) assertEquals(other.take(), round + i);
    }
    assertEquals([one.waits, other.waits], [0, 0]);
  });

  it("says what it heard, and writes it down", () => {
    const path = newPath();
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...RUN, SCRIPT, "0.5", "220", path],
      { encoding: "utf8" },
    );
    assertEquals([status, stderr.includes("Error")], [0, false], stderr);
    assert(/heard: (220\.0|219\.9)/.test(stdout) && stdout.includes("0 were lost"), stdout);
    const wav = readFileSync(path), bytes = new DataView(wav.buffer, wav.byteOffset, wav.length);
    assertEquals([wav.toString("latin1", 0, 4), wav.toString("latin1", 36, 40)], ["RIFF", "data"]);
    assertEquals([bytes.getUint32(24, true), bytes.getUint32(40, true)], [48_000, wav.length - 44]);
    assertEquals(wav.length - 44, 2 * 24_064);
    const loudest = Math.max(
      ...Array.from({ length: 24_064 }, (_, i) => bytes.getInt16(44 + 2 * i, true)),
    );
    assert(Math.abs(loudest - 0.5 * 32767) < 20, `loudest ${loudest}`);
    const misuse = spawnSync(process.execPath, [...RUN, SCRIPT, "-1"], { encoding: "utf8" });
    assertEquals([misuse.status, misuse.stderr.startsWith("Usage")], [2, true]);
  });
});
