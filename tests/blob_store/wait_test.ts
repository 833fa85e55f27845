/**
 * Writers that wait for a store: in order of arrival, up to their time, whoever ends before. Of
 * several processes each is one of this runtime, or of those that `SUBALLOC_RUNTIMES` names in
 * turn, as in `round_trip_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  type BlobFileOptions,
  BlobStore,
  StoreLockedError,
} from "../../backends/blob_store/mod.ts";
import { readNote } from "../../backends/blob_store/owner_note.ts";
import { MemoryStore } from "../../backends/memory.ts";
import { lockInChild } from "./children/lock_child.ts";
import { storageError } from "../support/store_helpers.ts";
import { folder, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const CHILD = fileURLToPath(new URL("./children/wait_child.ts", import.meta.url));
/** Long enough (ms) for every process of a test, on a busy machine. */
const LONG = 60_000;

const own = [process.execPath, ...process.versions.deno ? ["run", "-A", "--quiet"] : []];
const others = (process.env.SUBALLOC_RUNTIMES ?? "").split(/[;\n]/)
  .map((line) => line.trim().split(/\s+/)).filter(([program]) => program !== "");
const runtimes = [own, ...others];
let started = 0;

const sqlite = process.getBuiltinModule?.("node:sqlite") !== undefined;
const isWindows = process.platform === "win32";

/** A process that waits for a store. */
interface Waiter {
  readonly child: ChildProcess;
  /** What it prints, once it has ended. */
  readonly answer: Promise<{ key?: string; pid?: number; error?: string }>;
}

