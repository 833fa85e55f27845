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

/** The part of Deno's global that tells what a program may do. */
interface DenoLike {
  readonly permissions?: { querySync?(permission: object): { readonly state: string } };
}

/**
 * Tells whether Deno has yet to be given a permission: at a terminal it would stop the program and
 * ask for it. On other runtimes nobody asks.
 */
export function wouldAsk(permission: object): boolean {
  const { Deno } = globalThis as { readonly Deno?: DenoLike };
  return Deno?.permissions?.querySync?.(permission).state === "prompt";
}
