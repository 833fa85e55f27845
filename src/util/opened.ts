/**
 * A store that may still be opening.
 *
 * @module
 */

import { describe } from "./check_integer.ts";

/**
 * A store, or the promise of one, as a promise. Its rejection is that of each call that awaits it,
 * and of nothing else.
 *
 * @throws {TypeError} It is neither; as a rejection, what the promise resolves to is not.
 */
export function opened<S>(store: S | PromiseLike<S>): Promise<S> {
  const check = (store: S): S => {
    if (typeof Object(store).batch === "function") return store;
    throw new TypeError(`Expected store to be a blob store, got ${describe(store)}`);
  };
  if (typeof Object(store).then !== "function") check(store as S);
  const promise = Promise.resolve(store).then(check);
  promise.catch(() => {});
  return promise;
}
