/**
 * The modules of the repository as the rules of the house see them: what each imports, exports and
 * runs, read with the TypeScript parser.
 *
 * @module
 */

import { posix } from "node:path";
import ts from "typescript-5.9";
import type { Files } from "../support/rules.ts";

/** One import, or one `export ... from`. */
export interface Import {
  /** The path from the root of the repository, or the specifier of another kind. */
  readonly target: string;
  /** The names taken, as the target exports them; `*` stands for all of them. */
  readonly names: readonly string[];
}

/** A function with a body, and how many lines of code it has. */
export interface FunctionSize {
  readonly name: string;
  readonly lines: number;
}

/** One source. */
export interface Module {
  readonly imports: readonly Import[];
  /** What it exports by name, where it comes from: its own declaration has no `target`. */
  readonly exports: ReadonlyMap<string, { readonly target?: string; readonly name: string }>;
  /** Targets of `export *`. */
  readonly stars: readonly string[];
  /** String literals, comments left out. */
  readonly strings: readonly string[];
  readonly functions: readonly FunctionSize[];
  /** What runs when the module is loaded, though it should not. */
  readonly effects: readonly string[];
  /** Lines that hold code. */
  readonly codeLines: number;
}

const parsed = new Map<string, Module>();

/** The module at a path; the same text is parsed once. */
export function moduleOf(path: string, text: string): Module {
  const key = `${path}\n${text}`;
  let module = parsed.get(key);
  if (module === undefined) parsed.set(key, module = parse(path, text));
  return module;
}

/** All modules whose path matches. */
export function modulesOf(files: Files, pattern: RegExp): Map<string, Module> {
  const paths = [...files.keys()].filter((path) => pattern.test(path)).sort();
  return new Map(paths.map((path) => [path, moduleOf(path, files.get(path)!)]));
}

/**
 * The file and name that an exported name stands for, followed through re-exports; undefined where
 * the module does not export it.
 */
export function originOf(files: Files, path: string, name: string): string | undefined {
  const text = files.get(path);
  if (text === undefined) return undefined;
  const { exports, stars } = moduleOf(path, text), found = exports.get(name);
  if (found !== undefined) {
    if (found.target === undefined) return `${path}#${found.name}`;
    return originOf(files, found.target, found.name) ?? `${found.target}#${found.name}`;
  }
  for (const star of stars) {
    const origin = originOf(files, star, name);
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** The names that a module exports, those of `export *` too. */
export function exportedNames(files: Files, path: string): string[] {
  const text = files.get(path);
  if (text === undefined) return [];
  const { exports, stars } = moduleOf(path, text);
  return [...new Set([...exports.keys(), ...stars.flatMap((star) => exportedNames(files, star))])];
}

function parse(path: string, text: string): Module {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [], stars: string[] = [], strings: string[] = [];
  const exports = new Map<string, { target?: string; name: string }>();
  const functions: FunctionSize[] = [];
  const hasCode = linesWithCode(source);
  const resolve = (name: string) =>
    name.startsWith(".") ? posix.join(posix.dirname(path), name) : name;

  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) {
      imports.push({
        target: resolve(textOf(statement.moduleSpecifier)),
        names: importedNames(statement.importClause),
      });
    } else if (ts.isExportDeclaration(statement)) {
      const { moduleSpecifier, exportClause } = statement;
      const target = moduleSpecifier && resolve(textOf(moduleSpecifier));
      const elements = exportClause && ts.isNamedExports(exportClause) ? exportClause.elements : [];
      const names = elements.map((each) => (each.propertyName ?? each.name).text);
      if (target !== undefined) imports.push({ target, names: elements.length ? names : ["*"] });
      elements.forEach((each, i) => exports.set(each.name.text, { target, name: names[i] }));
      if (target !== undefined && exportClause === undefined) stars.push(target);
    } else for (const name of declaredExports(statement)) exports.set(name, { name });
  }
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) strings.push(node.text);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      imports.push({ target: resolve(textOf(node.argument.literal)), names: ["*"] });
    } else if (
      ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      ts.isStringLiteralLike(node.arguments[0])
    ) imports.push({ target: resolve(node.arguments[0].text), names: ["*"] });
    if (isFunction(node)) {
      const at = (position: number) => source.getLineAndCharacterOfPosition(position).line;
      const lines = hasCode.slice(at(node.getStart(source)), at(node.end) + 1);
      functions.push({ name: nameOf(node), lines: lines.filter(Boolean).length });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  const codeLines = hasCode.filter(Boolean).length;
  return { imports, exports, stars, strings, functions, effects: effectsOf(source), codeLines };
}

