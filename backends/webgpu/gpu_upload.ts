/**
 * Uploads that were recorded in an encoder and may not be submitted yet.
 *
 * @module
 */

import type { DeferredFrees } from "./deferred_free.ts";
import type { GpuContext } from "./gpu_context.ts";
import type { GpuBufferLike, GpuEncoderLike } from "./gpu_types.ts";
import type { PendingWrites, Upload } from "./pending_writes.ts";
import type { StagingBelt } from "./staging_belt.ts";

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

/** An upload as its arena sees it. */
export interface RecordedUpload<B extends GpuBufferLike> extends GpuUpload {
  readonly encoder: GpuEncoderLike<B>;
  /** Resolves once it is submitted or cancelled. */
  readonly ended: Promise<void>;
}

/** The part of an arena that records uploads. */
export interface UploadState<B extends GpuBufferLike> {
  readonly context: GpuContext<B>;
  readonly maxBeltBytes: number;
  readonly deferredFrees: DeferredFrees<B>;
  /** The staging buffers, once there was such an upload. */
  belt: StagingBelt<B> | undefined;
  /** Recorded, and not known to be submitted. */
  recorded: RecordedUpload<B> | undefined;
  /** Gives the queue one write. */
  readonly write: Upload<B>;
  /** Takes what was written to regions that are there; throws where the arena cannot upload. */
  take(): PendingWrites<B>[];
}
