/**
 * Processes that are killed, connections that are cut, servers that die, stop, or get another
 * writer.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { after, describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findPostgres, PostgresServer, Proxy } from "../../../scripts/ci/postgres/server.ts";
import { BlobStore } from "../../../backends/blob_store/mod.ts";
import { PostgresStore, StoreFencedError } from "../../../backends/postgres/mod.ts";
import { bytesOf, checkAll, Lanes, openBlobs, through } from "./acknowledged.ts";
import { freshName, openPool } from "./clients.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const server = await PostgresServer.start(findPostgres()!);

describe("PostgresStore: faults of a client, a connection, a server", () => {
  after(() => server.remove());

  it("loses nothing when its process is killed", async () => {
    const name = freshName(), acknowledged: string[] = [];
    const { client, end } = openPool(server.url);
    await PostgresStore.install(client);
    for (let round = 0; round < 3; round++) {
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
    assert(acknowledged.length >= 450, `${acknowledged.length}`);
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
