/**
 * The part of WebGL2 that is used, as structural types: a real `WebGL2RenderingContext` fits
 * whichever declarations a program has.
 *
 * @module
 */

/** Events of a canvas about its context. */
export interface GlEventLike {
  /** Asks for a context that was lost to be restored. */
  preventDefault(): void;
}

/** A canvas, as far as its events go. */
export interface GlCanvasLike {
  /** Calls a listener for each event of a type. */
  addEventListener(type: string, listener: (event: GlEventLike) => void): void;
  /** Ends that. */
  removeEventListener(type: string, listener: (event: GlEventLike) => void): void;
}

/**
 * A WebGL2 context.
 *
 * @typeParam H Its buffers: `WebGLBuffer` for a real one.
 */
export interface Gl2Like<H extends object> {
  /** Where it draws. */
  readonly canvas: GlCanvasLike;
  /** Makes the name of a buffer. */
  createBuffer(): H | null;
  /** Releases a buffer. */
  deleteBuffer(buffer: H | null): void;
  /** Binds a buffer. */
  bindBuffer(target: number, buffer: H | null): void;
  /** Binds a vertex array. */
  bindVertexArray(array: object | null): void;
  /** Gives the bound buffer its memory, of zeros. */
  bufferData(target: number, size: number, usage: number): void;
  /** Writes bytes. */
  bufferSubData(
    target: number,
    offset: number,
    data: Uint8Array<ArrayBuffer>,
    start: number,
    length: number,
  ): void;
  /** Reads bytes, at once. */
  getBufferSubData(target: number, offset: number, into: Uint8Array<ArrayBuffer>): void;
  /** Copies bytes between the bound buffers. */
  copyBufferSubData(source: number, target: number, from: number, to: number, size: number): void;
  /** A figure of the bound buffer. */
  getBufferParameter(target: number, name: number): unknown;
  /** A figure, or what is bound. */
  getParameter(name: number): unknown;
  /** The oldest error that nobody has read, or 0. */
  getError(): number;
  /** Makes a fence behind all commands so far. */
  fenceSync(condition: number, flags: number): object | null;
  /** Looks at a fence. */
  clientWaitSync(fence: object, flags: number, timeout: number): number;
  /** Releases a fence. */
  deleteSync(fence: object | null): void;
  /** Sends off the commands so far. */
  flush(): void;
  /** Tells whether nothing of it can be used any more, or now. */
  isContextLost(): boolean;
}
