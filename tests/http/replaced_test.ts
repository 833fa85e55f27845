/**
 * A file that is replaced under its reader, at every moment between two requests: the reader gets
 * what is in the old file, what is in the new one, or is told; never a mix, never a wrong byte, and
 * it never waits for ever.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { type HttpBlobStore, HttpChangedError } from "../../backends/http/mod.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import { publishBlobs } from "../../src/blob_store/publish_blobs.ts";
import type { Metadata } from "../../src/blob_store/types.ts";
import { seeded } from "../support/random.ts";
import { bytesOf, memory, type Model, storeOf } from "../blob_store/helpers.ts";
import { changed, FileServer } from "./file_server.ts";
import { fileOf, openOn } from "./stores.ts";

/** A file, and what is in it. */
interface Version {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly model: Model;
}

/** A request takes a few ms; a call that takes so many hangs. */
const HANGS = 20_000;
const COUNT = 400;

const keyOf = (i: number) => `key-${String(i).padStart(5, "0")}`;
const sizeOf = (i: number) => i % 97 === 0 ? 300_000 : i % 31 === 0 ? 70_000 : 500 + i;

async function versionOf(file: Uint8Array<ArrayBuffer>): Promise<Version> {
  const store = await BlobStore.open(storeOf(file, 2 ** 26), { readOnly: true });
  const model: Model = new Map();
  for await (const { key } of store.list()) model.set(key, (await store.get(key))!);
  return { file, model };
}

/** Versions of a file: one store as it goes on, and others. */
async function makeVersions(): Promise<Record<string, Version>> {
  const store = memory(2 ** 26), blobs = await BlobStore.open(store, { durability: "none" });
  const published = async () => {
    const to = memory(2 ** 26);
    await publishBlobs(blobs, to);
    return await versionOf(fileOf(to));
  };
  for (let i = 0; i < COUNT; i++) await blobs.put(keyOf(i), bytesOf(i, sizeOf(i)));
  await blobs.checkpoint();
  await blobs.compact();
  await blobs.flush();
  const before = await versionOf(fileOf(store)), first = await published();
  // Most blobs stay where they are; of the others some have other bytes of the same length.
  for (let i = 0; i < COUNT; i += 3) await blobs.put(keyOf(i), bytesOf(i + 1000, sizeOf(i)));
  for (let i = 1; i < COUNT; i += 9) await blobs.delete(keyOf(i));
  await blobs.flush();
  const logged = await versionOf(fileOf(store)), second = await published();
  await blobs.checkpoint();
  await blobs.compact();
  const after = await versionOf(fileOf(store));
  const none = await BlobStore.open(memory());
  const emptied = memory();
  await publishBlobs(none, emptied);
  return { before, logged, after, first, second, empty: await versionOf(fileOf(emptied)) };
}

let made: ReturnType<typeof makeVersions> | undefined;
const versions = () => made ??= makeVersions();

/** Which of some versions a call may have seen. */
type Seen = (version: Version) => boolean;

function isSame(found: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (found === undefined || expected === undefined) return found === expected;
  return found.length === expected.length && found.every((byte, i) => byte === expected[i]);
}

/** Something a reader does; it tells which versions what it got fits. */
type Call = (store: HttpBlobStore, i: number) => Promise<Seen>;

const calls: Record<string, Call> = {
  async get(store, i) {
    const found = await store.get(keyOf(i));
    return ({ model }) => isSame(found, model.get(keyOf(i)));
  },
  async part(store, i) {
    const range = { offset: 100, length: 300 }, found = await store.get(keyOf(i), { range });
    return ({ model }) => isSame(found, model.get(keyOf(i))?.slice(100, 400));
  },
  async stat(store, i) {
    const size = (await store.stat(keyOf(i)))?.size;
    return ({ model }) => size === model.get(keyOf(i))?.length;
  },
  async stream(store, i) {
    const stream = await store.stream(keyOf(i));
    const found = stream && new Uint8Array(await new Response(stream).arrayBuffer());
    return ({ model }) => isSame(found, model.get(keyOf(i)));
  },
  async read(store, i) {
    const blob = await store.read(keyOf(i)), part = await blob?.bytes({ offset: 0, length: 50 });
    const found = await blob?.bytes();
    return ({ model }) => {
      const expected = model.get(keyOf(i));
      return isSame(found, expected) && isSame(part, expected?.slice(0, 50));
    };
  },
  async list(store, i) {
    const found: string[] = [], after = keyOf(i - 1);
    for await (const { key, size } of store.list({ after })) found.push(`${key} ${size}`);
    return ({ model }) => {
      const keys = [...model.keys()].filter((key) => key > after).sort();
      return found.join() === keys.map((key) => `${key} ${model.get(key)!.length}`).join();
    };
  },
  async neighbours(store, i) {
    const numbers = [0, 1, 2, 3, 4, 5].map((n) => i + n);
    const found = await Promise.all(numbers.map((n) => store.get(keyOf(n))));
    // Calls that are made together are calls of their own.
    return ({ model }) => found.some((bytes, n) => isSame(bytes, model.get(keyOf(i + n))));
  },
};

