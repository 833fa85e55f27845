/**
 * Workers, the same on every runtime and in a page.
 *
 * @module
 */

/** A worker that was started. */
export interface Thread {
  /** Sends it a message. */
  post(message: unknown): void;
  /** Its next message; rejected with the worker's error, if it fails first. */
  receive<T>(): Promise<T>;
  /** Ends it, wherever it is. */
  terminate(): Promise<void>;
}

/** What a started worker tells. */
interface Events {
  message(value: unknown): void;
  error(error: Error): void;
}

/** Who waits for a message. */
interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Starts a worker that runs a module; the module talks through {@linkcode openPort}. */
export async function spawnThread(module: URL): Promise<Thread> {
  const messages: unknown[] = [];
  const waiting: Waiting[] = [];
  let failure: Error | undefined;
  const events: Events = {
    message(value) {
      const first = waiting.shift();
      if (first === undefined) messages.push(value);
      else first.resolve(value);
    },
    error(error) {
      failure = error;
      for (const { reject } of waiting.splice(0)) reject(error);
    },
  };
  const { post, terminate } = "Worker" in globalThis
    ? startWebWorker(module, events)
    : await startNodeWorker(module, events);
  return {
    post,
    terminate,
    receive<T>() {
      if (messages.length > 0) return Promise.resolve(messages.shift() as T);
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise<T>((resolve, reject) => {
        waiting.push({ resolve: (value) => resolve(value as T), reject });
      });
    },
  };
}

type Started = Pick<Thread, "post" | "terminate">;

function startWebWorker(module: URL, events: Events): Started {
  const worker = new Worker(module, { type: "module" });
  worker.onmessage = ({ data }) => events.message(data);
  worker.onerror = (event) => {
    event.preventDefault();
    events.error(new Error(`The worker failed: ${event.message}`));
  };
  return {
    post: (message) => worker.postMessage(message),
    terminate: () => Promise.resolve(worker.terminate()),
  };
}

async function startNodeWorker(module: URL, events: Events): Promise<Started> {
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(module);
  worker.on("message", (value) => events.message(value));
  worker.on("error", (error) => events.error(error as Error));
  return {
    post: (message) => worker.postMessage(message),
    terminate: async () => void await worker.terminate(),
  };
}