function waiterOf(path: string, key: string, mode: string[], waitMs = LONG): Waiter {
  const [program, ...before] = runtimes[started++ % runtimes.length];
  const child = spawn(program, [...before, CHILD, path, key, String(waitMs), ...mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout!.on("data", (data) => text += data);
  const answer = once(child, "close").then(() => text === "" ? {} : JSON.parse(text));
  return { child, answer };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until something is so. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const start = Date.now(); !isSo();) {
    assert(Date.now() - start < LONG, `${what}: not within a minute`);
    await pause(5);
  }
}

/** The tickets of those who wait for a store, by number. */
function tickets(path: string): string[] {
  try {
    return fs.readdirSync(`${path}.wait`).sort((a, b) => Number(a) - Number(b));
  } catch {
    return [];
  }
}

/** The files of a store, by how their names end. */
function filesOf(path: string): string[] {
  const start = basename(path);
  return fs.readdirSync(folder()).filter((name) => name.split(".")[0] === start)
    .map((name) => name.slice(start.length)).sort();
}

/** A store that is open, and the names of its files. */
async function openStore(): Promise<{ path: string; store: BlobStore; files: string[] }> {
  const path = newPath();
  const store = await BlobStore.open(path, { create: true });
  return { path, store, files: filesOf(path) };
}

/** The keys of a store by the number of blobs that their writer found. */
async function keysInOrder(path: string): Promise<string[]> {
  await using store = await BlobStore.open(path, { readOnly: true });
  const keys: string[] = [];
  for await (const { key } of store.list()) {
    keys[Number(new TextDecoder().decode(await store.get(key)))] = key;
  }
  return keys;
}

/** Starts processes one by one, each once the one before waits. */
async function line(path: string, keys: string[], mode: string[]): Promise<Waiter[]> {
  const waiters: Waiter[] = [];
  for (const key of keys) {
    waiters.push(waiterOf(path, key, mode));
    await until(`${key} waits`, () => tickets(path).length === waiters.length);
  }
  return waiters;
}

/** Both ways to lock: with what the runtime has, and as where there is no SQLite. */
for (const mode of sqlite ? [[], ["without-sqlite"]] : [["without-sqlite"]]) {
  const { getBuiltinModule } = process;
  const left = mode.length ? [""] : ["", ".lock"];

  describe(`waiting for the lock ${mode[0] ?? "with SQLite"}`, () => {
    beforeEach(() => {
      if (mode.length) process.getBuiltinModule = () => undefined;
    });
    afterEach(() => {
      process.getBuiltinModule = getBuiltinModule;
    });

    it("ends when the writer of this process closes, and holds up nothing", async () => {
      const { path, store } = await openStore();
      const waiting = BlobStore.open(path, { waitMs: LONG });
      let turns = 0;
      const timer = setInterval(() => turns++, 5);
      await pause(300);
      clearInterval(timer);
      assert(turns > 10, `${turns} turns of 5 ms in 300 ms`);
      assertEquals(tickets(path), ["1"]);
      await store.close();
      const second = await waiting;
      assertEquals(filesOf(path), [...left, ".owner"].sort());
      await second.put("k", "v");
      await second.close();
      assertEquals(filesOf(path), left);
    });

    it("ends after its time, with who has the store, and leaves nothing", async () => {
      const { path, store, files } = await openStore();
      for (const waitMs of [1, 150]) {
        const start = performance.now();
        const error = await assertRejects(
          () => BlobStore.open(path, { waitMs }),
          StoreLockedError,
          `; waited `,
        );
        const took = performance.now() - start;
        assert(took >= waitMs - 1 && took < waitMs + 20_000, `${took} ms`);
        assert(error.waitedMs >= waitMs && error.waitedMs <= Math.ceil(took), `${error.waitedMs}`);
        assert(error.message.endsWith(`; waited ${error.waitedMs} ms`), error.message);
        assertStrictEquals(error.holder?.pid, process.pid);
        assertEquals(filesOf(path), files);
      }
      const { waitedMs, message } = await assertRejects(
        () => BlobStore.open(path, { waitMs: 0 }),
        StoreLockedError,
      );
      assertStrictEquals(waitedMs, 0);
      assert(!message.includes("waited"), message);
      await store.close();
    });

    it("ends when its signal is aborted, with the reason, and leaves nothing", async () => {
      const { path, store, files } = await openStore();
      const controller = new AbortController(), reason = new Error("enough");
      const first = BlobStore.open(path, { waitMs: LONG, signal: controller.signal });
      const second = BlobStore.open(path, { waitMs: LONG });
      await until("two wait", () => tickets(path).length === 2);
      controller.abort(reason);
      const start = performance.now();
      assertStrictEquals(await first.catch((error) => error), reason);
      assert(performance.now() - start < 1000);
      assertEquals(tickets(path), ["2"]);
      await store.close();
      await (await second).close();
      assertEquals(filesOf(path), left);
      const missing = newPath();
      const late = BlobStore.open(missing, { create: true, waitMs: 5, signal: controller.signal });
      assertStrictEquals(await late.catch((error) => error), reason);
      assertEquals(filesOf(missing), []);
      assert(files.length > 0);
    });

    it("is in order of arrival within a process", async () => {
      const { path, store } = await openStore();
      const order: number[] = [], all: Promise<void>[] = [];
      const waiter = async (i: number) => {
        const one = await BlobStore.open(path, { waitMs: LONG });
        order.push(i);
        await one.close();
      };
      for (let i = 0; i < 8; i++) {
        all.push(waiter(i));
        await until(`${i + 1} wait`, () => tickets(path).length === i + 1);
        // The longer one waits, the longer are its pauses: without order the last would be first.
        if (i < 7) await pause(60);
      }
      await store.close();
      await Promise.all(all);
      assertEquals(order, [0, 1, 2, 3, 4, 5, 6, 7]);
      assertEquals(filesOf(path), left);
    });

    for (const count of [2, 8]) {
      it(`is in order of arrival among ${count} processes`, async () => {
        const { path, store } = await openStore();
        const waiters = Array.from({ length: count }, (_, i) => waiterOf(path, `k${i}`, mode));
        const pids = () =>
          tickets(path).map((number) => readNote(join(`${path}.wait`, number))?.pid);
        await until("all wait", () => pids().filter((pid) => pid !== undefined).length === count);
        const order = pids();
        await store.close();
        const answers = await Promise.all(waiters.map(({ answer }) => answer));
        for (const { error } of answers) assertStrictEquals(error, undefined);
        const keys = order.map((pid) => answers.find((answer) => answer.pid === pid)?.key);
        assertEquals(await keysInOrder(path), keys);
        assertEquals(filesOf(path), left);
      });
    }

    it("is enough for several processes that come at once", async () => {
      const path = newPath(), keys = ["k0", "k1", "k2"];
      const waiters = keys.map((key) => waiterOf(path, key, mode));
      const answers = await Promise.all(waiters.map(({ answer }) => answer));
      assertEquals(answers.map(({ key, error }) => [key, error]), keys.map((k) => [k, undefined]));
      assertEquals((await keysInOrder(path)).sort(), keys);
      assertEquals(filesOf(path), left);
    });

    it("ends when the holder is killed", async () => {
      const path = newPath();
      await (await BlobStore.open(path, { create: true })).close();
      const child = await lockInChild(path, ...mode);
      const waiting = BlobStore.open(path, { waitMs: LONG });
      await until("one waits", () => tickets(path).length === 1);
      const start = performance.now();
      await child.kill();
      await (await waiting).close();
      const took = performance.now() - start;
      assert(took < 30_000, `${took} ms`);
    });

    it("does not go on behind a waiter that was killed", async () => {
      const { path, store } = await openStore();
      const [first, second, third] = await line(path, ["k0", "k1", "k2"], mode);
      for (const { child, answer } of [first, second]) {
        process.kill(child.pid!, "SIGKILL");
        await answer;
      }
      assert(tickets(path).length >= 1);
      const start = performance.now();
      await store.close();
      assertStrictEquals((await third.answer).error, undefined);
      const took = performance.now() - start;
      assert(took < 30_000, `${took} ms`);
      assertEquals(filesOf(path), left);
    });

    it("is for a store that was removed, and is made again", async () => {
      const { path, store } = await openStore();
      const waiting = BlobStore.open(path, { create: true, waitMs: LONG });
      await until("one waits", () => tickets(path).length === 1);
      if (isWindows) await store.close();
      fs.rmSync(path);
      if (!isWindows) await store.close();
      const again = await waiting;
      await again.put("k", "v");
      await again.close();
      assertEquals(await keysOf(path), ["k"]);
    });
  });
}

async function keysOf(path: string): Promise<string[]> {
  await using store = await BlobStore.open(path, { readOnly: true });
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}

/** Leaves the ticket of a waiter of whom nobody can tell whether it lives. */
function leaveTicket(path: string, number: number): string {
  const ticket = join(`${path}.wait`, String(number));
  fs.mkdirSync(`${path}.wait`, { recursive: true });
  const note = { pid: 1, host: `not ${hostname()}`, runtime: "node 20.0.0" };
  fs.writeFileSync(ticket, JSON.stringify({ ...note, since: new Date().toISOString() }));
  return ticket;
}

describe("a place among those who wait", () => {
  it("is refused with wrong options before anything is touched", async () => {
    const path = newPath();
    const cases: [options: object, kind: typeof TypeError | typeof RangeError, message: string][] =
      [
        [
          { waitMs: -1 },
          RangeError,
          "Expected waitMs to be an integer from 0 to 2147483647, got -1",
        ],
        [{ waitMs: 0.5 }, RangeError, "got 0.5"],
        [{ waitMs: NaN }, RangeError, "got NaN"],
        [{ waitMs: Infinity }, RangeError, "got Infinity"],
        [{ waitMs: 2 ** 31 }, RangeError, "got 2147483648"],
        [{ waitMs: "5" }, TypeError, 'got the string "5"'],
        [{ waitMs: null }, TypeError, "got null"],
        [{ signal: {} }, TypeError, "Expected signal to be an AbortSignal"],
        [{ signal: null }, TypeError, "Expected signal to be an AbortSignal, got null"],
        [{ waitMS: 5 }, TypeError, "Expected options to be an object with waitMs, "],
      ];
    for (const [options, kind, message] of cases) {
      const given = { create: true, ...options } as BlobFileOptions;
      await assertRejects(() => BlobStore.open(path, given), kind, message);
    }
    assertEquals(filesOf(path), []);
    const memory = new MemoryStore(0, { maxByteLength: 2 ** 20 });
    await assertRejects(
      () => BlobStore.open(memory, { waitMs: 5 }),
      TypeError,
      "Expected waitMs with a path that is opened for writing, got a backing store",
    );
    assertStrictEquals(memory.byteLength, 0);
    await assertRejects(
      () => BlobStore.open(path, { readOnly: true, waitMs: 5 }),
      TypeError,
      "got readOnly, which takes no lock",
    );
    const { signal } = new AbortController();
    await (await BlobStore.open(memory, { waitMs: 0, signal })).close();
    await (await BlobStore.open(path, { create: true, waitMs: 5, signal })).close();
    await (await BlobStore.open(path, { readOnly: true, waitMs: 0, signal })).close();
  });

  it("is made again where another one has removed the ticket", async () => {
    const { path, store } = await openStore();
    const waiting = BlobStore.open(path, { waitMs: LONG });
    await until("one waits", () => tickets(path).length === 1);
    fs.rmSync(`${path}.wait`, { recursive: true });
    await until("it waits again", () => tickets(path).length === 1);
    await store.close();
    await (await waiting).close();
    assertEquals(tickets(path), []);
  });

  it("waits in vain for one of another machine no longer than without waiting", async () => {
    const path = newPath();
    leaveTicket(path, 7);
    // Who does not wait does not care.
    await (await BlobStore.open(path, { create: true })).close();
    const start = performance.now();
    await (await BlobStore.open(path, { waitMs: 200 })).close();
    const took = performance.now() - start;
    assert(took >= 199 && took < 30_000, `${took} ms`);
    assertEquals(tickets(path), ["7"]);
  });

  it("goes on behind one of another machine that does not show that it lives", async () => {
    const path = newPath();
    await (await BlobStore.open(path, { create: true })).close();
    const ticket = leaveTicket(path, 7), start = performance.now();
    const waiting = BlobStore.open(path, { waitMs: LONG });
    await pause(2000);
    fs.utimesSync(ticket, Date.now() / 1000, Date.now() / 1000);
    await (await waiting).close();
    const took = performance.now() - start;
    assert(took >= 6900 && took < 40_000, `${took} ms`);
    assertEquals(filesOf(path), sqlite ? ["", ".lock"] : [""]);
  });

  it({
    name: `is lost to one that stands still${isWindows ? " (skipped: no SIGSTOP)" : ""}`,
    ignore: isWindows,
    async fn() {
      const { path, store } = await openStore();
      const [first, second] = await line(path, ["k0", "k1"], []);
      process.kill(first.child.pid!, "SIGSTOP");
      await store.close();
      assertStrictEquals((await second.answer).error, undefined);
      process.kill(first.child.pid!, "SIGCONT");
      assertStrictEquals((await first.answer).error, undefined);
      assertEquals(await keysInOrder(path), ["k1", "k0"]);
    },
  });

  it("fails where something else has the name of its folder", async () => {
    const { path, store } = await openStore();
    fs.writeFileSync(`${path}.wait`, "mine");
    const error = await storageError("open", () => BlobStore.open(path, { waitMs: 5 }));
    assert(error.message.includes(`${path}.wait`), error.message);
    assertStrictEquals(fs.readFileSync(`${path}.wait`, "utf8"), "mine");
    await store.close();
  });
});
