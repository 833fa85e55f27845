/**
 * The mutants that `deno task mutate` makes of a source.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync } from "node:fs";
import { EQUIVALENT } from "../../scripts/quality/mutate/equivalent_mutants.ts";
import { TARGETS } from "../../scripts/quality/mutate/targets.ts";
import { ROOT } from "../support/rules.ts";
import { mutantsOf } from "../../scripts/quality/mutate/mutants.ts";

/** What becomes of a line, in order. */
function changes(source: string): string[] {
  return mutantsOf("a.ts", source).map(({ after }) => after);
}

describe("the lists of the mutation run", () => {
  it("name files that are there", () => {
    const tests = TARGETS.flatMap(([, names]) => names).map((name) => `tests/${name}_test.ts`);
    const sources = EQUIVALENT.map(({ file }) => file);
    const missing = [...tests, ...sources].filter((path) => !existsSync(ROOT + path));
    assertEquals(missing, []);
  });

  it("have tests for what they give reasons for", () => {
    const sources = EQUIVALENT.map(({ file }) => file);
    const without = sources.filter((file) => !TARGETS.some(([pattern]) => pattern.test(file)));
    assertEquals(without, []);
  });
});

describe("mutantsOf", () => {
  it("changes operators and numbers", () => {
    assertEquals(changes("a < 5;"), ["{}", "a <= 5;", "a >= 5;", "a < (5 + 1);"]);
    assertEquals(changes("const a = b >>> 0;"), ["const a = b << 0;", "const a = b >>> 1;"]);
    assertEquals(changes("a += -b;"), ["{}", "a -= -b;", "a += b;"]);
    assertEquals(changes("const a = b++;"), ["const a = b--;"]);
    assertEquals(changes("const a = b ?? c?.d;"), ["const a = b && c?.d;", "const a = b ?? c.d;"]);
  });

  it("changes conditions, and takes out statements", () => {
    assertEquals(changes("if (a) b();"), ["if (true) b();", "if (false) b();", "if (a) {}"]);
    assertEquals(changes("while (a) break;"), ["while (false) break;", "while (a) {}"]);
    assertEquals(changes("for (; a;) {}"), ["for (; false;) {}"]);
    assertEquals(changes("while (true) {}"), ["while (false) {}"]);
    assertEquals(changes("const a = () => { return b; };"), [
      "const a = () => { return undefined; };",
    ]);
  });

  it("changes texts and calls", () => {
    assertEquals(changes('const a = Math.min("b");'), [
      'const a = Math.max("b");',
      'const a = Math.min("");',
    ]);
    assertEquals(changes("const a = `b${c}` + d;"), ['const a = "" + d;']);
  });

  it("leaves types, imports and empty texts as they are", () => {
    assertEquals(changes('import { a } from "a";\nexport { a } from "b";'), []);
    assertEquals(changes('type A = 1 | "b";\ninterface B { readonly c: 1 }'), []);
    assertEquals(changes('let a: 1 | 2 = b as 3, c = "";'), []);
  });

  it("says where the change is", () => {
    const [mutant] = mutantsOf("a.ts", "let a;\n\n  a = b(\n  );\n");
    assertEquals(mutant, {
      file: "a.ts",
      line: 3,
      at: 10,
      kind: "removed",
      before: "a = b(",
      after: "{}",
      source: "let a;\n\n  {}\n",
    });
  });
});
