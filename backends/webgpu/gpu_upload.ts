/**
 * Uploads that were recorded in an encoder and may not be submitted yet.
 *
 * @module
 */

import type { GpuBufferLike, GpuEncoderLike } from "./gpu_types.ts";

/**
 * Uploads recorded by `encodeUploads`. Until it is told that they are submitted, the arena
 * carries out no write that could overtake them: `upload` and `read` refuse.
 */
export interface GpuUpload {
  /** Bytes recorded in the encoder. */
  readonly encodedBytes: number;
  /** Bytes for which the belt had no room: they went through the queue, ahead of the encoder. */
  readonly queuedBytes: number;
  /**
   * To be called once the encoder's commands are submitted. Where they are not, WebGPU refuses
   * them then, as a whole: no write is lost unnoticed.
   *
   * @throws {Error} It was called before, or `cancel` was.
   */
  submitted(): void;
  /**
   * Gives the uploads up, for an encoder that is not going to be submitted: they are queued
   * again, before later writes. The encoder's commands can no longer be submitted.
   *
   * @throws {Error} It was called before, or `submitted` was.
   */
  cancel(): void;
}

/** What ends an upload. */
export interface UploadEnd {
  submitted(): void;
  cancelled(): void;
}

/** The one {@linkcode GpuUpload}. */
export class LiveGpuUpload<B extends GpuBufferLike> implements GpuUpload {
  readonly encoder: GpuEncoderLike<B>;
  readonly encodedBytes: number;
  readonly queuedBytes: number;
  /** Resolves once it is submitted or cancelled. */
  readonly ended: Promise<void>;
  readonly #end: UploadEnd;
  #resolve!: () => void;
  #isEnded = false;

  constructor(
    encoder: GpuEncoderLike<B>,
    bytes: { encoded: number; queued: number },
    end: UploadEnd,
  ) {
    this.encoder = encoder;
    this.encodedBytes = bytes.encoded;
    this.queuedBytes = bytes.queued;
    this.#end = end;
    this.ended = new Promise((resolve) => this.#resolve = resolve);
  }

  submitted(): void {
    this.#finish();
    this.#end.submitted();
  }

  cancel(): void {
    this.#finish();
    this.#end.cancelled();
  }

  #finish(): void {
    if (this.#isEnded) throw new Error("Expected submitted() or cancel() once, got another call");
    this.#isEnded = true;
    this.#resolve();
  }
}
