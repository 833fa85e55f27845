import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { after, describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findPostgres, PostgresServer, Proxy } from "../../../scripts/ci/postgres/server.ts";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import {
  PostgresStore,
  StoreFencedError,
  StoreWentBackError,
} from "../../../backends/postgres/mod.ts";
import { bytesOf, checkAll, Lanes } from "./acknowledged.ts";
import { freshName, openPool } from "./clients.ts";

/** A blob store in PostgreSQL, over a pool. */
async function openBlobs(url: string, name: string, connections = 4) {
  const { client, end } = openPool(url, connections);
  await PostgresStore.install(client);
  const pages = await PostgresStore.open(client, name, { create: true, takeOver: true });
  return { client, end, pages, blobs: await BlobStore.open(pages, { create: true }) };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const through = (proxy: Proxy) => `postgres://tester@127.0.0.1:${proxy.port}/postgres`;

const server = await PostgresServer.start(findPostgres()!);

describe("PostgresStore: faults of a client, a connection, a server", () => {
  after(() => server.remove());

  it("loses nothing when its process is killed", async () => {
    const name = freshName(), acknowledged: string[] = [];
    const { client, end } = openPool(server.url);
    await PostgresStore.install(client);
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [
        ...["run", "-A", "--no-check", fileURLToPath(new URL("writer_child.ts", import.meta.url))],
        ...[server.url, name, String(round)],
      ], { stdio: ["ignore", "pipe", "inherit"] });
      let text = "";
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdout.on("data", (data) => {
        text += data;
        if (text.split("\n").length > 150 + 10 * round) child.kill("SIGKILL");
      });
      await ended;
      acknowledged.push(...text.split("\n").slice(0, -1));
      await checkAll(client, name, acknowledged);
    }
    assert(acknowledged.length >= 600, `${acknowledged.length}`);
    await end();
  });

  it("resolves ten commits, cut at twenty places each", async () => {
    const proxy = await Proxy.open(server.port), name = freshName();
    const { client, end, pages, blobs } = await openBlobs(through(proxy), name, 2);
    const acknowledged: string[] = [];
    let cuts = 0;
    for (let commit = 0; commit < 10; commit++) {
      for (let place = 0; place < 20; place++) {
        const key = `${commit}.${place}`, value = bytesOf(key), before = pages.version;
        // So much of the request goes through; or all of it, and none or a part of the answer.
        let left = Math.floor((place / 15) * (value.length + 400));
        proxy.onRequest = (data) => {
          if (place >= 15) return data;
          left -= data.length;
          if (left > 0) return data;
          proxy.onRequest = (data) => data;
          cuts++;
          return data.subarray(0, data.length + left);
        };
        proxy.onAnswer = (data) => {
          if (place < 15) return data;
          proxy.onAnswer = (data) => data;
          cuts++;
          return place === 15 ? undefined : data.subarray(0, (place - 15) * 6);
        };
        await blobs.put(key, value);
        acknowledged.push(key);
        assert(pages.version > before);
      }
    }
    proxy.onRequest = proxy.onAnswer = (data) => data;
    assert(cuts > 180, `${cuts} cuts`);
    await blobs.close();
    await pages.close();
    await checkAll(client, name, acknowledged);
    await end();
    proxy.close();
  });

  it("goes on after the server was killed and started", async () => {
    const name = freshName();
    const { client, end, pages, blobs } = await openBlobs(server.url, name);
    const lanes = new Lanes(blobs, 4, "k");
    for (let kill = 0; kill < 3; kill++) {
      await lanes.more(100);
      await server.kill();
      await server.begin();
    }
    await lanes.more(100);
    await lanes.stop();
    await blobs.close();
    await pages.close();
    await checkAll(client, name, lanes.acknowledged);
    await end();
  });

  it("waits while the server is stopped, and then resolves", async () => {
    const name = freshName();
    const { client, end, pages, blobs } = await openBlobs(server.url, name);
    await blobs.put("before", "1");
    server.pause(true);
    const start = performance.now(), put = blobs.put("after", "2");
    await sleep(700);
    server.pause(false);
    await put;
    assert(performance.now() - start >= 650);
    await blobs.close();
    await pages.close();
    await checkAll(client, name, []);
    await end();
  });

  it("is taken over 25 times by another writer, and none of the old ones writes", async () => {
    const name = freshName(), { client, end } = openPool(server.url, 8);
    await PostgresStore.install(client);
    const acknowledged: string[] = [];
    let old: { lanes: Lanes; pages: PostgresStore } | undefined;
    for (let round = 0; round <= 25; round++) {
      const pages = await PostgresStore.open(client, name, { create: true, takeOver: true });
      assertEquals(pages.epoch, round + 1);
      const blobs = await BlobStore.open(pages, { create: true });
      for (const end of await Promise.all(old?.lanes.ends ?? [])) {
        assertInstanceOf(end, StoreFencedError);
      }
      acknowledged.push(...old?.lanes.acknowledged ?? []);
      const lanes = new Lanes(blobs, 4, `r${round}`);
      await lanes.more(20);
      if (round < 25) old = { lanes, pages };
      else {
        await lanes.stop();
        acknowledged.push(...lanes.acknowledged);
        await blobs.close();
        await pages.close();
      }
    }
    await checkAll(client, name, acknowledged);
    await end();
  });
});

