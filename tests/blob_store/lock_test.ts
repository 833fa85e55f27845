/**
 * The lock of a blob store: one writer among connections, processes and names of a
 * file, with SQLite and without.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { acquireLock } from "../../backends/blob_store/lock.ts";
import { ownNote, readNote, takeNote } from "../../backends/blob_store/owner_note.ts";
import { wouldAsk } from "../../backends/file/raw/mod.ts";
import { type LockHolder, StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import { before, HOLDER, type LockChild, lockInChild, NOTE_WRITER } from "./children/lock_child.ts";
import { storageError } from "../support/store_helpers.ts";
import { withLinks } from "../support/symbolic_links.ts";
import { closeAfterwards, folder, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const sqlite = process.getBuiltinModule?.("node:sqlite") !== undefined;

/** Another process that lives. The parent of this one can have ended, or have no number. */
let living: LockChild;
beforeAll(async () => {
  living = await lockInChild(newPath());
  closeAfterwards(() => living.end());
});

/** A note as another process would leave it. */
function writeNote(path: string, fields: Record<string, unknown>): void {
  const since = new Date().toISOString();
  const note = { pid: living.pid, host: hostname(), runtime: "node 20.0.0", since, ...fields };
  fs.writeFileSync(path, JSON.stringify(note));
}

/** The number of a process that has ended. */
async function deadProcess(): Promise<number> {
  const child = await lockInChild(newPath());
  await child.kill();
  return child.pid;
}

/** Takes a lock and gives it back. */
function lockAndRelease(path: string): void {
  acquireLock(path).release();
}

/** The refusal of a lock. */
function refusal(path: string): StoreLockedError {
  return assertThrows(() => acquireLock(path), StoreLockedError);
}

/** Runs a body beside a child with the lock, and ends the child. */
async function beside(
  path: string,
  mode: string[],
  body: (child: LockChild) => unknown,
): Promise<void> {
  const child = await lockInChild(path, ...mode);
  try {
    await body(child);
  } finally {
    await child.end();
  }
}

