/**
 * The crash tests can fail: each bug planted in a copy of the sources is found.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BlobStore } from "../../src/blob_store/blob_store.ts";
import { crashRun, type OpenStore } from "./crash/crash_run.ts";
import { PROFILES } from "./crash/workload.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

/** What is replaced in a file of `src/blob_store`. */
interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A bug. */
interface Mutant extends Edit {
  readonly name: string;
  /** What else is replaced: what keeps the bug from doing harm. */
  readonly also?: readonly Edit[];
  /** The workloads that are after it, where others take long to find it. */
  readonly profiles?: readonly string[];
  /** The seed to begin with, one that finds it; 0 by default. */
  readonly seed?: number;
}

/**
 * What a batch of an earlier log would have to get past besides its salt: its segment is
 * zeroed when it serves again, and sequences never begin anew.
 */
const WITHOUT_OTHER_GUARDS: readonly Edit[] = [
  {
    file: "log.ts",
    from: "await this.#file.zero(segment.position, segment.length);",
    to: "",
  },
  {
    file: "checkpoint.ts",
    from: "log = new Log(file, space, salt, oldLog.sequence);",
    to: "log = new Log(file, space, salt, 1);",
  },
  {
    file: "root.ts",
    from: "run.sequence < segments[0].sequence",
    to: "true",
  },
];

const MUTANTS: readonly Mutant[] = [
  {
    name: "the data of the last batch is not looked at",
    file: "recovery.ts",
    from: "if (!await isWindowWhole(file, superblock, state)) {",
    to: "if (false) {",
  },
  {
    name: "space is given away before what superseded it is durable",
    file: "committer.ts",
    from: "state.retired.push(...ownPartsOf(state, slot));",
    to: "state.space.releaseAll(ownPartsOf(state, slot));",
    profiles: ["none, much of it", "batch"], // others have flushed by then
  },
  {
    name: "space that the run has is given away before what superseded it is durable",
    file: "lookup.ts",
    from: "state.retired.push(...ownParts(entry, space.granule));",
    to: "space.releaseAll(ownParts(entry, space.granule));",
    profiles: ["none, much of it", "batch", "none"],
    seed: 1,
  },
  {
    name: "a delete is forgotten while the run has the key",
    file: "key_index.ts",
    from: "if (known === SETTLED) return this.remove(slot);",
    to: "return this.remove(slot);",
  },
  {
    name: "a run keeps what was deleted",
    file: "write_index.ts",
    from: "if (!isLive) return false;",
    to: "",
  },
  {
    name: "what a killed process left is not flushed",
    file: "recovery.ts",
    from: "  if (isLeft || replay.byteLength > 0) await file.flush();\n",
    to: "",
  },
  {
    name: "a torn tail is left in the log",
    file: "recovery.ts",
    from: "if (replay.isDirty) await file.zero(replay.end, replay.rest.length);",
    to: "",
    profiles: ["none, much of it"],
    seed: 10,
  },
  {
    name: "a torn tail is cleared, but not durably",
    file: "recovery.ts",
    from: "  await file.flush();\n}",
    to: "}",
    profiles: ["none"],
    seed: 9,
  },
  {
    name: "the superblock is written before the checkpoint is durable",
    file: "checkpoint.ts",
    from: "    await file.flush();\n    const confirmed",
    to: "    const confirmed",
  },
  {
    name: "there is a single superblock",
    file: "header.ts",
    from: "for (const slot of [first, 1 - first]) {",
    to: "for (const slot of [0]) if (first >= 0) {",
  },
  {
    name: "both superblocks are written at once",
    file: "header.ts",
    from: "    await file.flush();\n  }\n}",
    to: "  }\n  await file.flush();\n}",
  },
  {
    name: "a batch is acknowledged before it is durable",
    file: "committer.ts",
    from: "if (isFlushed) await this.#flush(position);",
    to: "",
  },
  {
    name: "a segment is named while what is before it, and its zeros, are not durable",
    file: "log.ts",
    from: "    await this.#file.flush();\n    this.durable = this.sequence - 1;\n",
    to: "",
    profiles: ["none, much of it", "batch", "none"],
  },
  {
    name: "the checksums of all logs begin alike",
    file: "checkpoint.ts",
    from: "salt = newSalt(before.salt);",
    to: "salt = before.salt;",
    also: WITHOUT_OTHER_GUARDS,
    profiles: ["in place", "small"],
  },
  {
    name: "a rename says that its bytes are durable, and they are not",
    file: "committer.ts",
    from: "write.isDurable = state.unflushedBytes === 0 || !index.isDirty(taken.slot);",
    to: "write.isDurable = true;",
    profiles: ["none, much of it"],
    seed: 2,
  },
  {
    name: "a rename with bytes of its own leaves the place that a checkpoint gave the old ones",
    file: "committer.ts",
    from: "write.gone.isMoved = false;",
    to: "write.gone.isMoved = true;",
    profiles: ["full"],
    seed: 1006,
  },
  {
    name: "the place of a blob that was renamed is given away",
    file: "committer.ts",
    from: "if (!write.isMoved) state",
    to: "state",
  },
  {
    name: "a rename leaves the old key",
    file: "pending_write.ts",
    from: "if (isCopy || isInPlace(write)) return [write];",
    to: "return [write];",
  },
  {
    name: "a condition does not see what precedes it in its commit",
    file: "committer.ts",
    from: "          if (!isInPlace(write)) view?.add(write);\n",
    to: "",
    profiles: ["together", "small"],
  },
  {
    name: "a copy that was made before the commit is taken, though the blob is another one",
    file: "committer.ts",
    from: "write.parts.length > 0 && write.size === size &&\n" +
      "      write.seed === seed && write.crc === crc;",
    to: "write.parts.length > 0;",
    profiles: ["large"],
    seed: 23,
  },
  {
    name: "what was streamed or copied is called durable before it is",
    file: "committer.ts",
    from: "    await file.flush();\n    for (const write of streamed)",
    to: "    for (const write of streamed)",
    profiles: ["large", "together"],
  },
];

