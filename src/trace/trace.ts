/**
 * Traces: the calls of an allocator as text, one JSON value a line.
 *
 * The first line is the header, with the capacity at the start:
 *
 *     {"format":"suballoc-trace","version":1,"capacity":4096}
 *
 * Each line after it is one operation:
 *
 * | line | operation |
 * | --- | --- |
 * | `["a",size]`, `["a",size,alignment]` | `allocate` |
 * | `["A",offset,size]` | `allocateAt` |
 * | `["f",id]` | `free` |
 * | `["r",id,size]` | `resize` |
 * | `["m",id,to]` | `applyMove` |
 * | `["g",units]` | `grow` |
 * | `["s",units]` | `shrink` |
 * | `["S",start,size]` | `addSpan` |
 * | `["z"]` | `reset` |
 *
 * An id counts the lines of `a` and `A` before that of the allocation, from 0. A refused `a`, `A`
 * or `r` ends with `"no"`: `["a",100,"no"]`. Readers ignore empty lines and further members of the
 * header.
 *
 * @module
 */

import { describe } from "../util/check_integer.ts";
import { doubled } from "../allocators/handle_table.ts";

/** The format that the header names. */
export const TRACE_FORMAT = "suballoc-trace";

/** The version of the format. */
export const TRACE_VERSION = 1;

/** Ends the line of an operation that was refused. */
export const REFUSED = "no";

/** How the line of an operation looks. */
interface Form {
  /** Its numbers; of what may be left out, the last, the name has a question mark. */
  readonly fields: readonly string[];
  /** Fewest numbers. */
  readonly least: number;
  /** True if the first number is an id: 1 or 0. */
  readonly ids: number;
  /** True if it makes an allocation. */
  readonly makes: boolean;
  /** True if it may have been refused. */
  readonly refusable: boolean;
}

const FORMS: Readonly<Record<string, Form>> = {
  a: { fields: ["size", "alignment?"], least: 1, ids: 0, makes: true, refusable: true },
  A: { fields: ["offset", "size"], least: 2, ids: 0, makes: true, refusable: true },
  f: { fields: ["id"], least: 1, ids: 1, makes: false, refusable: false },
  r: { fields: ["id", "size"], least: 2, ids: 1, makes: false, refusable: true },
  m: { fields: ["id", "to"], least: 2, ids: 1, makes: false, refusable: false },
  g: { fields: ["units"], least: 1, ids: 0, makes: false, refusable: false },
  s: { fields: ["units"], least: 1, ids: 0, makes: false, refusable: false },
  S: { fields: ["start", "size"], least: 2, ids: 0, makes: false, refusable: false },
  z: { fields: [], least: 0, ids: 0, makes: false, refusable: false },
};

/**
 * A trace in memory, as {@linkcode parseTrace} makes it: read once, replayed often.
 *
 * Operation `i` is three integers and two numbers, 28 bytes:
 *
 *     steps[3 * i]     letter (its char code) | id, or 0 | whether it was refused: 0 or 1
 *     amounts[2 * i]   the other numbers of its line, in their order
 *
 * The alignment is 1 where the line leaves it out.
 */
export interface Trace {
  /** Units of the space at the start. */
  readonly capacity: number;
  /** Number of operations. */
  readonly operationCount: number;
  /** Number of ids: one more than the largest. */
  readonly idCount: number;
  /** Letter, id and refusal of each operation. */
  readonly steps: Int32Array;
  /** The numbers of each operation. */
  readonly amounts: Float64Array;
}

/** A line that is no part of a trace. */
export class TraceError extends Error {
  /** The name of the class. */
  override readonly name: string = "TraceError";
  /** Number of the line, from 1. */
  readonly line: number;

  /**
   * Makes the error for a line.
   *
   * @param line Number of the line, from 1.
   * @param expected The right form.
   * @param got The text found.
   */
  constructor(line: number, expected: string, got: string) {
    super(`Cannot read line ${line} of the trace: expected ${expected}, got ${got}`);
    this.line = line;
  }
}

/**
 * Reads a trace. O(lines).
 *
 * @param source The text, or its lines without their ends.
 * @throws {TraceError} A line is no part of a trace, or names an allocation that is not live.
 * @throws {TypeError} `source` is no text and has no lines.
 *
 * @example
 * ```ts
 * import { parseTrace } from "@suballoc/offset-allocator/trace";
 *
 * const trace = parseTrace(`{"format":"suballoc-trace","version":1,"capacity":4096}
 * ["a",100,16]
 * ["f",0]`);
 * trace.operationCount; // 2
 * ```
 */