/** Both ways to lock: with what the runtime has, and as where there is no SQLite. */
for (const mode of sqlite ? ["", "without-sqlite"] : ["without-sqlite"]) {
  const modes = mode ? [mode] : [];
  const { getBuiltinModule } = process;

  describe(`the lock of a file ${mode || "with SQLite"}`, () => {
    beforeEach(() => {
      if (mode) process.getBuiltinModule = () => undefined;
    });
    afterEach(() => {
      process.getBuiltinModule = getBuiltinModule;
    });

    it("is refused to a second opener of this process, who learns who has it", () => {
      const path = newPath();
      const lock = acquireLock(path);
      const error = refusal(path);
      assertStrictEquals(error.path, path);
      const { pid, host, since } = error.holder!;
      assertEquals([pid, host], [process.pid, hostname()]);
      assert(Math.abs(Date.now() - Date.parse(since)) < 60_000, since);
      assert(error.message.includes(`process ${process.pid} on`), error.message);
      lock.release();
      lockAndRelease(path);
    });

    it("is released once", () => {
      const path = newPath();
      const first = acquireLock(path);
      first.release();
      const second = acquireLock(path);
      first.release();
      refusal(path);
      assert(fs.existsSync(`${path}.owner`));
      second.release();
    });

    it("comes with a note that goes with it", () => {
      const made = newPath(), path = join(made, "x");
      fs.mkdirSync(made);
      const lock = acquireLock(path);
      const note = JSON.parse(fs.readFileSync(`${path}.owner`, "utf8"));
      assertEquals([note.pid, note.exclusive], [process.pid, mode ? true : undefined]);
      const files = () => fs.readdirSync(made).sort();
      assertEquals(files(), mode ? ["x.owner"] : ["x.lock", "x.owner"]);
      lock.release();
      assertEquals(files(), mode ? [] : ["x.lock"]);
      if (!mode) assertStrictEquals(fs.statSync(`${path}.lock`).size, 0);
    });

    it("keeps other processes out, either way, until it is released", async () => {
      const path = newPath();
      await beside(path, modes, async (child) => {
        assertEquals(child.answer, { held: true });
        assertStrictEquals(refusal(path).holder?.pid, child.pid);
        await beside(path, modes, ({ answer }) => {
          assertStrictEquals(answer.holder?.pid, child.pid);
        });
        assertStrictEquals(child.complaints(), "");
      });
      const lock = acquireLock(path);
      await beside(path, modes, ({ answer }) => {
        assertEquals(answer.holder, refusal(path).holder);
      });
      lock.release();
      await beside(path, modes, ({ answer }) => assertEquals(answer, { held: true }));
    });

    it("is free once its holder was killed", async () => {
      const path = newPath();
      const child = await lockInChild(path, ...modes);
      refusal(path);
      await child.kill();
      assert(fs.existsSync(`${path}.owner`), "the note is left behind");
      const lock = acquireLock(path);
      assertStrictEquals(refusal(path).holder?.pid, process.pid);
      lock.release();
      assert(!fs.existsSync(`${path}.owner`));
    });

    it({
      ...withLinks("is the same by every name of the file"),
      fn() {
        const path = newPath(), link = newPath(), folderLink = newPath();
        fs.symlinkSync(dirname(path), folderLink);
        // Also where the file is yet to be made, and with a target relative to its folder.
        fs.symlinkSync(basename(path), link);
        for (const made of [false, true]) {
          if (made) fs.writeFileSync(path, "");
          const lock = acquireLock(join(folderLink, basename(link)));
          assertStrictEquals(lock.path, join(fs.realpathSync(folder()), basename(path)));
          for (const name of [path, link, join(folderLink, basename(path))]) refusal(name);
          lock.release();
        }
      },
    });

    it("fails with what the system says where it cannot be made", async () => {
      const path = join(newPath(), "in no folder");
      const error = await storageError("open", () => acquireLock(path));
      assertStrictEquals((error.cause as { code?: string }).code, "ENOENT");
      assert(error.message.includes(path), error.message);
    });

    it("fails below a file", async () => {
      const file = newPath(), path = join(file, "x");
      fs.writeFileSync(file, "");
      const error = await storageError("open", () => acquireLock(path));
      assert(error.message.includes(path), error.message);
    });

    it({
      ...withLinks("fails in a ring of symbolic links"),
      async fn() {
        const ring = newPath();
        fs.symlinkSync(basename(ring), ring);
        const error = await storageError("open", () => acquireLock(ring));
        assert(error.message.includes(ring), error.message);
      },
    });

    it("leaves a folder in the place of its note, and fails", async () => {
      const path = newPath(), owner = `${path}.owner`;
      fs.mkdirSync(join(owner, "not empty"), { recursive: true }); // else Deno unlinks it
      await storageError("open", () => acquireLock(path));
      assert(fs.statSync(owner).isDirectory() && !fs.existsSync(`${owner}.claim`));
      fs.rmSync(owner, { recursive: true });
      lockAndRelease(path);
    });

    it("takes the place of a note whose process has ended", async () => {
      const path = newPath(), pid = await deadProcess();
      for (const exclusive of [true, undefined]) {
        writeNote(`${path}.owner`, { pid, exclusive });
        const lock = acquireLock(path);
        assertStrictEquals(refusal(path).holder?.pid, process.pid);
        lock.release();
      }
      // The first process of a container has the number of the one before.
      writeNote(`${path}.owner`, {
        pid: process.pid,
        exclusive: true,
        since: "2020-01-01T00:00:00.000Z",
      });
      lockAndRelease(path);
      assert(!fs.existsSync(`${path}.owner`));
      assert(!fs.existsSync(`${path}.owner.claim`));
    });

    it("respects the note of a living process that has no other lock", () => {
      const path = newPath();
      writeNote(`${path}.owner`, { exclusive: true });
      const { holder } = refusal(path);
      assertEquals([holder?.pid, holder?.runtime], [living.pid, "node 20.0.0"]);
      assert(!("exclusive" in holder!));
      // Of another machine nobody can tell.
      writeNote(`${path}.owner`, { exclusive: true, host: "elsewhere", pid: 2 ** 22 + 1 });
      assertStrictEquals(refusal(path).holder?.host, "elsewhere");
      fs.rmSync(`${path}.owner`);
      lockAndRelease(path);
    });

    it("takes the place of a note that cannot be read", () => {
      const path = newPath();
      const others = ['{"pid":"1"}', `{"pid":${living.pid},"host":7,"exclusive":true}`];
      for (const text of ["", ...others]) {
        fs.writeFileSync(`${path}.owner`, text);
        lockAndRelease(path);
        assert(!fs.existsSync(`${path}.owner`));
      }
    });

    it("leaves a file of somebody else that has the name of its note, and fails", async () => {
      const path = newPath(), owner = `${path}.owner`;
      for (const text of ["Jane Doe, 12 High Street", `{${"x".repeat(5000)}`, "\0\0text"]) {
        fs.writeFileSync(owner, text);
        const error = await storageError("open", () => acquireLock(path));
        assert(error.message.includes(`${owner} is not the note of a writer`), error.message);
        assertStrictEquals(fs.readFileSync(owner, "utf8"), text);
      }
      for (const text of ["", '{"pid":1,"ho', "\0".repeat(100)]) {
        fs.writeFileSync(owner, text);
        lockAndRelease(path);
        assert(!fs.existsSync(owner));
      }
    });

    it("waits for a note that is just being written", async () => {
      const path = newPath(), owner = `${path}.owner`;
      writeNote(`${path}.text`, { exclusive: true });
      // On a busy machine the child may be too late, but not every time.
      for (let attempt = 1;; attempt++) {
        fs.writeFileSync(owner, "");
        const child = spawn(process.execPath, [...before, NOTE_WRITER, path]);
        const ended = once(child, "exit");
        await once(child.stdout, "data");
        let holder: LockHolder | undefined;
        try {
          acquireLock(path).release();
        } catch (error) {
          holder = (error as StoreLockedError).holder;
        }
        await ended;
        fs.rmSync(owner);
        if (holder?.pid === living.pid) return;
        assert(attempt < 5, "the note was replaced each time");
      }
    });

    it("leaves a note that is not its own", () => {
      const path = newPath();
      const lock = acquireLock(path);
      writeNote(`${path}.owner`, { exclusive: true });
      lock.release();
      assertStrictEquals(refusal(path).holder?.pid, living.pid);
    });

    it("is for one to replace a stale note, who may crash over it", async () => {
      const path = newPath(), pid = await deadProcess(), claim = `${path}.owner.claim`;
      writeNote(`${path}.owner`, { pid, exclusive: true });
      writeNote(claim, {});
      assertStrictEquals(refusal(path).holder?.pid, living.pid);
      writeNote(claim, { pid });
      lockAndRelease(path);
      const left = fs.readdirSync(folder()).filter((name) =>
        name.startsWith(`${basename(path)}.o`)
      );
      assertEquals(left, []);
    });

    it("is one process's of many that find a stale note", async () => {
      const path = newPath(), pid = await deadProcess();
      writeNote(`${path}.owner`, { pid, exclusive: true });
      const children = await Promise.all([1, 2, 3, 4].map(() => lockInChild(path, ...modes)));
      const held = children.filter(({ answer }) => answer.held);
      assertStrictEquals(held.length, 1, JSON.stringify(children.map(({ answer }) => answer)));
      await Promise.all(children.map((child) => child.end()));
    });
  });
}

