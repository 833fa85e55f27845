/**
 * The WebGPU backend under every type checker and every declaration of WebGPU that its users
 * have, from its sources and as it is published.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { folder, removeAfterwards } from "../support/temporary_files.ts";
import { type Compilation, compile, ignore, note, ROOT, run } from "../support/type_checkers.ts";

const CONSUMER = join(ROOT, "tests/tools/types/webgpu_consumer.ts");
const WEBGL_CONSUMER = join(ROOT, "tests/tools/types/webgl_consumer.ts");
const SOURCE = join(ROOT, "backends/webgpu/mod.ts");
const WEBGPU = "@suballoc/offset-allocator/webgpu";

removeAfterwards();

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
      const types = ["@webgpu/types"], paths = { [WEBGPU]: from };
      assertEquals(await compile({ compiler, files: [CONSUMER], paths, types }), "");
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
