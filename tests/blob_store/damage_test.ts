/**
 * Blob stores whose bytes were changed: whatever comes back is what was put, or an error
 * that says what is not.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { MemoryStore } from "../../backends/memory.ts";
import { BlobStore } from "../../src/blob_store/blob_store.ts";
import {
  CorruptBlobError,
  CorruptStoreError,
  DamagedIndexError,
} from "../../src/blob_store/blob_store_errors.ts";
import type { BlobStoreOptions, FileRegionKind } from "../../src/blob_store/types.ts";
import {
  assertSound,
  bytesOf,
  contentsOf,
  keysOf,
  memory,
  type Model,
  regionsOf,
  storeOf,
} from "./helpers.ts";
import { seeded } from "../support/random.ts";
import { isShared, share } from "../support/share.ts";

/** The file of a store at one moment. */
interface Image {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What it may hold: what was acknowledged last, and what a torn last write leaves. */
  readonly states: readonly Model[];
  /** The bytes that the last commit changed; it ends with up to 8 zeros. */
  readonly lastCommit: { readonly start: number; readonly end: number };
  /** What lies at a byte. */
  readonly kindAt: (at: number) => FileRegionKind;
}

/** A small store with something of everything: `finish` is the last thing that is done. */
async function makeImage(
  options: BlobStoreOptions,
  finish: (blobs: BlobStore, model: Model) => Promise<unknown>,
): Promise<Image> {
  const store = memory();
  const blobs = await BlobStore.open(store, { granule: 32, checkpointBytes: 2 ** 20, ...options });
  const model: Model = new Map();
  const put = async (key: string, size: number) => {
    model.set(key, bytesOf(key.length + size, size));
    await blobs.put(key, model.get(key)!, { metadata: { key } });
  };
  await put("first", 300);
  await put("in the way", 1000);
  await put("replaced", 700);
  await put("empty", 0);
  await blobs.delete("in the way");
  model.delete("in the way");
  await blobs.checkpoint();
  await put("replaced", 50);
  await put("large", 4200);
  await put("é\u{1F40E}", 9);
  const before = new Map(model), then = contentsOf(store);
  await finish(blobs, model);
  const bytes = contentsOf(store) as Uint8Array<ArrayBuffer>;
  let start = 0, end = bytes.length;
  while (start < end && bytes[start] === then[start]) start++;
  while (end > start && bytes[end - 1] === then[end - 1]) end--;
  const reader = await BlobStore.open(storeOf(bytes), { readOnly: true });
  const regions = await regionsOf(reader);
  const kindAt = (at: number) => regions.findLast(({ offset }) => offset <= at)!.kind;
  return { bytes, states: [model, before], lastCommit: { start, end: end + 8 }, kindAt };
}

const closing = (blobs: BlobStore) => blobs.close();
const putting = async (blobs: BlobStore, model: Model) => {
  model.set("last", bytesOf(77, 500));
  await blobs.put("last", model.get("last")!);
};
const puttingLarge = async (blobs: BlobStore, model: Model) => {
  model.set("last", bytesOf(78, 4200));
  await blobs.put("last", model.get("last")!);
};
const checkpointing = (blobs: BlobStore) => blobs.checkpoint();

/** The kinds of files, and whether the last commit may be taken for a torn write. */
const images: Record<string, [make: () => Promise<Image>, mayLoseLast: boolean]> = {
  "closed": [() => makeImage({}, closing), false],
  "left without closing": [() => makeImage({}, putting), true],
  "left after a large put": [() => makeImage({}, puttingLarge), true],
  "left after a checkpoint": [() => makeImage({}, checkpointing), false],
};

/** How opening and reading a damaged file went. */
type Outcome =
  | "whole"
  | "a damaged blob"
  | "a damaged page"
  | "refused"
  | "without the last commit";

