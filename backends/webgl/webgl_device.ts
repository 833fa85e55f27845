/**
 * A device over a WebGL2 context.
 *
 * @module
 */

import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { Listeners } from "../../src/util/listeners.ts";
import { DeviceLostError, GpuUsage } from "../webgpu/mod.ts";
import type {
  GpuBufferDescriptorLike,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
  GpuQueueLike,
} from "../webgpu/mod.ts";
import { Fences } from "./fences.ts";
import { GlBuffers } from "./gl_buffers.ts";
import type { Gl2Like, GlEventLike } from "./gl_types.ts";
import {
  checkRange,
  LiveWebGlBuffer,
  type WebGlBuffer,
  type WebGlBufferHost,
} from "./webgl_buffer.ts";

/** How a {@linkcode webGlDevice} is made. */
export interface WebGlDeviceOptions {
  /**
   * True if it outlives the loss of its context; `false` by default. Then all buffers come back
   * with the context, of zeros, and the listeners of `onRestored` are called to fill them.
   */
  readonly restores?: boolean | undefined;
}

/**
 * The queue of a {@linkcode WebGlDevice}.
 *
 * @typeParam H The context's type of a buffer: `WebGLBuffer`.
 */
export interface WebGlQueue<H extends object> extends GpuQueueLike<WebGlBuffer<H>> {
  /**
   * Carries out recorded commands.
   *
   * @param commandBuffers What `finish()` of the device's encoders returned, each of them once.
   */
  submit(commandBuffers: unknown[]): void;
}

/**
 * A device over a WebGL2 context: what `GpuArena` and `GpuBufferStore` need of one.
 *
 * Commands are carried out by the calls, in their order, and nothing but this is changed of the
 * context: no binding, no vertex array. Errors that no scope catches are thrown.
 *
 * @typeParam H The context's type of a buffer: `WebGLBuffer`.
 */
export interface WebGlDevice<H extends object> extends GpuDeviceLike<WebGlBuffer<H>> {
  /** The context. */
  readonly gl: Gl2Like<H>;
  /** Its queue; `submit` takes what `finish()` of its encoders returns. */
  readonly queue: WebGlQueue<H>;
  /** True if the context is lost now. */
  readonly isLost: boolean;
  /**
   * Looks which commands are done, and resolves what waits for them: reads, `settled()`,
   * `commit()`. Every call of the device does that; a program that makes none while it waits
   * calls this once a frame. A browser answers in a later task only: there is no use in a loop.
   */
  poll(): void;
  /**
   * Calls `listener` after the context was restored, with buffers of zeros: write them again, and
   * `upload()`.
   *
   * @returns A function that ends that.
   * @throws {TypeError} The device was made without `restores`.
   */
  onRestored(listener: () => void): () => void;
  /** Deletes all its buffers; the context stays as it is. Operations under way are rejected. */
  destroy(): void;
}

/** Both browsers refuse more, one of them in silence. */
const MAX_BUFFER = 1_073_741_824; // = 2 ** 30
const UNIFORM_ALIGNMENT = 0x8a34, MAX_UNIFORM_BLOCK_SIZE = 0x8a30;

type ErrorKind = "out-of-memory" | "validation";

/**
 * Makes a device over a WebGL2 context. The context belongs to the caller, who draws with it.
 *
 * Buffers are for vertices and uniforms, for indices (which go with no other use), or for copies.
 * WebGL has no storage and indirect buffers, and none that are mapped for writing.
 *
 * @param gl A `WebGL2RenderingContext`.
 * @param options Its behaviour after a loss of the context.
 * @throws {TypeError} It is no WebGL2 context, or an option is not known.
 *
 * @example
 * ```ts
 * import { webGlDevice } from "@suballoc/offset-allocator/webgl";
 * import { GpuArena } from "@suballoc/offset-allocator/webgpu";
 *
 * async function main(gl: WebGL2RenderingContext) {
 *   const device = webGlDevice(gl);
 *   const arena = new GpuArena(device);
 *   const mesh = arena.allocateFrom(new Float32Array(9), { role: "vertex", stride: 12 })!;
 *   await arena.upload();
 *   gl.bindBuffer(gl.ARRAY_BUFFER, mesh.buffer.handle);
 *   gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 12, 0);
 *   gl.drawArrays(gl.TRIANGLES, mesh.firstElement, mesh.elementCount);
 *   device.poll(); // once a frame
 * }
 * ```
 */
