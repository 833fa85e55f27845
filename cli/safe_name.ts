/**
 * Which keys may become the names of files: of those below a folder, and of those in an
 * archive that someone unpacks somewhere.
 *
 * @module
 */

import process from "node:process";

/**
 * Tells why a key would leave the folder it is unpacked in.
 *
 * @param key The key.
 * @param windows True if the folder is on Windows, where `\` and a drive lead elsewhere, too.
 * @returns The reason, as it reads after a colon; `undefined` where it stays inside.
 */
export function escapes(
  key: string,
  windows: boolean = process.platform === "win32",
): string | undefined {
  if (key === "") return "an empty name";
  if (key.startsWith("/")) return "an absolute path";
  if (key.includes("\0")) return "a NUL character";
  const segments = key.split("/");
  if (segments.includes("..")) return "it goes up by ..";
  if (segments.includes(".")) return "it has a segment .";
  if (segments.includes("")) return "it has an empty segment";
  return windows ? misleading(key) : undefined;
}

/** Why a name means another place on Windows. */
function misleading(key: string): string | undefined {
  if (/^[A-Za-z]:/.test(key)) return "a path with a drive";
  return key.includes("\\") ? "a backslash separates folders on Windows" : undefined;
}

/**
 * The name of an entry of an archive as `tar` unpacks it: without `/` before it, twice or behind
 * it, and without segments `.`.
 *
 * @param name The name as it stands there.
 */
export function normalised(name: string): string {
  return name.split("/").filter((segment) => segment !== "" && segment !== ".").join("/");
}

/** Names of devices, whatever extension follows; the digits may be raised ones. */
const DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(?:\.|$)/i;

/**
 * Tells why Windows could not hold a key as the name of a file, or would hold another
 * file under it.
 *
 * @param key A key that does not escape.
 * @returns The reason, as it reads after a colon; `undefined` where it could.
 */
export function unportable(key: string): string | undefined {
  const reason = misleading(key);
  if (reason !== undefined) return reason;
  for (const segment of key.split("/")) {
    if (DEVICE.test(segment)) return "the name of a device on Windows";
    if (/[. ]$/.test(segment)) return "a trailing dot or space is dropped on Windows";
    const odd = [...segment].find((character) => character < " " || '<>:"|?*'.includes(character));
    if (odd !== undefined) return `${JSON.stringify(odd)} is not allowed on Windows`;
  }
  return undefined;
}

/**
 * The folders a key lies in: `a` and `a/b` for `a/b/c`.
 *
 * @param key The key.
 */
export function* parents(key: string): Generator<string> {
  for (let at = key.indexOf("/"); at >= 0; at = key.indexOf("/", at + 1)) yield key.slice(0, at);
}
