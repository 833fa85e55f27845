/**
 * Files by several names: those that an export made itself, those whose ids are large, those that
 * somebody else has open.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { join } from "node:path";
import { type HeldSystem, whileHeld } from "../../backends/file/raw/mod.ts";
import { isSame } from "../../cli/files.ts";
import { Refusal, SafeFolder } from "../../cli/safe_folder.ts";
import { ownFiles } from "../../cli/store_access.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

describe("a folder that files are exported into", () => {
  // Where names differ only in case, or in how an accent is written, a disk may take them for one:
  // a second link to the file stands for that.
  for (const [first, second] of [["README", "readme"], ["caf\u00e9", "cafe\u0301"]]) {
    for (const force of [false, true]) {
      it(`keeps ${first} where ${second} leads to it${force ? ", forced" : ""}`, async () => {
        const to = newPath(), folder = new SafeFolder(to, { force, isSpared: () => false });
        await folder.write(first, [Buffer.from("first")], {});
        const isOne = fs.existsSync(join(to, second));
        if (!isOne) fs.linkSync(join(to, first), join(to, second));
        const error = await assertRejects(
          async () => await folder.write(second, [Buffer.from("second")], {}),
          Refusal,
        );
        const reason = "it is the same name here as that of another blob, which was exported";
        assertStrictEquals(error.message, reason);
        assertEquals(fs.readFileSync(join(to, first), "utf8"), "first");
        assertEquals(fs.readdirSync(to).length, isOne ? 1 : 2);
      });
    }
  }

  it("goes on where somebody has a file open, as Windows says", async () => {
    const folder = new SafeFolder(newPath(), { force: true, isSpared: () => false });
    async function* held() {
      yield new Uint8Array(1);
      throw Object.assign(new Error("EBUSY: resource busy or locked"), { code: "EBUSY" });
    }
    const error = await assertRejects(() => folder.write("a", held(), {}), Refusal);
    assertStrictEquals(error.message, "EBUSY");
  });

  it("replaces what was there before, forced", async () => {
    const to = newPath();
    fs.mkdirSync(to);
    for (const name of ["a", "b"]) fs.writeFileSync(join(to, name), "before");
    fs.linkSync(join(to, "a"), join(to, "c")); // none of this export's
    const folder = new SafeFolder(to, { force: true, isSpared: () => false });
    for (const name of ["a", "b", "c"]) await folder.write(name, [Buffer.from(name)], {});
    for (const name of ["a", "b", "c"]) {
      assertStrictEquals(fs.readFileSync(join(to, name), "utf8"), name);
    }
  });
});

describe("ids of files", () => {
  it("beyond 2^53 are told apart", () => {
    // NTFS: 16 bits of sequence number, 48 of the record.
    for (const sequence of [1n, 31n, 32n, 300n, 40_000n, 65_535n]) {
      const own = { dev: 7n, ino: (sequence << 48n) + 1024n };
      for (let next = 1n; next <= 64n; next++) {
        assertStrictEquals(isSame(own, { dev: 7n, ino: own.ino + next }), false);
        assertStrictEquals(isSame(own, { dev: own.dev + next, ino: own.ino }), false);
      }
      assertStrictEquals(isSame(own, { ...own }), true);
    }
    assertStrictEquals(isSame({ dev: 7n, ino: 0n }, { dev: 7n, ino: 0n }), false);
  });

  it("of a store's files are exact", () => {
    const [{ dev, ino }] = ownFiles(newFile());
    assertEquals([typeof dev, typeof ino], ["bigint", "bigint"]);
  });
});

describe("a call on files", () => {
  /** A call that fails at first. */
  function busy(code: string, times: number, isWindows: boolean) {
    let calls = 0, slept = 0;
    const system: HeldSystem = {
      isWindows,
      sleep: (milliseconds) => void (slept += milliseconds),
    };
    const attempt = () =>
      whileHeld(() => {
        if (++calls <= times) throw Object.assign(new Error(`${code}: held`), { code });
        return "done";
      }, system);
    return { attempt, calls: () => calls, slept: () => slept };
  }

  it("is tried again on Windows, where somebody has the file open", () => {
    for (const code of ["EPERM", "EACCES", "EBUSY"]) {
      const { attempt, calls, slept } = busy(code, 3, true);
      assertStrictEquals(attempt(), "done");
      assertEquals([calls(), slept()], [4, 70]);
    }
  });

  it("fails in the end, and at once elsewhere or for another reason", () => {
    const held = busy("EBUSY", Infinity, true);
    assertThrows(held.attempt, Error, "EBUSY: held");
    assertEquals([held.calls(), held.slept()], [8, 1300]);
    for (const { attempt, calls } of [busy("EBUSY", 9, false), busy("ENOSPC", 9, true)]) {
      assertThrows(attempt, Error, "held");
      assertStrictEquals(calls(), 1);
    }
  });
});