export function webGlDevice<H extends object>(
  gl: Gl2Like<H>,
  options: WebGlDeviceOptions = {},
): WebGlDevice<H> {
  if (typeof (gl as Partial<Gl2Like<H>> | undefined)?.fenceSync !== "function") {
    throw new TypeError(`Expected gl to be a WebGL2RenderingContext, got ${describe(gl)}`);
  }
  checkOptions(options, "restores");
  checkType("restores", options.restores, "boolean");
  return new LiveWebGlDevice(gl, options.restores ?? false);
}

/**
 * Throws where WebGL2 has no buffer of a usage.
 *
 * @throws {TypeError}
 */
function checkUsage(usage: number): void {
  const none = GpuUsage.MAP_WRITE | GpuUsage.STORAGE | GpuUsage.INDIRECT | GpuUsage.QUERY_RESOLVE;
  const names = Object.entries(GpuUsage).filter(([, flag]) => (usage & flag) !== 0)
    .map(([name]) => name).join(" | ");
  if ((usage & none) !== 0) {
    throw new TypeError(
      `Expected usage to be one that WebGL2 has (VERTEX, UNIFORM, INDEX), got ${names}`,
    );
  }
  if ((usage & GpuUsage.INDEX) === 0) return;
  if ((usage & (GpuUsage.VERTEX | GpuUsage.UNIFORM)) === 0) return;
  throw new TypeError(`Expected INDEX without VERTEX and UNIFORM on WebGL2, got ${names}`);
}

function limitsOf<H extends object>(gl: Gl2Like<H>): GpuLimitsLike {
  return {
    // 0 where the context is lost.
    minUniformBufferOffsetAlignment: Number(gl.getParameter(UNIFORM_ALIGNMENT)) || 256,
    minStorageBufferOffsetAlignment: 1,
    maxBufferSize: MAX_BUFFER,
    maxUniformBufferBindingSize: Number(gl.getParameter(MAX_UNIFORM_BLOCK_SIZE)) || 16_384,
    maxStorageBufferBindingSize: 0,
  };
}

/** Commands of an encoder. */
class Commands<H extends object> {
  readonly used: Set<LiveWebGlBuffer<H>> = new Set();
  readonly runs: (() => void)[] = [];
  isDone = false;
}

/** Tells whether these are commands, each of them. */
function areCommands<H extends object>(all: unknown): all is readonly Commands<H>[] {
  return Array.isArray(all) && all.every((commands) => commands instanceof Commands);
}

class WebGlEncoder<H extends object> implements GpuEncoderLike<WebGlBuffer<H>> {
  readonly #commands: Commands<H> = new Commands();
  readonly #own: (buffer: WebGlBuffer<H>) => LiveWebGlBuffer<H>;

  constructor(own: (buffer: WebGlBuffer<H>) => LiveWebGlBuffer<H>) {
    this.#own = own;
  }

  copyBufferToBuffer(
    source: WebGlBuffer<H>,
    from: number,
    target: WebGlBuffer<H>,
    to: number,
    size: number,
  ): void {
    const own = this.#own(source), other = this.#own(target), { used, runs } = this.#commands;
    if (own === other) throw new TypeError("Expected a copy between two buffers, got one");
    checkRange(own.size, from, size);
    checkRange(other.size, to, size);
    used.add(own).add(other);
    runs.push(() => own.copyTo(other, from, to, size));
  }

