/**
 * GL buffers by calls that leave the context as they found it.
 *
 * WebGL knows two kinds of buffers for good: those that were first bound as ELEMENT_ARRAY_BUFFER,
 * and all others. No copy leads from one kind to the other.
 *
 * @module
 */

import type { Gl2Like } from "./gl_types.ts";

const COPY_READ = 0x8f36, COPY_WRITE = 0x8f37, ELEMENT_ARRAY = 0x8893;
const COPY_READ_BINDING = 0x8f36, COPY_WRITE_BINDING = 0x8f37; // as their targets
const ELEMENT_ARRAY_BINDING = 0x8895, VERTEX_ARRAY_BINDING = 0x85b5;
const BUFFER_SIZE = 0x8764, DYNAMIC_DRAW = 0x88e8;
const OUT_OF_MEMORY = 0x0505;
/** Errors that may wait; more is a context that answers nothing else. */
const MAX_ERRORS = 16;

/** True if a buffer is of the kind of index buffers. */
export type IsElement = boolean;

/** The calls over one context. */
export class GlBuffers<H extends object> {
  readonly #gl: Gl2Like<H>;

  constructor(gl: Gl2Like<H>) {
    this.#gl = gl;
  }

  /**
   * A buffer of zeros, or why there is none: the size that was granted is looked at, as Chromium
   * refuses long ones without an error. Errors of the context that nobody has read are lost.
   */
  make(size: number, isElement: IsElement): H | string {
    const gl = this.#gl;
    for (let i = 0; i < MAX_ERRORS && gl.getError() !== 0; i++);
    const buffer = gl.createBuffer();
    if (buffer === null) return "the context makes no buffer";
    const [error, granted] = isElement ? this.#makeElement(buffer, size) : this.#make(buffer, size);
    if (error === 0 && granted === size) return buffer;
    gl.deleteBuffer(buffer);
    return error === 0 || error === OUT_OF_MEMORY
      ? `the context granted ${granted} bytes`
      : `the context refused with error ${error}`;
  }

  /** Releases a buffer. */
  drop(buffer: H): void {
    this.#gl.deleteBuffer(buffer);
  }

  /** Writes `length` bytes of `data`, from `start` on. */
  write(buffer: H, at: number, data: Uint8Array<ArrayBuffer>, start: number, length: number): void {
    if (length === 0) return; // GL takes 0 for all there are
    const gl = this.#gl, before = this.#bound(COPY_WRITE_BINDING);
    gl.bindBuffer(COPY_WRITE, buffer);
    gl.bufferSubData(COPY_WRITE, at, data, start, length);
    gl.bindBuffer(COPY_WRITE, before);
  }

  /** Fills `into`, at once: it waits for all commands so far. */
  read(buffer: H, at: number, into: Uint8Array<ArrayBuffer>): void {
    const gl = this.#gl, before = this.#bound(COPY_READ_BINDING);
    gl.bindBuffer(COPY_READ, buffer);
    gl.getBufferSubData(COPY_READ, at, into);
    gl.bindBuffer(COPY_READ, before);
  }

  /** Copies between two buffers of one kind. */
  copy(source: H, from: number, target: H, to: number, size: number): void {
    const gl = this.#gl;
    const read = this.#bound(COPY_READ_BINDING), written = this.#bound(COPY_WRITE_BINDING);
    gl.bindBuffer(COPY_READ, source);
    gl.bindBuffer(COPY_WRITE, target);
    gl.copyBufferSubData(COPY_READ, COPY_WRITE, from, to, size);
    gl.bindBuffer(COPY_READ, read);
    gl.bindBuffer(COPY_WRITE, written);
  }

  #bound(binding: number): H | null {
    return this.#gl.getParameter(binding) as H | null;
  }

  #make(buffer: H, size: number): number[] {
    const gl = this.#gl, before = this.#bound(COPY_WRITE_BINDING);
    gl.bindBuffer(COPY_WRITE, buffer);
    const result = this.#allot(COPY_WRITE, size);
    gl.bindBuffer(COPY_WRITE, before);
    return result;
  }

  /** ELEMENT_ARRAY_BUFFER belongs to the vertex array that is bound: none is, in between. */
  #makeElement(buffer: H, size: number): number[] {
    const gl = this.#gl, array = gl.getParameter(VERTEX_ARRAY_BINDING) as object | null;
    gl.bindVertexArray(null);
    const before = this.#bound(ELEMENT_ARRAY_BINDING);
    gl.bindBuffer(ELEMENT_ARRAY, buffer);
    const result = this.#allot(ELEMENT_ARRAY, size);
    gl.bindBuffer(ELEMENT_ARRAY, before);
    gl.bindVertexArray(array);
    return result;
  }

  /** Never for reading: Chromium refuses to bind element buffers of such a usage after a copy. */
  #allot(target: number, size: number): number[] {
    const gl = this.#gl;
    gl.bufferData(target, size, DYNAMIC_DRAW);
    return [gl.getError(), Number(gl.getBufferParameter(target, BUFFER_SIZE))];
  }
}
