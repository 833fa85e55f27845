/**
 * What is said where a lock cannot be made, and of a store that is cut off in its header.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import builtinFs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { reasonOfLock } from "../../backends/blob_store/lock.ts";
import { dropNote, ownNote, takeNote } from "../../backends/blob_store/owner_note.ts";
import { waitForLock } from "../../backends/blob_store/wait_for_lock.ts";
import { discardFile } from "../../backends/file/raw/held_files.ts";
import { codeOf } from "../../backends/file/raw/system.ts";
import { CorruptStoreError, StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import { storageError } from "../support/store_helpers.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";
import { memory, storeOf } from "./helpers.ts";

removeAfterwards();

const SAYS = "unable to open database file", sqlite = process.getBuiltinModule?.("node:sqlite");

/** A right that is missing. */
function missing(code: string) {
  return () => {
    throw Object.assign(new Error(`${code}: it is the ${code} of this test`), { code });
  };
}

describe("a lock that cannot be had", () => {
  it("names the folder that may not be written", () => {
    const lock = newPath(), reason = reasonOfLock(lock, SAYS, missing("EACCES"));
    assertStrictEquals(
      reason,
      `its lock, ${lock}, cannot be made: no right to write in the folder ${
        dirname(lock)
      } (EACCES)`,
    );
    const readOnly = reasonOfLock(lock, "attempt to write a readonly database", missing("EROFS"));
    assertStrictEquals(readOnly?.endsWith(" (EROFS)"), true);
  });

  it("names the file that may not be used", () => {
    const lock = newFile();
    const reason = `its lock, ${lock}, cannot be used: no right to read and write it (EACCES)`;
    assertStrictEquals(reasonOfLock(lock, SAYS, missing("EACCES")), reason);
  });

  it("says nothing of what it does not know", () => {
    assertStrictEquals(reasonOfLock(newPath(), "disk I/O error", missing("EACCES")), undefined);
    assertStrictEquals(reasonOfLock(newFile(), SAYS, () => {}), undefined);
  });

  it({
    name: "is said to be a folder",
    ignore: sqlite === undefined,
    async fn() {
      const path = newPath();
      fs.mkdirSync(`${path}.lock`);
      const opening = () => BlobStore.open(path, { create: true });
      const error = await storageError("open", opening);
      assertStrictEquals(error.message, `Cannot open: its lock, ${path}.lock, is a folder`);
    },
  });
});

it("an error of the system has its code, although Deno 2.2 says it in the message only", () => {
  const bare = new Error("EEXIST: file already exists, open 'x.owner'");
  assertStrictEquals(codeOf(bare), "EEXIST");
  assertStrictEquals(codeOf(Object.assign(new Error("ENOENT: no"), { code: "EPERM" })), "EPERM");
  for (const none of [undefined, null, new Error("Error: no"), new Error("")]) {
    assertStrictEquals(codeOf(none), undefined);
  }
});

/** Calls of the file system whose first call for a path fails, as if somebody had the file open. */
const HOLDABLE = [
  "openSync",
  "readFileSync",
  "unlinkSync",
  "mkdirSync",
  "readdirSync",
  "statSync",
  "utimesSync",
] as const;

/** Runs a body where every file is held at its first call of each kind, as Windows says. */
async function held(body: () => Promise<void>): Promise<Set<string>> {
  const calls = builtinFs as unknown as Record<
    string,
    (path: unknown, ...rest: unknown[]) => unknown
  >;
  const real = HOLDABLE.map((name) => [name, calls[name]] as const), refused = new Set<string>();
  const seen = new Set<string>();
  const platform = Object.getOwnPropertyDescriptor(process, "platform")!;
  for (const [name, call] of real) {
    calls[name] = (path, ...rest) => {
      const isOurs = /\.(?:owner|wait)\b/.test(String(path)), id = `${name} ${path}`;
      if (!isOurs || seen.has(id)) return call(path, ...rest);
      seen.add(id);
      refused.add(name);
      throw Object.assign(new Error("EPERM: held"), { code: "EPERM" });
    };
  }
  Object.defineProperty(process, "platform", { ...platform, value: "win32" });
  syncBuiltinESMExports();
  try {
    await body();
  } finally {
    for (const [name, call] of real) calls[name] = call;
    Object.defineProperty(process, "platform", platform);
    syncBuiltinESMExports();
  }
  return refused;
}

const isNode = !("deno" in process.versions) && !("bun" in process.versions);
it({
  name: `notes and tickets on Windows, which somebody looks at${
    isNode ? "" : " (skipped: no Node)"
  }`,
  ignore: !isNode, // elsewhere the functions of node:fs cannot be exchanged
  async fn() {
    const path = newPath(), note = ownNote(true), ahead = join(`${path}.wait`, "1");
    fs.mkdirSync(dirname(ahead));
    fs.writeFileSync(ahead, JSON.stringify(note));
    const refused = await held(async () => {
      assertStrictEquals(takeNote(`${path}.owner`, note, () => true), undefined);
      await assertRejects(() => waitForLock(path, 700), StoreLockedError);
      dropNote(`${path}.owner`, note);
    });
    fs.rmSync(dirname(ahead), { recursive: true });
    assertEquals([...refused].sort(), [...HOLDABLE].sort());
    const names = fs.readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
    assertEquals(names.filter((name) => !name.endsWith(".lock")), []);
  },
});

it("a file that is of no use is removed, or stays without another error", () => {
  const file = newFile(), folder = newPath();
  fs.mkdirSync(join(folder, "not empty"), { recursive: true });
  for (const path of [file, folder, newPath()]) discardFile(path);
  assertEquals([fs.existsSync(file), fs.existsSync(folder)], [false, true]);
});

describe("a store that is cut off in its header", () => {
  it("is not called empty", async () => {
    const inner = memory(), blobs = await BlobStore.open(inner);
    await blobs.put("a", "bytes");
    await blobs.close();
    const head = new Uint8Array(100);
    inner.read(0, head);
    const reason = "it is cut off in its header, or was never finished: it has 100 bytes";
    const message = `Cannot open the store: ${reason} (at byte 0)`;
    const options = { readOnly: true };
    const inMemory = await assertRejects(
      () => BlobStore.open(storeOf(head), options),
      CorruptStoreError,
    );
    assertStrictEquals(inMemory.message, message);
    const path = newPath();
    fs.writeFileSync(path, head);
    for (const options of [{ readOnly: true }, {}, { create: true }]) {
      const error = await assertRejects(() => BlobStore.open(path, options), CorruptStoreError);
      assertStrictEquals(error.message, message);
    }
    assertEquals(new Uint8Array(fs.readFileSync(path)), head);
  });

  it("is called empty where it is", async () => {
    const opening = () => BlobStore.open(storeOf(new Uint8Array(100)), { readOnly: true });
    const error = await assertRejects(opening, CorruptStoreError);
    assertStrictEquals(
      error.message,
      "Cannot open the store: it is empty, not a blob store (at byte 0)",
    );
  });
});
