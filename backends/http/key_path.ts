/**
 * Keys in the paths of addresses, percent-encoded.
 *
 * @module
 */

import { checkType, describe } from "../../src/util/mod.ts";

/**
 * The path that names a key, for addresses: each `/` stays, all else that is no letter or digit is
 * percent-encoded. Where a part between two slashes is `.` or `..`, or the key begins with a slash,
 * the slashes are encoded too: what reads an address would take the part out, or for a host.
 *
 * @param key A key of the store.
 * @param basePath Where the blobs are served, `/` by default.
 * @throws {RangeError} The key is `.` or `..`: no path can name it.
 * @throws {TypeError} It is no well-formed string.
 */
export function pathOfKey(key: string, basePath: string = "/"): string {
  if (typeof key !== "string") {
    throw new TypeError(`Expected key to be a string, got ${describe(key)}`);
  }
  checkType("basePath", basePath, "string");
  const parts = key.split("/").map((part) => {
    try {
      return encodeURIComponent(part);
    } catch (cause) {
      throw new TypeError("Expected key to be a well-formed string", { cause });
    }
  });
  if (key === "." || key === "..") {
    throw new RangeError(`Expected key to be one that a path can name, got ${JSON.stringify(key)}`);
  }
  const isPlain = parts[0] !== "" && parts.every((part) => part !== "." && part !== "..");
  return withSlash(basePath) + parts.join(isPlain ? "/" : "%2F");
}

/**
 * The key that a path names: what follows the base, decoded once. Undefined where the path is
 * elsewhere, null where it is not percent-encoded UTF-8.
 */
export function keyOfPath(path: string, basePath: string): string | undefined | null {
  if (!path.startsWith(basePath)) return undefined;
  try {
    return decodeURIComponent(path.slice(basePath.length));
  } catch {
    return null;
  }
}

/** A path with a slash at its end. */
export function withSlash(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}
