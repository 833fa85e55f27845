/**
 * What each entry exports: every type that its own signatures name, one meaning for one name, and
 * no more names than one can read.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { relative } from "node:path";
import ts from "typescript-5.9";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../support/rules.ts";

/** Names that the root exports at most. */
const MOST = 93;

/** What takes a path in these entries, and a backing store alone in `./blob-store/core`. */
const BY_PATH: readonly string[] = ["BlobStore", "publishBlobs", "salvageBlobs"];

/** The entries that open stores by path, each in its own files. */
const OF_PATHS: readonly string[] = ["./blob-store", "./opfs"];

/** Types that an entry names and leaves to another one, with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "./blob-store: BlobStore of src/blob_store/blob_store.ts, named by BlobStore":
    "the class of the same name is its subclass; the base is in ./blob-store/core",
  "./opfs: BlobStore of src/blob_store/blob_store.ts, named by BlobStore":
    "the class of the same name is its subclass; the base is in ./blob-store/core",
  "./pool: Slot of src/pool/slot.ts, named by PoolHandle": "not hidden yet",
};

/** A small package of which one entry hides the types that it names. */
const BROKEN: Readonly<Record<string, string>> = {
  "/mod.ts": `
    export { make, Pool, type Options } from "./pool.ts";
  `,
  "/pool.ts": `
    export interface Shape { readonly width: number }
    export interface Base { readonly size: Size }
    export interface Size { readonly count: number }
    export interface Options extends Base { readonly shape?: Shape }
    export interface State { readonly used: number }
    export interface Secret { readonly word: string }
    export type Callback = (state: State) => void;
    export class Pool<T extends Shape> {
      #secret?: Secret;
      private hidden?: Secret;
      protected callback?: Callback;
      constructor(readonly shape: T) {}
    }
    export function make(options: Options): Pool<Shape> { throw options; }
  `,
};

const entries = Object.entries(config.exports);
const program = programOf(entries.map(([, path]) => ROOT + path.slice(2)));
const named = new Map(
  entries.map(([name, path]) => [name, exportsOf(program, ROOT + path.slice(2))]),
);

describe("an entry", () => {
  for (const [name, path] of entries) {
    it(`${name} exports every type that its signatures name`, () => {
      const hidden = hiddenTypes(program, ROOT + path.slice(2)).map((line) => `${name}: ${line}`);
      assertEquals(hidden.filter((line) => LEFT_OUT[line] === undefined), []);
      const excused = Object.keys(LEFT_OUT).filter((line) => line.startsWith(`${name}: `));
      assertEquals(excused.filter((line) => !hidden.includes(line)), []);
    });
  }

  it("that hides one is found out", () => {
    const broken = programOf(["/mod.ts"], BROKEN);
    const names = hiddenTypes(broken, "/mod.ts").map((line) => line.replace(/ of .*/, ""));
    assertEquals([...new Set(names)], ["Base", "Callback", "Shape"]);
  });

  it(`. has at most ${MOST} names`, () => {
    const names = [...named.get(".")!.keys()];
    assert(names.length <= MOST, `${names.length}: ${names.join(" ")}`);
  });

  it("means the same by a name as every other entry", () => {
    const found = new Map<string, Set<ts.Symbol>>();
    for (const [entry, symbols] of named) {
      for (const [name, symbol] of symbols) {
        if (BY_PATH.includes(name) && OF_PATHS.includes(entry)) continue;
        found.set(name, (found.get(name) ?? new Set()).add(symbol));
      }
    }
    assertEquals([...found].filter(([, { size }]) => size > 1).map(([name]) => name), []);
  });

  it("./blob-store has the errors and types of ./blob-store/core", () => {
    const core = named.get("./blob-store/core")!, whole = named.get("./blob-store")!;
    // How a runtime's own means come in: the entry by path hands them in itself.
    const only = ["Crc32", "PieceCodec", "RuntimeHooks"];
    const missing = [...core.keys()].filter((name) => !whole.has(name) && !only.includes(name));
    assertEquals(missing, []);
    assertEquals(
      [...core].filter(([name, symbol]) =>
        !BY_PATH.includes(name) && !only.includes(name) && whole.get(name) !== symbol
      ).map(([name]) => name),
      [],
    );
  });
});

/** A program over files of the disk, or over some in memory. */
function programOf(paths: string[], texts: Readonly<Record<string, string>> = {}): ts.Program {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    noEmit: true,
    types: [],
    // Only declarations of the repository matter, so those of the language are left out.
    noLib: true,
  };
  const host = ts.createCompilerHost(options), { fileExists, readFile } = host;
  host.fileExists = (path) => path in texts || fileExists(path);
  host.readFile = (path) => texts[path] ?? readFile(path);
  host.getSourceFile = (path, version) => {
    const text = host.readFile(path);
    return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
  };
  return ts.createProgram(paths, options, host);
}

/** The exported names of a module, and the declarations behind them. */
function exportsOf(program: ts.Program, path: string): Map<string, ts.Symbol> {
  const checker = program.getTypeChecker(), source = program.getSourceFile(path);
  const module = source && checker.getSymbolAtLocation(source);
  assert(module !== undefined, `${path} exports nothing`);
  return new Map(
    checker.getExportsOfModule(module).map((symbol) => [symbol.name, unaliased(checker, symbol)]),
  );
}

function unaliased(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** The types that the signatures of an entry name and that it does not export. */
function hiddenTypes(program: ts.Program, path: string): string[] {
  const checker = program.getTypeChecker();
  const open = new Set(exportsOf(program, path).values()), found = new Set<string>();
  const name = (node: ts.EntityName | ts.Expression, user: ts.Symbol): void => {
    const at = checker.getSymbolAtLocation(node);
    const symbol = at && unaliased(checker, at);
    const declaration = symbol?.declarations?.[0];
    if (symbol === undefined || declaration === undefined || open.has(symbol)) return;
    // Parameters of types are declared where they are named.
    if (ts.isTypeParameterDeclaration(declaration) || !isTopLevel(declaration)) return;
    const file = relative(ROOT, declaration.getSourceFile().fileName);
    found.add(`${symbol.name} of ${file}, named by ${user.name}`);
  };
  for (const symbol of open) {
    const visit = (node: ts.Node): void => {
      if (isPrivate(node) || ts.isBlock(node)) return;
      if (ts.isTypeReferenceNode(node)) name(node.typeName, symbol);
      else if (ts.isTypeQueryNode(node)) name(node.exprName, symbol);
      else if (ts.isExpressionWithTypeArguments(node)) name(node.expression, symbol);
      if (!ts.isExpression(node) || ts.isExpressionWithTypeArguments(node)) {
        ts.forEachChild(node, visit);
      }
    };
    symbol.declarations?.forEach((declaration) => ts.forEachChild(declaration, visit));
  }
  return [...found].sort();
}

/** Whether a declaration stands in its module as such. */
function isTopLevel(node: ts.Node): boolean {
  return ts.isSourceFile(ts.isVariableDeclaration(node) ? node.parent.parent.parent : node.parent);
}

/** Whether a member is no part of what is public. */
function isPrivate(node: ts.Node): boolean {
  const { name } = node as ts.NamedDeclaration;
  if (name !== undefined && ts.isPrivateIdentifier(name)) return true;
  return ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword);
}
