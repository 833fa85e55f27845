/**
 * Stands in for `node:util` and `node:assert/strict` in a page, as far as `tests/support/assert`
 * uses them: equality is that of `node:assert/strict`.
 *
 * @module
 */

/** Shows a value in a message. */
export function inspect(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return String(value);
  try {
    const text = JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}n` : part);
    return text.slice(0, 2000);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** Whether two values are equal in depth. */
export function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  return isEqual(a, b, new Map());
}

/** Throws where they are not. */
export function deepStrictEqual(a: unknown, b: unknown): void {
  if (!isDeepStrictEqual(a, b)) throw new Error(`${inspect(a)} is not ${inspect(b)}`);
}

type Seen = Map<unknown, unknown>;

function isEqual(a: unknown, b: unknown, seen: Seen): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (seen.get(a) === b) return true; // a circle
  seen.set(a, b);
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof RegExp) return String(a) === String(b);
  if (ArrayBuffer.isView(a)) return isSameBytes(bytesOf(a), bytesOf(b as ArrayBufferView));
  if (a instanceof ArrayBuffer) {
    return isSameBytes(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
  }
  if (a instanceof Map) return isSameMap(a, b as Map<unknown, unknown>, seen);
  if (a instanceof Set) return isSameSet(a, b as Set<unknown>, seen);
  if (a instanceof Error) {
    const other = b as Error;
    if (a.message !== other.message || a.name !== other.name) return false;
  }
  return isSameObject(a as Record<PropertyKey, unknown>, b as Record<PropertyKey, unknown>, seen);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isSameMap(a: Map<unknown, unknown>, b: Map<unknown, unknown>, seen: Seen): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    if (!b.has(key) || !isEqual(value, b.get(key), seen)) return false;
  }
  return true;
}

function isSameSet(a: Set<unknown>, b: Set<unknown>, seen: Seen): boolean {
  if (a.size !== b.size) return false;
  const others = [...b];
  return [...a].every((item) => b.has(item) || others.some((other) => isEqual(item, other, seen)));
}

/** Own enumerable properties, symbols too; of an array also its length. */
function isSameObject(
  a: Record<PropertyKey, unknown>,
  b: Record<PropertyKey, unknown>,
  seen: Seen,
): boolean {
  if (Array.isArray(a) && a.length !== (b as unknown as unknown[]).length) return false;
  const [ours, theirs] = [a, b].map((object) =>
    Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key))
  );
  const others = new Set(theirs);
  return ours.length === theirs.length &&
    ours.every((key) => others.has(key) && isEqual(a[key], b[key], seen));
}
