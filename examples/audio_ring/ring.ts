/**
 * A ring of numbers from one thread to another, in shared memory.
 *
 * @module
 */

const WRITTEN = 0; // numbers put in so far
const READ = 1; // numbers taken out so far
const FIRST = 2;

/** How long a thread sleeps at most before it looks again, in milliseconds. */
const SLEEP_MS = 100;

/** Numbers that one thread puts in and one takes out, in their order; both may wait. */
export class Ring {
  readonly #words: Int32Array;
  readonly #length: number;
  /** How often this side had to wait. */
  waits = 0;

  /** Takes part in a ring that lies in these words: two more than it holds, all zero at first. */
  constructor(words: Int32Array) {
    this.#words = words;
    this.#length = words.length - FIRST;
  }

  /** Puts a number in, once there is room. */
  put(value: number): void {
    const words = this.#words, written = Atomics.load(words, WRITTEN);
    for (let read; written - (read = Atomics.load(words, READ)) === this.#length;) {
      this.waits++;
      Atomics.wait(words, READ, read, SLEEP_MS);
    }
    words[FIRST + written % this.#length] = value;
    Atomics.store(words, WRITTEN, written + 1);
    Atomics.notify(words, WRITTEN);
  }

  /** Takes the next number out, once there is one. */
  take(): number {
    const words = this.#words, read = Atomics.load(words, READ);
    while (Atomics.load(words, WRITTEN) === read) {
      this.waits++;
      Atomics.wait(words, WRITTEN, read, SLEEP_MS);
    }
    const value = words[FIRST + read % this.#length];
    Atomics.store(words, READ, read + 1);
    Atomics.notify(words, READ);
    return value;
  }
}
