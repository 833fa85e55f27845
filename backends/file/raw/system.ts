/**
 * The common part of calls of the system.
 *
 * @module
 */

/** The `code` of a system's error. Deno 2.2 says it in some messages only. */
export function codeOf(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return code ?? /^(E[A-Z]+): /.exec(message ?? "")?.[1];
}

/** Holds up this thread for some milliseconds. */
export function sleepSync(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
