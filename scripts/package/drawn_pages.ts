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
/** A page of several files, which a bundler makes. */
const BUNDLED = "photo_shelf";
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
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
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

/** Waits until an expression of the page is true. */
const waitingFor = (condition: string): string =>
  `<script type="module">
globalThis.results = new Promise((resolve) => {
  const start = performance.now();
  const timer = setInterval(() => {
    const isSo = ${condition};
    if (!isSo && performance.now() - start < 20000) return;
    clearInterval(timer);
    resolve(isSo ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
  }, 50);
});
</script>
`;

/** Waits until a page says something. */
const reading = (text: string): string =>
  waitingFor(`document.body.textContent.includes(${JSON.stringify(text)})`);

/** Waits until the shelf is open, and empty. */
const OPENED = waitingFor('!document.getElementById("empty").hidden');

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
  const made: Readonly<Record<string, [check: string, copy: (to: string) => Promise<void>]>> = {
    [BUNDLED]: [OPENED, copyExample],
    shared_heap: [reading("1600 regions: 0 wrong, 0 left"), copySharedHeap],
    ...Object.fromEntries(
      Object.entries(GUIDES).map(([name, files]) => [
        name,
        [
          name === "browser" ? reading("notes/1.txt: 20 bytes") : LOOK,
          (to) => copyGuide(to, name, files),
        ],
      ]),
    ),
  };
  for (const [name, [check, copy]] of Object.entries(made)) {
    const project = join(folder, name);
    const problem = await copy(project).then(() => build(project)).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (problem !== undefined) wrong.push(`${name}: ${problem}`);
    else {
      const built = await Deno.readTextFile(join(project, "dist/index.html"));
      wrong.push(...await look(join(project, "dist"), name, built, check));
    }
  }
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

/** Copies the page of an example. */
async function copyExample(project: string): Promise<void> {
  await run("cp", ["-r", join(ROOT, "examples", BUNDLED), project], ROOT);
}

/** Copies the first program of a guide. */
async function copyGuide(project: string, name: string, files: readonly string[]): Promise<void> {
  const guide = await Deno.readTextFile(join(ROOT, `docs/${name}.md`));
  const programs = readMarkdown(guide).blocks.filter(({ info }) => info === "ts");
  await writeProgram(project, files, files.map((_, i) => programs[i].text));
}

/** Copies the program of the examples that runs in a page too. */
async function copySharedHeap(project: string): Promise<void> {
  const paths = SHARED_HEAP.map((file) => join(ROOT, "examples/shared_heap", file));
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  await writeProgram(project, SHARED_HEAP, texts);
}

/** Writes a program into a folder of its own, with the page of Vite's template. */
async function writeProgram(
  project: string,
  files: readonly string[],
  texts: readonly string[],
): Promise<void> {
  await Deno.mkdir(project);
  for (const [i, file] of files.entries()) {
    await Deno.writeTextFile(join(project, file), texts[i]);
  }
  await Deno.writeTextFile(join(project, "index.html"), INDEX);
}

/** Compiles a project, and has Vite make its page. */
async function build(project: string): Promise<void> {
  await Deno.writeTextFile(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
  const tool = (path: string) => join(ROOT, "node_modules", path);
  await run("node", [tool("typescript-7.0/bin/tsc"), "-p", project], project);
  const vite = [...NODE.slice(1), tool("vite/bin/vite.js"), "build", "--base", "./"];
  await run(NODE[0], vite, project);
}
