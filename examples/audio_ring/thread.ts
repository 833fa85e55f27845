/**
 * A worker that gets one task and gives one answer, on every runtime.
 *
 * @module
 */

/** Starts a worker with a task; gives its answer, and ends it. */
export async function runThread<T>(module: URL, task: unknown): Promise<T> {
  if ("Worker" in globalThis) {
    const worker = new Worker(module, { type: "module" });
    const answer = new Promise<T>((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => resolve(data);
    });
    worker.postMessage(task);
    return await answer.finally(() => worker.terminate());
  }
  const threads = await import("node:worker_threads");
  const worker = new threads.Worker(module);
  const answer = new Promise<T>((resolve, reject) => {
    worker.once("error", reject).once("message", resolve);
  });
  worker.postMessage(task);
  return await answer.finally(() => worker.terminate());
}

interface WebScope {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
}

/** In the worker: answers the task with what a function makes of it. */
export async function answer<Task>(work: (task: Task) => unknown): Promise<void> {
  if ("WorkerGlobalScope" in globalThis) {
    const scope = globalThis as unknown as WebScope;
    scope.onmessage = ({ data }) => scope.postMessage(work(data as Task));
    return;
  }
  const { parentPort } = await import("node:worker_threads");
  parentPort!.once("message", (task: Task) => parentPort!.postMessage(work(task)));
}
