/**
 * Patterns of names, as `--exclude` takes them.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { parents } from "./safe_name.ts";

/**
 * Makes one test of several patterns. `*` and `?` stand for anything but `/`, `**` for anything,
 * `[a-z]` for one character. A pattern without `/` is of a file or folder anywhere, one with `/`
 * of a path from the top. What is below a folder that matches is excluded with it.
 *
 * @param patterns The patterns.
 * @returns Whether a name, with `/` between its folders, is excluded.
 * @throws {UsageError} A pattern is empty, or has a class that does not end.
 */
export function excluder(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const tests = patterns.map(expressionOf);
  const matches = (name: string) => tests.some((test) => test.test(name));
  return (name) => {
    if (matches(name)) return true;
    for (const folder of parents(name)) if (matches(folder)) return true;
    return false;
  };
}

/** A pattern as a regular expression of a whole name. */
function expressionOf(pattern: string): RegExp {
  const path = pattern.replace(/^\/|\/+$/g, "");
  if (path === "") {
    throw new UsageError(`--exclude must be a pattern, got ${JSON.stringify(pattern)}`);
  }
  const body = path.replace(/\*\*\/|\*+|\?|\[!?\]?[^\]]*\]|[^]/gu, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "*") return "[^/]*";
    if (part.startsWith("*")) return ".*";
    if (part === "?") return "[^/]";
    if (part.length > 2 && part.startsWith("[")) {
      const [, not, members] = part.match(/^\[(!?)([^]*)\]$/)!;
      return `(?!/)[${not ? "^" : ""}${members.replace(/[\\[\]^&]/g, "\\$&")}]`;
    }
    return part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  });
  const isAnywhere = !pattern.replace(/\/+$/, "").includes("/");
  try {
    return new RegExp(`^${isAnywhere ? "(?:.*/)?" : ""}${body}$`, "su");
  } catch {
    throw new UsageError(`--exclude must be a pattern, got ${JSON.stringify(pattern)}`);
  }
}