  clearBuffer(buffer: WebGlBuffer<H>, offset = 0, size: number = buffer.size - offset): void {
    const own = this.#own(buffer), { used, runs } = this.#commands;
    checkRange(own.size, offset, size);
    used.add(own);
    runs.push(() => own.write(offset, new Uint8Array(size), 0, size));
  }

  finish(): Commands<H> {
    return this.#commands;
  }
}

/** The one {@linkcode WebGlDevice}. */
export class LiveWebGlDevice<H extends object> implements WebGlDevice<H> {
  readonly gl: Gl2Like<H>;
  readonly limits: GpuLimitsLike;
  readonly lost: Promise<{ readonly message: string }>;
  readonly queue: WebGlQueue<H>;
  readonly #restores: boolean;
  readonly #fences: Fences<H>;
  readonly #live: Set<LiveWebGlBuffer<H>> = new Set();
  readonly #host: WebGlBufferHost<H>;
  /** Functions that write the regions again, ahead of the listeners of `onRestored`. */
  readonly #fills: Listeners<void> = new Listeners();
  readonly #restored: Listeners<void> = new Listeners();
  readonly #scopes: { readonly kind: ErrorKind; message: string | undefined }[] = [];
  #resolveLost!: (info: { readonly message: string }) => void;
  #isLost = false;
  /** It is over: destroyed, or lost for good. */
  #isEnded = false;

