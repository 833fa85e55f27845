/**
 * What the tests of `AsyncPool` have in common: values whose making, validation and end are settled
 * by hand, and timers that run when the test says so.
 *
 * @module
 */

import { settled } from "./pool_helpers.ts";

/** A value that knows its number. */
export interface Value {
  readonly id: number;
}

/** Makes values of the numbers 0, 1, 2, ..., and tells which were destroyed. */
export function factory() {
  const created: Value[] = [], destroyed: Value[] = [];
  return {
    created,
    destroyed,
    create: (): Promise<Value> => {
      const value = { id: created.length };
      created.push(value);
      return Promise.resolve(value);
    },
    destroy: (value: Value): Promise<void> => {
      destroyed.push(value);
      return Promise.resolve();
    },
  };
}

/** A function whose promises the test settles, in any order. */
export function byHand<A, R>() {
  const calls: {
    readonly argument: A;
    readonly resolve: (result: R) => void;
    readonly reject: (reason: unknown) => void;
  }[] = [];
  const call = (argument: A): Promise<R> =>
    new Promise((resolve, reject) => calls.push({ argument, resolve, reject }));
  return { calls, call };
}

/** What became of a promise; handles its rejection. */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  let outcome: unknown = "pending";
  promise.then((value) => outcome = value, (error) => outcome = error);
  await settled();
  return outcome;
}

/** Takes the place of the timers of the runtime, until it is disposed of. */
export function fakeTimers() {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  interface Timer {
    readonly at: number;
    readonly run: () => void;
    isUnref: boolean;
    unref(): void;
  }
  const timers = new Set<Timer>();
  let now = 0;
  const setTimer = (run: () => void, delay: number): Timer => {
    const timer: Timer = {
      at: now + delay,
      run,
      isUnref: false,
      unref() {
        timer.isUnref = true;
      },
    };
    timers.add(timer);
    return timer;
  };
  Object.assign(globalThis, {
    setTimeout: setTimer,
    clearTimeout: (timer: Timer) => void timers.delete(timer),
  });
  return {
    timers,
    /** Lets milliseconds pass, and everything happen that happens in them. */
    async pass(milliseconds: number): Promise<void> {
      const end = now + milliseconds;
      await settled();
      for (;;) {
        const [first] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (first === undefined) break;
        now = first.at;
        timers.delete(first);
        first.run();
        await settled();
      }
      now = end;
    },
    [Symbol.dispose]: () => void Object.assign(globalThis, real),
  };
}
