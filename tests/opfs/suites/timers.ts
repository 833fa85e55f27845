/**
 * Stands in for `node:timers` in a browser.
 *
 * @module
 */

const waiting: (() => void)[] = [];
const { port1, port2 } = new MessageChannel();
port1.onmessage = () => waiting.shift()?.();

/** Calls a function in the next turn of the event loop. */
export function setImmediate(call: () => void): void {
  waiting.push(call);
  port2.postMessage(undefined);
}
