/**
 * The example of a pool of connections, over real sockets to a real server on this machine.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { PoolClosedError, PoolTimeoutError } from "@suballoc/offset-allocator/pool";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { channel } from "node:diagnostics_channel";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ACQUIRED, askAll, Client, RELEASED, startEcho } from "../../examples/connections.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/connections.ts", import.meta.url));
/** What the runtime needs before the name of a script. */
const RUN = process.versions.deno === undefined ? [] : ["run", "-A"];
/** Milliseconds that nothing takes here. */
const LONG = 30_000;

const lines = Array.from({ length: 40 }, (_, i) => `request ${i}`);

describe("connections", () => {
  it("are no more than allowed, and all requests are answered", async () => {
    await using server = await startEcho(1);
    using client = new Client(server.port, 3);
    const { answered, timedOut, broken } = await askAll(client, lines, LONG);
    assertEquals([answered, timedOut, broken], [40, 0, 0]);
    const { acquired, inUse, created, highWaterMark, waiting } = client.stats;
    assertEquals([acquired, inUse, created, highWaterMark, waiting], [40, 0, 3, 3, 0]);
    assertEquals(server.accepted(), 3);
  });

  it("are not waited for any longer than wanted", async () => {
    await using server = await startEcho(200);
    using client = new Client(server.port, 1);
    const first = client.ask("a", LONG);
    await assertRejects(() => client.ask("b", 10), PoolTimeoutError);
    assertEquals(await first, "a");
    assertEquals(await client.ask("c", 10), "c");
    assertEquals([client.stats.timeouts, client.stats.acquired, server.accepted()], [1, 2, 1]);
  });

  it("that break fail one request each and are replaced", async () => {
    await using server = await startEcho(1);
    using client = new Client(server.port, 2);
    const asked = [...lines, "hang up", "hang up", ...lines];
    const { answered, timedOut, broken } = await askAll(client, asked, LONG);
    assertEquals([answered, timedOut, broken], [80, 0, 2]);
    assertEquals([client.stats.discarded, server.accepted()], [2, 4]);
  });

  it("that were closed while they were idle are replaced, and nobody notices", async () => {
    await using server = await startEcho(1);
    using client = new Client(server.port, 2);
    assertEquals((await askAll(client, lines, LONG)).answered, 40);
    server.hangUp();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assertEquals((await askAll(client, lines, LONG)).answered, 40);
    assertEquals([client.stats.discarded, server.accepted()], [2, 4]);
  });

  it("tell of what they do on channels", async () => {
    await using server = await startEcho(1);
    using client = new Client(server.port, 2);
    const told: string[] = [];
    const listeners = [ACQUIRED, RELEASED].map((name) => {
      const listener = (message: unknown) => {
        told.push(`${name} ${(message as { index: number }).index}`);
      };
      channel(name).subscribe(listener);
      return () => channel(name).unsubscribe(listener);
    });
    await client.ask("a", LONG);
    await client.ask("b", LONG);
    for (const end of listeners) end();
    await client.ask("c", LONG);
    const each = [`${ACQUIRED} 0`, `${RELEASED} 0`];
    assertEquals(told, [...each, ...each]);
  });

  it("are closed with the client, which refuses who waits", async () => {
    await using server = await startEcho(LONG);
    const client = new Client(server.port, 1);
    const first = client.ask("a", LONG);
    while (server.accepted() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const second = client.ask("b", LONG);
    const refused = assertRejects(() => second, PoolClosedError);
    client[Symbol.dispose]();
    await refused;
    server.hangUp();
    await assertRejects(() => first, Error);
    assertEquals([client.stats.inUse, client.stats.created], [0, 0]);
  });

  it("show as a command what more of them save", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...RUN, SCRIPT], {
      encoding: "utf8",
    });
    assertEquals([status, stderr], [0, ""]);
    // On a machine that is busy with something else some may be late.
    assertMatch(stdout, /^16 connections +\d+ +\d+ +0 /m);
    assertMatch(stdout, /^8, of which 3 break +\d+ +\d+ +[0-3] /m);
    assertMatch(stdout, /^The last: .* [0-3] replaced$/m);
    assert(stdout.includes("Requests by connection, as the channel tells: 0: "), stdout);
  });
});
