/**
 * All bytes of a snapshot at once, in the forms that the Web has.
 *
 * @module
 */

import { decodeText } from "./text.ts";

/** The common part of snapshots, whatever their bytes come from. */
export abstract class ReadableBlob {
  /** All bytes. */
  abstract bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** Refuses further reads. */
  abstract close(): void;

  /** All bytes as a buffer. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  /** All bytes as UTF-8; a byte order mark is a part of the text. */
  async text(): Promise<string> {
    return decodeText(await this.bytes());
  }

  /** All bytes as JSON. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}
