/**
 * Turns of the event loop during long work: without them no signal, such as Ctrl-C, is heard.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";

/** Bytes and items after which the event loop has a turn. */
const BYTES = 1_048_576, ITEMS = 256;

/** Counts work. */
export class Turns {
  #bytes = 0;
  #items = 0;

  /**
   * Counts a file, or a piece of one.
   *
   * @param bytes Bytes in it.
   * @returns Now and then a promise to wait for.
   */
  after(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    this.#items++;
    if (this.#bytes < BYTES && this.#items < ITEMS) return undefined;
    this.#bytes = this.#items = 0;
    return setImmediate();
  }
}
