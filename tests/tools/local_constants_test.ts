/**
 * Numbers that hot functions declare for themselves are those of the layout.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import * as layout from "../../src/gap_table/layout.ts";

const FOLDERS = ["allocators", "gap_table", "operations", "pool", "shared", "util"];

/** Names by which a file knows numbers of the layout: those of its own shape. */
const SHAPES: Readonly<Record<string, Record<string, number>>> = {
  "offset_allocator.ts": { BINS: layout.OFFSET_BINS, END: layout.OFFSET_END },
  "tlsf_allocator.ts": { BINS: layout.TLSF_BINS, END: layout.TLSF_END },
  "tree_table.ts": { BINS: layout.TLSF_BINS, END: layout.TREE_END },
  "wide_kernel.ts": { BINS: layout.OFFSET_BINS, END: layout.OFFSET_END },
};

/** Files whose numbers are their own, under names that the layout has too. */
const OWN = [
  "linear_allocator.ts",
  "slab_allocator.ts",
  "buddy_tree.ts",
  "handle_table.ts",
  "free_ranges.ts",
  "check_ranges.ts",
];

/** Indentation, name and literal of constants, at module level and in functions. */
const NUMBERS = new RegExp(
  String.raw`(?<=^( *)(?:export )?const (?:[^;"'\`()]*, )?)` +
    String.raw`([A-Z][A-Z_0-9]*)(?:: number)? = (-?(?:0x[0-9a-f]+|[\d_]+))(?=[,;])`,
  "gm",
);

interface Constant {
  readonly name: string;
  readonly value: number;
  readonly isLocal: boolean;
}

function constantsOf(text: string): Constant[] {
  return [...text.matchAll(NUMBERS)].map(([, indent, name, literal]) => {
    const digits = literal.replaceAll("_", ""), isNegative = digits.startsWith("-");
    const value = isNegative ? -Number(digits.slice(1)) : Number(digits);
    return { name, value, isLocal: indent !== "" };
  });
}

/** Local constants that differ from what has the same name in their file or in the layout. */
function differing(file: string, text: string): string[] {
  const known = new Map<string, number>();
  const add = (names: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(names)) {
      if (typeof value === "number") known.set(name, value);
    }
  };
  if (!OWN.includes(file)) {
    add({ ...layout });
    add(SHAPES[file] ?? {});
  }
  const constants = constantsOf(text);
  for (const { name, value, isLocal } of constants) if (!isLocal) known.set(name, value);
  const wrong: string[] = [];
  for (const { name, value, isLocal } of constants) {
    if (!isLocal) continue;
    // A number that only functions have is the same one in all of them.
    if (!known.has(name)) known.set(name, value);
    else if (known.get(name) !== value) wrong.push(`${name} = ${value}, not ${known.get(name)}`);
  }
  return wrong;
}

/** Numbers whose comment says of which expression they are the value, and another one they are. */
function miscalculated(text: string): string[] {
  const known = new Map(constantsOf(text).map(({ name, value }) => [name, value]));
  const lines = text.matchAll(
    /^(?:export )?const ([A-Z_0-9]+)(?:: number)? = .*; \/\/ = ([^;\n]*)/gm,
  );
  return [...lines].flatMap(([, name, expression]) => {
    const names = [...known.keys()], own = known.get(name);
    const unknown = expression.match(/[A-Z][A-Z_0-9]+/g)?.some((other) => !known.has(other));
    if (unknown || own === undefined) return []; // of another module
    const value = new Function(...names, `return ${expression};`)(...known.values());
    return value === own ? [] : [`${name} = ${own}, but ${expression} is ${value}`];
  });
}

describe("the numbers that hot functions declare", () => {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(new URL(`../../src/${folder}`, import.meta.url))
      .map((file) => `../../src/${folder}/${file}`)
  );

  it("are those of the layout and of their file", () => {
    let count = 0;
    const wrong = paths.flatMap((path) => {
      const text = readFileSync(new URL(path, import.meta.url), "utf8");
      count += constantsOf(text).filter(({ isLocal }) => isLocal).length;
      return differing(basename(path), text).map((what) => `${path}: ${what}`);
    });
    assertEquals(wrong, []);
    assertEquals(count > 300, true, `only ${count} constants were found`);
  });

  it("are the values of the expressions beside them", () => {
    const wrong = paths.flatMap((path) =>
      miscalculated(readFileSync(new URL(path, import.meta.url), "utf8"))
    );
    assertEquals(wrong, []);
  });

  it("are found where they differ", () => {
    const text = "function f() {\n  const PREV = 0, NEXT = 2;\n  const GAP = 7;\n}\n";
    assertEquals(differing("x.ts", text), ["NEXT = 2, not 1"]);
    const other = "const A = 1;\nfunction f() {\n  const A = -2;\n}\n";
    assertEquals(differing("x.ts", other), ["A = -2, not 1"]);
    assertEquals(differing("tlsf_allocator.ts", "  const PREV = 0, BINS = 48;\n"), [
      "BINS = 48, not 84",
    ]);
    assertEquals(miscalculated("const A = 2;\nconst B = 9; // = A ** 3; why\n"), [
      "B = 9, but A ** 3 is 8",
    ]);
  });
});
