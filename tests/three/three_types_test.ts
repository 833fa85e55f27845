/** The entry for three under every compiler that its users have, with `@types/three`. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fs from "node:fs";
import { join } from "node:path";
import { folder, removeAfterwards } from "../support/temporary_files.ts";
import { compile, ignore, note, ROOT } from "../support/type_checkers.ts";

removeAfterwards();

const OF_THREE = {
  lib: ["dom"],
  types: ["@webgpu/types"], // @types/three name them
  skipLibCheck: true, // theirs do not pass
  paths: {
    three: join(ROOT, "node_modules/@types/three"),
    "three/webgpu": join(ROOT, "node_modules/@types/three/build/three.webgpu.d.ts"),
  },
};

const CONSUMER = join(ROOT, "tests/tools/types/three_consumer.ts");

describe("the types of the entry for three", () => {
  it({
    name: `accept a program with @types/three under TypeScript 7.0${note}`,
    ignore,
    fn: async () => {
      assertEquals(
        await compile({ ...OF_THREE, compiler: "typescript-7.0", files: [CONSUMER] }),
        "",
      );
    },
  });

  it({
    name: `under 5.9 do so, and refuse what is no geometry, matrix, option or three${note}`,
    ignore,
    fn: async () => {
      const wrong = join(folder(), "wrong.ts");
      fs.writeFileSync(
        wrong,
        `import { streamingBatchedMesh, streamingBatches } from "@suballoc/offset-allocator/three";
        import * as THREE from "three";
        export function main() {
          const mesh = new (streamingBatchedMesh(THREE.BatchedMesh))(1, 2, 3);
          mesh.addGeometry(new THREE.Matrix4());
          mesh.compact({ maxMove: 1 });
          const batches = new (streamingBatches(THREE))(new THREE.MeshBasicMaterial());
          batches.setMatrixAt(1, new THREE.Color());
          batches.addGeometry(1);
          new (streamingBatches(THREE))(undefined, { page: 1 });
          streamingBatches({ Group: THREE.Group });
        }`,
      );
      const files = [CONSUMER, wrong];
      const output = await compile({ ...OF_THREE, compiler: "typescript-5.9", files });
      assertEquals(output.match(/\w+\.ts(?=\()/g)?.filter((name) => name !== "wrong.ts"), []);
      const lines = new Set(output.match(/wrong\.ts\(\d+/g));
      const found = [...lines].map((line) => line.split("(")[1]);
      assertEquals(found, ["5", "6", "8", "9", "10", "11"], output);
    },
  });
});
