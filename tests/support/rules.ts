/**
 * Rules over the files of the repository. A rule looks at files and gives its complaints; each
 * also names small trees that break it, so that a rule that cannot fail is noticed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The text of each file by its path from the root of the repository. */
export type Files = ReadonlyMap<string, string>;

/** A rule. */
export interface Rule {
  readonly name: string;
  /** One line per violation. */
  readonly complaints: (files: Files) => string[] | Promise<string[]>;
  /** A tree that breaks the rule, or several: each must give a complaint. */
  readonly broken: readonly Record<string, string>[];
}

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Registers the tests of some rules: that the files keep them, and that each can fail. */
export function holdRules(what: string, rules: readonly Rule[], files: Files): void {
  describe(what, () => {
    for (const { name, complaints } of rules) {
      it(name, async () => assertEquals(await complaints(files), []));
    }
  });

  describe(`${what} can fail`, () => {
    for (const { name, complaints, broken } of rules) {
      it(name, async () => {
        assert(broken.length > 0);
        for (const tree of broken) {
          const found = await complaints(new Map(Object.entries(tree)));
          assert(found.length > 0, `Nothing found in ${JSON.stringify(tree)}`);
        }
      });
    }
  });
}

/** The sources that are shipped, by their paths from the root of the repository. */
export function readSources(): Map<string, string> {
  const paths = ["src", "backends", "cli"].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts")).map((path) => join(folder, path))
  );
  return new Map(["mod.ts", ...paths].map((path) => [path, readFileSync(ROOT + path, "utf8")]));
}

/** Every file of the repository but those that .gitignore names. */
export function readTree(): Map<string, string> {
  const ignored = readFileSync(`${ROOT}.gitignore`, "utf8").split("\n")
    .map((line) => line.replace(/\/$/, ""));
  const files = new Map<string, string>();
  const visit = (folder: string) => {
    for (const entry of readdirSync(ROOT + folder, { withFileTypes: true })) {
      const path = folder + entry.name;
      // A slash in front names a place in the root; without one it is a name anywhere.
      if (path === ".git" || ignored.includes(`/${path}`) || ignored.includes(entry.name)) continue;
      if (entry.isDirectory()) visit(`${path}/`);
      else if (entry.isFile()) files.set(path, readFileSync(ROOT + path, "utf8"));
    }
  };
  visit("");
  return files;
}
