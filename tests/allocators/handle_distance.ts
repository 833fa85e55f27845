/**
 * How many allocations lie between the free of a handle and its next use: a model that knows of
 * every handle when it was freed, and the loads under which tables of handles are looked at.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Random } from "../support/random.ts";

/** A table of handles, or an allocator as one. */
export interface HandleSource {
  /** A new handle, or 0 where the limit is reached. */
  take(): number;
  /** Frees a live handle. */
  free(handle: number): void;
  /** Whether a handle is live. */
  isLive(handle: number): boolean;
  /** Frees several live handles; one by one where it is missing. */
  freeMany?(handles: number[]): void;
  /** Up to so many new handles; one by one where it is missing. */
  takeMany?(count: number): number[];
}

/** Notes every free, and measures the distance to the next use of the same handle. */
export class DistanceModel {
  /** The least distance so far. */
  least = Infinity;
  /** Number of allocations. */
  count = 0;
  /** Number of handles that came back. */
  returned = 0;
  readonly live: number[] = [];
  readonly #source: HandleSource;
  readonly #bits: number;
  /** By handle: 0 for never, or one more than the number of allocations at its last free. */
  readonly #freed: Float64Array;

  /** Makes a model of a source whose handles are below 2^bits. */
  constructor(source: HandleSource, bits: number) {
    this.#source = source;
    this.#bits = bits;
    this.#freed = new Float64Array(2 ** bits);
  }

  /** Allocates; returns whether there was room. */
  take(): boolean {
    const handle = this.#source.take();
    if (handle === 0) return false;
    this.#note(handle);
    return true;
  }

  /** Allocates up to so many at once. */
  takeMany(count: number): void {
    const { takeMany } = this.#source;
    if (takeMany === undefined) { while (count-- > 0 && this.take()); }
    else for (const handle of takeMany(count)) this.#note(handle);
  }

  /** Frees at once the live handles from an index on. */
  freeFrom(index: number): void {
    const { freeMany } = this.#source, handles = this.live.splice(index);
    if (freeMany === undefined) { for (const handle of handles) this.#source.free(handle); }
    else freeMany(handles);
    for (const handle of handles) this.#freed[handle] = this.count + 1;
  }

  #note(handle: number): void {
    assert(Number.isInteger(handle) && handle > 0 && handle < 2 ** this.#bits, `${handle}`);
    const freed = this.#freed[handle];
    assert(freed >= 0, `handle ${handle} is live already`);
    if (freed > 0) {
      this.least = Math.min(this.least, this.count - freed + 1);
      this.returned++;
    }
    this.#freed[handle] = -1;
    this.live.push(handle);
    this.count++;
  }

  /** Frees the live handle at an index. */
  free(index: number): void {
    const handle = this.live[index], last = this.live.pop()!;
    if (index < this.live.length) this.live[index] = last;
    this.#source.free(handle);
    this.#freed[handle] = this.count + 1;
    if (this.count % 16 === 0) assert(!this.#source.isLive(handle), `${handle} is live still`);
  }

  /** Frees or allocates until so many are live. */
  moveTo(count: number, random: Random): void {
    while (this.live.length > count) this.free(random(this.live.length));
    while (this.live.length < count) if (!this.take()) return;
  }
}

/** Ways of use; `most` is how many may be live. Each makes some `steps` allocations. */
export const LOADS: Readonly<
  Record<string, (model: DistanceModel, most: number, steps: number, random: Random) => void>
> = {
  "nearly full": (model, most, steps, random) => churn(model, most - 1, steps, random),
  "full": (model, most, steps, random) => {
    model.moveTo(most, random);
    while (model.count < steps) {
      model.free(random(model.live.length));
      model.take();
    }
  },
  "full, the newest freed": (model, most, steps, random) => {
    model.moveTo(most, random);
    while (model.count < steps) {
      model.free(model.live.length - 1);
      model.take();
    }
  },
  "half full": (model, most, steps, random) => churn(model, most >> 1, steps, random),
  "one": (model, _most, steps, random) => churn(model, 0, steps, random),
  "few beside many that stay": (model, most, steps, random) => {
    const stay = Math.max(0, most - 5);
    model.moveTo(stay, random);
    while (model.count < steps) {
      while (model.live.length < most) model.take();
      while (model.live.length > stay) model.free(model.live.length - 1);
    }
  },
  "waves": (model, most, steps, random) => {
    while (model.count < steps) {
      model.moveTo(most, random);
      model.moveTo(0, random);
    }
  },
  "waves that rise": (model, most, steps, random) => {
    for (let height = 1; model.count < steps; height = Math.min(most, 2 * height)) {
      for (let i = 0; i < 20; i++) {
        model.moveTo(height, random);
        model.moveTo(height >> 1, random);
      }
    }
  },
  "slow growth": (model, most, steps, random) => {
    while (model.count < steps) {
      churn(model, Math.floor(most * model.count / steps), model.count + 50, random);
    }
  },
  "random": (model, most, steps, random) => {
    while (model.count < steps) model.moveTo(random(most + 1), random);
  },
};

/** Keeps some live, and has one more come and go. */
function churn(model: DistanceModel, kept: number, steps: number, random: Random): void {
  model.moveTo(kept, random);
  while (model.count < steps) {
    model.take();
    model.free(random(model.live.length));
  }
}
