/**
 * The mutants of a source: small changes, each of which a test should notice.
 *
 * @module
 */

import ts from "typescript-5.9";

/** One change of a file. */
export interface Mutant {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Line of the change, from 1 on. */
  readonly line: number;
  /** Where the expression or statement that changes begins: characters before it. */
  readonly at: number;
  /** What kind of change it is. */
  readonly kind: string;
  /** The first line that changes, as it was, and as it is then; both trimmed. */
  readonly before: string;
  readonly after: string;
  /** The whole file, changed. */
  readonly source: string;
}

/** Operators and what takes their place. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  "&=": ["|="],
  "|=": ["&="],
  "^=": ["&="],
  "<<=": [">>>="],
  ">>>=": ["<<="],
  "??=": ["="],
  "++": ["--"],
  "--": ["++"],
};

/** Methods and what takes their place. */
const METHODS: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  some: "every",
  every: "some",
  unshift: "push",
  push: "unshift",
};

/** Takes note of a mutant: a node, the text in its place, and what the node is an operator of. */
type Change = (kind: string, node: ts.Node, by: string, whole?: ts.Node) => void;

/** All mutants of a source, in its order. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];

  const change: Change = (kind, node, by, whole = node) => {
    const start = node.getStart(), { end } = node;
    const changed = text.slice(0, start) + by + text.slice(end);
    const lineStart = text.lastIndexOf("\n", start - 1) + 1;
    const lineOf = (all: string) => all.slice(lineStart, (all + "\n").indexOf("\n", start)).trim();
    mutants.push({
      file,
      line: source.getLineAndCharacterOfPosition(start).line + 1,
      at: whole.getStart(),
      kind,
      before: lineOf(text),
      after: lineOf(changed),
      source: changed,
    });
  };

  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) {
      return;
    }
    if (ts.isTypeAliasDeclaration(node) || ts.isExportDeclaration(node)) return;
    mutate(node, change);
    ts.forEachChild(node, visit);
  };

  visit(source);
  return mutants;
}

/** Notes the mutants of one node, without what is in it. */
function mutate(node: ts.Node, change: Change): void {
  if (ts.isBinaryExpression(node)) {
    const { left, operatorToken: token, right } = node;
    if (token.getText() === "+" && (isText(left) || isText(right))) return;
    for (const by of OPERATORS[token.getText()] ?? []) change("operator", token, by, node);
  } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const isPrefix = ts.isPrefixUnaryExpression(node), { operand } = node;
    const operator = ts.tokenToString(node.operator)!;
    if (operator === "++" || operator === "--") {
      const [by] = OPERATORS[operator];
      change("operator", node, isPrefix ? by + operand.getText() : operand.getText() + by);
    } else change("unary", node, operand.getText());
  } else if (ts.isNumericLiteral(node)) {
    change("number", node, Number(node.text) === 0 ? "1" : `(${node.getText()} + 1)`);
  } else if (isText(node)) {
    const isSpecifier = ts.isCallExpression(node.parent) || ts.isPropertyAssignment(node.parent);
    if (node.getText().length > 2 && (isSpecifier || !ts.isPropertyName(node))) {
      change("text", node, '""');
    }
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) change("boolean", node, "false");
  else if (node.kind === ts.SyntaxKind.FalseKeyword) change("boolean", node, "true");
  else if (ts.isConditionalExpression(node)) condition(change, node.condition, ["true", "false"]);
  else if (ts.isIfStatement(node)) condition(change, node.expression, ["true", "false"]);
  else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) {
    condition(change, node.expression, ["false"]);
  } else if (ts.isForStatement(node) && node.condition !== undefined) {
    condition(change, node.condition, ["false"]);
  } else if (
    ts.isExpressionStatement(node) || ts.isBreakStatement(node) || ts.isContinueStatement(node)
  ) change("removed", node, "{}");
  else if (ts.isReturnStatement(node)) {
    if (node.expression === undefined) change("removed", node, "{}");
    else if (node.expression.getText() !== "undefined") {
      change("returned", node, "return undefined;");
    }
  } else if (ts.isPropertyAccessExpression(node)) {
    const by = METHODS[node.name.text];
    if (by !== undefined && ts.isCallExpression(node.parent)) change("method", node.name, by);
    if (node.questionDotToken !== undefined) change("operator", node.questionDotToken, ".", node);
  }
}

/** Notes the values that a condition may take. */
function condition(change: Change, node: ts.Expression, values: readonly string[]): void {
  const isLiteral = /^(true|false)$/.test(node.getText());
  for (const by of isLiteral ? [] : values) change("condition", node, by);
}

/** Whether a node is a text in quotes. */
function isText(node: ts.Node): boolean {
  return ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) ||
    ts.isTemplateExpression(node);
}
