/**
 * The layout of the house, held by a test over its modules: floors, doors, circles, the size of
 * functions, and files that belong elsewhere.
 *
 * @module
 */

import { it } from "@std/testing/bdd";
import { posix } from "node:path";
import { browserModules } from "../../scripts/package/manifest.ts";
import { type Files, holdRules, readTree, type Rule } from "../support/rules.ts";
import { exportedNames, type Module, modulesOf, originOf } from "./modules.ts";

/** What the package ships, and everything else that is TypeScript. */
const SHIPPED = /^(src|backends|cli)\/.*\.ts$|^mod\.ts$/;
const SOURCES = /\.ts$/;

/**
 * The floors, lowest first: a file imports from its own room and from rooms of lower floors.
 * The rooms of one floor do not import each other.
 */
const FLOORS: readonly (readonly RegExp[])[] = [
  [/^src\/util\//],
  [/^src\/allocator\.ts$/],
  [/^src\/gap_table\//],
  [/^src\/allocators\//],
  [/^src\/operations\//],
  [/^src\/arena\//],
  [/^src\/pool\//, /^src\/shared\//, /^src\/report\//, /^src\/testing\//, /^src\/trace\//],
  [/^src\/blob_store\//],
  [/^backends\//],
  [/^cli\//],
];

/** What the root entry is made of. */
const ROOT_IMPORTS =
  /^src\/(allocator|(allocators|operations|arena|util)\/mod)\.ts$|^backends\/memory\.ts$/;
/** Where Node's modules are named. */
const NODE = /^(backends\/(file|blob_store)|cli)\//;

/** What strategies have in common: they may import it. */
const BASE = "src/allocators/gap_allocator.ts";

const FUNCTION_LINES = 70;
/** Longer functions, with what each is. */
const LONGER: Readonly<Record<string, string>> = {
  "backends/three/streaming_batched_mesh.ts streamingMesh": "a class whose base is an argument",
  "backends/three/streaming_batches.ts batches": "a class whose base is an argument",
  "src/allocators/wide_kernel.ts WideKernel.allocate": "a hot path: calls cost time",
  "src/allocators/tlsf_allocator.ts TlsfAllocator.allocate": "a hot path: calls cost time",
};

const CHIP_LINES = 60;
/** Small files with one user that stay, with the reason. */
const CHIPS: Readonly<Record<string, string>> = {
  "backends/http/request_body.ts": "one idea, beside that of response_body.ts",
  "backends/opfs/path_lock.ts": "one idea, beside a class that is long",
  "backends/three/space.ts": "one idea, beside a class that is long",
  "backends/three/uploads.ts": "one idea, beside a class that is long",
  "backends/webgl/byte_ranges.ts": "one idea, with tests of its own",
  "backends/webgl/fences.ts": "one idea, beside the one of gl_buffers.ts",
  "backends/webgpu/move_region.ts": "the rare half of a class that is long",
  "cli/file_map.ts": "one idea, with tests of its own",
  "src/operations/check_tree.ts": "as check_table.ts beside it",
  "src/report/svg_style.ts": "the drawings of the guides take it too",
};

/** Circles of imports that are needed: a folder and its files, with the reason. */
const CIRCLES: Readonly<Record<string, string>> = {};

/** Modules that run something when they are loaded, with the reason. */
const EFFECTS: Readonly<Record<string, string>> = {};

/** Published files that no entry reaches, with the reason. */
const UNREACHED: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(browserModules).map((path) => [posix.normalize(path), "npm's for a page"]),
);

/** Files with one export that bear another name, with the reason. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "backends/webgpu/deferred_free.ts": "the list of what its one class holds",
  "cli/file_map.ts": "it draws one",
  "src/operations/check_tree.ts": "as check_table.ts beside it",
};

const MAX_BYTES = 256 * 1024;

const rules: readonly Rule[] = [
  {
    name: "imports go to lower floors, and shipped code needs no package",
    complaints: eachModule(
      SHIPPED,
      (path, { imports }) =>
        imports.map(({ target }) => target).filter((target) => !mayImport(path, target)),
    ),
    broken: [
      { "src/util/a.ts": 'import { NO_SPACE } from "../allocator.ts";' },
      { "src/allocator.ts": 'import { append } from "./gap_table/append.ts";' },
      { "src/gap_table/a.ts": 'import type { A } from "../allocators/mod.ts";' },
      { "src/allocators/a.ts": 'import type { Region } from "../arena/mod.ts";' },
      { "src/arena/a.ts": 'export type { Pool } from "../pool/mod.ts";' },
      { "src/pool/a.ts": 'import type { S } from "../shared/mod.ts";' },
      { "src/report/a.ts": 'import { parseTrace } from "../trace/mod.ts";' },
      { "src/trace/a.ts": 'let a: import("../blob_store/mod.ts").A;' },
      { "src/blob_store/a.ts": 'export * from "../../backends/memory.ts";' },
      { "backends/a.ts": 'import { main } from "../cli/mod.ts";' },
      { "src/a/b.ts": 'import { a } from "../util/mod.ts";' },
      { "src/arena/a.ts": 'import { open } from "node:fs";' },
      { "src/util/b.ts": 'const { crc32 } = await import("node:zlib");' },
      { "backends/webgpu/a.ts": 'import { open } from "node:fs";' },
      { "backends/memory.ts": 'import "node:buffer";' },
      { "backends/file/a.ts": 'import "@std/assert";' },
      { "backends/file/a.ts": 'import type { A } from "npm:pg";' },
      { "mod.ts": 'export { FileStore } from "./backends/file/mod.ts";' },
      { "mod.ts": 'export { FixedPool } from "./src/pool/mod.ts";' },
      { "mod.ts": 'export { Arena } from "./src/arena/arena.ts";' },
      { "cli/mod.ts": 'import yargs from "npm:yargs";' },
      { "cli/mod.ts": 'import { look } from "../examples/terminal.ts";' },
    ],
  },
  {
    name: "strategies do not import each other",
    complaints: eachModule(
      /^src\/allocators\/\w+_allocator\.ts$/,
      (_, { imports }) =>
        imports.map(({ target }) => target)
          .filter((target) => /_allocator\.ts$/.test(target) && target !== BASE),
    ),
    broken: [
      { "src/allocators/b_allocator.ts": 'import type { A } from "./a_allocator.ts";' },
    ],
  },
  {
    name: "every folder of src and backends has a door",
    complaints: (files) => {
      const folders = [...files.keys()].filter((path) =>
        /^(src|backends)\/.+\/[^/]+\.ts$/.test(path)
      )
        .map((path) => posix.dirname(path));
      return [...new Set(folders)].filter((folder) => !files.has(`${folder}/mod.ts`));
    },
    broken: [
      { "src/pool/pool.ts": "" },
      { "backends/file/mod.ts": "", "backends/file/raw/cursor.ts": "" },
    ],
  },
  {
    name: "a file takes from another folder only what its door exports",
    complaints: (files) =>
      [...modulesOf(files, SHIPPED)].flatMap(([path, { imports }]) =>
        imports.flatMap(({ target, names }) =>
          privateNames(files, path, target, names).map((name) => `${path}: ${name} of ${target}`)
        )
      ),
    broken: [
      {
        "src/pool/a.ts": 'import { b } from "../util/b.ts";',
        "src/util/b.ts": "export const b = 1;",
        "src/util/mod.ts": "",
      },
      {
        "src/pool/a.ts": 'import type { B } from "../util/b.ts";',
        "src/util/b.ts": "export const b = 1; export interface B {}",
        "src/util/mod.ts": 'export { b } from "./b.ts";',
      },
      {
        "src/pool/a.ts": 'import * as b from "../util/b.ts";',
        "src/util/b.ts": "export const b = 1, c = 2;",
        "src/util/mod.ts": 'export { b } from "./b.ts";',
      },
      {
        "backends/file/a.ts": 'import { b } from "./raw/b.ts";',
        "backends/file/raw/b.ts": "export const b = 1;",
        "backends/file/raw/mod.ts": "",
      },
    ],
  },
  {
    name: "no imports run in a circle, those of types included",
    complaints: (files) =>
      circlesOf(modulesOf(files, SOURCES)).map(nameOfCircle)
        .filter((circle) => CIRCLES[circle] === undefined),
    broken: [
      {
        "src/pool/a.ts": 'import type { B } from "./b.ts";',
        "src/pool/b.ts": 'import type { C } from "./c.ts";',
        "src/pool/c.ts": 'import { a } from "./a.ts";',
      },
    ],
  },
  {
    name: `a function has at most ${FUNCTION_LINES} lines of code`,
    // Those of a function within count too. A test, or a group of tests, is a list of calls.
    complaints: eachModule(
      SOURCES,
      (path, { functions }) =>
        functions.filter(({ name, lines }) =>
          lines > FUNCTION_LINES && !isOfTests(path) && LONGER[`${path} ${name}`] === undefined
        ).map(({ name, lines }) => `${name} has ${lines}`),
    ),
    broken: [
      { "src/pool/a.ts": `function a() {\n${"let a;\n".repeat(FUNCTION_LINES)}}` },
      { "scripts/a.ts": `const a = () => {\n${"a();\n".repeat(FUNCTION_LINES)}};` },
      { "cli/a.ts": `class A { b() {\n${"a();\n".repeat(FUNCTION_LINES)}} }` },
    ],
  },
  {
    name: "every exception still holds",
    complaints: (files) => {
      if (!files.has("LICENSE")) return ["an exception that nothing needs"]; // see `broken`
      const modules = modulesOf(files, SOURCES);
      const long = [...modules].flatMap(([path, { functions }]) =>
        functions.filter(({ lines }) => lines > FUNCTION_LINES).map(({ name }) => `${path} ${name}`)
      );
      const circles = circlesOf(modules).map(nameOfCircle);
      return [
        ...Object.keys(LONGER).filter((name) => !long.includes(name)),
        ...Object.keys(CIRCLES).filter((circle) => !circles.includes(circle)),
        ...Object.keys(CHIPS).filter((path) => !chipsOf(files).has(path)),
        ...Object.keys(EFFECTS).filter((path) => !modules.get(path)?.effects.length),
        ...Object.keys(OTHER_NAMES).filter((path) => !files.has(path) || !isMisnamed(files, path)),
        ...Object.keys(UNREACHED).filter((path) => publication(files).reached.has(path)),
      ];
    },
    broken: [{}],
  },
  {
    name: `a file under ${CHIP_LINES} lines of code with one user belongs to that user`,
    complaints: (files) =>
      [...chipsOf(files)].filter(([path]) => CHIPS[path] === undefined)
        .map(([path, user]) => `${path} belongs to ${user}`),
    broken: [
      {
        "src/pool/a.ts": 'import { b } from "./b.ts";\n' + "b();\n".repeat(CHIP_LINES),
        "src/pool/b.ts": "export function b(): void {}",
      },
      {
        "src/arena/a.ts": 'import { b } from "../util/mod.ts";\n' + "b();\n".repeat(CHIP_LINES),
        "src/util/b.ts": "export function b(): void {}",
        "src/util/mod.ts": 'export { b } from "./b.ts";',
      },
    ],
  },
  {
    name: "every file has a user",
    complaints: (files) => {
      const modules = modulesOf(files, SOURCES);
      const imported = new Set(
        [...modules].flatMap(([path, { imports }]) =>
          imports.map(({ target }) => target).filter((target) => target !== path)
        ),
      );
      const named = [...namedFiles(files, modules)];
      return [...modules.keys()].filter((path) =>
        !imported.has(path) && !isEntry(files, path) &&
        !named.some((name) => `/${path}`.endsWith(`/${name}`))
      );
    },
    broken: [
      { "src/pool/a.ts": "export const a = 1;" },
      { "scripts/a.ts": "console.log(1);" },
      { "tests/support/a.ts": "export const a = 1;" },
    ],
  },
  {
    name: "a file with one export is named after it, a strategy after its class",
    complaints: (files) =>
      [...modulesOf(files, /^(src|backends|cli)\/(?!.*\bmod\.ts$).*\.ts$/)]
        .filter(([path]) => OTHER_NAMES[path] === undefined && isMisnamed(files, path))
        .map(([path]) => `${path} exports ${exportedNames(files, path).join(", ")}`),
    broken: [
      { "src/util/helpers.ts": "export function checkInteger(): void {}" },
      { "backends/file/helpers.ts": "export class FileStore {}" },
      { "src/allocators/slab.ts": "export class SlabAllocator {}\nexport interface Options {}" },
    ],
  },
  {
    name: "nothing runs when a shipped module is loaded",
    complaints: eachModule(SHIPPED, (path, { effects }) => path in EFFECTS ? [] : effects),
    broken: [
      { "src/pool/a.ts": "await 1;" },
      { "cli/a.ts": "if (a) process.exitCode = await main([]);" },
      { "src/pool/a.ts": "class A { static { grant = 1; } }" },
      { "src/pool/a.ts": 'import * as layout from "./b.ts";\nconst { A } = layout;' },
    ],
  },
  {
    name: "what is published is what the entries reach",
    complaints: (files) => {
      const { include, included, reached } = publication(files);
      // A folder's door is published with it, though an entry may go past it.
      const idle = included.filter((path) => !reached.has(path) && !isDoor(path));
      return [
        ...[...reached].filter((path) => !included.includes(path))
          .map((path) => `not included: ${path}`),
        ...idle.filter((path) => UNREACHED[path] === undefined)
          .map((path) => `not reached: ${path}`),
        ...include.filter((name) => /^(tests|scripts|examples|docs)/.test(name)),
        ...include.filter((name) => include.some((other) => name.startsWith(`${other}/`))),
      ];
    },
    broken: [
      {
        "deno.json": '{ "exports": { ".": "./mod.ts" }, "publish": { "include": ["mod.ts"] } }',
        "mod.ts": 'export * from "./src/a.ts";',
        "src/a.ts": "",
      },
      {
        "deno.json": '{ "exports": {}, "publish": { "include": ["src"] } }',
        "src/a.ts": "",
      },
      { "deno.json": '{ "exports": {}, "publish": { "include": ["tests"] } }' },
    ],
  },
  {
    name: `a file has at most ${MAX_BYTES / 1024} KiB`,
    complaints: (files) =>
      [...files].filter(([, text]) => text.length > MAX_BYTES).map(([path]) => path),
    broken: [{ "tests/vectors/a.json": " ".repeat(MAX_BYTES + 1) }],
  },
];

const files = readTree();

it("the layout has every floor", () => {
  for (const room of FLOORS.flat()) {
    if (![...files.keys()].some((path) => room.test(path))) throw new Error(`No file of ${room}`);
  }
});

holdRules("layout", rules, files);

/** A rule that looks at one module at a time. */
function eachModule(
  pattern: RegExp,
  check: (path: string, module: Module) => readonly string[],
): (files: Files) => string[] {
  return (files) =>
    [...modulesOf(files, pattern)].flatMap(([path, module]) =>
      check(path, module).map((complaint) => `${path}: ${complaint}`)
    );
}

/** Whether the floors let a file import another one, or a module of another kind. */
function mayImport(path: string, target: string): boolean {
  if (target.startsWith("node:")) return NODE.test(path);
  if (path === "mod.ts") return ROOT_IMPORTS.test(target);
  const from = FLOORS.findIndex((rooms) => rooms.some((room) => room.test(path)));
  const to = FLOORS.findIndex((rooms) => rooms.some((room) => room.test(target)));
  if (from < 0 || to < 0) return false;
  return to < from || FLOORS[from].some((room) => room.test(path) && room.test(target));
}

/** The names of an import that the door of the target's folder does not export. */
function privateNames(
  files: Files,
  path: string,
  target: string,
  names: readonly string[],
): string[] {
  const folder = posix.dirname(target), door = `${folder}/mod.ts`;
  const hasDoor = /^(src|backends)\/./.test(folder) && files.has(door);
  if (!hasDoor || posix.dirname(path) === folder) return [];
  const open = new Set(exportedNames(files, door).map((name) => originOf(files, door, name)));
  const taken = names.includes("*") ? exportedNames(files, target) : names;
  return taken.filter((name) => !open.has(originOf(files, target, name)));
}

/** The groups of modules that import each other, each in order. */
function circlesOf(modules: ReadonlyMap<string, Module>): string[][] {
  const order = new Map<string, number>(), low = new Map<string, number>();
  const stack: string[] = [], circles: string[][] = [];
  const visit = (path: string): void => {
    const number = order.size;
    order.set(path, number);
    low.set(path, number);
    stack.push(path);
    for (const { target } of modules.get(path)!.imports) {
      if (!modules.has(target)) continue;
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) low.set(path, Math.min(low.get(path)!, low.get(target)!));
    }
    if (low.get(path) !== number) return;
    const circle = stack.splice(stack.indexOf(path));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const path of modules.keys()) if (!order.has(path)) visit(path);
  return circles;
}

/** The folder and the names of its files; paths where they are in several folders. */
function nameOfCircle(circle: readonly string[]): string {
  const folders = new Set(circle.map((path) => posix.dirname(path))), [folder] = folders;
  if (folders.size > 1) return circle.join(", ");
  return `${folder}: ${circle.map((path) => posix.basename(path, ".ts")).join(", ")}`;
}

/** Small shipped files that have one user, which is named. */
function chipsOf(files: Files): Map<string, string> {
  const modules = modulesOf(files, SHIPPED), users = new Map<string, Set<string>>();
  for (const [path, { imports }] of modules) {
    if (isDoor(path)) continue;
    for (const { target, names } of imports) {
      const origins = names.includes("*")
        ? [target]
        : names.map((name) => originOf(files, target, name)?.split("#")[0] ?? target);
      for (const origin of origins) {
        users.set(origin, (users.get(origin) ?? new Set()).add(path));
      }
    }
  }
  const entries = entriesOf(files);
  const open = new Set(
    entries.flatMap((entry) =>
      exportedNames(files, entry).map((name) => originOf(files, entry, name)?.split("#")[0])
    ),
  );
  const chips = [...modules].filter(([path, { codeLines }]) =>
    codeLines < CHIP_LINES && users.get(path)?.size === 1 && !isDoor(path) && !open.has(path)
  );
  return new Map(chips.map(([path]) => [path, [...users.get(path)!][0]]));
}

function isDoor(path: string): boolean {
  return posix.basename(path) === "mod.ts";
}

function entriesOf(files: Files): string[] {
  return Object.values<string>(JSON.parse(files.get("deno.json") ?? "{}").exports ?? {})
    .map((path) => posix.normalize(path));
}

/** Tests and what they share: lists of calls that are as long as there are cases. */
function isOfTests(path: string): boolean {
  return path.startsWith("tests/");
}

/** Whether a file is run or read by its name: an entry, a test, an example. */
function isEntry(files: Files, path: string): boolean {
  return entriesOf(files).includes(path) || /^tests\/.*_test\.ts$|^examples\/[^/]+\.ts$/.test(path);
}

/** What strings, tasks, pages and workflows name: workers, scripts, programs of a test. */
function* namedFiles(files: Files, modules: ReadonlyMap<string, Module>): Iterable<string> {
  const strings = [...modules.values()].flatMap(({ strings }) => strings);
  for (const [path, text] of files) {
    if (/\.(jsonc?|html|yml|js)$|^\.ci\//.test(path)) strings.push(text);
  }
  for (const text of new Set(strings)) {
    for (const [name] of text.matchAll(/[\w./-]+\.ts\b/g)) {
      yield name.replace(/^(\.{1,2}\/|\/)+/, "");
    }
  }
}

/** What is published: the names of `deno.json`, the modules below, and what entries import. */
function publication(files: Files) {
  const include: string[] = JSON.parse(files.get("deno.json") ?? "{}").publish?.include ?? [];
  const included = [...files.keys()].filter((path) =>
    path.endsWith(".ts") && include.some((name) => path === name || path.startsWith(`${name}/`))
  );
  const modules = modulesOf(files, SHIPPED), reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path) || !files.has(path)) return;
    reached.add(path);
    for (const { target } of modules.get(path)?.imports ?? []) visit(target);
  };
  entriesOf(files).forEach(visit);
  return { include, included, reached };
}

/** Whether a file has another name than its one export, or a strategy than its class. */
function isMisnamed(files: Files, path: string): boolean {
  const names = exportedNames(files, path), file = posix.basename(path, ".ts");
  if (names.length > 1 && !names.some((name) => /^[A-Z]\w*Allocator$/.test(name))) return false;
  return !/^src\/shared\//.test(path) && !names.map(snakeCase).includes(file);
}

/** `checkInteger` and `CheckInteger` as `check_integer`, `TLSFAllocator` as `tlsf_allocator`. */
function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3_$2").toLowerCase();
}
