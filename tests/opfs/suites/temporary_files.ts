/**
 * Stands in for `tests/support/temporary_files.ts` in a browser: paths of the origin private file
 * system.
 *
 * @module
 */

let files = 0;
const folder = `tests-${crypto.randomUUID()}`;

/** A path where nothing is. */
export function newPath(): string {
  return `${folder}/${files++}`;
}

/** Nothing: the profile of the browser is removed with all that is in it. */
export function removeAfterwards(): void {}
