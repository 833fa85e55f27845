/**
 * Shipped sources call nothing that a runtime lacks which the package is for: Node 20.4, Bun
 * 1.0.36, browsers of three years ago. What such a runtime does is shown by the step `platforms`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readSources } from "../support/rules.ts";

/** What is younger, and what to write instead. */
const YOUNGER: readonly (readonly [call: RegExp, instead: string])[] = [
  [/\bReadableStream\.from\(/, "an async iterable"], // no Bun up to 1.3.14, Node from 20.6
  [/\bPromise\.withResolvers\b/, "new Promise"],
  [/\bPromise\.try\b/, "an async function"],
  [/\bArray\.fromAsync\b/, "for await"],
  [/\bObject\.groupBy\b/, "a Map"],
  [/\bAbortSignal\.any\(/, "a listener"], // Node from 20.3
  [/\.findLast(?:Index)?\(/, "a loop"],
  [/\.(?:isWellFormed|toWellFormed)\(\)/, "a regular expression"],
];

/** What a text calls that is younger. */
function youngerCalls(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return YOUNGER.flatMap(([call, instead]) => {
    const found = code.match(call);
    return found === null ? [] : [`${found[0]}: write ${instead}`];
  });
}

describe("old runtimes", () => {
  it("have what the sources call", () => {
    const found = [...readSources()].flatMap(([path, text]) =>
      youngerCalls(text).map((call) => `${path}: ${call}`)
    );
    assertEquals(found, []);
  });

  it("would be told of each of these calls", () => {
    const texts = ["ReadableStream.from(a)", "Promise.withResolvers()", "list.findLast(f)"];
    for (const text of texts) assertEquals(youngerCalls(text).length, 1, text);
    assertEquals(youngerCalls("/** {@linkcode ReadableStream.from()} */ a.findLatest()"), []);
  });
});
