/**
 * The house rules, held by a test over the sources themselves.
 *
 * @module
 */

import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { posix } from "node:path";
import { type Files, holdRules, readTree, type Rule } from "../support/rules.ts";

/** Package files whose code is the library's. */
const SHIPPED = /^(src|backends|cli)\/.*\.ts$|^(mod|cli)\.ts$/;
const LIBRARY = /^(src|backends)\/.*\.ts$/;
const TYPESCRIPT = /\.ts$/;
const TEXT = /\.(ts|md|jsonc?|html)$|^LICENSE$|^\.ci\//;

const CODE_LINES = 350;
/** Files allowed more code lines, because they hold one idea that needs them. */
const LONGER: Readonly<Record<string, number>> = { "src/allocators/offset_allocator.ts": 450 };

/** The file that warns where the caller wants it and names nobody to tell. */
const WARNING = "src/pool/pool.ts";

/** What each part of the package may import; the first pattern that matches its path holds. */
const LAYERS: readonly (readonly [part: RegExp, imports: RegExp])[] = [
  [/^src\//, /^src\//],
  [/^backends\//, /^(src|backends)\/|^node:/],
  [/^mod\.ts$/, /^src\/|^backends\/memory\.ts$/],
  [/^cli(\/|\.ts$)/, /^(src|backends|cli)\/|^mod\.ts$|^node:/],
];

/** Names that are global on some runtimes only, used as such: not as a member or a key. */
const HOST_GLOBALS = new RegExp(
  `(?<![\\w$#.])(?:${
    [
      "Deno|Bun|process|Buffer|require|__dirname|NodeJS",
      "document|window|navigator|localStorage|(?:GPU|HTML)[A-Z]\\w*",
    ].join("|")
  })\\b(?!\\s*\\??:)`,
  "g",
);

const rules: readonly Rule[] = [
  {
    name: "imports point inward, and shipped code needs no package",
    complaints: eachFile(SHIPPED, (path, text) => {
      const [, allowed] = LAYERS.find(([part]) => part.test(path))!;
      return imports(path, text).filter((target) => !allowed.test(target));
    }),
    broken: [
      { "src/a.ts": 'import { open } from "node:fs";' },
      { "src/a.ts": 'export * from "../../backends/memory.ts";' },
      { "src/a/b.ts": 'const { crc32 } = await import("node:zlib");' },
      { "backends/a.ts": 'import "@std/assert";' },
      { "backends/a.ts": 'import type { A } from "npm:pg";' },
      { "mod.ts": 'export { FileStore } from "./backends/file.ts";' },
      { "src/a.ts": 'import { formatBytes } from "../../cli/format.ts";' },
      { "backends/a.ts": 'import { main } from "../../cli/mod.ts";' },
      { "cli/mod.ts": 'import yargs from "npm:yargs";' },
      { "cli/mod.ts": 'import { look } from "./examples/terminal.ts";' },
      { "cli/a.ts": 'import { main } from "../../cli/mod.ts";' },
      { "cli/a.ts": 'import { assert } from "@std/assert";' },
    ],
  },
  {
    name: "strategies do not import each other",
    complaints: eachFile(
      /^src\/\w+_allocator\.ts$/,
      (path, text) => imports(path, text).filter((target) => /_allocator\.ts$/.test(target)),
    ),
    broken: [{ "src/b_allocator.ts": 'import { A } from "./a_allocator.ts";' }],
  },
  {
    name: "src uses only what every runtime has",
    complaints: eachFile(
      /^src\//,
      (_, text) => withoutStrings(text).replace(/\bglobalThis\s*\??\./g, "").match(HOST_GLOBALS),
    ),
    broken: [
      { "src/a.ts": "const file = Deno.openSync(path);" },
      { "src/a.ts": "globalThis.process?.exit();" },
      { "src/a.ts": "return Buffer.from(bytes);" },
      { "src/a.ts": "let device: GPUDevice | undefined;" },
    ],
  },
  {
    name: "the package depends on nothing",
    complaints: (files) => {
      const manifest = json(files, "package.json");
      return ["dependencies", "optionalDependencies", "bundleDependencies"]
        .filter((kind) => manifest[kind] !== undefined);
    },
    broken: [{ "package.json": '{ "dependencies": { "left-pad": "1.3.0" } }' }],
  },
  {
    name: "exports name files, backends are exports, Node finds the same ones",
    complaints: (files) => {
      const exported = Object.values<string>(json(files, "deno.json").exports ?? {})
        .map((path) => posix.normalize(path));
      const missing = exported.filter((path) => !files.has(path));
      // mod.ts itself re-exports the memory store.
      const hidden = matching(files, /^backends\/(?!memory\.ts$)[^/]+\.ts$/)
        .filter((path) => !exported.includes(path));
      const differ = JSON.stringify(json(files, "deno.json").exports) !==
        JSON.stringify(json(files, "package.json").exports);
      return [...missing, ...hidden, ...(differ ? ["package.json"] : [])];
    },
    broken: [
      {
        "deno.json": '{ "exports": { ".": "./mod.ts" } }',
        "package.json": '{ "exports": { ".": "./mod.ts" } }',
      },
      { "backends/hidden.ts": "" },
      { "package.json": '{ "exports": { ".": "./mod.ts" } }', "mod.ts": "" },
    ],
  },
  {
    name: "a file of src is named after one of its exports",
    complaints: eachFile(/^src\/[^/]+\.ts$/, (path, text) => {
      const names = exportedNames(text).map(snakeCase);
      return names.includes(posix.basename(path, ".ts")) ? [] : [`exports ${names.join(", ")}`];
    }),
    broken: [{ "src/helpers.ts": "export function checkInteger(): void {}" }],
  },
  {
    name: "a file begins by saying what it is for",
    complaints: eachFile(
      TYPESCRIPT,
      (_, text) =>
        /^(?:#!.*\n)?(?:\s|\/\/.*\n|import\b[^;]*;)*\/\*\*/.test(text) ? [] : ["no doc comment"],
    ),
    broken: [
      { "src/a.ts": 'import { b } from "./b.ts";\n\nexport const a = b;' },
      { "src/a.ts": "// A comment.\nexport const a = 1;" },
    ],
  },
  {
    name: "no line is over 100 columns",
    complaints: eachFile(
      TYPESCRIPT,
      (_, text) =>
        text.split("\n").flatMap((line, i) => line.length > 100 ? [`line ${i + 1}`] : []),
    ),
    broken: [{ "src/a.ts": `// ${"x".repeat(98)}` }],
  },
  {
    name: `a file has at most ${CODE_LINES} code lines`,
    complaints: eachFile(TYPESCRIPT, (path, text) => {
      const count = withoutComments(text).split("\n").filter((line) => line.trim()).length;
      return count > (LONGER[path] ?? CODE_LINES) ? [`${count} code lines`] : [];
    }),
    broken: [{ "src/a.ts": "let a;\n".repeat(CODE_LINES + 1) }],
  },
  {
    name: "nothing is left over",
    complaints: eachFile(TEXT, (_, text) => text.match(/\b(?:FIX[M]E|TO[D]O|X[X]X|HA[C]K)\b/g)),
    broken: [{ "src/a.ts": "// TO" + "DO: later" }],
  },
  {
    name: "no test is left focused",
    complaints: eachFile(
      /^tests\/(?!support\/).*\.ts$/,
      (_, text) => withoutStrings(text).match(/\b(?:describe|it|test)\.only\b/g),
    ),
    broken: [{ "tests/a_test.ts": 'it.only("works", () => {});' }],
  },
  {
    name: "the library prints nothing, but for warnings that were asked for",
    complaints: eachFile(LIBRARY, (path, text) => {
      const prints = withoutStrings(text).match(/\bconsole\b(?:\s*\.\s*\w+)?/g) ?? [];
      return prints.filter((print) => path !== WARNING || print !== "console.warn");
    }),
    broken: [
      { "src/a.ts": 'console.log("here");' },
      { "src/a.ts": "const { warn } = console;" },
      { "src/a.ts": 'console.warn("here");' },
      { "src/pool/pool.ts": 'console.log("here");' },
    ],
  },
  {
    name: "the library hides nothing from the type checker",
    complaints: eachFile(LIBRARY, (_, text) => [
      ...text.match(/@ts-(?:ignore|expect-error|nocheck)\b/g) ?? [],
      ...withoutStrings(text).match(/(?:[:<|,=]|\bas)\s*any\b/g) ?? [],
    ]),
    broken: [
      { "src/a.ts": "// @ts-expect-error wrong\nlet a: number = null;" },
      { "src/a.ts": "export function a(b: any): void {}" },
      { "backends/a.ts": "const table = new Map<string, any>();" },
      { "backends/a.ts": "return (value as any).inner;" },
    ],
  },
  {
    name: "the version is the changelog's",
    complaints: (files) => {
      const top = files.get("CHANGELOG.md")?.match(/^## \[(\d+\.\d+\.\d+)\]/m)?.[1];
      return json(files, "deno.json").version === top ? [] : [`CHANGELOG.md begins with ${top}`];
    },
    broken: [{ "deno.json": '{ "version": "2.0.0" }', "CHANGELOG.md": "## [1.0.0] - unreleased" }],
  },
  {
    name: "the licence names the algorithm's author",
    complaints: (files) =>
      ["MIT License", "Sebastian Aaltonen"]
        .filter((words) => !files.get("LICENSE")?.includes(words)),
    broken: [{}, { "LICENSE": "MIT License" }],
  },
  {
    name: "the project speaks of itself, not of where or how it was made",
    complaints: eachFile(TEXT, (_, text) => [
      ...text.match(/(?<![\w.])\/(?:work|root)\/\S*/g) ?? [],
      ...text.match(/\bissues? #\d+/gi) ?? [],
      ...text.match(/\b(?:registry\.npmjs\.org|(?:npm\.)?jsr\.io|deno\.land)\b/g) ?? [],
    ]),
    broken: [
      { "README.md": "cd /" + "work/main" },
      { "src/a.ts": "// See issue " + "#3." },
      { "CONTRIBUTING.md": "https://jsr" + ".io" },
    ],
  },
  {
    name: "every mention of a runtime pins the same version",
    complaints: (files) => {
      const pins = new Map<string, Set<string>>();
      for (const path of matching(files, TEXT)) {
        for (
          const [, runtime, major, rest] of files.get(path)!
            .matchAll(/(?<![\w/])(deno|node|bun)@(\d+)([\d.]*\d)?/g)
        ) {
          const versions = pins.get(`${runtime}@${major}`) ?? new Set();
          pins.set(`${runtime}@${major}`, versions.add(`${runtime}@${major}${rest ?? ""}`));
        }
      }
      return [...pins.values()].filter((versions) => versions.size > 1)
        .map((versions) => [...versions].join(" and "));
    },
    broken: [{ "README.md": "npx deno" + "@9.0.0", ".ci/run": "npx deno" + "@9.0.1" }],
  },
];

const files = readTree();

it("the house rules look at the whole repository", () => {
  const some = [
    "deno.json",
    "src/allocator.ts",
    "scripts/docs/site/layout.ts",
    "tests/tools/tidy_test.ts",
  ];
  for (const path of some) assert(files.has(path), `${path} is not among the ${files.size} files`);
});

holdRules("house rules", rules, files);

/** A rule that looks at one file at a time. */
function eachFile(
  pattern: RegExp,
  check: (path: string, text: string) => readonly string[] | null,
): (files: Files) => string[] {
  return (files) =>
    matching(files, pattern).flatMap((path) =>
      (check(path, files.get(path)!) ?? []).map((complaint) => `${path}: ${complaint}`)
    );
}

/** The paths that match, in order. */
function matching(files: Files, pattern: RegExp): string[] {
  return [...files.keys()].filter((path) => pattern.test(path)).sort();
}

// deno-lint-ignore no-explicit-any
function json(files: Files, path: string): Record<string, any> {
  return JSON.parse(files.get(path) ?? "{}");
}

/**
 * Comments and string literals, whichever begins first. A quote in a regular
 * expression can mislead it, to the end of the line at most (a backtick: further).
 */
const TRIVIA =
  /\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`/g;

/** The text with its comments blanked. */
function withoutComments(text: string): string {
  return text.replace(TRIVIA, (part) => part.startsWith("/") ? blank(part) : part);
}

/** The text with its comments and strings blanked. */
function withoutStrings(text: string): string {
  return text.replace(TRIVIA, blank);
}

/** The text as spaces, its line ends kept. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

/** What a file imports: paths from the root for its own kind, other specifiers as they are. */
function imports(path: string, text: string): string[] {
  // "import" in quotes is none.
  const statement =
    /(?<!")\b(?:import|export)\b[^;"']*?\bfrom\s*"([^"]+)"|(?<!")\bimport\s*\(?\s*"([^"]+)"/g;
  return [...withoutComments(text).matchAll(statement)]
    .map(([, from, bare]) => from ?? bare)
    .map((name) => name.startsWith(".") ? posix.join(posix.dirname(path), name) : name);
}

/** The names a file declares and exports. */
function exportedNames(text: string): string[] {
  const declaration =
    /^export (?:abstract |async )*(?:class|function\*?|interface|type|const) (\w+)/gm;
  return [...withoutStrings(text).matchAll(declaration)].map(([, name]) => name);
}

/** `checkInteger` and `CheckInteger` as `check_integer`, `TLSFAllocator` as `tlsf_allocator`. */
function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3_$2").toLowerCase();
}
