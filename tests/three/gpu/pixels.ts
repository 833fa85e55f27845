/// <reference lib="dom" />
/**
 * Draws scenes with a renderer of three and reads the pixels, out of a render target: the canvas
 * of a page without a window stays blank on WebGPU.
 *
 * @module
 */

import * as newest from "three";
import * as newestNodes from "three/webgpu";
import * as yearOld from "three-0.181";
import * as yearOldNodes from "three-0.181/webgpu";
import { expect } from "../../webgpu/gpu/expect.ts";
import type { Three } from "../geometries.ts";

/** Pixels of a row and of a column. */
export const SIZE = 96;

/** What draws. */
export interface Painter {
  readonly name: string;
  /** The release, as a whole, of which the renderer is. */
  readonly three: Three;
  readonly isWebGpu: boolean;
  /** Its context, if it draws by WebGL and is the renderer for it. */
  readonly gl: WebGL2RenderingContext | undefined;
  draw(scene: newest.Scene, camera: newest.Camera): Promise<Uint8Array>;
  /** Geometries that the renderer has buffers of. */
  geometries(): number;
  end(): void;
}

/** The releases that are tested. */
export const releases: readonly { readonly three: Three; readonly nodes: typeof newestNodes }[] = [
  { three: newest, nodes: newestNodes },
  { three: yearOld as unknown as Three, nodes: yearOldNodes as unknown as typeof newestNodes },
];

function canvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  return canvas;
}

/** A `WebGLRenderer`. */
export function webGlPainter(three: Three): Painter {
  const renderer = new three.WebGLRenderer({ canvas: canvas() });
  let target = new three.WebGLRenderTarget(SIZE, SIZE);
  renderer.domElement.addEventListener("webglcontextrestored", () => {
    target = new three.WebGLRenderTarget(SIZE, SIZE);
  });
  const gl = renderer.getContext() as WebGL2RenderingContext;
  return {
    name: `r${three.REVISION}, WebGLRenderer`,
    three,
    isWebGpu: false,
    gl,
    draw(scene, camera) {
      renderer.setRenderTarget(target);
      renderer.render(scene, camera);
      const pixels = new Uint8Array(SIZE * SIZE * 4);
      renderer.readRenderTargetPixels(target, 0, 0, SIZE, SIZE, pixels);
      expect(gl.getError() === 0, "WebGL has no error");
      return Promise.resolve(pixels);
    },
    geometries: () => renderer.info.memory.geometries,
    end: () => renderer.dispose(),
  };
}

/** A `WebGPURenderer`, on WebGPU or on WebGL2. */
export async function webGpuPainter(
  three: Three,
  nodes: typeof newestNodes,
  forceWebGL: boolean,
): Promise<Painter> {
  const renderer = new nodes.WebGPURenderer({ canvas: canvas(), forceWebGL });
  await renderer.init();
  const { backend } = renderer as unknown as { backend: { isWebGPUBackend?: boolean } };
  expect(Boolean(backend.isWebGPUBackend) !== forceWebGL, "the backend is the one asked for");
  const target = new nodes.RenderTarget(SIZE, SIZE);
  return {
    name: `r${three.REVISION}, WebGPURenderer on ${forceWebGL ? "WebGL2" : "WebGPU"}`,
    three: nodes as unknown as Three,
    isWebGpu: !forceWebGL,
    gl: undefined,
    async draw(scene, camera) {
      renderer.setRenderTarget(target);
      // r181 draws new 16-bit indices wrongly for a frame (mrdoob/three.js#34211).
      if (three.REVISION === "181" && !forceWebGL) renderer.render(scene, camera);
      renderer.render(scene, camera);
      return await renderer.readRenderTargetPixelsAsync(target, 0, 0, SIZE, SIZE) as Uint8Array;
    },
    geometries: () => renderer.info.memory.geometries,
    end: () => renderer.dispose(),
  };
}
