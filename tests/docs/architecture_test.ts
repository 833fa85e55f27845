/**
 * The page of the architecture has every file of the tree, as the file itself begins.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { withTables } from "../../scripts/docs/architecture/tables.ts";
import { readTree } from "../support/rules.ts";

const files = readTree(), page = files.get("docs/architecture.md")!;

describe("the page of the architecture", () => {
  it("is what the files say: `deno task architecture` writes it", () => {
    assertEquals(withTables(page, files), page);
  });

  it("changes with a file", () => {
    const added = new Map([...files, ["src/util/new.ts", "/** Something new. More of it. */"]]);
    assertStringIncludes(withTables(page, added), "](../src/util/new.ts)");
    assertStringIncludes(withTables(page, added), "| Something new ");
  });

  it("keeps what stands around the tables", () => {
    const bare = "before\n<!-- made by `deno task architecture` -->\n<!-- end -->\nbehind\n";
    const made = withTables(bare, new Map([["mod.ts", "/**\n * A door: two\n * lines.\n */"]]));
    assertEquals(made.split("\n").filter((line) => line !== ""), [
      "before",
      "<!-- made by `deno task architecture` -->",
      "### The root",
      "| file                  | what              |",
      "| --------------------- | ----------------- |",
      "| [`mod.ts`](../mod.ts) | A door: two lines |",
      "<!-- end -->",
      "behind",
    ]);
  });

  it("leaves out no folder of the package", () => {
    const added = new Map([...files, ["src/new/mod.ts", "/** Something new. */"]]);
    assertThrows(() => withTables(page, added), Error, "No part of the page has src/new/mod.ts");
  });

  it("needs its marks", () => {
    assertThrows(() => withTables("no marks", files), Error, "lacks");
  });
});
