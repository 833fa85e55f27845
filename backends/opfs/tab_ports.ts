/**
 * Channels and ports between tabs: what they say to each other, and a shared worker that passes
 * ports on.
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";
import { watchLife } from "./life.ts";
import { checkPort } from "./serve_blob_store.ts";
import type { MessagePortLike } from "./wire.ts";
import type { WireError } from "./wire_errors.ts";

/** Marks our messages among others; another version of them has another mark. */
const MARK = "offset-allocator-tabs/1";

/** Longest (ms) that a shared worker may take to begin: without it there are channels. */
const JOIN_LIMIT = 2000;

/** What a tab tells others. `from` is its name. */
export type TabMessage =
  /** Asks for the owner. */
  | { readonly type: "who"; readonly from: string }
  /** The owner tells of itself. */
  | {
    readonly type: "owner";
    readonly from: string;
    readonly life: string | undefined;
    /** The uuid of the store. */
    readonly store: string;
    /** True if a shared worker passes ports to it. */
    readonly hasJoined: boolean;
  }
  /** A tab wants to be served: on a channel of this name, or on the port that comes along. */
  | {
    readonly type: "hello";
    readonly from: string;
    readonly to: string;
    readonly life: string | undefined;
    readonly channel: string | undefined;
  }
  /** The owner listens to this channel. */
  | { readonly type: "ready"; readonly from: string; readonly channel: string }
  /** The owner is one no more. */
  | { readonly type: "left"; readonly from: string }
  /** A tab whose turn it was could not open the store. */
  | { readonly type: "failed"; readonly from: string; readonly error: WireError }
  /** A page lends its worker the port of its shared worker. */
  | { readonly type: "lend"; readonly from: string }
  /** A tab makes itself known to the shared worker, and is answered. */
  | { readonly type: "join"; readonly from: string; readonly life: string | undefined }
  | { readonly type: "joined"; readonly from: string; readonly to: string };

/** A message with the ports that came along. */
export interface TabEvent {
  readonly data: unknown;
  readonly ports?: readonly MessagePortLike[];
}

/** A `BroadcastChannel`, or a `MessagePort`. */
export interface ClosablePort extends MessagePortLike {
  close(): void;
}

/** What posts a message with ports. */
interface PortSender {
  postMessage(message: unknown, options?: { transfer?: unknown[] }): void;
}

/** The used part of a worker's scope. */
interface Scope {
  readonly BroadcastChannel: new (name: string) => ClosablePort;
  readonly MessageChannel: new () => { readonly port1: ClosablePort; readonly port2: ClosablePort };
  addEventListener?(type: string, listener: (event: TabEvent) => void): void;
}

const scopeHere = () => globalThis as unknown as Scope;

/** Opens the channel of a name. */
export function openChannel(name: string): ClosablePort {
  return new (scopeHere().BroadcastChannel)(name);
}

/** Two ports that are connected. */
export function newPorts(): { readonly port1: ClosablePort; readonly port2: ClosablePort } {
  return new (scopeHere().MessageChannel)();
}

/** Tells others something. Posted to a port, other ports may come along. */
export function tell(to: MessagePortLike, message: TabMessage, ports?: unknown[]): void {
  (to as PortSender).postMessage({ ...message, mark: MARK }, ports && { transfer: ports });
}

/** A message of a tab; undefined where it is something else. */
export function tabMessageIn({ data }: { readonly data: unknown }): TabMessage | undefined {
  const { mark } = Object(data) as { readonly mark?: unknown };
  return mark === MARK ? data as TabMessage : undefined;
}

/** The port that the page lent this worker. */
let lent: MessagePortLike | undefined;
let isListening = false;

/** Takes the port that the page may lend. To be called before the first event of the worker. */
export function listenForLentPort(): void {
  if (isListening) return;
  isListening = true;
  scopeHere().addEventListener?.("message", (event) => {
    if (tabMessageIn(event)?.type === "lend") lent = event.ports?.[0];
  });
}

/**
 * Makes a tab known to the shared worker that the page lent, if there is one.
 *
 * @param onPort Takes the ports that come for this tab.
 * @returns Its port; undefined where there is none, or it does not answer.
 */
export async function joinLent(
  from: string,
  life: string | undefined,
  onPort: (message: TabMessage, port: MessagePortLike) => void,
): Promise<MessagePortLike | undefined> {
  const port = lent;
  if (port === undefined) return undefined;
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), JOIN_LIMIT);
    port.addEventListener("message", (event: TabEvent) => {
      const message = tabMessageIn(event);
      if (message === undefined || !("to" in message) || message.to !== from) return;
      if (message.type === "hello") return onPort(message, event.ports![0]);
      clearTimeout(timer);
      resolve(port);
    });
    port.start?.();
    tell(port, { type: "join", from, life });
  });
}

/**
 * Lends a worker the shared worker of the page, through which the tabs of a
 * {@linkcode SharedBlobStore} find ports to each other. Call it at once when the worker was made.
 * Without it they talk over a `BroadcastChannel`, which copies what ports transfer.
 *
 * @example
 * ```ts
 * import { joinTabs, RemoteBlobStore } from "@suballoc/offset-allocator/opfs";
 *
 * async function connect(): Promise<RemoteBlobStore> {
 *   const type = "module";
 *   const worker = new Worker(new URL("./blobs.worker.ts", import.meta.url), { type });
 *   // Chromium for Android has no SharedWorker.
 *   if ("SharedWorker" in globalThis) {
 *     const { SharedWorker } = globalThis as unknown as { SharedWorker: typeof Worker };
 *     const relay = new SharedWorker(new URL("./tabs.shared.ts", import.meta.url), { type });
 *     joinTabs(worker, relay as unknown as { port: MessagePort });
 *   }
 *   return await RemoteBlobStore.connect(worker);
 * }
 * ```
 *
 * @param worker The worker that opens the store.
 * @param sharedWorker A `SharedWorker` that calls {@linkcode relayTabs}. Nobody else uses its port.
 * @throws {TypeError} An argument is not valid.
 */
export function joinTabs(
  worker: MessagePortLike,
  sharedWorker: { readonly port: MessagePortLike },
): void {
  checkPort("worker", worker);
  const { port } = Object(sharedWorker) as { readonly port?: unknown };
  if (port === undefined) {
    throw new TypeError(
      `Expected sharedWorker to be a SharedWorker, got ${describe(sharedWorker)}`,
    );
  }
  checkPort("sharedWorker.port", port);
  tell(worker, { type: "lend", from: "" }, [port]);
}

/**
 * Passes ports between tabs: the one call of a shared worker, when it starts.
 *
 * @example
 * ```ts
 * import { relayTabs } from "@suballoc/offset-allocator/opfs";
 *
 * if ("SharedWorkerGlobalScope" in globalThis) relayTabs();
 * ```
 */
export function relayTabs(): void {
  const tabs = new Map<string, MessagePortLike>();
  scopeHere().addEventListener?.("connect", ({ ports }) => {
    const port = ports![0];
    port.addEventListener("message", (event: TabEvent) => {
      const message = tabMessageIn(event);
      if (message?.type === "join") {
        const { from, life } = message;
        tabs.set(from, port);
        watchLife(life, () => tabs.delete(from));
        tell(port, { type: "joined", from: "", to: from });
      } else if (message?.type === "hello") {
        const to = tabs.get(message.to);
        if (to !== undefined) tell(to, message, [...event.ports!]);
      }
    });
    port.start?.();
  });
}
