/**
 * A buffer of WebGL2 that can be used as one of WebGPU.
 *
 * @module
 */

import { checkInteger } from "../../src/util/check_integer.ts";
import { type GpuBufferLike, GpuUsage } from "../webgpu/mod.ts";
import { ByteRanges } from "./byte_ranges.ts";
import type { GlBuffers, IsElement } from "./gl_buffers.ts";

/**
 * A buffer of a `WebGlDevice`.
 *
 * @typeParam H The context's type of a buffer: `WebGLBuffer`.
 */
export interface WebGlBuffer<H extends object> extends GpuBufferLike {
  /**
   * The buffer to bind for drawing; another one after the context was restored. Bind it to no
   * transform feedback while an arena uses it.
   *
   * @throws {Error} It was destroyed, or the context is lost.
   */
  readonly handle: H;
  /** Its name from when it was made. */
  readonly label: string;
}

/** A device as its buffers see it. */
export interface WebGlBufferHost<H extends object> {
  readonly buffers: GlBuffers<H>;
  /** Resolves once all commands so far are done; rejects where the context is lost before. */
  done(): Promise<void>;
  /** The buffer is no longer one of the device. */
  forget(buffer: LiveWebGlBuffer<H>): void;
}

/** The one {@linkcode WebGlBuffer}. */
export class LiveWebGlBuffer<H extends object> implements WebGlBuffer<H> {
  readonly size: number;
  readonly usage: number;
  readonly label: string;
  readonly #host: WebGlBufferHost<H>;
  readonly #isElement: boolean;
  /** True if it is for copies only: it then has bytes of both kinds. */
  readonly #isPlain: boolean;
  #main: H | undefined;
  /** Of a plain buffer: the bytes that came from element buffers. */
  #twin: H | undefined;
  /** Which bytes are in the twin. */
  readonly #inTwin: ByteRanges = new ByteRanges();
  /** The result of `getMappedRange`. */
  #mapped: ArrayBuffer | undefined;
  #mapState: "unmapped" | "pending" | "reading" | "writing" = "unmapped";
  #isDestroyed = false;

  constructor(host: WebGlBufferHost<H>, size: number, usage: number, label: string) {
    this.#host = host;
    this.size = size;
    this.usage = usage;
    this.label = label;
    this.#isElement = (usage & GpuUsage.INDEX) !== 0;
    this.#isPlain = !this.#isElement && (usage & (GpuUsage.VERTEX | GpuUsage.UNIFORM)) === 0;
  }

  get handle(): H {
    if (this.#main !== undefined) return this.#main;
    throw new Error(
      `Expected a buffer that is there: ${this.#isDestroyed ? "it was destroyed" : "it is lost"}`,
    );
  }

  /** Why commands cannot use it, if they cannot. */
  get problem(): string | undefined {
    if (this.#isDestroyed) return "a buffer was destroyed";
    return this.#mapState === "unmapped" ? undefined : "a buffer is mapped";
  }

  /** Makes its bytes, zeros; returns why it cannot, if so. */
  make(): string | undefined {
    const made = this.#host.buffers.make(this.size, this.#isElement);
    if (typeof made === "string") return made;
    this.#main = made;
    return undefined;
  }

  /** Its bytes went with the context. */
  lose(): void {
    this.#main = this.#twin = undefined;
    this.#inTwin.clear();
    if (this.#mapState !== "writing") this.#mapState = "unmapped";
  }

  /** It is mapped from the start. */
  mapAtCreation(): void {
    this.#mapped = new ArrayBuffer(this.size);
    this.#mapState = "writing";
  }

  async mapAsync(mode: number, offset = 0, size: number = this.size - offset): Promise<undefined> {
    if (mode !== 1 || (this.usage & GpuUsage.MAP_READ) === 0) {
      throw new Error("Expected a buffer with MAP_READ to be mapped for reading");
    }
    if (this.problem !== undefined) throw new Error(`Cannot map: ${this.problem}`);
    checkRange(this.size, offset, size);
    this.#mapState = "pending";
    try {
      await this.#host.done();
    } catch (error) {
      if (this.#mapState === "pending") this.#mapState = "unmapped";
      throw error;
    }
    if (this.#mapState !== "pending") throw new Error("Cannot map: the buffer was destroyed");
    this.#mapState = "reading";
    return undefined;
  }

  getMappedRange(offset = 0, size: number = this.size - offset): ArrayBuffer {
    checkRange(this.size, offset, size);
    if (this.#mapState === "writing" && offset === 0 && size === this.size) return this.#mapped!;
    if (this.#mapState !== "reading") {
      throw new Error("Expected a buffer that is mapped, as a whole");
    }
    const bytes = new Uint8Array(size);
    this.read(offset, bytes);
    return bytes.buffer;
  }

  unmap(): void {
    const mapped = this.#mapped, wasWriting = this.#mapState === "writing";
    this.#mapped = undefined;
    this.#mapState = "unmapped";
    if (wasWriting) this.write(0, new Uint8Array(mapped!), 0, mapped!.byteLength);
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    const { buffers } = this.#host;
    if (this.#main !== undefined) buffers.drop(this.#main);
    if (this.#twin !== undefined) buffers.drop(this.#twin);
    this.lose();
    this.#mapped = undefined;
    this.#mapState = "unmapped";
    this.#host.forget(this);
  }

  /** Writes bytes; nothing while they are lost. */
  write(at: number, data: Uint8Array<ArrayBuffer>, start: number, length: number): void {
    if (this.#main === undefined) return;
    this.#inTwin.set(at, at + length, false);
    this.#host.buffers.write(this.#main, at, data, start, length);
  }

  /** Reads bytes; zeros while they are lost. */
  read(at: number, into: Uint8Array<ArrayBuffer>): void {
    if (this.#main === undefined) return;
    for (const { start, end, isIn } of this.#inTwin.pieces(at, at + into.length)) {
      const buffer = isIn ? this.#twin! : this.#main;
      this.#host.buffers.read(buffer, start, into.subarray(start - at, end - at));
    }
  }

  /**
   * Copies bytes to another buffer. Between the two kinds they go through memory, after a wait
   * for the GPU: only where one is for vertices or uniforms, and the other for indices.
   */
  copyTo(target: LiveWebGlBuffer<H>, from: number, to: number, size: number): void {
    if (this.#main === undefined) return;
    const { buffers } = this.#host;
    for (const { start, end, isIn } of this.#inTwin.pieces(from, from + size)) {
      const isElement = this.#isElement || isIn, at = to + start - from;
      const own = isIn ? this.#twin! : this.#main, other = target.#take(isElement, at, end - start);
      if (other !== undefined) buffers.copy(own, start, other, at, end - start);
      else {
        const bytes = new Uint8Array(end - start);
        buffers.read(own, start, bytes);
        target.write(at, bytes, 0, bytes.length);
      }
    }
  }

  /** Where bytes of a kind go, if there is such a place. */
  #take(isElement: IsElement, at: number, size: number): H | undefined {
    if (!this.#isPlain) return isElement === this.#isElement ? this.#main : undefined;
    if (isElement && this.#twin === undefined) {
      const made = this.#host.buffers.make(this.size, true);
      if (typeof made === "string") return undefined;
      this.#twin = made;
    }
    this.#inTwin.set(at, at + size, isElement);
    return isElement ? this.#twin : this.#main;
  }
}

/**
 * Throws unless a range is within so many bytes.
 *
 * @throws {RangeError}
 */
export function checkRange(byteLength: number, offset: number, size: number): void {
  checkInteger("offset", offset, 0, byteLength);
  checkInteger("size", size, 0, byteLength - offset);
}