const primary = await PostgresServer.start(findPostgres()!), servers = [primary];

describe("PostgresStore: failover", () => {
  after(async () => {
    for (const server of servers.reverse()) await server.remove();
  });

  it("loses nothing to a synchronous standby, and goes on there", async () => {
    const standby = await primary.standby("standby");
    servers.push(standby);
    primary.configure(["synchronous_standby_names = 'standby'"]);
    await sleep(300);
    const proxy = await Proxy.open(primary.port), name = freshName();
    const { client, end, pages, blobs } = await openBlobs(through(proxy), name);
    const { rows: [{ state }] } = await client.query(
      "SELECT string_agg(sync_state, ',') AS state FROM pg_stat_replication",
    );
    assertEquals(state, "sync");
    const lanes = new Lanes(blobs, 4, "s");
    await lanes.more(300);
    await primary.kill();
    standby.configure(["synchronous_standby_names = ''"]);
    standby.promote();
    proxy.target = standby.port;
    await lanes.more(100);
    await lanes.stop();
    await blobs.close();
    await pages.close();
    await checkAll(client, name, lanes.acknowledged);
    await end();
    proxy.close();
  });

  it("stops with both versions where an asynchronous standby lagged", async () => {
    const old = servers.at(-1)!, standby = await old.standby("late");
    servers.push(standby);
    const proxy = await Proxy.open(old.port), name = freshName();
    const { client, end, pages, blobs } = await openBlobs(through(proxy), name);
    const early = new Lanes(blobs, 4, "early");
    await early.more(100);
    await early.stop();
    const kept = pages.version;
    for (let i = 0;; i++) {
      const { rows: [{ lag }] } = await client.query(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int AS lag " +
          "FROM pg_stat_replication WHERE application_name = 'late'",
      );
      if (lag === 0) break;
      assert(i < 200, `the standby is ${lag} bytes behind`);
      await sleep(20);
    }
    await standby.kill(); // a stopped one would still find what its socket has
    const late = new Lanes(blobs, 4, "late");
    await late.more(100);
    const known = pages.version;
    await old.kill();
    await standby.begin();
    standby.promote();
    const promised = late.acknowledged.length;
    proxy.target = standby.port;
    const ends = await Promise.race([Promise.all(late.ends), sleep(40_000)]) as Error[];
    assert(ends !== undefined, "the lanes go on");
    // A lane fails with the error of the store, or with that it had before, which is its cause.
    const causes = ends.map((end) => end instanceof StoreWentBackError ? end : end?.cause);
    for (const cause of causes) assertInstanceOf(cause, StoreWentBackError);
    const { ours, theirs } = causes[0] as StoreWentBackError;
    assert(ours >= known && theirs >= kept && theirs < known, `${ours} ${theirs}`);
    assert(late.acknowledged.length <= promised + 4, "no put resolves after the failover");
    await pages.close();
    await checkAll(client, name, early.acknowledged); // what the standby had is whole
    await end();
    proxy.close();
  });
});
