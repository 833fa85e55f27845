/**
 * Watching a store: the changes of a writer, in this process and in another one.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { BlobStore as BlobStoreByPath } from "../../backends/blob_store/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import type { BlobChange } from "../../src/blob_store/types.ts";
import { bytesOf, memory } from "./helpers.ts";
import { withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** A change in short. */
function named(change: BlobChange | undefined): string {
  if (change === undefined) return "over";
  if (change.type === "missed") return "missed";
  return change.type === "put" ? `put ${change.info.key}` : `delete ${change.key}`;
}

/** The next changes, in short. */
async function take(
  changes: AsyncIterableIterator<BlobChange>,
  count: number,
): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(named((await changes.next()).value));
  return names;
}

describe("a watch of the writer", () => {
  it("tells of puts, deletes, renames, copies and batches, in the order of commits", async () => {
    const blobs = await BlobStore.open(memory()), changes = blobs.watch();
    const some = blobs.watch({ prefix: "b/" });
    const info = await blobs.put("a", "1", { metadata: { n: 1 } });
    assertEquals(await changes.next(), { done: false, value: { type: "put", info } });
    await Promise.all([blobs.put("b/1", "2"), blobs.put("b/2", "3"), blobs.delete("b/1")]);
    await blobs.delete("none");
    await blobs.batch([
      { type: "delete", key: "none" },
      { type: "rename", from: "b/2", to: "c" },
      { type: "copy", from: "c", to: "b/3" },
      { type: "put", key: "c", value: "4" },
    ]);
    await blobs.put("c", "x", { ifNoneMatch: "*" }).catch(() => {});
    await blobs.rename("c", "c");
    await blobs.checkpoint();
    await blobs.compact();
    await blobs.close();
    const all = await take(changes, 9);
    assertEquals(all, [
      "put b/1",
      "put b/2",
      "delete b/1",
      "put c",
      "delete b/2",
      "put b/3",
      "put c",
      "over",
      "over",
    ]);
    const expected = ["put b/1", "put b/2", "delete b/1", "delete b/2", "put b/3", "over"];
    assertEquals(await take(some, 6), expected);
  });

  it("tells of nothing before it is committed, and of nothing that failed", async () => {
    const store = memory(), blobs = await BlobStore.open(store), changes = blobs.watch();
    const next = changes.next();
    let isDone = false;
    const put = blobs.put("a", "1").then(() => isDone = true);
    const { value } = await next;
    const read = await BlobStore.open(store, { readOnly: true });
    assertEquals([named(value), await read.has("a")], ["put a", true]);
    await put;
    assert(isDone);
    store.write = () => {
      throw new Error("of the test");
    };
    await assertRejects(() => blobs.put("b", "2"));
    await blobs.close().catch(() => {});
    assertEquals(await take(changes, 1), ["over"]);
  });

  it("says what it missed, where nobody asks for long", async () => {
    const blobs = await BlobStore.open(memory()), changes = blobs.watch({ maxQueued: 10 });
    for (let i = 0; i < 95; i++) await blobs.put(`${i}`, "");
    const first = named((await changes.next()).value);
    assertStrictEquals(first, "missed");
    await blobs.put("end", "");
    const names: string[] = [];
    for await (const change of changes) {
      names.push(named(change));
      if (names.at(-1) === "put end") break;
    }
    assert(names.length < 10 && !names.includes("missed"), `${names}`);
    assertEquals(names, [
      ...names.slice(0, -1).map((_, i) => `put ${95 - names.length + 1 + i}`),
      "put end",
    ]);
    await blobs.put("after", "");
    assertEquals(await take(changes, 1), ["over"]); // the loop was left
  });

  it("ends with its signal, with the store, and where it is left", async () => {
    const blobs = await BlobStore.open(memory()), controller = new AbortController();
    const { signal } = controller, changes = blobs.watch({ signal });
    const waiting = [changes.next(), changes.next()].map((next) => next.catch((error) => error));
    controller.abort("enough");
    assertEquals(await Promise.all(waiting), ["enough", { done: true, value: undefined }]);
    assertThrows(() => blobs.watch({ signal }));
    const both = blobs.watch(), two = Promise.all([both.next(), both.next()]);
    await blobs.put("a", "1");
    await blobs.put("b", "2");
    assertEquals((await two).map(({ value }) => named(value)), ["put a", "put b"]);
    const open = both.next();
    await blobs.close();
    assertEquals(await open, { done: true, value: undefined });
    assertThrows(() => blobs.watch(), Error, "closed");
    const others = { prefix: 1 } as unknown as { prefix: string };
    const again = await BlobStore.open(memory());
    assertThrows(() => again.watch(others), TypeError, "prefix");
    assertThrows(() => again.watch({ maxQueued: 0 }), RangeError, "maxQueued");
  });
});

