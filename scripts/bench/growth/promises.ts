/**
 * What the documentation comments of the sources say a call costs.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** One line of a table of costs. */
interface Line {
  /** The calls, and under which condition. */
  readonly calls: string;
  readonly cost: string;
}

/** The costs that the documentation comment of a strategy lists. */
export class Promises {
  readonly #lines: readonly Line[];

  /**
   * Reads them.
   *
   * @param paths The source, from the root of the repository; then that of the strategy to whose
   *   table `everything else` refers.
   */
  constructor(paths: readonly string[]) {
    this.#lines = paths.flatMap((path, i) =>
      linesOf(read(path)).filter(({ calls }) => i === paths.length - 1 || !isRest(calls))
    );
  }

  /**
   * The cost of a method: that of the first line which names it and no condition, else of the
   * first that names it, else of `everything else`; undefined where there is no such line.
   */
  of(method: string): string | undefined {
    const named = this.#naming(method), plain = named.find(({ calls }) => isPlain(calls));
    return (plain ?? named[0] ?? this.#lines.find(({ calls }) => isRest(calls)))?.cost;
  }

  /** Whether a line names a method. */
  names(method: string): boolean {
    return this.#naming(method).length > 0;
  }

  /** The cost in the line that begins so. */
  at(start: string): string {
    const line = this.#lines.find(({ calls }) => calls.startsWith(start));
    if (line === undefined) throw new Error(`No table of costs has a line that begins: ${start}`);
    return line.cost;
  }

  #naming(method: string): Line[] {
    return this.#lines.filter(({ calls }) =>
      calls.includes(`\`${method}\``) || calls.includes(`\`${method}(`)
    );
  }
}

/** The costs that the documentation comment of an exported function names. */
export function costOfFunction(path: string, name: string): string | undefined {
  const source = read(path), at = source.search(new RegExp(`^export function ${name}\\b`, "m"));
  if (at < 0) throw new Error(`${path} exports no function ${name}`);
  const comment = source.slice(source.lastIndexOf("/**", at), at).replaceAll(/\s*\n \* ?/g, " ");
  const text = comment.replaceAll(/\{@linkcode (\w+)\}/g, "`$1`").split(" @")[0];
  return text.match(/\bO\(.*?(?=\.\s|\.$|$)/)?.[0].trim();
}

/** Whether calls are listed without any condition. */
function isPlain(calls: string): boolean {
  return /^(?:`\w+`(?:, | and |$))+$/.test(calls);
}

function isRest(calls: string): boolean {
  return /^(?:everything else|the rest)$/.test(calls);
}

function linesOf(source: string): Line[] {
  const rows = source.matchAll(/^ \* \| (.*?) \| (.*?) \|$/gm);
  return Array.from(rows, ([, calls, cost]) => ({ calls, cost }));
}

function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
}
