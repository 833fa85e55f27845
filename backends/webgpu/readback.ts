/**
 * Reading from GPU buffers, through staging buffers that can be mapped.
 *
 * @module
 */

import type { GpuContext } from "./gpu_context.ts";
import { GpuOutOfMemoryError } from "./gpu_errors.ts";
import { type GpuBufferLike, GpuUsage } from "./gpu_types.ts";

const MAP_READ = 1; // GPUMapMode.READ
const WORD = 4;
const LEAST_STAGING = 4096;
const MAX_POOLED_BYTES = 16_777_216; // = 2 ** 24

/** A range that is to be read. */
interface Request<B extends GpuBufferLike> {
  readonly buffer: B;
  readonly offset: number;
  readonly length: number;
  readonly resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads ranges. Those of one tick share a staging buffer, as far as they fit in one, and one wait,
 * which takes about 11 ms on Deno.
 *
 * The copies are submitted at the end of the tick. Callers about to write, or to replace or free
 * a buffer, calls `submit` first: so a read sees what was written before it, and nothing later.
 */
export class Readback<B extends GpuBufferLike> {
  readonly #context: GpuContext<B>;
  #open: Request<B>[] = [];
  readonly #underWay: Set<Promise<void>> = new Set();
  /** Staging buffers in no use. */
  #pool: B[] = [];
  #pooledBytes = 0;
  #isClosed = false;

  constructor(context: GpuContext<B>) {
    this.#context = context;
  }

  /**
   * A copy of `length` bytes at `offset` of a buffer with COPY_SRC.
   *
   * @throws {DeviceLostError | GpuOutOfMemoryError | Error} (as a rejection) The device is lost,
   * there is no memory for the staging buffer, or it could not be mapped.
   */
  read(buffer: B, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed());
      if (this.#context.lost !== undefined) return reject(this.#context.lost);
      if (length === 0) return resolve(new Uint8Array(0));
      this.#open.push({ buffer, offset, length, resolve, reject });
      if (this.#open.length === 1) void Promise.resolve().then(() => this.submit());
    });
  }

  /** Submits the copies of what is to be read so far. */
  submit(): void {
    const requests = this.#open;
    if (requests.length === 0) return;
    this.#open = [];
    for (const batch of batches(requests, this.#longest)) {
      const end = this.#carryOut(batch).then(() => void this.#underWay.delete(end));
      this.#underWay.add(end);
    }
  }

  /** Resolves once all reads so far have ended. */
  async settled(): Promise<void> {
    this.submit();
    await Promise.all(this.#underWay);
  }

  /** Destroys the staging buffers; reads under way are rejected. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#open) reject(closed());
    this.#open = [];
    for (const buffer of this.#pool) buffer.destroy();
    this.#pool = [];
  }

  /** Copies, maps and hands out. Never rejected: the requests are. */
  async #carryOut(requests: readonly Request<B>[]): Promise<void> {
    let staging: B | undefined;
    try {
      const { device } = this.#context;
      this.#context.expectAlive();
      const places = placesOf(requests), needed = places.at(-1)!.end;
      // Without memory for the staging buffer nothing of this is valid: only that is told.
      device.pushErrorScope("validation");
      device.pushErrorScope("out-of-memory");
      let mapped, errors;
      try {
        staging = this.#take(needed);
        const encoder = device.createCommandEncoder();
        for (const { buffer, from, at, end } of places) {
          encoder.copyBufferToBuffer(buffer, from, staging, at, end - at);
        }
        this.#context.submit(encoder);
        mapped = this.#context.orLost(staging.mapAsync(MAP_READ));
        mapped.catch(() => {}); // looked at below, unless something else is wrong
      } finally {
        errors = Promise.all([device.popErrorScope(), device.popErrorScope()]);
        errors.catch(() => {});
      }
      const [memory, validation] = await this.#context.orLost(errors);
      if (memory !== null) throw new GpuOutOfMemoryError(staging.size, memory.message);
      if (validation !== null) throw new Error(`Cannot read from the GPU: ${validation.message}`);
      try {
        await mapped;
      } catch (cause) {
        if (cause === this.#context.lost) throw cause;
        throw new Error("Cannot read from the GPU: the copy could not be mapped", { cause });
      }
      if (this.#isClosed) throw closed();
      const bytes = new Uint8Array(staging.getMappedRange());
      requests.forEach(({ offset, length, resolve }, i) => {
        const start = places[i].at + offset - places[i].from;
        resolve(bytes.slice(start, start + length));
      });
      staging.unmap();
      this.#give(staging);
    } catch (error) {
      staging?.destroy();
      for (const { reject } of requests) reject(error);
    }
  }

  /** A staging buffer of at least `needed` bytes, the smallest there is or a new one. */
  #take(needed: number): B {
    const rounded = Math.max(LEAST_STAGING, 2 ** Math.ceil(Math.log2(needed)));
    const size = Math.min(rounded, this.#longest);
    const i = this.#pool.findIndex((buffer) => buffer.size === size);
    if (i >= 0) {
      this.#pooledBytes -= size;
      return this.#pool.splice(i, 1)[0];
    }
    return this.#context.device.createBuffer({
      size,
      usage: GpuUsage.MAP_READ | GpuUsage.COPY_DST,
      label: "read-back",
    });
  }

  /** Most bytes in a staging buffer. */
  get #longest(): number {
    const { maxBufferSize } = this.#context.limits;
    return maxBufferSize - maxBufferSize % WORD;
  }

  #give(staging: B): void {
    if (this.#pooledBytes + staging.size > MAX_POOLED_BYTES) return staging.destroy();
    this.#pool.push(staging);
    this.#pooledBytes += staging.size;
  }
}

/** Where each range goes in the staging buffer, widened to whole words. */
function placesOf<B extends GpuBufferLike>(requests: readonly Request<B>[]) {
  let end = 0;
  return requests.map((request) => {
    const { buffer, offset } = request, at = end;
    end += widened(request);
    return { buffer, from: offset - offset % WORD, at, end };
  });
}

/** Bytes of the whole words that a range touches. */
function widened({ offset, length }: { offset: number; length: number }): number {
  return Math.ceil((offset % WORD + length) / WORD) * WORD;
}

/** Requests, as many at a time as one staging buffer of `most` bytes can hold. */
function* batches<B extends GpuBufferLike>(requests: readonly Request<B>[], most: number) {
  let first = 0, bytes = 0;
  for (let i = 0; i < requests.length; i++) {
    const needed = widened(requests[i]);
    if (bytes > 0 && bytes + needed > most) {
      yield requests.slice(first, i);
      first = i;
      bytes = 0;
    }
    bytes += needed;
  }
  yield requests.slice(first);
}

function closed(): Error {
  return new Error("Cannot read from the GPU: the arena or store was closed");
}
