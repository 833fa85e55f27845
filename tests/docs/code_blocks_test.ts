/**
 * Every block of code in the README and the guides is run or checked as far as it can be: `ts` by
 * `deno test --doc`, the others here. Like a rule of the house, each rule names pages that break
 * it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync } from "node:fs";
import config from "../../deno.json" with { type: "json" };
import { allCommands } from "../../cli/commands/mod.ts";
import { Invocation, PROGRAM } from "../../cli/command.ts";
import { compiled, entries } from "../../scripts/package/manifest.ts";
import { type CodeBlock, readMarkdown } from "../../scripts/docs/site/markdown.ts";
import { type Files, holdRules, readTree, ROOT, type Rule } from "../support/rules.ts";

/** What is done with a block in each language. */
const LANGUAGES: Readonly<Record<string, string>> = {
  ts: "run by `deno test --doc`, the step `examples`",
  js: "run by `deno test --doc`, the step `examples`",
  sh: "tasks, commands, options and paths are looked up: to run it would install and serve",
  html: "the script is parsed, what it imports is looked up: `deno task test:npm` runs pages",
  json: "parsed",
  sql: "made and used by the cases of `deno task test:postgres`",
  nginx: "a server runs with it: the part `nginx` of the step `platforms`",
  text: "output, layouts and formulas: no code",
  cpp: "what the C++ original looks like, in the guide for those who come from it",
  rust: "what crates look like, in the guide for those who come from them",
};

/** What shell blocks call; of the first ones the arguments are looked at. */
const PROGRAMS = [
  ...["blobs", "offset-allocator", "deno", "npx", "bunx"],
  ...["npm", "node", "bun"],
  ...["aws", "cat", "cd", "cp", "curl", "head", "jq", "ls", "mkdir", "mv", "sha256sum", "tar"],
];

/** The names of our command. */
const BINS = [PROGRAM, "offset-allocator"];

