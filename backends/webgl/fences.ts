/**
 * Fences: promises that resolve once the commands so far are done.
 *
 * @module
 */

import type { Gl2Like } from "./gl_types.ts";

const GPU_COMMANDS_COMPLETE = 0x9117, TIMEOUT_EXPIRED = 0x911b;

interface Waiting {
  readonly fence: object;
  readonly resolve: () => void;
}

/**
 * Fences of one context, in order. A browser answers no fence in the task that made it, so that
 * they are looked at again by later calls; there is no timer.
 */
export class Fences<H extends object> {
  readonly #gl: Gl2Like<H>;
  #waiting: Waiting[] = [];

  constructor(gl: Gl2Like<H>) {
    this.#gl = gl;
  }

  /** Resolves once all commands so far are done, and {@linkcode Fences.poll} has seen it. */
  done(): Promise<void> {
    const gl = this.#gl, fence = gl.fenceSync(GPU_COMMANDS_COMPLETE, 0);
    if (fence === null) return Promise.resolve(); // the context is lost
    gl.flush(); // what is not sent off never signals
    return new Promise((resolve) => void this.#waiting.push({ fence, resolve }));
  }

  /** Resolves what is done. Fences signal in their order. */
  poll(): void {
    const gl = this.#gl, waiting = this.#waiting;
    let done = 0;
    while (
      done < waiting.length && gl.clientWaitSync(waiting[done].fence, 0, 0) !== TIMEOUT_EXPIRED
    ) {
      gl.deleteSync(waiting[done].fence);
      waiting[done++].resolve();
    }
    if (done > 0) waiting.splice(0, done);
  }

  /** Resolves all: the context is lost, and nothing is in use any more. */
  end(): void {
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }
}