/** Opens a file and reads everything; fails where anything is other than it was, untold. */
async function examine(
  bytes: Uint8Array,
  states: readonly Model[],
  readOnly: boolean,
  isThorough: boolean,
): Promise<Outcome> {
  // Only a thorough look needs room.
  const store = isThorough ? storeOf(bytes) : new MemoryStore(bytes);
  const before = Buffer.from(bytes);
  let blobs: BlobStore;
  try {
    blobs = await BlobStore.open(store, { readOnly, create: false });
  } catch (error) {
    if (!(error instanceof CorruptStoreError)) throw error;
    assert(error.offset >= 0 && error.offset <= bytes.length, `offset ${error.offset}`);
    assert(before.equals(contentsOf(store)), "a file that is refused was changed");
    return "refused";
  }
  const keys = await keysOf(blobs).catch((error) => {
    if (!(error instanceof DamagedIndexError)) throw error;
  });
  if (keys === undefined) {
    await examinePages(blobs, states[0]);
    if (readOnly) assert(before.equals(contentsOf(store)), "a file that is only read was changed");
    return "a damaged page";
  }
  const state = states.find((model) =>
    model.size === keys.length && keys.every((k) => model.has(k))
  );
  assert(state !== undefined, `it holds ${JSON.stringify(keys)}`);
  const damaged = new Set<string>();
  for (const [key, expected] of state) {
    try {
      const actual = await blobs.get(key);
      assert(actual !== undefined, `${key} is missing`);
      assert(Buffer.from(expected).equals(actual), `${key} has other bytes`);
    } catch (error) {
      if (!(error instanceof CorruptBlobError)) throw error;
      assertStrictEquals(error.key, key);
      assert(error.offset >= 0 && error.offset + error.length <= expected.length);
      damaged.add(key);
    }
    const info = (await blobs.stat(key))!;
    assertEquals([info.size, info.metadata], [expected.length, metadataOf(key)]);
  }
  await assertSound(blobs);
  if (isThorough) {
    const report = await blobs.verify();
    assertEquals(new Set(report.damaged.map(({ key }) => key)), damaged);
    if (!readOnly) {
      await blobs.put("new", "new");
      await blobs.checkpoint();
      for (const key of damaged) await blobs.delete(key);
      assertEquals((await blobs.verify()).damaged, []);
      await blobs.close();
    }
  }
  if (readOnly) assert(before.equals(contentsOf(store)), "a file that is only read was changed");
  if (state !== states[0]) return "without the last commit";
  return damaged.size > 0 ? "a damaged blob" : "whole";
}

/** Reads what can be read beside a damaged page; fails where it should be more. */
async function examinePages(blobs: BlobStore, state: Model): Promise<void> {
  const { damagedIndex, damaged } = await blobs.verify();
  assert(damagedIndex.length > 0, "no damage is told");
  assertEquals(damaged, []);
  for (const [key, expected] of state) {
    const isLost = damagedIndex.some(({ after = "", before }) =>
      after < key && (before === undefined || key < before)
    );
    const found = await blobs.get(key).catch((error: unknown) => {
      assert(error instanceof DamagedIndexError && isLost, `${key}: ${error}`);
    });
    if (found !== undefined) assert(Buffer.from(expected).equals(found), `${key} is another`);
  }
  await assertRejects(() => blobs.check());
}

function metadataOf(key: string): { key: string } | undefined {
  return key === "last" ? undefined : { key };
}

describe("every byte of a store that was", () => {
  for (const [name, [make, mayLoseLast]] of Object.entries(images)) {
    it(`${name} may be damaged`, async () => {
      const { bytes, states, lastCommit, kindAt } = await make();
      const counts: Record<Outcome, number> = {
        "whole": 0,
        "a damaged blob": 0,
        "a damaged page": 0,
        "refused": 0,
        "without the last commit": 0,
      };
      const scratch = new Uint8Array(bytes.length), random = seeded(bytes.length);
      let flips = 0;
      for (let at = 0; at < bytes.length; at++) {
        if (!isShared(at)) continue;
        const kind = kindAt(at);
        // Of blobs every other byte, of what is free or was never written some.
        if (kind === "blob" && at % 2 !== random(2)) continue;
        if (kind === "free" ? at % 64 !== 0 : bytes[at] === 0 && at % 8 !== 0) continue;
        // A bit and, where it is not a blob's, any other byte too.
        const isPlain = kind === "blob" || bytes[at] === 0;
        for (const mask of isPlain ? [1 << random(8)] : [1 << random(8), 1 + random(255)]) {
          const readOnly = random(2) === 0, isThorough = ++flips % 61 === 0;
          scratch.set(bytes);
          scratch[at] ^= mask;
          let outcome: Outcome;
          try {
            outcome = await examine(scratch, states, readOnly, isThorough);
          } catch (cause) {
            const what = `byte ${at} ^ ${mask}${readOnly ? ", read-only" : ""}`;
            throw new Error(`${what}: ${(cause as Error).message}`, { cause });
          }
          counts[outcome]++;
          const isLast = at >= lastCommit.start && at < lastCommit.end;
          if (outcome === "without the last commit") {
            assert(mayLoseLast && isLast, `byte ${at}: what was acknowledged is gone`);
          }
          if (kind === "blob" && !isLast) {
            assert(outcome !== "refused", `byte ${at}: a damaged blob closes the whole store`);
          }
          if (outcome === "a damaged page") assertStrictEquals(kind, "index");
          if (kind === "free") assertStrictEquals(outcome, "whole", `byte ${at}, which is free`);
        }
      }
      assert(flips > share(4000), `${flips} flips`);
      const { whole, refused } = counts, damaged = counts["a damaged blob"];
      const told = refused + counts["a damaged page"];
      assert(
        whole > share(500) && told > share(100) && damaged > share(1500),
        JSON.stringify(counts),
      );
      assertStrictEquals(
        counts["without the last commit"] > 0,
        mayLoseLast,
        JSON.stringify(counts),
      );
    });

    it(`${name} may be the first that is missing`, async () => {
      const { bytes, states } = await make();
      const allowed = mayLoseLast ? states : states.slice(0, 1);
      const counts = { whole: 0, less: 0 };
      for (let length = 1; length < bytes.length; length += length % 512 < 3 ? 1 : 61) {
        for (const readOnly of [true, false]) {
          // A copy that cannot be seen behind its end.
          const outcome = await examine(bytes.slice(0, length), allowed, readOnly, false)
            .catch((cause) => {
              throw new Error(`cut off at ${length}: ${cause.message}`, { cause });
            });
          counts[outcome === "whole" ? "whole" : "less"]++;
        }
      }
      assert(counts.less > 50, JSON.stringify(counts));
    });

    it(`${name} may be one of many that are damaged`, async () => {
      const { bytes, states } = await make(), random = seeded(5);
      for (let round = 0; round < share(400); round++) {
        const scratch = bytes.slice(), start = random(bytes.length), kind = random(3);
        const end = Math.min(bytes.length, start + [8, 512, 4096][random(3)]);
        if (kind === 0) scratch.fill(0, start, end);
        else if (kind === 1) scratch.set(bytesOf(round, end - start), start);
        else scratch.copyWithin(start, random(bytes.length - (end - start)), bytes.length);
        const outcome = await examineLoosely(scratch, states);
        assert(outcome, `round ${round}: bytes ${start} to ${end}, kind ${kind}`);
      }
    });
  }
});

