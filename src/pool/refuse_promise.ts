/**
 * Promises from functions of which a pool awaits none.
 *
 * @module
 */

import { isPromise } from "../util/steps.ts";

/**
 * Refuses what a function of the options returned, if it is a promise. Its rejection is handled.
 *
 * @throws {TypeError} It is one.
 */
export function refusePromise(name: string, answer: unknown): void {
  if (!isPromise(answer)) return;
  Promise.resolve(answer).catch(() => {});
  throw new TypeError(`Expected ${name} to return no promise, got one: use AsyncPool`);
}
