/** The GPU arena on a fake device against plain arrays, with a GPU that is quick or slow. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FakeDevice } from "./fake_gpu.ts";
import { checkArenaModel } from "./gpu/arena_model.ts";
import { ticks } from "./gpu_helpers.ts";

async function check(seed: number, steps: number, isSlow: boolean): Promise<void> {
  const alignment = [16, 32, 256][seed % 3];
  const device = new FakeDevice({
    minUniformBufferOffsetAlignment: alignment,
    minStorageBufferOffsetAlignment: alignment,
  });
  // A slow GPU answers between tasks only, long after the program went on.
  if (isSlow) device.hold();
  const clock = setInterval(() => {
    device.release();
    if (isSlow) device.hold();
  }, 0);
  try {
    await checkArenaModel(device, { seed, steps, every: 25 });
    assertEquals(device.uncaptured, []);
    device.release();
    await ticks();
    assertEquals(device.liveBuffers.map(({ label }) => label), []);
  } finally {
    clearInterval(clock);
  }
}

describe("GpuArena against a model", () => {
  for (let seed = 1; seed <= 12; seed++) {
    it(`holds every byte, seed ${seed}`, () => check(seed, 500, false));
  }
  for (let seed = 101; seed <= 104; seed++) {
    it(`holds every byte on a slow GPU, seed ${seed}`, () => check(seed, 200, true));
  }
});
