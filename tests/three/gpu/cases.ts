/// <reference lib="dom" />
/**
 * Streams drawn by every renderer of two releases of three: each pixel of each frame is that of a
 * `BatchedMesh`.
 *
 * @module
 */

import { expect, expectSame } from "../../webgpu/gpu/expect.ts";
import { type Painter, releases, SIZE, webGlPainter, webGpuPainter } from "./pixels.ts";
import { Streams } from "./streams.ts";

/** One test. */
export interface ThreeCase {
  readonly name: string;
  run(): Promise<void>;
}

/** Draws each batch alone; compares all with the first one. */
async function compare(painter: Painter, streams: Streams, context: string): Promise<void> {
  const { scene, camera, batches, names, material } = streams;
  let expected: Uint8Array | undefined, lit = 0;
  for (const [i, batch] of batches.entries()) {
    // Pages blend in their order: that is another picture.
    if (material.transparent && names[i] === "StreamingBatches") continue;
    scene.add(batch);
    const pixels = await painter.draw(scene, camera);
    scene.remove(batch);
    if (expected !== undefined) {
      let differences = 0;
      for (let at = 0; at < pixels.length; at++) if (pixels[at] !== expected[at]) differences++;
      expect(differences === 0, `${context}: ${names[i]} has ${differences} other numbers`);
      continue;
    }
    expected = pixels;
    for (let at = 0; at < pixels.length; at += 4) {
      if (pixels[at] + pixels[at + 1] + pixels[at + 2] > 0) lit++;
    }
  }
  expect(lit > SIZE * SIZE / 10, `${context}: ${lit} pixels are lit`);
}

/** What is done before some frames, by their number. */
type Script = Readonly<Record<number, (streams: Streams) => void>>;

const SCRIPT: Script = {
  1: ({ own }) => own.optimize(),
  3: ({ own, pages }) => {
    own.compact({ maxMoves: 5 });
    pages.compact({ maxMoves: 5 });
  },
  4: ({ own, isIndexed }) => {
    const { vertexSpace, indexSpace } = own as unknown as Record<string, { capacity: number }>;
    own.setGeometrySize(2 * vertexSpace.capacity, isIndexed ? 2 * indexSpace.capacity : 0);
  },
  5: (streams) => {
    for (let i = 0; i < 25; i++) streams.delete();
    streams.pages.compact();
    streams.own.optimize();
  },
  6: (streams) => {
    for (let i = 0; i < 25; i++) streams.add();
  },
  7: (streams) => {
    for (const i of [1, 2]) {
      const before = streams.batches[i];
      streams.batches[i] = before.clone();
      before.dispose();
    }
  },
  8: ({ batches, pages }) => {
    for (const batch of [batches[0], batches[1], ...pages.pages]) {
      Object.assign(batch as object, { sortObjects: false, perObjectFrustumCulled: false });
    }
  },
  9: ({ batches, pages, material, three }) => {
    for (const batch of [batches[0], batches[1], ...pages.pages]) {
      Object.assign(batch as object, { sortObjects: true, perObjectFrustumCulled: true });
    }
    // r181 sorts wrongly in the frame in which it finds out how large a new geometry is.
    const transparent = three.REVISION !== "181";
    Object.assign(material, { transparent, opacity: 0.5, needsUpdate: true });
  },
  10: ({ material, three }) => {
    // r181 draws wrong lines for any BatchedMesh.
    const wireframe = three.REVISION !== "181";
    Object.assign(material, { transparent: false, opacity: 1, wireframe, needsUpdate: true });
  },
  11: ({ material }) => {
    Object.assign(material, { wireframe: false, needsUpdate: true });
  },
};

async function stream(painter: Painter, isIndexed: boolean, script: Script): Promise<Streams> {
  const streams = new Streams(painter.three, isIndexed);
  const last = Math.max(...Object.keys(script).map(Number)) + 1;
  let most = 0, least = Infinity;
  for (let frame = 0; frame <= last; frame++) {
    if (frame > 0) streams.step();
    script[frame]?.(streams);
    await compare(painter, streams, `${painter.name}, frame ${frame}`);
    most = Math.max(most, streams.pages.pages.length);
    least = Math.min(least, streams.pages.pages.length);
  }
  expect(most > 2 && least < most, `${least} to ${most} pages`);
  return streams;
}

/** Takes the context away, changes what is drawn, and gives the context back. */
async function loseContext(painter: Painter, streams: Streams): Promise<void> {
  const { canvas } = painter.gl!, extension = painter.gl!.getExtension("WEBGL_lose_context")!;
  const happened = (name: string) =>
    new Promise((resolve) => canvas.addEventListener(name, resolve, { once: true }));
  const lost = happened("webglcontextlost"), restored = happened("webglcontextrestored");
  extension.loseContext();
  await lost;
  streams.step();
  streams.own.compact();
  streams.pages.compact();
  await new Promise((resolve) => setTimeout(resolve, 20));
  extension.restoreContext();
  await restored;
  await compare(painter, streams, `${painter.name}, after a loss`);
  streams.step();
  await compare(painter, streams, `${painter.name}, after a loss and a frame`);
}

/** Streams on one renderer. */
function caseOf(name: string, make: () => Promise<Painter>): ThreeCase {
  return {
    name,
    async run() {
      const painter = await make();
      const plain = await stream(painter, false, SCRIPT);
      const streams = await stream(painter, true, SCRIPT);
      for (const batch of plain.batches) batch.dispose();
      expectSame(painter.geometries(), 2 + streams.pages.pages.length, "geometries are left");
      if (painter.gl !== undefined) await loseContext(painter, streams);
      painter.end();
    },
  };
}

/** Whether a batch is one draw: Firefox draws its objects one by one. */
function hasMultiDraw(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  return gl?.getExtension("WEBGL_multi_draw") !== null;
}

/** The cases, by what the browser has. */
export function threeCases(): ThreeCase[] {
  const hasWebGpu = navigator.gpu !== undefined;
  return releases.flatMap(({ three, nodes }) => {
    const backends = [
      // r181 draws no BatchedMesh at all there.
      ...three.REVISION !== "181" || hasMultiDraw() ? [{ name: "WebGL2", forceWebGL: true }] : [],
      ...hasWebGpu ? [{ name: "WebGPU", forceWebGL: false }] : [],
    ];
    const release = `r${three.REVISION}`;
    return [
      caseOf(`${release}, WebGLRenderer`, () => Promise.resolve(webGlPainter(three))),
      ...backends.map(({ name, forceWebGL }) =>
        caseOf(
          `${release}, WebGPURenderer on ${name}`,
          () => webGpuPainter(three, nodes, forceWebGL),
        )
      ),
    ];
  });
}
