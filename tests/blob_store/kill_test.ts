/**
 * A process that writes to a store in a file is killed at random moments, again and
 * again: what it acknowledged is there, and of the rest one operation or none.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { beforeAll, describe, it } from "@std/testing/bdd";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BlobStore } from "../../backends/blob_store/mod.ts";
import { apply, type Model, OPTIONS } from "./children/kill_operations.ts";
import { type Random, withSeed } from "../support/random.ts";
import { share } from "../support/share.ts";
import { closeAfterwards, newPath, removeAfterwards } from "../support/temporary_files.ts";

/** Rounds over one file, and how many of them are one test: Bun gives a test five seconds. */
const ROUNDS = share(60), AT_ONCE = 6;

removeAfterwards();

describe("a killed writer", () => {
  let path: string, spare: Writer, model: Model = new Map(), next = 0;
  beforeAll(() => {
    path = newPath();
    spare = new Writer();
  });

  for (let first = 0; first < ROUNDS; first += AT_ONCE) {
    it(`loses nothing it acknowledged, in rounds ${first} to ${first + AT_ONCE - 1}`, async () => {
      const before = next;
      await withSeed(Date.now() >>> 0, async (random) => {
        for (let i = 0; i < AT_ONCE; i++) await round(random);
      });
      assert(next > before + AT_ONCE, `only ${next - before} operations were acknowledged`);
    });
  }

  /** Has a writer work, kills it, and looks at the store. */
  async function round(random: Random): Promise<void> {
    const writer = spare;
    spare = new Writer(); // starts while the other one works
    writer.start(path, next);
    // Some are killed while they open the store.
    const lines = random(10) === 0 ? 0 : 1 + random(25);
    await writer.printed(lines);
    if (lines === 0) await sleep(random(10));
    else spin(random(3000));
    for (const number of await writer.kill()) {
      assertEquals(number, next, "the number of an operation");
      apply(model, next++);
    }
    const found = await look(path, random(2) === 0);
    if (found === undefined) return assertEquals(next, 0, "the store is gone");
    const wrong = difference(found, model);
    if (wrong === undefined) return;
    const after = new Map(model), told = `${next} operations acknowledged: ${wrong}`;
    apply(after, next++);
    const wrongAfter = difference(found, after);
    assert(wrongAfter === undefined, `${told}; or with one more: ${wrongAfter}`);
    model = after;
  }
});

/** A child that writes. */
class Writer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = "";
  #errors = "";
  #onOutput: () => void = () => {};

  constructor() {
    const script = fileURLToPath(new URL("./children/kill_writer.ts", import.meta.url));
    const args = "deno" in process.versions ? ["run", "-A", script] : [script];
    const child = this.#child = spawn(process.execPath, args, { stdio: "pipe" });
    closeAfterwards(() => child.kill("SIGKILL"));
    child.stdin!.on("error", () => {}); // it ended early, and says why on stderr
    child.stdout!.on("data", (data) => {
      this.#output += data;
      this.#onOutput();
    });
    child.stderr!.on("data", (data) => this.#errors += data);
    this.#ended = new Promise((resolve) => child.on("close", () => resolve()));
  }

  /** Has it write. */
  start(path: string, from: number): void {
    this.#child.stdin!.write(`${JSON.stringify({ path, from })}\n`);
  }

  /** Waits until it has printed so many lines, or has ended. */
  printed(lines: number): Promise<void> {
    const isThere = () => this.#output.split("\n").length > lines;
    return Promise.race([
      this.#ended,
      new Promise<void>((resolve) => {
        this.#onOutput = () => {
          if (isThere()) resolve();
        };
        this.#onOutput();
      }),
    ]);
  }

  /** Kills it. Gives the numbers that it printed before. */
  async kill(): Promise<number[]> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    assertEquals(this.#errors, "");
    const [opened, ...lines] = this.#output.split("\n").slice(0, -1);
    assert(opened === undefined || opened === "open", opened);
    return lines.map(Number);
  }
}

/** Reads everything in the store, with or without repairing it; undefined: it is not there. */
async function look(path: string, readOnly: boolean): Promise<Model | undefined> {
  let store: BlobStore;
  try {
    store = await BlobStore.open(path, { ...OPTIONS, readOnly });
  } catch (error) {
    const isMissing = /no such file|ENOENT|does not exist|not a blob store/i;
    if (isMissing.test(String((error as Error).cause ?? error))) return undefined;
    throw error;
  }
  const model: Model = new Map();
  try {
    await store.check();
    assertEquals((await store.verify()).damaged, []);
    for await (const { key, metadata } of store.list()) {
      model.set(key, { bytes: (await store.get(key))!, metadata });
    }
  } finally {
    await store.close();
  }
  return model;
}

/** What tells the first key that is not as it should be, or undefined. */
function difference(found: Model, expected: Model): string | undefined {
  for (const key of new Set([...found.keys(), ...expected.keys()])) {
    const one = found.get(key), other = expected.get(key);
    if (one === undefined) return `${key} is missing`;
    if (other === undefined) return `${key} is there`;
    if (JSON.stringify(one.metadata) !== JSON.stringify(other.metadata)) {
      return `${key} is another blob: ${JSON.stringify([one.metadata, other.metadata])}`;
    }
    const isSame = one.bytes.length === other.bytes.length &&
      one.bytes.every((byte, i) => byte === other.bytes[i]);
    if (!isSame) return `${key} has other bytes`;
  }
  return undefined;
}

/** Lets some microseconds pass. */
function spin(us: number): void {
  for (const end = performance.now() + us / 1000; performance.now() < end;);
}
