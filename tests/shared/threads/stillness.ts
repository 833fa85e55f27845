/**
 * When a worker has ended, where nothing tells.
 *
 * @module
 */

/**
 * Returns once a counter of the workers has stood still for so many milliseconds, in which each
 * had its turn on the CPU: a Web Worker goes on for a while after its termination.
 */
export async function stillness(counters: Int32Array, index: number, ms: number): Promise<void> {
  for (let before = NaN, quiet = 0; quiet < ms;) {
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const now = Atomics.load(counters, index);
    quiet = now === before ? quiet + performance.now() - start : 0;
    before = now;
  }
}
