/**
 * Workers, the same in a page, on Deno, Bun and Node: Node has no `Worker` of the Web.
 *
 * @module
 */

/** A worker that was started. */
export interface Thread {
  /** Sends a message. */
  post(message: unknown): void;
  /** Sends a message; resolves with the worker's next one. */
  ask<M>(message: unknown): Promise<M>;
  terminate(): void;
}

/** The worker's end. */
export interface Port {
  post(message: unknown): void;
  listen<M>(call: (message: M) => void): void;
}

/** Node's workers and ports, as far as they are used. */
interface NodeEnd {
  postMessage(message: unknown): void;
  on(event: "message", call: (message: never) => void): void;
  once(event: "message", call: (message: never) => void): void;
  terminate(): void;
}

interface NodeThreads {
  readonly parentPort: NodeEnd;
  readonly Worker: new (module: URL) => NodeEnd;
}

/** The module of Node, got without an import: a bundler for pages would look for it. */
function nodeThreads(): NodeThreads {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): NodeThreads };
  };
  return process.getBuiltinModule("node:worker_threads");
}

/** Starts the worker of the shared heap. */
export function startWorker(): Thread {
  if (typeof Worker === "undefined") {
    const worker = new (nodeThreads().Worker)(new URL("./worker.ts", import.meta.url));
    return threadOf(worker, (call) => worker.once("message", call));
  }
  // In one piece: bundlers look for exactly this.
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return threadOf(worker, (call) => {
    worker.onmessage = ({ data }) => call(data as never);
  });
}

function threadOf(
  worker: { postMessage(message: unknown): void; terminate(): void },
  onNext: (call: (message: never) => void) => void,
): Thread {
  return {
    post: (message) => worker.postMessage(message),
    ask: <M>(message: unknown) =>
      new Promise<M>((resolve) => {
        onNext(resolve);
        worker.postMessage(message);
      }),
    terminate: () => worker.terminate(),
  };
}

/** Opens the worker's end. */
export function openPort(): Port {
  if (!("WorkerGlobalScope" in globalThis)) {
    const { parentPort } = nodeThreads();
    return {
      post: (message) => parentPort.postMessage(message),
      listen: <M>(call: (message: M) => void) => parentPort.on("message", call),
    };
  }
  const scope = globalThis as unknown as Worker;
  return {
    post: (message) => scope.postMessage(message),
    listen<M>(call: (message: M) => void) {
      scope.onmessage = ({ data }) => call(data as M);
    },
  };
}