describe("a watch of a reader", () => {
  it("tells what a refresh finds, and what is missing in the log", async () => {
    const store = memory(), writer = await BlobStore.open(store);
    await writer.put("before", "1");
    const reader = await BlobStore.open(store, { readOnly: true }),
      changes = reader.watch({
        pollMs: 60_000,
      });
    await writer.put("a", "1");
    await writer.delete("before");
    await reader.refresh();
    await reader.refresh();
    await writer.put("b", bytesOf(1, 10_000));
    await reader.refresh();
    assertEquals(await take(changes, 3), ["put a", "delete before", "put b"]);
    await writer.checkpoint(); // all of it was seen
    await writer.put("c", "1");
    await reader.refresh();
    assertEquals(await take(changes, 1), ["put c"]);
    await writer.put("d", "1");
    await writer.checkpoint(); // that was not
    await writer.put("e", "1");
    await reader.refresh();
    assertEquals(await take(changes, 2), ["missed", "put e"]);
    await reader.close();
    assertEquals(await take(changes, 1), ["over"]);
  });

  it("looks itself, and reads little where nothing has changed", async () => {
    const store = memory(), writer = await BlobStore.open(store);
    for (let i = 0; i < 200; i++) await writer.put(`${i}`, bytesOf(i, 1000));
    let bytes = 0, reads = 0;
    const reader = await BlobStore.open({
      get byteLength() {
        return store.byteLength;
      },
      read(offset, into) {
        bytes += into.length;
        reads++;
        store.read(offset, into);
      },
      write: () => {},
    }, { readOnly: true });
    const changes = reader.watch({ pollMs: 2 }), next = changes.next();
    bytes = reads = 0;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert(reads >= 2 && bytes <= reads * 8192, `${bytes} bytes in ${reads} reads`);
    await writer.put("x", "1");
    assertEquals(named((await next).value), "put x");
    await changes.return!();
    await reader.close();
  });

  it("tells at once what its first look finds", async () => {
    const store = memory(), writer = await BlobStore.open(store);
    await writer.put("a", "1");
    const reader = await BlobStore.open(store, { readOnly: true });
    const changes = reader.watch({ pollMs: 600_000 });
    await writer.put("b", "1");
    await writer.put("c", "1");
    assertEquals(await take(changes, 2), ["put b", "put c"]);
    await changes.return!();
    await reader.close();
  });

  it("sees that a crash took what it had seen", async () => {
    const store = memory();
    const writer = await BlobStore.open(store, { durability: "none" });
    await writer.put("a", "1");
    const before = store.byteLength, kept = new Uint8Array(before);
    store.read(0, kept);
    const reader = await BlobStore.open(store, { readOnly: true }), changes = reader.watch();
    await writer.put("lost", "1");
    await reader.refresh();
    assertEquals(await take(changes, 1), ["put lost"]);
    store.write(0, kept); // what a power loss may leave
    const other = await BlobStore.open(store);
    await other.put("other", "1"); // it has the number of the one that is lost
    await reader.refresh();
    assertEquals((await take(changes, 1))[0], "missed");
    await reader.close();
  });

  it("has in the end what the store has", async () => {
    for (let seed = 0; seed < share(10); seed++) {
      await withSeed(seed, async (random) => {
        const store = memory(), checkpointBytes = 2 ** (10 + random(5));
        const writer = await BlobStore.open(store, { checkpointBytes });
        const reader = await BlobStore.open(store, { readOnly: true });
        const stores = [writer, reader], known = stores.map(() => new Map<string, string>());
        const watches = stores.map((store) => store.watch({ maxQueued: 2 + random(50) }));
        let missed = 0;
        const follow = async (last: string) => {
          for (const [i, changes] of watches.entries()) {
            for (let name = ""; name !== `put ${last}`;) {
              const { value } = await changes.next();
              name = named(value);
              if (value.type === "put") known[i].set(value.info.key, value.info.etag);
              else if (value.type === "delete") known[i].delete(value.key);
              else {
                missed++;
                known[i].clear();
                for await (const { key, etag } of stores[i].list()) known[i].set(key, etag);
              }
            }
          }
        };
        for (let round = 0; round < 12; round++) {
          for (let i = random(40); i > 0; i--) {
            const key = `${random(15)}`, kind = random(10);
            if (kind < 6) await writer.put(key, bytesOf(i, random(300)));
            else if (kind < 8) await writer.delete(key);
            else if (await writer.has(key)) await writer.rename(key, `${random(15)}`);
          }
          await writer.put("last", "");
          await reader.refresh();
          await follow("last");
          for (const map of known) {
            const expected = new Map<string, string>();
            for await (const { key, etag } of writer.list()) expected.set(key, etag);
            assertEquals([...map].sort(), [...expected].sort());
          }
          await writer.delete("last");
          await reader.refresh();
          for (const changes of watches) {
            for (let name = ""; name !== "delete last";) {
              name = named((await changes.next()).value);
              assert(name !== "over");
              if (name === "missed") missed++;
            }
          }
          for (const map of known) map.delete("last");
        }
        assert(missed < 1000);
        await reader.close();
        await writer.close();
      });
    }
  });

  it("in another process follows a busy writer", async () => {
    const path = newPath();
    const writer = await BlobStoreByPath.open(path, { create: true, checkpointBytes: 30_000 });
    const child = fileURLToPath(new URL("./children/watch_child.ts", import.meta.url));
    const before = "deno" in process.versions ? ["run", "-A", "--quiet"] : [];
    const watcher = spawn(process.execPath, [...before, child, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    closeAfterwards(async () => {
      if (watcher.exitCode !== null || watcher.signalCode !== null) return;
      const exited = once(watcher, "exit");
      watcher.kill();
      await exited;
    });
    const lines = createInterface({ input: watcher.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value!);
    assertEquals(await next(), { type: "ready" });
    const etags = new Map<string, string>();
    const last = new Map<string, number>();
    let count = 0, missed = 0;
    const reading = (async () => {
      for (let change = await next();; change = await next()) {
        if (change.type === "missed") missed++;
        if (change.type === "put" && change.key !== "end") {
          count++;
          // Of one key, later puts come later.
          const n = Number(change.key.split("/")[1]);
          assert(n > (last.get("all") ?? -1), `${change.key} after ${last.get("all")}`);
          last.set("all", n);
          assertStrictEquals(change.etag, etags.get(change.key) ?? change.etag);
        }
        if (change.key === "end") return;
      }
    })();
    for (let i = 0; i < 1500; i++) {
      const { etag } = await writer.put(`k/${i}`, bytesOf(i, 100));
      etags.set(`k/${i}`, etag);
    }
    await writer.put("end", "");
    await reading;
    assert(count === 1500 || missed > 0, `${count} of 1500, and nothing missed`);
    assert(count > 100, `${count} changes were told`);
    await writer.close();
  });
});
