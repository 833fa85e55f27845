/**
 * The WebGPU backend under every type checker and every declaration of WebGPU that its users
 * have, from its sources and as it is published.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { folder, removeAfterwards } from "../support/temporary_files.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CONSUMER = join(ROOT, "tests/tools/types/webgpu_consumer.ts");
const WEBGL_CONSUMER = join(ROOT, "tests/tools/types/webgl_consumer.ts");
const SOURCE = join(ROOT, "backends/webgpu/mod.ts");

removeAfterwards();

interface Compilation {
  /** The name of the compiler's folder in node_modules. */
  readonly compiler: string;
  readonly files: readonly string[];
  readonly lib?: readonly string[];
  readonly types?: readonly string[];
  /** Where the package is taken from; its sources by default. */
  readonly from?: string;
  /** Where declarations go, instead of none. */
  readonly declarations?: string;
}

let projects = 0;

/** What the compiler says; nothing where all is well. */
function compile(compilation: Compilation): Promise<string> {
  const { compiler, files, lib = [], types = [], from = SOURCE, declarations } = compilation;
  const project = join(folder(), `tsconfig.${projects++}.json`);
  const output = declarations === undefined
    ? { noEmit: true }
    : { declaration: true, emitDeclarationOnly: true, rootDir: ROOT, outDir: declarations };
  fs.writeFileSync(
    project,
    JSON.stringify({
      compilerOptions: {
        ...output,
        target: "es2022",
        module: "nodenext",
        lib: ["es2023", "esnext.disposable", ...lib],
        types,
        typeRoots: [join(ROOT, "node_modules")],
        paths: {
          "@suballoc/offset-allocator/webgpu": [from],
          "@suballoc/offset-allocator/webgl": [join(ROOT, "backends/webgl/mod.ts")],
        },
        strict: true,
        // The declarations of @webgpu/types themselves need the DOM.
        skipLibCheck: types.length > 0 && lib.length === 0,
        allowImportingTsExtensions: true,
        erasableSyntaxOnly: true,
        isolatedDeclarations: declarations !== undefined,
      },
      files,
    }),
  );
  const tsc = join(ROOT, "node_modules", compiler, "bin/tsc");
  return run(process.execPath.includes("node") ? process.execPath : "node", [tsc, "-p", project]);
}

function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: ROOT }, (error, stdout, stderr) => {
      resolve(error === null ? "" : stdout + stderr || error.message);
    });
  });
}

/** Node and Bun would compile the same again: what counts is the compiler. */
const ignore = !("Deno" in globalThis);
const note = ignore ? " (skipped: Deno has compiled the same)" : "";

describe("the types of the WebGPU backend", () => {
  const cases: Record<string, Omit<Compilation, "files">> = {
    "TypeScript 5.9 and @webgpu/types": { compiler: "typescript-5.9", types: ["@webgpu/types"] },
    "TypeScript 5.9, @webgpu/types and DOM": {
      compiler: "typescript-5.9",
      types: ["@webgpu/types"],
      lib: ["dom"],
    },
    "TypeScript 6.0 and its DOM": { compiler: "typescript-6.0", lib: ["dom"] },
    "TypeScript 7.0 and its DOM": { compiler: "typescript-7.0", lib: ["dom"] },
  };
  for (const [name, options] of Object.entries(cases)) {
    it({
      name: `accept a real device with ${name}${note}`,
      ignore,
      fn: async () => assertEquals(await compile({ ...options, files: [CONSUMER] }), ""),
    });
  }

  for (const compiler of ["typescript-5.9", "typescript-6.0", "typescript-7.0"]) {
    it({
      name: `accept a real WebGL2 context with the DOM of ${compiler}${note}`,
      ignore,
      fn: async () => {
        assertEquals(await compile({ compiler, files: [WEBGL_CONSUMER], lib: ["dom"] }), "");
      },
    });
  }

  it({
    name: `accept a real device with Deno's types${note}`,
    ignore,
    fn: async () => assertEquals(await run(process.execPath, ["check", "--quiet", CONSUMER]), ""),
  });

  it({
    name: `need no declaration of WebGPU once they are published${note}`,
    ignore,
    fn: async () => {
      const declarations = join(folder(), "published");
      const files = [SOURCE], compiler = "typescript-5.9";
      assertEquals(await compile({ compiler, files, declarations }), "");
      const published = fs.readdirSync(declarations, { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".d.ts"));
      assert(published.length > 10);
      for (const path of published) {
        const text = fs.readFileSync(join(declarations, path), "utf8");
        const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
        assertEquals(code.match(/(?<![\w.])GPU[A-Z]\w*/g), null, path);
      }
      const from = join(declarations, "backends/webgpu/mod.d.ts");
      assertEquals(await compile({ compiler, files: [from] }), "");
      const types = ["@webgpu/types"];
      assertEquals(await compile({ compiler, files: [CONSUMER], from, types }), "");
    },
  });

  it({
    name: `refuse what is no device, no encoder and no data${note}`,
    ignore,
    fn: async () => {
      const wrong = join(folder(), "wrong.ts");
      fs.writeFileSync(
        wrong,
        `import { encodeUploads, GpuArena } from "@suballoc/offset-allocator/webgpu";
        export function main(device: GPUDevice, other: GpuArena<{ size: 1 } & GPUBuffer>) {
          new GpuArena(device.queue);
          encodeUploads(new GpuArena(device), device);
          new GpuArena(device).allocateFrom([1, 2], { role: "vertex" });
          new GpuArena(device).allocate(4, { role: "vertices" });
        }`,
      );
      const output = await compile({
        compiler: "typescript-5.9",
        files: [wrong],
        types: ["@webgpu/types"],
      });
      const lines = new Set(output.match(/wrong\.ts\(\d+/g));
      assertEquals([...lines].map((line) => line.split("(")[1]), ["3", "4", "5", "6"], output);
    },
  });
});