const rules: readonly Rule[] = [
  {
    name: "a block says what it is",
    complaints: eachBlock(/^/, ({ info }) => {
      const [language = ""] = info.split(" ");
      return Object.hasOwn(LANGUAGES, language) ? [] : [`the language ${JSON.stringify(info)}`];
    }),
    broken: [page("", "text"), page("typescript", "let a;"), page("bash", "ls")],
  },
  {
    name: "no block is left out of the run",
    complaints: (files) =>
      Array.from(files).flatMap(([path, text]) =>
        Array.from(text.matchAll(/^ *(?:\* )?```[tj]s .*\n *(?:\* )?(.*)/gm))
          .map(([, firstLine]) => `${path}: ${firstLine}`)
      ),
    broken: [
      page("ts ignore", "let a;"),
      page("js ignore", "let a;"),
      { "src/a.ts": "/**\n * ```ts ignore\n * let a;\n * ```\n */" },
    ],
  },
  {
    name: "blocks stand where the step `examples` looks for them",
    complaints: (files) => {
      const step = files.get("scripts/ci/test_all.ts")?.match(
        /^ *examples: \[[^\]]*"--doc",([^\]]*)/m,
      );
      const parts = Array.from(step?.[1].matchAll(/"([^"]+)"/g) ?? [], ([, part]) => part);
      const looks = (path: string) =>
        parts.some((part) => path === part || path.startsWith(part.replace(/(\/\*\*.*)?$/, "/")));
      return Array.from(files).flatMap(([path, text]) => {
        const has = path.endsWith(".md") ? /^ *```[tj]s\b/m : /^ *\* ```[tj]s\b/m;
        const isOurs = /\.md$|^mod\.ts$|^(?:src|backends|cli)\//.test(path);
        return !isOurs || !has.test(text) || looks(path) ? [] : [path];
      });
    },
    broken: [
      { "docs/a.md": "```ts\nlet a;\n```" },
      { "scripts/ci/test_all.ts": '  examples: ["test", "--doc", "mod.ts"],', ...page("ts", "1;") },
      {
        "scripts/ci/test_all.ts": '  examples: ["test", "--doc", "src"],',
        "srcs/a.ts": "",
        "cli/mod.ts": "/**\n * ```ts\n * let a;\n * ```\n */",
      },
    ],
  },
  {
    name: "JSON parses, alone or as members of an object",
    complaints: eachBlock(/^json$/, ({ text }) => {
      try {
        JSON.parse(text.startsWith('"') ? `{${text}}` : text);
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    }),
    broken: [page("json", '{ "a": 1, }'), page("json", '"a": b')],
  },
  {
    name: "pages of HTML have a module script, which parses and imports what there is",
    complaints: async (files) => {
      const found: string[] = [];
      for (const [path, blocks] of blocksOf(files)) {
        for (const { info, text, line } of blocks) {
          if (info !== "html") continue;
          found.push(...(await complaintsOfPage(text)).map(at(`${path}:${line}`)));
        }
      }
      return found;
    },
    broken: [
      page("html", "<p>Hello</p>"),
      page("html", '<script type="module">let a = ;</script>'),
      page("html", '<script type="module">import { Gone } from "PACKAGE";</script>'),
      page("html", '<script type="module">import { main } from "PACKAGE/gone";</script>'),
      page("html", '<script type="module">import { a } from "/PACKAGE/mod.js";</script>'),
      page("html", importMap("{ imports: {} }") + '<script type="module">1;</script>'),
      page(
        "html",
        importMap('{ "imports": { "a": "./node_modules/PACKAGE/esm/mod.js" } }') +
          '<script type="module">import { OffsetAllocator } from "PACKAGE";</script>',
      ),
    ],
  },
  {
    name: "shell blocks call programs that are known, with arguments that exist",
    complaints: eachBlock(/^sh$/, ({ text }) => shellCommands(text).flatMap(complaintsOfCommand)),
    broken: [
      "blobs put a.blobs",
      "blobs list a.blobs",
      "blobs ls a.blobs --all   # a comment",
      "blobs ls --limit",
      "blobs ls a | blobs get",
      "offset-allocator put a.blobs",
      "blobs compare trace.jsonl --fast",
      "deno task compare trace.jsonl --fast",
      "npx -y PACKAGE lst a",
      "npx --package PACKAGE offset-allocator lst a",
      "npx --package PACKAGE blobs lst a",
      "deno run -A jsr:PACKAGE/cli lst a",
      "deno task cli lst a",
      "deno install -gA -n blobs jsr:PACKAGE/gone",
      "npm install @suballoc/allocator",
      "deno run -A examples/gone.ts",
      "rm -rf .",
      "$ deno test",
    ].map((command) => page("sh", command)),
  },
  {
    name: "tasks that a page names exist",
    complaints: (files) =>
      Array.from(files).flatMap(([path, text]) =>
        !path.endsWith(".md")
          ? []
          : Array.from(text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z]+(?::[a-z]+)*)/g))
            .filter(([, task]) => !Object.hasOwn(config.tasks, task))
            .map(([command]) => `${path}: ${command}`)
      ),
    broken: [
      page("sh", "deno task gone"),
      page("sh", "npx -y deno task bench:gone --seed 7"),
      { "docs/a.md": "`deno task gone` does it." },
    ],
  },
];

/** The pages, the sources with examples in their comments, and what says how these are run. */
const LOOKED_AT = /^(?:docs|src|backends|cli)\/|^[^/]+\.(?:md|ts)$|^scripts\/ci\/test_all\.ts$/;

holdRules(
  "blocks of code",
  rules,
  new Map(Array.from(readTree()).filter(([path]) => LOOKED_AT.test(path))),
);

describe("blocks of code", () => {
  it("of a shell are taken apart into commands", () => {
    const script = [
      "A=1 deno task x 'a b' # c | d",
      '  get a "b | c" > d; cd ~/e && f 2> g \\\n  -h "#i" j#k # l',
    ].join("\n");
    assertEquals(shellCommands(script), [
      ["deno", "task", "x", "a b"],
      ["get", "a", "b | c"],
      ["cd", "~/e"],
      ["f", "-h", "#i", "j#k"],
    ]);
  });
});

/** A page with one block; `PACKAGE` stands for the name of the package. */
function page(info: string, text: string): Record<string, string> {
  return {
    "docs/a.md": `# A\n\n\`\`\`${info}\n${text.replaceAll("PACKAGE", config.name)}\n\`\`\``,
  };
}

function importMap(json: string): string {
  return `<script type="importmap">${json}</script>\n`;
}

function at(place: string): (complaint: string) => string {
  return (complaint) => `${place}: ${complaint}`;
}

function blocksOf(files: Files): [path: string, blocks: readonly CodeBlock[]][] {
  return Array.from(files).filter(([path]) => path.endsWith(".md"))
    .map(([path, text]) => [path, readMarkdown(text).blocks]);
}

/** Complaints about each block of the pages whose info matches. */
function eachBlock(
  info: RegExp,
  look: (block: CodeBlock, path: string) => string[],
): (files: Files) => string[] {
  return (files) =>
    blocksOf(files).flatMap(([path, blocks]) =>
      blocks.filter((block) => info.test(block.info)).flatMap((block) =>
        look(block, path).map(at(`${path}:${block.line}`))
      )
    );
}

// Pages of HTML

const IMPORT = /^\s*import\s+(?:\{([^}]*)\}\s*from\s*)?"([^"]+)";?/gm;

/** A function whose body may `await`, as a module may. */
const AsyncFunction = (async () => {}).constructor as new (body: string) => unknown;

