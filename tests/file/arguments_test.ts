/** What plain JavaScript can get wrong with a file. */

import { assert, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync, statSync } from "node:fs";
import { FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

/** What no type lets pass. */
const wrong = (value: unknown) => value as never;

for (const [name, Store] of Object.entries({ FileStore, SyncFileStore })) {
  describe(`wrong arguments of ${name}`, () => {
    it("are refused where it is opened, before a file is made or emptied", async () => {
      const there = newFile(10), none = newPath();
      const options: [unknown, string][] = [
        [null, "got null"],
        ["r", "Expected options to be an object with create, createNew, readOnly, truncate, got "],
        [true, "got true"],
        [{ create: 1 }, "create to be a boolean, got 1"],
        [{ createNew: "no" }, 'createNew to be a boolean, got the string "no"'],
        [{ readOnly: null }, "readOnly to be a boolean, got null"],
        [{ create: true, truncate: "false" }, "truncate to be a boolean"],
        [{ readonly: true }, "with readOnly, "],
        [{ create: true, write: true }, "got write"],
        [{ create: true, readOnly: true }, "readOnly without create"],
      ];
      for (const [given, message] of options) {
        for (const path of [there, none]) {
          await assertRejects(async () => await Store.open(path, wrong(given)), TypeError, message);
        }
      }
      assertStrictEquals(statSync(there).size, 10);
      assert(!existsSync(none));
      for (const bad of [undefined, null, 7, {}, ["a"]]) {
        const message = "Expected path to be a path or a file: URL, got ";
        await assertRejects(async () => await Store.open(wrong(bad)), TypeError, message);
      }
      const undefinedOptions = { create: undefined, readOnly: undefined };
      await (await Store.open(there, wrong(undefinedOptions))).close();
    });

    it("name open(path) where a constructor or from was called", () => {
      const Class = Store as unknown as new (...args: unknown[]) => unknown;
      const path = newPath(),
        message = `Expected ${name}.open(path) or ${name}.from(file), got new`;
      for (const bad of [path, undefined, 3, {}, new URL(`file://${path}`)]) {
        assertThrows(() => new Class(bad), TypeError, message);
      }
      assertThrows(() => Store.from(wrong(path)), TypeError, ": open(path) takes a path");
      for (const bad of [undefined, null, {}, new Uint8Array(1)]) {
        const expected =
          "Expected file to be a descriptor number, a FileHandle or a Deno.FsFile, got";
        assertThrows(() => Store.from(wrong(bad)), TypeError, expected);
      }
      assert(!existsSync(path));
    });
  });
}
