/**
 * The worker's side of `spawnThread`.
 *
 * @module
 */

/** The way to whoever started this worker. */
export interface Port {
  /** Sends a message. */
  post(message: unknown): void;
  /** Calls a function with every message. */
  listen<M>(call: (message: M) => void): void;
}

interface WebScope {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
}

/** Opens the way; call it once, as the module begins. */
export async function openPort(): Promise<Port> {
  if ("WorkerGlobalScope" in globalThis) return overScope(globalThis as unknown as WebScope);
  const { parentPort } = await import("node:worker_threads");
  return {
    post: (message) => parentPort!.postMessage(message),
    listen: <M>(call: (message: M) => void) => void parentPort!.on("message", call),
  };
}

function overScope(scope: WebScope): Port {
  return {
    post: (message) => scope.postMessage(message),
    listen<M>(call: (message: M) => void) {
      scope.onmessage = ({ data }) => call(data as M);
    },
  };
}
