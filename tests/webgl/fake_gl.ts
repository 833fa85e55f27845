/**
 * A WebGL2 context in memory that follows what Chromium and Firefox do with buffers, to the letter:
 * two kinds of buffer, bindings, errors that wait, fences that signal in a later task.
 *
 * @module
 */

import type { Gl2Like, GlEventLike } from "../../backends/webgl/mod.ts";

const ELEMENT_ARRAY = 0x8893, ELEMENT_ARRAY_BINDING = 0x8895, VERTEX_ARRAY_BINDING = 0x85b5;
const INVALID_VALUE = 0x0501, INVALID_OPERATION = 0x0502, OUT_OF_MEMORY = 0x0505;
const CONTEXT_LOST = 0x9242;
/** Usages with `READ` in their names. */
const READ_USAGES = [0x88e1, 0x88e5, 0x88e9];

/** A buffer of a {@linkcode FakeGl}. */
export class FakeGlBuffer {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  kind: "element" | "other" | undefined = undefined;
  isDeleted = false;
}

/** A vertex array: it has a binding of its own. */
export class FakeVertexArray {
  element: FakeGlBuffer | null = null;
}

/** The context. */
export class FakeGl implements Gl2Like<FakeGlBuffer> {
  readonly bound: Map<number, FakeGlBuffer | null> = new Map();
  readonly live: Set<FakeGlBuffer> = new Set();
  readonly noArray: FakeVertexArray = new FakeVertexArray();
  array: FakeVertexArray | null = null;
  /** All errors there were; `getError` gives each once. */
  readonly errors: number[] = [];
  #unread: number[] = [];
  isLost = false;
  /** Most bytes that are granted, and whether that is told by an error. */
  most: number = Infinity;
  isSilent = false;
  /** Called in the task in which a fence signals. */
  onTask: () => void = () => {};
  /** Whether fences signal some microtasks later, for tests of many. */
  isFast = false;
  readonly #signalled: Set<object> = new Set();
  fences = 0;
  readonly #listeners: Map<string, Set<(event: GlEventLike) => void>> = new Map();
  readonly canvas = {
    addEventListener: (type: string, listener: (event: GlEventLike) => void): void => {
      const all = this.#listeners.get(type) ?? new Set();
      this.#listeners.set(type, all.add(listener));
    },
    removeEventListener: (type: string, listener: (event: GlEventLike) => void): void => {
      this.#listeners.get(type)?.delete(listener);
    },
  };

  /** Listeners that are there. */
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Loses the context; returns whether it may be restored. */
  lose(): boolean {
    this.isLost = true;
    for (const buffer of this.live) buffer.isDeleted = true;
    this.live.clear();
    this.bound.clear();
    this.array = null;
    this.noArray.element = null;
    this.#unread = [CONTEXT_LOST];
    let isPrevented = false;
    this.#dispatch("webglcontextlost", { preventDefault: () => isPrevented = true });
    return isPrevented;
  }

  restore(): void {
    this.isLost = false;
    this.#dispatch("webglcontextrestored", { preventDefault: () => {} });
  }

  createBuffer(): FakeGlBuffer {
    const buffer = new FakeGlBuffer();
    if (this.isLost) buffer.isDeleted = true;
    else this.live.add(buffer);
    return buffer;
  }

  deleteBuffer(buffer: FakeGlBuffer | null): void {
    if (buffer === null) return;
    buffer.isDeleted = true;
    this.live.delete(buffer);
    for (const [target, one] of this.bound) if (one === buffer) this.bound.set(target, null);
    const array = this.array ?? this.noArray;
    if (array.element === buffer) array.element = null;
  }

  bindBuffer(target: number, buffer: FakeGlBuffer | null): void {
    if (this.isLost) return;
    if (buffer?.isDeleted) return this.#fail(INVALID_OPERATION);
    const kind = target === ELEMENT_ARRAY ? "element" : "other";
    const isCopy = target === 0x8f36 || target === 0x8f37;
    if (buffer !== null && buffer.kind === undefined) buffer.kind = kind;
    if (buffer !== null && !isCopy && buffer.kind !== kind) return this.#fail(INVALID_OPERATION);
    if (target === ELEMENT_ARRAY) (this.array ?? this.noArray).element = buffer;
    else this.bound.set(target, buffer);
  }

