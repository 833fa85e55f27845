/**
 * The part of a blob that is sent.
 *
 * @module
 */

import type { BlobSnapshot } from "../../src/blob_store/mod.ts";
import type { Part } from "./ranges.ts";

/** Parts of at most so many bytes are read before they are sent. */
const MAX_READ = 65_536;

/** Listeners to the end of sending. */
export interface SendingOptions {
  /** Most milliseconds until a piece that was handed out is asked for more. */
  readonly idleTimeoutMs: number;
  /** Told of what failed when the status was already sent. */
  readonly onError: (error: unknown) => void;
}

/**
 * The bytes of a part of a blob, or without a part its encoded form, as the body of a response.
 * The first piece is read before: what fails at once has a status. A later failure breaks the body
 * off. The end of its stream closes the blob, however that comes.
 */
export async function bodyOf(
  blob: BlobSnapshot<unknown>,
  part: Part | undefined,
  options: SendingOptions,
): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>> {
  if (part !== undefined && part.length <= MAX_READ) {
    try {
      return await blob.bytes(part);
    } finally {
      blob.close();
    }
  }
  const sending = new Sending(blob, part, options);
  await sending.begin();
  return new ReadableStream(sending, { highWaterMark: 0 });
}

/** A blob on its way to a client that may be slow, or go away. */
class Sending implements UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #options: SendingOptions;
  #ahead: Uint8Array<ArrayBuffer> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(blob: BlobSnapshot<unknown>, part: Part | undefined, options: SendingOptions) {
    this.#reader = (part === undefined ? blob.encodedStream() : blob.stream(part)).getReader();
    this.#options = options;
  }

  /** Reads the first piece. */
  async begin(): Promise<void> {
    this.#ahead = (await this.#reader.read()).value;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    this.#wait(controller);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const value = this.#ahead ?? (await this.#reader.read()).value;
      this.#ahead = undefined;
      if (value === undefined) controller.close();
      else {
        controller.enqueue(value);
        this.#wait(controller);
      }
    } catch (error) {
      this.#options.onError(error);
      throw error;
    }
  }

  async cancel(reason: unknown): Promise<void> {
    clearTimeout(this.#timer);
    await this.#reader.cancel(reason);
  }

  /** Gives up a client that does not read on. */
  #wait(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    const { idleTimeoutMs } = this.#options;
    this.#timer = setTimeout(() => {
      controller.error(new Error(`Nothing was read for ${idleTimeoutMs} ms`));
      this.cancel(undefined).catch(() => {}); // the blob is free in any case
    }, idleTimeoutMs);
  }
}
