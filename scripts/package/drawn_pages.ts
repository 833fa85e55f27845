/**
 * Pages over the installed package: those of the examples as they lie there, which draw, and the
 * programs of the guides, compiled and built by Vite in a folder of their own.
 *
 * @module
 */

import { join } from "node:path";
import { readMarkdown } from "../docs/site/markdown.ts";
import { ROOT, run } from "./emit.ts";
import { NODE, runIn } from "./runtimes.ts";

/** Pages that run from a server of files. */
const EXAMPLES = ["three_tiles", "webgl_meshes"];
/** Guides whose first program is one for a page, and the files that it has. */
const GUIDES: Readonly<Record<string, readonly string[]>> = {
  browser: ["blobs.worker.ts", "main.ts"],
  three: ["main.ts"],
  webgl: ["main.ts"],
};

/** A program of the examples that runs in a page too, and its files. */
const SHARED_HEAP: readonly string[] = ["main.ts", "threads.ts", "worker.ts"];

/** What a page of Vite's template has; that of a guide replaces what is in the body. */
const INDEX = `<!doctype html>
<title>Guide</title>
<div id="app"></div>
<script type="module" src="/main.ts"></script>
`;

/** What a project has that Vite makes, of what the compiler is told. */
const TSCONFIG = {
  compilerOptions: {
    target: "es2023",
    module: "esnext",
    moduleResolution: "bundler",
    lib: ["ES2023", "DOM"],
    types: [],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
  },
  include: ["*.ts"],
};

/** Looks at the canvas after some frames, within a frame: later it is blank. */
const LOOK = `<script type="module">
globalThis.results = new Promise((resolve) => {
  let frames = 0;
  requestAnimationFrame(function look() {
    const canvas = document.querySelector("canvas");
    if (canvas !== null && ++frames >= 30) {
      const copy = document.createElement("canvas").getContext("2d");
      copy.drawImage(canvas, 0, 0, 300, 150);
      const { data } = copy.getImageData(0, 0, 300, 150), colors = new Set();
      for (let i = 0; i < data.length; i += 4) colors.add(data.slice(i, i + 4).join());
      console.log(\`\${colors.size} colours\`);
      if (colors.size > 1) return resolve({ passed: 1, failed: 0 });
      if (frames > 300) return resolve({ passed: 0, failed: 1 });
    }
    requestAnimationFrame(look);
  });
});
</script>
`;

/** Waits until a page says something. */
const reading = (text: string): string =>
  `<script type="module">
globalThis.results = new Promise((resolve) => {
  const start = performance.now();
  const timer = setInterval(() => {
    const isThere = document.body.textContent.includes("${text}");
    if (!isThere && performance.now() - start < 20000) return;
    clearInterval(timer);
    resolve(isThere ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
  }, 50);
});
</script>
`;

/** Runs all of them in `folder`, where the package is installed; gives what is wrong. */
export async function drawnPages(folder: string): Promise<string[]> {
  const modules = join(folder, "node_modules");
  await Deno.mkdir(join(modules, "@types"), { recursive: true });
  for (const name of ["three", "@types/three"]) {
    await run("cp", ["-rL", join(ROOT, "node_modules", name), join(modules, name)], folder);
  }
  const wrong: string[] = [];
  for (const name of EXAMPLES) {
    const text = await Deno.readTextFile(join(ROOT, `examples/${name}.html`));
    wrong.push(...await look(folder, name, text));
  }
  for (const [name, files] of Object.entries(GUIDES)) {
    const guide = await Deno.readTextFile(join(ROOT, `docs/${name}.md`));
    const programs = readMarkdown(guide).blocks.filter(({ info }) => info === "ts");
    const texts = files.map((_, i) => programs[i].text);
    const check = name === "browser" ? reading("notes/1.txt: 20 bytes") : LOOK;
    wrong.push(...await buildAndLook(folder, name, files, texts, check));
  }
  const texts = await Promise.all(
    SHARED_HEAP.map((file) => Deno.readTextFile(join(ROOT, "examples/shared_heap", file))),
  );
  const check = reading("1600 regions: 0 wrong, 0 left");
  wrong.push(...await buildAndLook(folder, "shared_heap", SHARED_HEAP, texts, check));
  return wrong;
}

/** Opens a page and waits until it shows something. */
async function look(
  folder: string,
  name: string,
  text: string,
  check: string = LOOK,
): Promise<string[]> {
  await Deno.writeTextFile(join(folder, `${name}.html`), text + check);
  const runner = ["scripts/ci/browser/run_in_folder.ts", folder, `${name}.html`];
  return await runIn(ROOT, NODE, runner)
    .then(() => [], (error) => [`${name} shows nothing: ${error.message}`]);
}

/** Builds a program and opens its page. */
async function buildAndLook(
  folder: string,
  name: string,
  files: readonly string[],
  texts: readonly string[],
  check: string,
): Promise<string[]> {
  try {
    await build(join(folder, name), files, texts);
  } catch (error) {
    return [`the program ${name}: ${(error as Error).message}`];
  }
  const built = await Deno.readTextFile(join(folder, name, "dist/index.html"));
  return await look(join(folder, name, "dist"), name, built, check);
}

/** Compiles and builds the files of a program. */
async function build(
  project: string,
  files: readonly string[],
  texts: readonly string[],
): Promise<void> {
  await Deno.mkdir(project);
  for (const [i, file] of files.entries()) {
    await Deno.writeTextFile(join(project, file), texts[i]);
  }
  await Deno.writeTextFile(join(project, "index.html"), INDEX);
  await Deno.writeTextFile(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
  const tool = (path: string) => join(ROOT, "node_modules", path);
  await run("node", [tool("typescript-7.0/bin/tsc"), "-p", project], project);
  const vite = [...NODE.slice(1), tool("vite/bin/vite.js"), "build", "--base", "./"];
  await run(NODE[0], vite, project);
}
