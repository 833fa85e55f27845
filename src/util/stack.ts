/**
 * Where in the program something happened.
 *
 * @module
 */

/** A stack that is put into words only when it is asked for, which is what costs. */
export interface StackTrace {
  readonly stack?: string;
}

type Callable = (...args: never[]) => unknown;

/** The stack of now without `below` and what it called; `Error.stackTraceLimit` holds. */
export function traceBelow(below: Callable): StackTrace {
  // Not everywhere, but on all engines of late.
  const engine = Error as { captureStackTrace?: (trace: StackTrace, below: Callable) => void };
  if (engine.captureStackTrace === undefined) return new Error();
  const trace: StackTrace = {};
  engine.captureStackTrace(trace, below);
  return trace;
}

/** The frames of a trace, one a line; the heading that some engines put first is none. */
export function framesOf({ stack = "" }: StackTrace): string {
  const frames = stack.split("\n").map((line) => line.trim());
  return frames.filter((line) => /^at |@/.test(line)).join("\n");
}