/**
 * Where both headers or a whole log are overwritten, an older state may be all there is;
 * but whatever is given must be what was put there at some time.
 */
async function examineLoosely(bytes: Uint8Array, states: readonly Model[]): Promise<boolean> {
  let blobs: BlobStore;
  try {
    blobs = await BlobStore.open(new MemoryStore(bytes), { create: false });
  } catch (error) {
    return error instanceof CorruptStoreError;
  }
  const former: Model = new Map([
    ["in the way", bytesOf(1010, 1000)],
    ["replaced", bytesOf(708, 700)],
  ]);
  const listed = await keysOf(blobs).catch((error) => {
    if (!(error instanceof DamagedIndexError)) throw error;
  });
  for (const key of listed ?? states[0].keys()) {
    try {
      const actual = await blobs.get(key);
      const isPut = [...states, former].some((model) => {
        const expected = model.get(key);
        return expected !== undefined && Buffer.from(expected).equals(actual!);
      });
      if (!isPut) return false;
    } catch (error) {
      if (!(error instanceof CorruptBlobError || error instanceof DamagedIndexError)) throw error;
    }
  }
  if (listed !== undefined) await assertSound(blobs);
  return true;
}

describe("a chunk of a large blob that is damaged", () => {
  it("spoils reads of that chunk only", async () => {
    const store = memory(), size = 300_000, bytes = bytesOf(1, size);
    const blobs = await BlobStore.open(store);
    await blobs.put("blob", bytes);
    await blobs.checkpoint();
    const file = contentsOf(store), at = Buffer.from(file).indexOf(bytes.subarray(70_000, 70_100));
    assert(at > 0, "the bytes are not found in the file");
    store.write(at, new Uint8Array([~bytes[70_000]]));
    const error = await assertRejects(() => blobs.get("blob"), CorruptBlobError);
    assertEquals([error.key, error.offset, error.length], ["blob", 65536, 65536]);
    assertEquals((await blobs.verify()).damaged, [{ key: "blob", offset: 65536, length: 65536 }]);
    for (const [offset, length] of [[0, 65536], [131_072, size - 131_072], [299_999, 1]]) {
      const range = { offset, length };
      assertEquals(await blobs.get("blob", { range }), bytes.subarray(offset, offset + length));
    }
    await assertRejects(() => blobs.get("blob", { range: { offset: 65536, length: 1 } }));
    const reader = (await blobs.stream("blob"))!.getReader();
    let given = 0;
    const failure = await assertRejects(async () => {
      for (;;) given += (await reader.read()).value!.length;
    }, CorruptBlobError);
    assertStrictEquals(failure.offset, 65536);
    assert(given <= 65536, `${given} bytes were given`);
    await assertRejects(() => blobs.backup(memory()), CorruptBlobError);
    await blobs.put("blob", bytes);
    assertEquals(await blobs.get("blob"), bytes);
    await blobs.close();
  });

  it("is not made right by moving it", async () => {
    const store = memory();
    const blobs = await BlobStore.open(store, { compactAbove: 1 });
    await blobs.put("before", bytesOf(1, 100_000));
    await blobs.put("blob", bytesOf(2, 100_000));
    const at = Buffer.from(contentsOf(store)).indexOf(bytesOf(2, 100_000).subarray(0, 100));
    store.write(at + 5, new Uint8Array([1, 2, 3, 4, 5]));
    await blobs.delete("before");
    await blobs.compact().catch((error) => {
      assert(error instanceof CorruptBlobError, `${error}`);
    });
    await assertRejects(() => blobs.get("blob"), CorruptBlobError);
    assertStrictEquals((await blobs.verify()).damaged.length, 1);
    await assertSound(blobs);
    await blobs.delete("blob");
    while (!(await blobs.compact()).done);
    assert(store.byteLength < 100_000, `${store.byteLength} bytes`);
    await blobs.close();
  });
});
