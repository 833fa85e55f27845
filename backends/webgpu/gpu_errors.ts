/**
 * Errors of a GPU.
 *
 * @module
 */

/** The device was lost or destroyed: nothing on it can be used, and what was under way failed. */
export class DeviceLostError extends Error {
  /** The name of the class. */
  override readonly name: string = "DeviceLostError";

  /**
   * Makes the error.
   *
   * @param reason The device's message.
   */
  constructor(reason: string) {
    super(`The GPU device is lost${reason === "" ? "" : `: ${reason}`}`);
  }
}

/** The GPU has no memory for a buffer. */
export class GpuOutOfMemoryError extends Error {
  /** The name of the class. */
  override readonly name: string = "GpuOutOfMemoryError";
  /** Bytes that the buffer was to have. */
  readonly requested: number;

  /**
   * Makes the error.
   *
   * @param requested Bytes that the buffer was to have.
   * @param reason The device's message.
   */
  constructor(requested: number, reason: string) {
    super(`No GPU memory for a buffer of ${requested} bytes: ${reason}`);
    this.requested = requested;
  }
}
