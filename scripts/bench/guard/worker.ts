/**
 * Measures in a dedicated worker of a page: asks the server for a {@linkcode Task} at `/task`, and
 * posts an {@linkcode Answer} to `/answer`.
 *
 * @module
 */

import { measure, type Modules, type Times } from "./measure.ts";

/** What to measure: the arguments of {@linkcode measure}. */
export interface Task {
  readonly name: string;
  readonly lanes: readonly Modules[];
  readonly repeats: number;
}

/** What was measured, or what went wrong. */
export type Answer = { readonly times: Times } | { readonly error: string };

/**
 * Operations in a piece, some 200 µs: Chromium's clock steps by 5 µs. A tree measured against
 * itself came to 0.97 to 1.02 so, and to 0.90 to 1.11 with pieces of 40,000.
 */
const PIECE = 10_000;

async function answer(): Promise<Answer> {
  try {
    const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
    if (!crossOriginIsolated) throw new Error("The page is not isolated: its clock is too coarse");
    const { name, lanes, repeats }: Task = await (await fetch("/task")).json();
    return { times: await measure(name, lanes, repeats, PIECE) };
  } catch (error) {
    const { message, stack } = error as Error; // Firefox has no message in the stack
    return { error: `${message}\n${stack}` };
  }
}

await fetch("/answer", { method: "POST", body: JSON.stringify(await answer()) });