/** A mutant that lives through so many images would live for ever. */
const MOST_IMAGES = 20_000;

/** Elsewhere the sources are the same. */
const onDeno = "Deno" in globalThis ? describe : describe.skip;

removeAfterwards();

onDeno("the crash test finds a planted bug", () => {
  for (const mutant of MUTANTS) {
    it(mutant.name, async () => {
      const open = await openWith([mutant, ...mutant.also ?? []]);
      const { profiles = PROFILES.map(({ name }) => name) } = mutant;
      let images = 0, found: Error | undefined;
      for (let round = mutant.seed ?? 0; found === undefined; round++) {
        const name = profiles[round % profiles.length];
        const profile = PROFILES.find((profile) => profile.name === name);
        assert(profile, name);
        assert(images < MOST_IMAGES, `it lives after ${images} images`);
        try {
          images += await crashRun({ open, profile, seed: round });
        } catch (error) {
          found = error as Error;
        }
      }
    });
  }
});

onDeno("the salt of a log", () => {
  it("keeps batches of earlier logs out, with no other guard", async () => {
    const open = await openWith(WITHOUT_OTHER_GUARDS);
    for (const profile of PROFILES.filter(({ name }) => name === "in place" || name === "small")) {
      for (let seed = 0; seed < 3; seed++) await crashRun({ open, profile, seed });
    }
  });
});

/** The opening function of a copy of the sources that was changed. */
async function openWith(edits: readonly Edit[]): Promise<OpenStore> {
  const folder = newPath();
  cpSync(fileURLToPath(new URL("../../src", import.meta.url)), folder, { recursive: true });
  for (const { file, from, to } of edits) {
    const path = join(folder, "blob_store", file), source = readFileSync(path, "utf8");
    assertEquals(source.split(from).length, 2, `${file} does not hold once: ${from}`);
    writeFileSync(path, source.replace(from, () => to));
  }
  const copy = pathToFileURL(join(folder, "blob_store", "blob_store.ts")).href;
  const { BlobStore: Mutated }: { BlobStore: typeof BlobStore } = await import(copy);
  return (store, options) => Mutated.open(store, options);
}