/** The names that an import takes. */
function importedNames(clause: ts.ImportClause | undefined): string[] {
  const bindings = clause?.namedBindings;
  const names = clause?.name === undefined ? [] : ["default"];
  if (bindings === undefined) return names;
  if (ts.isNamespaceImport(bindings)) return [...names, "*"];
  return [...names, ...bindings.elements.map((each) => (each.propertyName ?? each.name).text)];
}

/** The names that a declaration exports. */
function declaredExports(statement: ts.Statement): string[] {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) ?? [] : [];
  if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  }
  const { name } = statement as ts.DeclarationStatement;
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : ["default"];
}

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((each) => ts.isOmittedExpression(each) ? [] : boundNames(each.name));
}

/** What the module does when it is loaded: static blocks, top-level await, names of a namespace. */
function effectsOf(source: ts.SourceFile): string[] {
  const found: string[] = [], namespaces = new Set<string>();
  for (const statement of source.statements) {
    const bindings = ts.isImportDeclaration(statement) && statement.importClause?.namedBindings;
    if (bindings && ts.isNamespaceImport(bindings)) namespaces.add(bindings.name.text);
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      const taken = !ts.isIdentifier(name) && initializer && ts.isIdentifier(initializer);
      if (taken && namespaces.has(initializer.text)) {
        found.push(`names taken out of ${initializer.text}`);
      }
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isClassStaticBlockDeclaration(node)) found.push("a static block");
    const isAwait = ts.isAwaitExpression(node) || ts.isForOfStatement(node) && node.awaitModifier;
    if (isAwait && isTopLevel(node)) found.push("a top-level await");
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTopLevel(node: ts.Node): boolean {
  for (let at = node.parent; at !== undefined; at = at.parent) {
    if (ts.isFunctionLike(at) || ts.isPropertyDeclaration(at)) return false;
  }
  return true;
}

/** Whether a node is a function with statements of its own. */
function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && "body" in node && node.body !== undefined &&
    ts.isBlock(node.body as ts.Node);
}

/** The name of a function, with its class; of one without, that of what holds it. */
function nameOf(node: ts.FunctionLikeDeclaration): string {
  const own = ts.isConstructorDeclaration(node) ? "constructor" : node.name?.getText();
  const { parent } = node;
  if (own !== undefined) {
    return ts.isClassLike(parent) ? `${parent.name?.text ?? "class"}.${own}` : own;
  }
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) {
    return parent.name.getText();
  }
  if (ts.isCallExpression(parent)) return `the callback of ${parent.expression.getText()}`;
  return "a function without a name";
}

/** For each line whether it holds code: neither blank nor a comment alone. */
function linesWithCode(source: ts.SourceFile): boolean[] {
  let text = "", done = 0;
  const visit = (node: ts.Node): void => {
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) || ts.isRegularExpressionLiteral(node);
    if (!isText) return ts.forEachChild(node, visit);
    const start = node.getStart(source);
    text += source.text.slice(done, start) +
      source.text.slice(start, node.end).replace(/[^\n]/g, "x");
    done = node.end;
  };
  visit(source); // a comment sign within a literal begins no comment
  text += source.text.slice(done);
  const code = text.replace(
    /\/\*[\s\S]*?\*\/|\/\/.*/g,
    (comment) => comment.replace(/[^\n]/g, " "),
  );
  return code.split("\n").map((line) => line.trim() !== "");
}

function textOf(node: ts.Node): string {
  return ts.isStringLiteralLike(node) ? node.text : "";
}
