/**
 * {@linkcode encodeUploads}: what was written to an arena, as copies in an encoder of yours.
 *
 * @module
 */

import { type GpuArena, uploadsOf } from "./gpu_arena.ts";
import { expectEncoder } from "./gpu_context.ts";
import { type GpuBufferLike, type GpuEncoderLike, GpuUsage } from "./gpu_types.ts";
import type { GpuUpload, RecordedUpload } from "./gpu_upload.ts";
import { StagingBelt } from "./staging_belt.ts";

/**
 * Records what was written as copies in an encoder of yours, from staging buffers, instead of
 * giving it to the queue: so it comes after what the encoder has so far. Only for regions that
 * are `ready`; others wait for `upload`. Writes beyond the room of the staging buffers (the first
 * time, all) goes through the queue, ahead of the encoder. O(writes).
 *
 * @returns A function to call once the encoder's commands are submitted; `undefined` where nothing
 * was recorded.
 * @throws {Error} The last one is not known to be submitted.
 * @throws {TypeError} `arena` or `encoder` is none; or the device has no buffers that are mapped
 * for writing, as WebGL.
 * @throws {DeviceLostError} The device is lost.
 *
 * @example
 * ```ts
 * import { encodeUploads, type GpuArena } from "@suballoc/offset-allocator/webgpu";
 *
 * function frame(device: GPUDevice, arena: GpuArena<GPUBuffer>) {
 *   const encoder = device.createCommandEncoder();
 *   const upload = encodeUploads(arena, encoder);
 *   // passes that read what was written
 *   device.queue.submit([encoder.finish()]);
 *   upload?.submitted();
 * }
 * ```
 */
export function encodeUploads<B extends GpuBufferLike>(
  arena: GpuArena<B>,
  encoder: GpuEncoderLike<B>,
): GpuUpload | undefined {
  const state = uploadsOf(arena), { context, deferredFrees } = state;
  expectEncoder(encoder);
  context.device.checkUsage?.(GpuUsage.MAP_WRITE);
  const taken = state.take();
  const belt = state.belt ??= new StagingBelt(context, state.maxBeltBytes);
  const { chunk, encoded, rest } = belt.encode(encoder, taken);
  for (const { slab, offset, bytes, start, length } of rest) {
    state.write(slab, offset, bytes, start, length);
  }
  if (chunk === undefined) {
    for (const uploads of taken) uploads.done();
    return undefined;
  }
  const queued = rest.reduce((sum, { length }) => sum + length, 0);
  deferredFrees.hold();
  return state.recorded = new LiveGpuUpload(encoder, { encoded, queued }, (isSubmitted) => {
    for (const uploads of taken) {
      if (isSubmitted) uploads.done();
      else uploads.slab.pending.putBack(uploads);
    }
    if (isSubmitted) belt.recall(chunk);
    else belt.discard(chunk);
    state.recorded = undefined;
    deferredFrees.unhold();
  });
}

/** The one {@linkcode GpuUpload}. */
class LiveGpuUpload<B extends GpuBufferLike> implements RecordedUpload<B> {
  readonly encoder: GpuEncoderLike<B>;
  readonly encodedBytes: number;
  readonly queuedBytes: number;
  readonly ended: Promise<void>;
  readonly #end: (isSubmitted: boolean) => void;
  #resolve!: () => void;
  #isEnded = false;

  constructor(
    encoder: GpuEncoderLike<B>,
    bytes: { encoded: number; queued: number },
    end: (isSubmitted: boolean) => void,
  ) {
    this.encoder = encoder;
    this.encodedBytes = bytes.encoded;
    this.queuedBytes = bytes.queued;
    this.#end = end;
    this.ended = new Promise((resolve) => this.#resolve = resolve);
  }

  submitted(): void {
    this.#finish(true);
  }

  cancel(): void {
    this.#finish(false);
  }

  #finish(isSubmitted: boolean): void {
    if (this.#isEnded) throw new Error("Expected submitted() or cancel() once, got another call");
    this.#isEnded = true;
    this.#resolve();
    this.#end(isSubmitted);
  }
}