/** Rejects where a call takes too long. */
async function inTime<T>(promise: Promise<T>, context: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: ${context}`)), HANGS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a server lets a reader see. */
const sights: Record<string, Partial<FileServer>> = {
  "all of it": {},
  "a date": { isForeign: true },
  "a length": { etag: null, modified: null },
  nothing: { etag: null, modified: null, isForeign: true },
};

/** Runs a call, and replaces the file before its request n. Tells whether there was one. */
async function replaceAt(
  n: number,
  [old, next]: readonly [Version, Version],
  sight: Partial<FileServer>,
  call: Call,
  i: number,
  context: string,
): Promise<boolean> {
  const server = Object.assign(new FileServer(old.file), sight);
  let requests = 0, isReplaced = false;
  server.before = () => {
    if (++requests !== n) return;
    server.replace(next.file);
    isReplaced = true;
  };
  const fits = async (work: Promise<Seen>, versions: readonly Version[], when: string) => {
    try {
      const seen = await inTime(work, context);
      assert(versions.some(seen), `${context}: ${when} it got what was in no file`);
    } catch (error) {
      assertInstanceOf(error, HttpChangedError, `${context}: ${error}`);
    }
  };
  let store: HttpBlobStore;
  try {
    store = await inTime(openOn(server), context);
  } catch (error) {
    assertInstanceOf(error, HttpChangedError, `${context}: ${error}`);
    return true;
  }
  await fits(call(store, i), [old, next], "first");
  if (!isReplaced) return false;
  await store.refresh();
  await fits(call(store, i), [next], "after a refresh");
  assertEquals((await call(store, i))(next), true, `${context}: the new file is not read`);
  await store.close();
  return true;
}

describe("a file that is replaced", () => {
  const some: [string, string][] = [["first", "second"], ["before", "logged"]];
  const pairs: [string, string][] = [
    ["first", "second"],
    ["before", "logged"],
    ["logged", "after"],
    ["before", "after"],
    ["second", "before"],
    ["first", "empty"],
    ["empty", "first"],
  ];
  for (const [sight, given] of Object.entries(sights)) {
    // What is compared is another thing for those in between, and how it goes on the same.
    const isFull = sight === "all of it" || sight === "nothing";
    it(`between any two requests, where the reader sees ${sight}`, async () => {
      const all = await versions();
      const numbers = [0, 97, 31, 9, 10, 333, 390];
      let runs = 0;
      for (const [p, [from, to]] of (isFull ? pairs : some).entries()) {
        for (const [c, [name, call]] of Object.entries(calls).entries()) {
          // A third of them each time, all of them in turn; all with SUBALLOC_ROUNDS.
          if ((p + c) % 3 !== 0 && process.env.SUBALLOC_ROUNDS === undefined) continue;
          const i = numbers[runs % numbers.length];
          for (let n = 1;; n++) {
            const context = `${from} to ${to}, ${name} of ${i}, request ${n}`;
            runs++;
            if (!await replaceAt(n, [all[from], all[to]], given, call, i, context)) break;
            assert(n < 50, context);
          }
        }
      }
      assert(runs > 12, `${runs}`);
    });
  }

  it("again and again is read in the end, or told", async () => {
    const all = Object.values(await versions()), random = seeded(4);
    for (let round = 0; round < 40; round++) {
      const server = new FileServer(all[0].file), every = 1 + random(4);
      Object.assign(server, Object.values(sights)[round % 4]);
      // Where nothing is seen, one that comes back cannot be told from one that is damaged.
      const comesBack = round % 4 < 3;
      let requests = 0, next = 0;
      server.before = () => {
        if (++requests % every !== 0) return;
        next = comesBack ? random(all.length) : Math.min(next + 1, all.length - 1);
        server.replace(all[next].file);
      };
      try {
        const store = await inTime(openOn<Metadata>(server), "opening");
        for (let n = 0; n < 8; n++) {
          const names = Object.keys(calls), name = names[random(names.length)];
          try {
            const seen = await inTime(calls[name](store, random(COUNT)), name);
            assert(all.some(seen), `round ${round}: ${name} got what was in no file`);
          } catch (error) {
            assertInstanceOf(error, HttpChangedError, `round ${round}: ${name}: ${error}`);
          }
        }
      } catch (error) {
        assertInstanceOf(error, HttpChangedError, `round ${round}: ${error}`);
      }
    }
  });

  it("amid the answer for a large blob", async () => {
    const { first, second } = await versions();
    for (const sight of Object.values(sights)) {
      const server = Object.assign(new FileServer(first.file), sight), store = await openOn(server);
      await store.has(keyOf(97));
      server.fault = async (response) => {
        const body = (await response.arrayBuffer()).slice(0, 100_000);
        server.fault = undefined;
        server.replace(second.file);
        return changed(response, { body });
      };
      const found = await store.get(keyOf(97));
      const isOne = [first, second].some(({ model }) => isSame(found, model.get(keyOf(97))));
      assert(isOne, "a mix");
    }
  });
});