export function parseTrace(source: string | Iterable<string>): Trace {
  const lines = source as Partial<Iterable<string>> | null | undefined;
  if (typeof lines?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Expected source to be a text or its lines, got ${describe(source)}`);
  }
  const reader = new Reader();
  for (const line of typeof source === "string" ? source.split("\n") : source) reader.read(line);
  return reader.trace();
}

class Reader {
  #line = 0;
  #capacity = -1;
  #count = 0;
  #ids = 0;
  #live = new Set<number>();
  #steps = new Int32Array(3 * 64);
  #amounts = new Float64Array(2 * 64);

  read(line: string): void {
    this.#line++;
    if (typeof line !== "string") return this.#fail("a string", describe(line));
    if (line.trim() === "") return;
    const value = this.#parse(line);
    if (this.#capacity < 0) this.#header(value, line);
    else this.#operation(value, line);
  }

  trace(): Trace {
    this.#line++;
    if (this.#capacity < 0) this.#fail("a header", "the end");
    return {
      capacity: this.#capacity,
      operationCount: this.#count,
      idCount: this.#ids,
      steps: this.#steps.slice(0, 3 * this.#count),
      amounts: this.#amounts.slice(0, 2 * this.#count),
    };
  }

  #parse(line: string): unknown {
    try {
      return JSON.parse(line);
    } catch {
      return this.#fail("a JSON value", excerpt(line));
    }
  }

  #header(value: unknown, line: string): void {
    const header = (value ?? {}) as Record<string, unknown>;
    if (header.format !== TRACE_FORMAT) this.#fail("the header of a trace", excerpt(line));
    if (header.version !== TRACE_VERSION) {
      this.#fail(`version ${TRACE_VERSION}`, describe(header.version));
    }
    this.#capacity = this.#integer("capacity", header.capacity);
  }

  #operation(value: unknown, line: string): void {
    const operation: readonly unknown[] = Array.isArray(value) ? value : [];
    const letter = operation[0];
    const isKnown = Object.prototype.hasOwnProperty.call(FORMS, letter as string);
    const form = isKnown ? FORMS[letter as string] : undefined;
    if (form === undefined) return this.#fail('an operation, such as ["a",100]', excerpt(line));
    const { fields, least, ids, makes, refusable } = form;
    const refused = refusable && operation[operation.length - 1] === REFUSED;
    const given = operation.length - (refused ? 2 : 1);
    if (given < least || given > fields.length) {
      const shape = [JSON.stringify(letter), ...fields].join();
      return this.#fail(`[${shape}]`, excerpt(line));
    }

    const i = this.#count++;
    if (3 * i === this.#steps.length) {
      this.#steps = doubled(this.#steps);
      this.#amounts = doubled(this.#amounts);
    }
    const id = makes ? this.#ids++ : ids === 1 ? this.#liveId(operation[1]) : 0;
    const steps = this.#steps, amounts = this.#amounts;
    steps[3 * i] = (letter as string).charCodeAt(0);
    steps[3 * i + 1] = id;
    steps[3 * i + 2] = refused ? 1 : 0;
    for (let field = ids; field < fields.length; field++) {
      amounts[2 * i + field - ids] = field < least
        ? this.#integer(fields[field], operation[1 + field])
        : this.#integer("alignment", field < given ? operation[1 + field] : 1, 1);
    }
    if (makes && !refused) this.#live.add(id);
    else if (letter === "f") this.#live.delete(id);
    else if (letter === "z") this.#live.clear();
  }

  #liveId(id: unknown): number {
    if (typeof id === "number" && this.#live.has(id)) return id + 0; // not -0
    return this.#fail("the id of a live allocation", describe(id));
  }

  #integer(name: string, value: unknown, min = 0): number {
    // Never -0; the parentheses are for parsers that cannot do without them.
    if (Number.isSafeInteger(value) && (value as number) >= min) return (value as number) + 0;
    const expected = `${name} to be an integer from ${min} to ${Number.MAX_SAFE_INTEGER}`;
    return this.#fail(expected, describe(value));
  }

  #fail(expected: string, got: string): never {
    throw new TraceError(this.#line, expected, got);
  }
}

/** A line as an error message shows it. */
function excerpt(line: string): string {
  return line.length <= 60 ? line : `${line.slice(0, 60)}...`;
}
