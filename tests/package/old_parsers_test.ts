/**
 * Shipped sources are read by parsers of some age: Deno before 2.2.3 takes a comparison that
 * follows a type assertion for the arguments of a generic type, unless there are parentheses.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import ts from "typescript-5.9";
import { readSources } from "../support/rules.ts";

/** Operators that begin as the arguments of a type do, or end so. */
const OPERATORS = /^(?:<|>)/;

/** Lines where a comparison or a shift follows an assertion without parentheses. */
function ambiguousLines(text: string): number[] {
  const file = ts.createSourceFile("a.ts", text, ts.ScriptTarget.ES2022, true);
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isBinaryExpression(node) && OPERATORS.test(node.operatorToken.getText()) &&
      endsWithType(node.left)
    ) {
      lines.push(file.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return lines;
}

function endsWithType(node: ts.Expression): boolean {
  if (ts.isBinaryExpression(node)) return endsWithType(node.right);
  return ts.isAsExpression(node) || ts.isSatisfiesExpression(node);
}

describe("old parsers", () => {
  it("are told where a type ends", () => {
    const found = [...readSources()].flatMap(([path, text]) =>
      ambiguousLines(text).map((line) => `${path}:${line}`)
    );
    assertEquals(found, []);
  });

  it("are shown each ambiguous form", () => {
    const texts = [
      "if (a as number >= 1) b();",
      "if (a as number < 1) b();",
      "if (a satisfies number > 1) b();",
      "b(1 + a as number << 2);",
    ];
    for (const text of texts) assertEquals(ambiguousLines(text), [1], text);
    assertEquals(
      ambiguousLines("if ((a as number) >= 1 && a as number) b(1 < (a as number));"),
      [],
    );
  });
});
