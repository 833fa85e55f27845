/**
 * Two writers of one file by two names, which have two locks: the one that came last goes on, the
 * other is told, and nothing that was acknowledged is lost.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, linkSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { BlobStore, StoreFencedError } from "../../backends/blob_store/mod.ts";
import { BlobStore as AnyBlobStore } from "../../src/blob_store/mod.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const CHILD = fileURLToPath(new URL("./children/put_child.ts", import.meta.url));

/** What a child answers. */
interface Answer {
  readonly keys: readonly string[];
  readonly error?: string;
}

/** A process that has a store open. */
async function writerOf(path: string) {
  const before = "deno" in process.versions ? ["run", "-A", "--quiet"] : [];
  const child = spawn(process.execPath, [...before, CHILD, path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  closeAfterwards(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill();
    await exited;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value: line } = await lines.next();
    if (line === undefined) throw new Error(`The writer of ${path} ended`);
    return JSON.parse(line) as Answer;
  };
  await answer();
  return {
    put: async (prefix: string, count: number) => {
      child.stdin.write(`${prefix} ${count}\n`);
      return await answer();
    },
    end: async () => {
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}

/** Every key that was acknowledged is there, with its bytes. */
async function assertHas(path: string, answers: readonly Answer[]): Promise<void> {
  await using store = await BlobStore.open(path, { readOnly: true });
  for (const key of answers.flatMap(({ keys }) => keys)) {
    const bytes = await store.get(key);
    assert(bytes !== undefined, `${key} was acknowledged and is lost`);
    assertEquals(new TextDecoder().decode(bytes), key);
  }
  assertEquals((await store.verify()).damaged, []);
}

async function makeStore(): Promise<string> {
  const path = newPath();
  await using store = await BlobStore.open(path, { create: true });
  await store.put("first", "first");
  return path;
}

/** Why no file can be mounted over another one here; undefined where it can. */
function whyNoBindMount(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it takes root on Linux";
  const from = newPath(), to = newPath();
  for (const path of [from, to]) writeFileSync(path, "");
  if (spawnSync("mount", ["--bind", from, to]).status !== 0) return "the system refuses it";
  spawnSync("umount", [to]);
  return undefined;
}

describe("two writers of one file", () => {
  it("by a rename, in two processes: the first is told, and nothing is lost", async () => {
    const path = await makeStore(), moved = newPath();
    const first = await writerOf(path);
    const answers = [await first.put("before", 100)];
    renameSync(path, moved);
    const second = await writerOf(moved);
    answers.push(...await Promise.all([first.put("late", 100), second.put("second", 100)]));
    assertEquals(answers.map(({ error }) => error), [undefined, "StoreFencedError", undefined]);
    assertEquals(answers[2].keys.length, 100);
    const again = await first.put("again", 1);
    assertEquals([again.keys.length, again.error], [0, "StoreFencedError"]);
    await Promise.all([first.end(), second.end()]);
    await assertHas(moved, answers);
  });

  it("by a second writer that comes while the first commits", async () => {
    for (let round = 0; round < 3; round++) {
      const path = await makeStore(), moved = newPath();
      const first = await writerOf(path);
      const busy = first.put("busy", 20_000);
      await new Promise((resolve) => setTimeout(resolve, 20 + 30 * round));
      renameSync(path, moved);
      const second = await writerOf(moved);
      const answers = [await busy, await second.put("second", 200)];
      assertEquals(answers.map(({ error }) => error), ["StoreFencedError", undefined]);
      await Promise.all([first.end(), second.end()]);
      await assertHas(moved, answers);
    }
  });

  it("by a hard link: refused where it is there first, told where it came later", async () => {
    const path = await makeStore(), link = newPath();
    const first = await writerOf(path);
    linkSync(path, link);
    for (const name of [path, link]) {
      await assertRejects(() => BlobStore.open(name), Error, "2 names (hard links)");
    }
    rmSync(path);
    assertEquals(statSync(link).nlink, 1, "this system keeps the name of a file that is open");
    const second = await writerOf(link);
    const answers = [await second.put("second", 50), await first.put("first", 50)];
    assertEquals(answers.map(({ error }) => error), [undefined, "StoreFencedError"]);
    assertEquals(answers[1].keys, []);
    await Promise.all([first.end(), second.end()]);
    await assertHas(link, answers);
  });

  const refused = whyNoBindMount();
  it({
    name: `by a bind mount of the file alone${refused ? ` (skipped: ${refused})` : ""}`,
    ignore: refused !== undefined,
    async fn() {
      const path = await makeStore(), mounted = newPath();
      writeFileSync(mounted, "");
      assertEquals(spawnSync("mount", ["--bind", path, mounted]).status, 0);
      try {
        const first = await writerOf(path);
        const answers = [await first.put("before", 100)];
        const second = await writerOf(mounted);
        answers.push(...await Promise.all([first.put("late", 100), second.put("second", 100)]));
        assertEquals(answers.map(({ error }) => error), [undefined, "StoreFencedError", undefined]);
        await Promise.all([first.end(), second.end()]);
        await assertHas(path, answers);
      } finally {
        spawnSync("umount", [mounted]);
      }
    },
  });

  it("over one backing store: puts, streams, checkpoints, compaction and close", async () => {
    const kinds: Record<string, (store: AnyBlobStore) => Promise<unknown>> = {
      put: (store) => store.put("b", "b"),
      stream: (store) => store.put("b", new Blob([new Uint8Array(3_000_000)]).stream()),
      delete: (store) => store.delete("a"),
      checkpoint: (store) => store.checkpoint(),
      compact: (store) => store.compact(),
      close: (store) => store.close(),
    };
    for (const [kind, act] of Object.entries(kinds)) {
      const buffer = new ArrayBuffer(0, { maxByteLength: 2 ** 23 });
      const memory = new MemoryStore(buffer);
      const first = await AnyBlobStore.open(memory);
      await first.put("a", "a");
      const second = await AnyBlobStore.open(memory);
      const bytes = new Uint8Array(buffer).slice();
      await assertRejects(() => act(first), StoreFencedError, "another writer", kind);
      const now = new Uint8Array(buffer);
      assertEquals(now.length, bytes.length, `${kind} resized`);
      assert(bytes.every((byte, i) => byte === now[i]), `${kind} wrote`);
      if (kind !== "close") await assertRejects(() => first.put("c", "c"), StoreFencedError);
      await second.put("d", "d");
      assertEquals(await second.get("a"), new Uint8Array([97]));
      await second.close();
    }
  });

  it("but not a copy of the file", async () => {
    const path = await makeStore(), copy = newPath();
    await using first = await BlobStore.open(path);
    copyFileSync(path, copy);
    await using second = await BlobStore.open(copy);
    await second.put("b", "b");
    await first.put("c", "c");
  });
});