async function complaintsOfPage(html: string): Promise<string[]> {
  const found: string[] = [];
  const scripts = Array.from(html.matchAll(/<script type="(\w+)"([^>]*)>([^]*?)<\/script>/g));
  let imports: Record<string, string> | undefined;
  for (const [, type, , text] of scripts) {
    if (type !== "importmap") continue;
    try {
      imports = JSON.parse(text).imports;
    } catch (error) {
      found.push(`import map: ${(error as Error).message}`);
    }
  }
  const modules = scripts.filter(([, type]) => type === "module");
  if (modules.length === 0) found.push("no module script");
  for (const [, , attributes, text] of modules) {
    if (text.trim() === "" && !/\ssrc="/.test(attributes)) found.push("an empty script");
    for (const [, names = "", specifier] of text.matchAll(IMPORT)) {
      found.push(...await complaintsOfImport(names, specifier, imports));
    }
    try {
      new AsyncFunction(text.replace(IMPORT, ""));
    } catch (error) {
      found.push((error as Error).message);
    }
  }
  return found;
}

/** Complaints about an import of a script in a page, with the import map of that page. */
async function complaintsOfImport(
  names: string,
  specifier: string,
  imports: Record<string, string> | undefined,
): Promise<string[]> {
  const mapped = imports?.[specifier] ?? specifier;
  const entry = Object.entries(entries).find(([path, source]) =>
    // With a bundler the package is found by name, else where npm has put its files.
    mapped.endsWith(`${config.name}${compiled(source, ".js").slice(1)}`) ||
    imports === undefined && mapped === config.name + path.slice(1)
  );
  if (entry === undefined) {
    const isOurs = !specifier.startsWith("./") || mapped.includes(config.name);
    return isOurs ? [`${specifier} is found nowhere`] : [];
  }
  const exported = await import(new URL(entry[1], new URL("../../", import.meta.url)).href);
  return names.split(",").map((name) => name.trim().split(" as ")[0])
    .filter((name) => name !== "" && !Object.hasOwn(exported, name))
    .map((name) => `${specifier} has no ${name}`);
}

// Shell

/** The commands of a script, as words: without comments, redirections and variables set before. */
function shellCommands(script: string): string[][] {
  const commands: string[][] = [];
  for (const line of script.replaceAll(/\\\n/g, " ").split("\n")) {
    let words: string[] = [], isTarget = false;
    const next = () => {
      if (words.length > 0) commands.push(words);
      words = [];
    };
    const tokens = /\s+|(#.*)|(\d?>>?|<)|(&&|\|\||[|;&])|((?:"[^"]*"|'[^']*'|[^\s|;<>&"'])+)/gy;
    for (const [, comment, redirection, separator, word] of line.matchAll(tokens)) {
      if (comment !== undefined) break;
      if (redirection !== undefined) isTarget = true;
      else if (separator !== undefined) next();
      else if (word !== undefined && isTarget) isTarget = false;
      else if (word !== undefined && !(words.length === 0 && /^\w+=/.test(word))) {
        words.push(word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
      }
    }
    next();
  }
  return commands;
}

function complaintsOfCommand(words: string[]): string[] {
  const complaint = at(words.join(" "));
  const found = PROGRAMS.includes(words[0]) ? [] : [complaint("not a program of the list")];
  for (const word of words) {
    if (/^(?:examples|scripts|tests|src|docs)\//.test(word) && !existsSync(ROOT + word)) {
      found.push(complaint(`no ${word}`));
    }
    // As a whole: `npm install x`, `jsr:x/cli`, `npm:x@1/cli`.
    const [, name, path] = word.match(/^(?:jsr:|npm:)?(@?suballoc\/[\w-]+)(?:@[^/]+)?(\/.*)?$/) ??
      [];
    if (name === undefined) continue;
    if (name !== config.name || !Object.hasOwn(entries, `.${path ?? ""}`)) {
      found.push(complaint(`no ${word}`));
    }
  }
  const args = argumentsOfProgram(words);
  if (args === undefined || args[0] === "--help" || args[0] === "--version") return found;
  const command = allCommands().find(({ name }) => name === args[0]);
  if (command === undefined) return [...found, complaint(`no command ${args[0]}`)];
  const quiet = { write() {} };
  try {
    new Invocation(command, args.slice(1), {
      stdin: new ReadableStream<Uint8Array>(),
      stdout: quiet,
      stderr: quiet,
    });
  } catch (error) {
    found.push(complaint((error as Error).message));
  }
  return found;
}

/** The arguments of our command, however it is started; `undefined` where it is not. */
function argumentsOfProgram(words: string[]): string[] | undefined {
  const [first] = words;
  let index = -1;
  if (BINS.includes(first)) index = 0;
  else if (first === "npx" || first === "bunx") {
    index = words.findIndex((word) => BINS.includes(word));
    if (index < 0) index = words.findIndex((word) => /^@suballoc\/[\w-]+(@.*)?$/.test(word));
  } else if (first === "deno" && words[1] === "run") {
    index = words.findIndex((word) => /^(?:jsr|npm):@suballoc\/[\w-]+(?:@[^/]+)?\/cli$/.test(word));
  } else if (first === "deno" && words[1] === "task" && words[2] === "cli") index = 2;
  else if (first === "deno" && words[1] === "task" && words[2] === "compare") index = 1;
  return index < 0 ? undefined : words.slice(index + 1);
}
