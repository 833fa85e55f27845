/**
 * A primary that dies: a synchronous standby loses nothing, one that lagged is noticed.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { after, describe, it } from "@std/testing/bdd";
import { StoreWentBackError } from "../../../backends/postgres/mod.ts";
import { findPostgres, PostgresServer, Proxy } from "../../../scripts/ci/postgres/server.ts";
import { checkAll, Lanes, openBlobs, through } from "./acknowledged.ts";
import { freshName } from "./clients.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
