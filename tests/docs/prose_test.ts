/**
 * `deno task prose` finds sentences that are hard to read, and fails where they are too many.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { judge, LIMITS } from "../../scripts/docs/prose/judge.ts";
import { FAULTS, faultsOf, sentencesOf } from "../../scripts/docs/prose/sentences.ts";

/** A sentence of 36 words. */
const LONG = `The call returns ${"a number and ".repeat(11).trim()}.`;

/** A guide whose sentences are sound, but for those given. */
function guide(...sentences: readonly string[]): ReadonlyMap<string, string> {
  const sound = Array.from({ length: 400 }, (_, i) => `The call returns ${i}.`);
  return new Map([["docs/a.md", [...sound, ...sentences].join("\n\n")]]);
}

/** The lines for the sentences of a judgement of a guide. */
function listed(...sentences: readonly string[]): readonly string[] {
  const { isOver, sentences: lines } = judge(guide(...sentences), []);
  assertEquals(isOver, lines.length > 0);
  return lines;
}

describe("the check of the prose", () => {
  it("passes what is under every limit", () => {
    assertEquals(listed("What is freed is free.", LONG, "It lies there."), []);
  });

  it("fails beyond half a sentence in a hundred that begins with a clause", () => {
    const clause = "Whether it fits is unknown.";
    assertEquals(listed(clause, clause), []);
    assertEquals(
      listed(clause, clause, clause),
      Array(3).fill(`docs/a.md: [clause] (5) ${clause}`),
    );
  });

  it("fails beyond two long sentences in a hundred", () => {
    assertEquals(listed(...Array(8).fill(LONG)), []);
    assertEquals(listed(...Array(9).fill(LONG)), Array(9).fill(`docs/a.md: [long] (36) ${LONG}`));
  });

  it("fails beyond two and a half black words in a thousand", () => {
    const black = "It lies there, by itself.";
    assertEquals(listed(black, black), []);
    assertEquals(listed(black, black, black), Array(3).fill(`docs/a.md: [black] (5) ${black}`));
  });

  it("holds guides and docstrings each", () => {
    const clause = "Who frees it matters.", sound = guide();
    const docstring = `/** ${clause} */\nexport const a = 1;`;
    const { isOver, sentences, figures } = judge(new Map([...sound, ["src/a.ts", docstring]]), []);
    assert(isOver);
    assertEquals(sentences, [`src/a.ts: [clause] (4) ${clause}`]);
    assertEquals(figures.map((line) => line.split(":")[0]), [
      "README and guides",
      "docstrings",
      "all",
    ]);
  });

  it("lists what was asked for, under the limits as well", () => {
    const { isOver, sentences } = judge(guide("That it fits is known."), ["docs/a"]);
    assert(!isOver);
    assertEquals(sentences, ["docs/a.md: [clause] (5) That it fits is known."]);
  });

  it("reads what users read: no tests, no page that a task writes", () => {
    const hard = "What it is?\n\nWhat it is is known.";
    const paths = ["tests/a.md", "docs/architecture.md", "examples/a/README.md"];
    assert(!judge(new Map(paths.map((path) => [path, hard])), []).isOver);
    for (const path of ["README.md", "docs/b.md", "SECURITY.md"]) {
      assert(judge(new Map([[path, hard]]), []).isOver, path);
    }
  });

  it("has a limit for each fault", () => assertEquals(Object.keys(LIMITS), [...FAULTS]));
});

describe("the sentences of a page", () => {
  const textsOf = (path: string, text: string) => sentencesOf(path, text).map(({ text }) => text);

  it("are those of paragraphs and lists, without code and tables", () => {
    const page =
      "# A heading\n\nOne. Two `a. B`\nthree.\n\n- Four\n\n| a | b |\n| - | - |\n| c | d |\n" +
      "\n```ts\n// What is this\n```\n";
    assertEquals(textsOf("a.md", page), ["One.", "Two Code three.", "Four"]);
  });

  it("are those of docstrings, each tag a paragraph", () => {
    const source =
      "/**\n * One {@linkcode Two}.\n *\n * @param a Three.\n * @returns Four.\n */\n// Five.\n";
    assertEquals(textsOf("a.ts", source), ["One Code.", "Three.", "Four."]);
  });

  it("have no fault as a question", () => {
    const [question, clause] = sentencesOf("a.md", "What is free? What is free is free.");
    assertEquals([faultsOf(question).clause, faultsOf(clause).clause], [0, 1]);
  });
});