  bindVertexArray(array: object | null): void {
    if (!this.isLost) this.array = array as FakeVertexArray | null;
  }

  bufferData(target: number, size: number, usage: number): void {
    if (this.isLost) return;
    const buffer = this.#at(target);
    if (buffer === undefined) return this.#fail(INVALID_OPERATION);
    if (buffer.kind === "element" && READ_USAGES.includes(usage)) {
      return this.#fail(INVALID_OPERATION);
    }
    if (size > this.most) return this.isSilent ? undefined : this.#fail(OUT_OF_MEMORY);
    buffer.bytes = new Uint8Array(size);
  }

  bufferSubData(
    target: number,
    offset: number,
    data: Uint8Array<ArrayBuffer>,
    start: number,
    length: number,
  ): void {
    if (this.isLost) return;
    const buffer = this.#at(target);
    if (buffer === undefined) return this.#fail(INVALID_OPERATION);
    const part = data.subarray(start, start + (length === 0 ? data.length : length));
    if (offset + part.length > buffer.bytes.length) return this.#fail(INVALID_VALUE);
    buffer.bytes.set(part, offset);
  }

  getBufferSubData(target: number, offset: number, into: Uint8Array<ArrayBuffer>): void {
    if (this.isLost) return;
    const buffer = this.#at(target);
    if (buffer === undefined) return this.#fail(INVALID_OPERATION);
    if (offset + into.length > buffer.bytes.length) return this.#fail(INVALID_VALUE);
    into.set(buffer.bytes.subarray(offset, offset + into.length));
  }

  copyBufferSubData(source: number, target: number, from: number, to: number, size: number): void {
    if (this.isLost) return;
    const own = this.#at(source), other = this.#at(target);
    if (own === undefined || other === undefined || own.kind !== other.kind) {
      return this.#fail(INVALID_OPERATION);
    }
    if (from + size > own.bytes.length || to + size > other.bytes.length) {
      return this.#fail(INVALID_VALUE);
    }
    if (own === other && from < to + size && to < from + size) return this.#fail(INVALID_VALUE);
    other.bytes.set(own.bytes.slice(from, from + size), to);
  }

  getBufferParameter(target: number, _name: number): number | null {
    return this.isLost ? null : this.#at(target)?.bytes.length ?? null;
  }

  getParameter(name: number): unknown {
    if (this.isLost) return null;
    if (name === 0x8a34) return 64; // UNIFORM_BUFFER_OFFSET_ALIGNMENT
    if (name === 0x8a30) return 65_536; // MAX_UNIFORM_BLOCK_SIZE
    if (name === ELEMENT_ARRAY_BINDING) return (this.array ?? this.noArray).element;
    if (name === VERTEX_ARRAY_BINDING) return this.array;
    return this.bound.get(name) ?? null;
  }

  getError(): number {
    return this.#unread.shift() ?? 0;
  }

  fenceSync(_condition: number, _flags: number): object {
    const fence = {};
    this.fences++;
    const signal = () => {
      this.#signalled.add(fence);
      this.onTask();
    };
    if (this.isFast) void Promise.resolve().then(() => {}).then(signal);
    else setTimeout(signal, 0);
    return fence;
  }

  clientWaitSync(fence: object, _flags: number, timeout: number): number {
    if (timeout !== 0) this.#fail(INVALID_OPERATION); // Chromium waits for nothing
    return this.#signalled.has(fence) ? 0x911a : 0x911b;
  }

  deleteSync(fence: object | null): void {
    if (fence !== null && this.#signalled.delete(fence)) this.fences--;
  }

  flush(): void {}

  isContextLost(): boolean {
    return this.isLost;
  }

  #at(target: number): FakeGlBuffer | undefined {
    const array = this.array ?? this.noArray;
    return (target === ELEMENT_ARRAY ? array.element : this.bound.get(target)) ?? undefined;
  }

  #fail(error: number): void {
    this.errors.push(error);
    if (!this.#unread.includes(error)) this.#unread.push(error);
  }

  #dispatch(type: string, event: GlEventLike): void {
    for (const listener of [...this.#listeners.get(type) ?? []]) listener(event);
  }
}
