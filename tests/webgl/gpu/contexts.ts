/// <reference lib="dom" />
/**
 * Contexts to test on, and devices over them that are polled once a task.
 *
 * @module
 */

import {
  type WebGlDevice,
  webGlDevice,
  type WebGlDeviceOptions,
} from "../../../backends/webgl/mod.ts";

/** A device of a page. */
export type PageDevice = WebGlDevice<WebGLBuffer>;

/** A context of a canvas of its own. */
export function newContext(): WebGL2RenderingContext {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (gl === null) throw new Error("there is no WebGL2");
  return gl;
}

/** A device that is polled until it is lost. */
export function polledDevice(
  gl: WebGL2RenderingContext,
  options: WebGlDeviceOptions = {},
): PageDevice {
  const device: PageDevice = webGlDevice(gl, options);
  const timer = setInterval(() => device.poll(), 0);
  void device.lost.then(() => clearInterval(timer));
  return device;
}