it("a stale note that another one has just replaced is left alone", () => {
  const path = newPath(), stale = { ...ownNote(true), pid: 1 }, quicker = { ...stale, pid: 2 };
  assertStrictEquals(takeNote(path, stale, () => true), undefined);
  const answer = takeNote(path, ownNote(true), ({ pid }) => {
    if (pid === stale.pid) fs.writeFileSync(path, JSON.stringify(quicker));
    return pid !== stale.pid;
  });
  assertStrictEquals(answer?.holder?.pid, quicker.pid);
  assertStrictEquals(readNote(path)?.pid, quicker.pid);
});

it("a note that cannot be made is an error", () => {
  assertThrows(() => takeNote(join(newPath(), "x"), ownNote(true), () => true), Error, "ENOENT");
});

const isDeno = process.versions.deno !== undefined;
it({
  name: `the lock of a file needs no leave to know the host, and asks for none${
    isDeno ? "" : " (skipped: no Deno)"
  }`,
  ignore: !isDeno,
  fn() {
    const path = newPath(), allowed = ["--allow-read", "--allow-write", "--quiet"];
    const audit = newPath(), env = { ...process.env, DENO_AUDIT_PERMISSIONS: audit };
    const { stdout } = spawnSync(process.execPath, ["run", ...allowed, HOLDER, path], {
      encoding: "utf8",
      env,
    });
    assertEquals(JSON.parse(stdout), { held: true });
    // At a terminal Deno would ask for what it lists here and has no leave for.
    assert(!fs.readFileSync(audit, "utf8").includes("hostname"));
  },
});

