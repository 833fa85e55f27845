/**
 * Uploads recorded in the user's own encoder, through staging buffers that stay mapped between
 * uses.
 *
 * @module
 */

import type { GpuContext } from "./gpu_context.ts";
import { type GpuBufferLike, type GpuEncoderLike, GpuUsage } from "./gpu_types.ts";
import type { PendingWrites, WritableSlab } from "./pending_writes.ts";

const MAP_WRITE = 2; // GPUMapMode.WRITE
const LEAST_CHUNK = 65_536; // = 2 ** 16
/** Times that a chunk may lie idle before it goes. */
const MAX_IDLE = 60;

interface Chunk<B extends GpuBufferLike> {
  readonly buffer: B;
  readonly size: number;
  idle: number;
}

/** One write, as `Upload` takes it. */
interface Run<B extends GpuBufferLike> {
  readonly slab: WritableSlab<B>;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly start: number;
  readonly length: number;
}

/** Result of {@linkcode StagingBelt.encode}. */
export interface EncodedRuns<B extends GpuBufferLike> {
  /** The chunk in use, if one is. */
  readonly chunk: Chunk<B> | undefined;
  /** Bytes that were recorded. */
  readonly encoded: number;
  /** The writes for which there was no room. */
  readonly rest: readonly Run<B>[];
}

/** A bounded set of staging buffers. */
export class StagingBelt<B extends GpuBufferLike> {
  readonly #context: GpuContext<B>;
  readonly #maxBytes: number;
  /** Mapped, and in no use. */
  #free: Chunk<B>[] = [];
  /** All there are, and those that are being made. */
  #byteLength = 0;
  #isMaking = false;
  #isClosed = false;

  constructor(context: GpuContext<B>, maxBytes: number) {
    this.#context = context;
    this.#maxBytes = maxBytes;
  }

  /** Bytes in all staging buffers. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /**
   * Records uploads as copies from a chunk, as far as there is room: room is made only once it
   * is known that there is memory, so that the first call finds none.
   */
  encode(encoder: GpuEncoderLike<B>, uploads: readonly PendingWrites<B>[]): EncodedRuns<B> {
    const runs: Run<B>[] = [];
    let needed = 0, encoded = 0;
    for (const one of uploads) {
      one.carryOut((slab, offset, bytes, start, length) => {
        runs.push({ slab, offset, bytes, start, length });
        needed += length;
      });
    }
    if (needed === 0) return { chunk: undefined, encoded, rest: runs };
    // The smallest that holds all; else the largest.
    this.#free.sort((a, b) => a.size - b.size);
    const chunk = this.#free.find(({ size }) => size >= needed) ?? this.#free.at(-1);
    this.#age(chunk);
    if (chunk === undefined || chunk.size < needed) this.#make(needed);
    if (chunk === undefined) return { chunk, encoded, rest: runs };

    const mapped = new Uint8Array(chunk.buffer.getMappedRange());
    const rest: Run<B>[] = [], fitting: Run<B>[] = [];
    for (const run of runs) {
      if (encoded + run.length > chunk.size) rest.push(run);
      else {
        mapped.set(run.bytes.subarray(run.start, run.start + run.length), encoded);
        fitting.push(run);
        encoded += run.length;
      }
    }
    chunk.buffer.unmap();
    let at = 0;
    for (const { slab, offset, length } of fitting) {
      encoder.copyBufferToBuffer(chunk.buffer, at, slab.buffer!, offset, length);
      at += length;
    }
    return { chunk, encoded, rest };
  }

  /**
   * Takes a chunk back once the commands that use it are submitted. If they are not, WebGPU
   * will refuse them: a buffer that is being mapped cannot be used.
   */
  recall(chunk: Chunk<B>): void {
    const map = chunk.buffer.mapAsync(MAP_WRITE);
    this.#context.orLost(map).then(
      () => void (this.#isClosed ? chunk.buffer.destroy() : this.#free.push(chunk)),
      () => this.discard(chunk),
    );
  }

  /** Destroys a chunk: commands that use it can no longer be submitted. */
  discard(chunk: Chunk<B>): void {
    this.#byteLength -= chunk.size;
    chunk.buffer.destroy();
  }

  close(): void {
    this.#isClosed = true;
    for (const { buffer } of this.#free) buffer.destroy();
    this.#free = [];
  }

  /** Lets go of what was not needed for long. */
  #age(used: Chunk<B> | undefined): void {
    this.#free = this.#free.filter((chunk) => {
      if (chunk === used) return false;
      if (chunk.idle++ < MAX_IDLE) return true;
      this.discard(chunk);
      return false;
    });
    if (used !== undefined) used.idle = 0;
  }

  /** Makes a chunk for the next time. */
  async #make(needed: number): Promise<void> {
    const room = this.#maxBytes - this.#byteLength;
    const size = Math.min(Math.max(LEAST_CHUNK, 2 ** Math.ceil(Math.log2(needed))), room);
    if (this.#isMaking || size < 4) return;
    this.#isMaking = true;
    this.#byteLength += size;
    try {
      const buffer = await this.#context.createBuffer({
        size,
        usage: GpuUsage.MAP_WRITE | GpuUsage.COPY_SRC,
        mappedAtCreation: true,
        label: "staging belt",
      });
      if (this.#isClosed) buffer.destroy();
      else this.#free.push({ buffer, size, idle: 0 });
    } catch {
      // Without it uploads go through the queue, as they do when the belt is full.
      this.#byteLength -= size;
    } finally {
      this.#isMaking = false;
    }
  }
}
