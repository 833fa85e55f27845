/**
 * A blob of a store that is read by ranges, as it was looked up.
 *
 * @module
 */

import { checkRange, rangeOf } from "./arguments.ts";
import type { BlobSnapshot } from "./blob_reader.ts";
import type { CodedBlob, DecodeBlob } from "./coded_blobs.ts";
import { infoOf, keyOf } from "./entries.ts";
import { endsLength, streamName } from "./pieces.ts";
import { filled, type RangeSnapshot, type ReadBytes } from "./range_snapshot.ts";
import type { FoundEntry } from "./records.ts";
import { ReadableBlob } from "./readable_blob.ts";
import type { BlobInfo, ByteRange } from "./types.ts";

/** Hands on what a promise gives, or an error that says what was wrong. */
export type Explain = <T>(promise: Promise<T>) => Promise<T>;

/** One version of a blob. */
export class RangeBlob<Meta> extends ReadableBlob implements BlobSnapshot<Meta> {
  readonly info: BlobInfo<Meta>;
  readonly encoding: "gzip" | "zstd" | undefined;
  readonly encodedSize: number;
  readonly #plain: ReadBytes;
  readonly #stored: ReadBytes;
  readonly #explain: Explain;
  /** Reads under way. */
  #reads = 0;
  /** True if a read ended that closes it once there is no other one. */
  #isRead = false;
  #isClosed = false;

  /** @param explain Says what an error of a read means, and ends what is cancelled. */
  constructor(
    snapshot: RangeSnapshot,
    entry: FoundEntry,
    decode: DecodeBlob | undefined = refuse,
    explain: Explain,
  ) {
    super();
    const { size, extra } = entry, coded = extra && extra.codec !== 0 ? extra : undefined;
    this.info = infoOf<Meta>(keyOf(entry), entry);
    this.encoding = coded && streamName(coded);
    this.encodedSize = size - (coded ? endsLength(coded.plainSize) : 0);
    const stored: ReadBytes = (start, end) => snapshot.bytes(entry, start, end);
    this.#stored = stored;
    this.#plain = coded
      ? (start, end) => decode({ key: this.info.key, size, extra: coded }, stored, start, end)
      : stored;
    this.#explain = explain;
  }

  stream(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streamOf(this.#begin(range, true));
  }

  /** The same; its first bytes are there when it is given. */
  async begunStream(range?: ByteRange): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { pieces, end } = this.#begin(range, true), first = await pieces.next();
    return this.#streamOf({ pieces, end }, first);
  }

  encodedStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#checkOpen();
    if (this.encoding === undefined) {
      throw new TypeError("Expected a snapshot that has an encoding, got one of plain bytes");
    }
    return this.#streamOf(this.#reading(this.#stored, 0, this.encodedSize, true));
  }

  async bytes(range?: ByteRange): Promise<Uint8Array<ArrayBuffer>> {
    const { length, pieces } = this.#begin(range, range === undefined);
    return await this.#explain(filled(length, pieces));
  }

  close(): void {
    this.#isClosed = true;
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    throw new TypeError(`Cannot read ${JSON.stringify(this.info.key)}: its snapshot is closed`);
  }

  /** Begins to read a range. */
  #begin(range: ByteRange | undefined, isRead: boolean): Reading {
    this.#checkOpen();
    checkRange(range);
    const { offset, length } = rangeOf(range, this.info.size);
    return this.#reading(this.#plain, offset, offset + length, isRead);
  }

  /** Begins to read bytes; the read counts until it has ended. */
  #reading(read: ReadBytes, start: number, stop: number, isRead: boolean): Reading {
    this.#reads++;
    let end = () => {
      end = () => {};
      this.#reads--;
      this.#isRead ||= isRead;
      this.#isClosed ||= this.#isRead && this.#reads === 0;
    };
    return {
      length: stop - start,
      pieces: this.#pieces(read(start, stop), () => end()),
      end: () => end(),
    };
  }

  async *#pieces(pieces: ReturnType<ReadBytes>, end: () => void): ReturnType<ReadBytes> {
    try {
      for await (const piece of pieces) {
        this.#checkOpen();
        yield piece;
      }
    } finally {
      end();
    }
  }

  /** Pieces as a stream that reads on only as its reader asks. */
  #streamOf(
    { pieces, end }: Pick<Reading, "pieces" | "end">,
    first?: IteratorResult<Uint8Array<ArrayBuffer>, void>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const explain = this.#explain;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const { done, value } = first ?? await explain(pieces.next());
        first = undefined;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return();
        end(); // it may not have begun
      },
    }, { highWaterMark: 0 });
  }
}

/** A read that was begun. */
interface Reading {
  readonly length: number;
  readonly pieces: ReturnType<ReadBytes>;
  readonly end: () => void;
}

/** Stands for a decoder that was not given. */
function refuse({ key }: CodedBlob): never {
  const blob = JSON.stringify(key);
  throw new TypeError(`Expected decode to be codedBlobs, as ${blob} is compressed, got undefined`);
}