  constructor(gl: Gl2Like<H>, restores: boolean) {
    this.gl = gl;
    this.#restores = restores;
    this.limits = limitsOf(gl);
    this.lost = new Promise((resolve) => this.#resolveLost = resolve);
    this.#fences = new Fences(gl);
    this.#host = {
      buffers: new GlBuffers(gl),
      done: () => this.#doneUnlessLost(),
      forget: (buffer) => void this.#live.delete(buffer),
    };
    this.queue = {
      writeBuffer: (buffer, at, data, start = 0, size = data.length - start) => {
        this.#write(this.#own(buffer), at, data, start, size);
      },
      submit: (all) => this.#submit(all),
      onSubmittedWorkDone: () => {
        this.poll();
        return this.#isLost ? Promise.resolve() : this.#fences.done();
      },
    };
    gl.canvas.addEventListener("webglcontextlost", this.#onLost);
    gl.canvas.addEventListener("webglcontextrestored", this.#onRestored);
    if (gl.isContextLost()) this.#lose();
  }

  get isLost(): boolean {
    if (!this.#isLost && this.gl.isContextLost()) this.#lose();
    return this.#isLost;
  }

  poll(): void {
    if (!this.isLost) this.#fences.poll();
  }

  checkUsage(usage: number): void {
    checkUsage(usage);
  }

  createBuffer(descriptor: GpuBufferDescriptorLike): WebGlBuffer<H> {
    const { size, usage, mappedAtCreation = false, label = "" } = descriptor;
    checkInteger("size", size, 0, MAX_BUFFER);
    checkInteger("usage", usage, 1);
    checkUsage(usage);
    this.poll();
    const buffer = new LiveWebGlBuffer(this.#host, size, usage, label);
    if (!this.#isEnded) this.#live.add(buffer);
    const problem = this.#isLost ? undefined : buffer.make();
    if (mappedAtCreation) buffer.mapAtCreation();
    if (problem !== undefined && !this.isLost) {
      buffer.destroy();
      this.#report("out-of-memory", problem);
    }
    return buffer;
  }

  createCommandEncoder(): GpuEncoderLike<WebGlBuffer<H>> {
    this.poll();
    return new WebGlEncoder((buffer) => this.#own(buffer));
  }

  pushErrorScope(filter: ErrorKind): void {
    this.#scopes.push({ kind: filter, message: undefined });
  }

  popErrorScope(): Promise<{ readonly message: string } | null> {
    const scope = this.#scopes.pop();
    if (scope === undefined) return Promise.reject(new Error("Expected an error scope to be open"));
    return Promise.resolve(scope.message === undefined ? null : { message: scope.message });
  }

  onRestored(listener: () => void): () => void {
    this.#expectRestores("onRestored");
    return this.#restored.add(listener);
  }

  /** As `onRestored`, for what is to be done before. */
  onFill(listener: () => void): () => void {
    this.#expectRestores("keepFilled");
    return this.#fills.add(listener);
  }

  destroy(): void {
    if (this.#isEnded) return;
    for (const buffer of [...this.#live]) buffer.destroy();
    this.#end("the device was destroyed");
  }

  readonly #onLost = (event: GlEventLike): void => {
    if (this.#restores) event.preventDefault(); // else the browser keeps it lost
    this.#lose();
  };

  readonly #onRestored = (): void => {
    if (this.#isEnded || this.gl.isContextLost()) return;
    // Where both came in one task, nobody may have noticed the loss.
    this.#lose();
    this.#isLost = false;
    for (const buffer of this.#live) {
      const problem = buffer.make();
      if (problem === undefined) continue;
      this.#isLost = true;
      return this.#end(`its buffers could not be restored: ${problem}`);
    }
    const errors = [...this.#fills.call(), ...this.#restored.call()];
    if (errors.length > 0) throw errors[0];
  };

  #expectRestores(call: string): void {
    if (this.#restores) return;
    throw new TypeError(`Expected a device made with { restores: true }, for ${call}`);
  }

  #lose(): void {
    if (this.#isLost || this.#isEnded) return;
    this.#isLost = true;
    for (const buffer of this.#live) buffer.lose();
    this.#fences.end();
    if (!this.#restores) this.#end("the WebGL context was lost");
  }

  #end(message: string): void {
    this.#isEnded = true;
    this.#isLost = true;
    const { canvas } = this.gl;
    canvas.removeEventListener("webglcontextlost", this.#onLost);
    canvas.removeEventListener("webglcontextrestored", this.#onRestored);
    this.#fences.end();
    this.#resolveLost({ message });
  }

  async #doneUnlessLost(): Promise<void> {
    const message = "the WebGL context was lost";
    if (this.isLost) throw new DeviceLostError(message);
    await this.#fences.done();
    if (this.isLost) throw new DeviceLostError(message);
  }

  #write(
    buffer: LiveWebGlBuffer<H>,
    at: number,
    data: Uint8Array<ArrayBuffer>,
    start: number,
    size: number,
  ): void {
    this.poll();
    checkRange(data.length, start, size);
    checkRange(buffer.size, at, size);
    if (buffer.problem !== undefined) return this.#report("validation", buffer.problem);
    if (!this.#isLost) buffer.write(at, data, start, size);
  }

  /** Carries out what was recorded: all or, where a buffer cannot be used, nothing. */
  #submit(all: readonly unknown[]): void {
    this.poll();
    if (!areCommands<H>(all)) {
      throw new TypeError(`Expected what finish() of its encoders returned, got ${describe(all)}`);
    }
    for (const { used, isDone } of all) {
      if (isDone) return this.#report("validation", "commands were submitted before");
      for (const { problem } of used) {
        if (problem !== undefined) return this.#report("validation", problem);
      }
    }
    for (const commands of all) {
      commands.isDone = true;
      if (!this.#isLost) { for (const run of commands.runs) run(); }
    }
  }

  #own(buffer: WebGlBuffer<H>): LiveWebGlBuffer<H> {
    if (buffer instanceof LiveWebGlBuffer) return buffer;
    throw new TypeError(`Expected a buffer of a WebGL device, got ${describe(buffer)}`);
  }

  /** Tells the innermost scope of the kind, or throws where there is none. */
  #report(kind: ErrorKind, message: string): void {
    if (this.#isEnded) return;
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      if (this.#scopes[i].kind !== kind) continue;
      this.#scopes[i].message ??= message;
      return;
    }
    throw new Error(`Cannot do that on the WebGL device: ${message}`);
  }
}