it("only a permission that Deno has yet to be given is asked for", () => {
  const real = Object.getOwnPropertyDescriptor(globalThis, "Deno");
  const asks = (value: unknown): boolean => {
    Object.defineProperty(globalThis, "Deno", { value, configurable: true });
    try {
      return wouldAsk({ name: "sys", kind: "hostname" });
    } finally {
      if (real === undefined) Reflect.deleteProperty(globalThis, "Deno");
      else Object.defineProperty(globalThis, "Deno", real);
    }
  };
  const answering = (state: string) => ({ permissions: { querySync: () => ({ state }) } });
  const answers = ["prompt", "granted", "denied"].map((state) => asks(answering(state)));
  assertEquals(answers, [true, false, false]);
  assertEquals([undefined, {}, { permissions: {} }].map((deno) => asks(deno)), [
    false,
    false,
    false,
  ]);
});

describe("the lock of a file with SQLite", () => {
  const withSqlite = {
    ignore: !sqlite,
    name: (what: string) => sqlite ? what : `${what} (skipped: there is no node:sqlite)`,
  };

  for (const [mine, theirs] of [[[], ["without-sqlite"]], [["without-sqlite"], []]]) {
    it({
      name: withSqlite.name(`keeps out whoever has ${mine.length ? "it" : "none"}`),
      ignore: withSqlite.ignore,
      async fn() {
        const path = newPath();
        await beside(path, mine, async (child) => {
          assertEquals(child.answer, { held: true });
          await beside(path, theirs, ({ answer }) => {
            assertStrictEquals(answer.holder?.pid, child.pid, JSON.stringify(answer));
          });
        });
      },
    });
  }

  it({
    name: withSqlite.name("needs no note: one of a living process without the lock is void"),
    ignore: withSqlite.ignore,
    fn() {
      const path = newPath();
      writeNote(`${path}.owner`, {});
      lockAndRelease(path);
      assert(!fs.existsSync(`${path}.owner`));
    },
  });

  it({
    name: withSqlite.name("names nobody where the note is of one who crashed"),
    ignore: withSqlite.ignore,
    async fn() {
      const path = newPath(), pid = await deadProcess();
      await beside(path, [], () => {
        writeNote(`${path}.owner`, { pid });
        assertStrictEquals(refusal(path).holder, undefined);
      });
    },
  });

  it({
    name: withSqlite.name("fails where its database is something else, which it leaves alone"),
    ignore: withSqlite.ignore,
    async fn() {
      const path = newPath(), other = "a file of somebody else, long enough for a header".repeat(9);
      fs.writeFileSync(`${path}.lock`, other);
      const error = await storageError("open", () => acquireLock(path));
      assert(error.message.includes("not a database: delete it"), error.message);
      assertStrictEquals(fs.readFileSync(`${path}.lock`, "utf8"), other);
    },
  });
});
