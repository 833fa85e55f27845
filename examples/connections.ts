/**
 * A pool of TCP connections: many requests share a few connections, wait for their turn, and
 * give up where that takes too long; a connection that breaks is replaced. Hooks of the pool
 * publish to channels of `node:diagnostics_channel`, where whoever wants to can listen.
 *
 * ```sh
 * node examples/connections.ts              # Node 24.2 or newer
 * deno run -A examples/connections.ts
 * bun examples/connections.ts
 * ```
 *
 * @module
 */

import {
  FixedPool,
  type PoolHandle,
  type PoolStats,
  PoolTimeoutError,
} from "@suballoc/offset-allocator/pool";
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { formatSeconds, formatTable, plural } from "./terminal.ts";

/** Where a pool tells of each connection that is acquired: its number, as `{ index }`. */
export const ACQUIRED = "connections:acquired";
/** Where a pool tells of each connection that came back: its number, as `{ index }`. */
export const RELEASED = "connections:released";

/** A connection on which a line is asked and a line is answered, one at a time. */
export class Connection {
  /** The number of the connection in its pool. */
  readonly index: number;
  readonly #socket: Socket;
  #received = "";
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;

  /** Begins to connect; what is asked meanwhile is sent when that is done. */
  constructor(index: number, port: number) {
    this.index = index;
    this.#socket = connect(port, "127.0.0.1").setEncoding("utf8").setNoDelay();
    this.#socket.on("data", (text) => this.#receive(String(text)));
    this.#socket.on("error", (error) => this.#waiting?.reject(error));
    this.#socket.on("close", () => this.#waiting?.reject(new Error("The connection is closed")));
  }

  /** Whether the other side has hung up. */
  get isClosed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  /** Sends a line and waits for the answer. */
  async ask(line: string): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => this.#waiting = { resolve, reject });
    this.#socket.write(`${line}\n`);
    try {
      return await answer;
    } finally {
      this.#waiting = undefined;
    }
  }

  /** Hangs up. */
  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf("\n");
    if (end < 0) return;
    this.#waiting?.resolve(this.#received.slice(0, end));
    this.#received = this.#received.slice(end + 1);
  }
}

/** A client that asks over a few connections whatever it is asked to. */
export class Client {
  readonly #pool: FixedPool<Connection>;

  /**
   * Connects to nothing yet.
   *
   * @param port Where the server listens, on this machine.
   * @param connections Most connections at a time.
   */
  constructor(port: number, connections: number) {
    const acquired = channel(ACQUIRED), released = channel(RELEASED);
    this.#pool = new FixedPool(connections, {
      create: (index) => new Connection(index, port),
      dispose: (connection) => connection.close(),
      order: "lowest", // so that those that are not needed stay idle
      onAcquire: ({ index }) => acquired.publish({ index }),
      onRelease: ({ index }) => released.publish({ index }),
    });
  }

  /** What became of the requests. */
  get stats(): PoolStats {
    return this.#pool.stats();
  }

  /**
   * Asks a line as soon as a connection is free, and gives the answer.
   *
   * @throws {PoolTimeoutError} None was within so many milliseconds.
   */
  async ask(line: string, timeout: number): Promise<string> {
    using handle = await this.#connection(timeout);
    try {
      return await handle.value.ask(line);
    } catch (error) {
      this.#pool.discard(handle); // and the end of the scope has nothing to give back
      throw error;
    }
  }

  /** Hangs up; requests that still wait are refused. */
  [Symbol.dispose](): void {
    this.#pool.close();
  }

  /** A connection that was not closed while nobody used it. */
  async #connection(timeout: number): Promise<PoolHandle<Connection>> {
    for (;;) {
      const handle = await this.#pool.acquireAsync({ timeout });
      if (!handle.value.isClosed) return handle;
      this.#pool.discard(handle);
    }
  }
}

/**
 * A server that answers each line with the same one, after some milliseconds, and hangs up at
 * "hang up". It expects one line at a time.
 */
export async function startEcho(delay: number) {
  const open = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    let received = "", timer: ReturnType<typeof setTimeout> | undefined;
    socket.on("close", () => clearTimeout(timer));
    socket.setEncoding("utf8").setNoDelay().on("data", (text) => {
      const lines = (received + String(text)).split("\n");
      received = lines.pop()!;
      for (const line of lines) {
        if (line === "hang up") socket.destroy();
        else timer = setTimeout(() => socket.write(`${line}\n`), delay);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    /** How many connections there were. */
    accepted: () => accepted,
    /** Hangs up on everyone. */
    hangUp: () => open.forEach((socket) => socket.destroy()),
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What became of a number of requests at once. */
export interface Outcome {
  /** Requests that were answered with what they asked. */
  readonly answered: number;
  /** Requests that had no connection in time. */
  readonly timedOut: number;
  /** Requests whose connection broke. */
  readonly broken: number;
  /** How long it all took. */
  readonly seconds: number;
}

/** Asks for many things at once. */
export async function askAll(
  client: Client,
  lines: readonly string[],
  timeout: number,
): Promise<Outcome> {
  const start = performance.now();
  let answered = 0, timedOut = 0, broken = 0;
  await Promise.all(lines.map(async (line) => {
    try {
      if (await client.ask(line, timeout) === line) answered++;
    } catch (error) {
      if (error instanceof PoolTimeoutError) timedOut++;
      else broken++;
    }
  }));
  return { answered, timedOut, broken, seconds: (performance.now() - start) / 1000 };
}

/** The command: the same requests over more and more connections, and what breaks. */
async function main(): Promise<void> {
  await using server = await startEcho(5);
  const lines = Array.from({ length: 200 }, (_, i) => `request ${i}`);
  const report = [["200 requests over", "answered", "timed out", "broken", "time"]];
  const row = (name: string, { answered, timedOut, broken, seconds }: Outcome) =>
    void report.push([name, `${answered}`, `${timedOut}`, `${broken}`, formatSeconds(seconds)]);
  for (const connections of [1, 4, 16, 64]) {
    using client = new Client(server.port, connections);
    row(plural(connections, "connection"), await askAll(client, lines, 500));
  }
  const use = new Map<number, number>();
  channel(ACQUIRED).subscribe((message) => {
    const { index } = message as { index: number };
    use.set(index, (use.get(index) ?? 0) + 1);
  });
  using client = new Client(server.port, 8);
  row("8, of which 3 break", await askAll(client, [...lines, ...Array(3).fill("hang up")], 500));
  console.log(formatTable(report));
  const { acquired, discarded, highWaterMark, hitRate } = client.stats;
  console.log(
    `The last: ${plural(acquired, "request")} over at most ${
      plural(highWaterMark, "connection")
    } ` +
      `at a time, ${(100 * hitRate).toFixed(1)} % over one that was there; ${discarded} replaced`,
  );
  const counts = [...use].sort(([a], [b]) => a - b).map(([index, count]) => `${index}: ${count}`);
  console.log(`Requests by connection, as the channel tells: ${counts.join(", ")}`);
}

if (import.meta.main) await main();
