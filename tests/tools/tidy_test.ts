/**
 * The house rules, held by a test over the sources themselves. `layout_test.ts` has those of
 * folders, imports and functions.
 *
 * @module
 */

import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { posix } from "node:path";
import { type Files, holdRules, readTree, type Rule } from "../support/rules.ts";

/** Files whose code is the library's. */
const LIBRARY = /^(src|backends)\/.*\.ts$/;
const TYPESCRIPT = /\.ts$/;
const TEXT = /\.(ts|md|jsonc?|html)$|^LICENSE$|^\.ci\//;

/** The file that warns where the caller wants it and names nobody to tell. */
const WARNING = "src/pool/pool.ts";

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

/** A path from the root of the repository to one of its files. */
const NAMED_PATH =
  /(?<![\w@/.-])\/?((?:src|backends|tests|scripts|cli|docs|examples)\/[\w./-]+\.(?:ts|md|html))\b/g;

const rules: readonly Rule[] = [
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
      const hidden = matching(files, /^backends\/(?!memory\.ts$)(?:[^/]+|[^/]+\/mod)\.ts$/)
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
      { "backends/hidden/mod.ts": "" },
      { "package.json": '{ "exports": { ".": "./mod.ts" } }', "mod.ts": "" },
    ],
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
    // The changelog and the comparison with older revisions name files that are gone.
    name: "a path that is named is there",
    complaints: (files) =>
      eachFile(
        /^(?!tests\/|scripts\/bench\/|CHANGELOG).*\.(?:ts|md|jsonc?|html|yml)$/,
        (_, text) =>
          Array.from(text.matchAll(NAMED_PATH), ([, path]) => path)
            .filter((path) => !files.has(path)),
      )(files),
    broken: [
      { "scripts/a.ts": 'const tests = "tests/" + "a"; run("' + "tests/gone_test.ts" + '");' },
      { "deno.json": '{ "tasks": { "a": "deno run /' + "scripts/gone.ts" + '" } }' },
      { "docs/a.md": "See `" + "src/gone.ts" + "`." },
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

/** The text with its comments and strings blanked. */
function withoutStrings(text: string): string {
  return text.replace(TRIVIA, blank);
}

/** The text as spaces, its line ends kept. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
