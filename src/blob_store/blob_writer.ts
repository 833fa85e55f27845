/**
 * A blob that is written as it comes: its size need not be known.
 *
 * @module
 */

import { CHUNK_LENGTH, chunkSeed, framedLength, writeRanges } from "./chunks.ts";
import { setUint32 } from "./codec.ts";
import { NO_SPACE } from "../allocator.ts";
import type { AbortListeners } from "../util/abort_listeners.ts";
import type { CancelSignal } from "../util/wait_options.ts";
import { bytesOfPiece, type LongSource } from "./arguments.ts";
import type { BlobTarget, Coded } from "./compression.ts";
import type { Compression } from "./types.ts";
import { codecsOf, rangesOf, type StoreState } from "./store_state.ts";
import type { Part } from "./superblock.ts";

const FRAME = 65_540; // = CHUNK_LENGTH + 4
/** Bytes at hand that are written before a signal is looked at. */
const BYTES_AT_ONCE = 1_048_576; // = 2 ** 20
/** Chunks that are gathered before they are written. */
const GATHERED = 16;
/** Space that is asked for at once where the size is not known, at most. */
const MAX_STEP = 67_108_864; // = 2 ** 26

/** A blob that is in the file, and in no index yet. */
export interface WrittenBlob {
  /** How it is coded, if it is. */
  readonly coded?: Coded;
  readonly size: number;
  readonly seed: number;
  readonly crc: number;
  readonly parts: readonly Part[];
}

/** A signal that may cancel the reading of a source. */
export interface SourceCancel {
  readonly signal: CancelSignal;
  readonly aborts: AbortListeners;
}

/**
 * Writes a blob. A short one that comes from elsewhere is given back as its bytes. Where a signal
 * is aborted, the source is cancelled, and nothing of it is kept.
 */
export async function writeSource(
  state: StoreState,
  seed: number,
  source: LongSource,
  makeRoom: () => Promise<void>,
  cancel?: SourceCancel,
  compress?: Compression,
): Promise<WrittenBlob | Uint8Array> {
  const blob = new BlobWriter(state, seed, makeRoom);
  const writer = compress === undefined ? blob : codecsOf(state).encodeTo(blob, compress);
  const check = () => cancel?.signal.throwIfAborted();
  let isTaken = false;
  try {
    const size = "bytes" in source ? source.size : "blob" in source ? source.blob.size : 0;
    if (size > CHUNK_LENGTH && writer === blob) await blob.reserve(size);
    check();
    isTaken = true;
    if ("bytes" in source) {
      for (let at = 0; at < size; at += BYTES_AT_ONCE) {
        check();
        const length = Math.min(BYTES_AT_ONCE, size - at);
        await writer.write(source.bytes.subarray(at, at + length), length);
      }
    } else {
      await readAll(streamFrom(source), async (piece) => {
        check();
        const bytes = bytesOfPiece(piece);
        state.file.checkWritable();
        await writer.write(bytes);
      }, cancel);
    }
    check();
    return writer.unwritten ?? await writer.finish();
  } catch (error) {
    blob.abort();
    if (!isTaken) await discardSource(source, error);
    throw error;
  }
}

/** Ends a source that is not read: what it holds, as a connection, is free then. */
export async function discardSource(source: LongSource, reason: unknown): Promise<void> {
  try {
    if ("stream" in source) await source.stream.cancel(reason);
    if ("iterable" in source) await source.iterable[Symbol.asyncIterator]().return?.();
  } catch {
    // What it says is not why the put failed.
  }
}

/** A source as a stream: a pending read of it ends where it is cancelled. */
function streamFrom(source: Exclude<LongSource, { bytes: unknown }>): ReadableStream<unknown> {
  if ("blob" in source) return source.blob.stream();
  if ("stream" in source) return source.stream;
  const iterator = source.iterable[Symbol.asyncIterator]();
  return new ReadableStream<unknown>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}

/** Hands on what a stream gives, and cancels it where that fails, or a signal is aborted. */
async function readAll(
  stream: ReadableStream<unknown>,
  take: (piece: unknown) => Promise<void>,
  cancel: SourceCancel | undefined,
): Promise<void> {
  const reader = stream.getReader();
  const end = (reason: unknown) => reader.cancel(reason).catch(() => {});
  const unlisten = cancel?.aborts.listen(cancel.signal, () => void end(cancel.signal.reason));
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      await take(next.value);
    }
  } catch (error) {
    await end(error); // at once where a signal has cancelled it
    throw error;
  } finally {
    unlisten?.();
  }
}

/** Puts bytes into chunks, and chunks into space of their own. */
export class BlobWriter implements BlobTarget<WrittenBlob> {
  readonly seed: number;
  /** Bytes so far. */
  size = 0;
  readonly #state: StoreState;
  readonly #makeRoom: () => Promise<void>;
  readonly #parts: Part[] = [];
  /** Units of the parts. */
  #units = 0;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  /** Bytes in the buffer, and where in it the current chunk begins. */
  #length = 0;
  #chunkStart = 0;
  /** Number of the current chunk. */
  #chunk = 0;
  /** Framed bytes written. */
  #written = 0;

  /**
   * @param state The store.
   * @param seed Where its checksums begin.
   * @param makeRoom Makes room where space runs out.
   */
  constructor(state: StoreState, seed: number, makeRoom: () => Promise<void>) {
    this.#state = state;
    this.seed = seed;
    this.#makeRoom = makeRoom;
    this.#buffer = new Uint8Array(GATHERED * FRAME);
  }

  /** Takes space for a blob of a known size. */
  async reserve(size: number): Promise<void> {
    const { space } = this.#state, units = space.unitsFor(framedLength(size));
    this.#parts.push(...await this.#allocate(units));
    this.#units = units;
  }

  /**
   * Takes bytes, which have to stay as many as they are until all are written.
   *
   * @throws {TypeError} They did not.
   */
  async write(bytes: Uint8Array, size: number = bytes.length): Promise<void> {
    for (let done = 0; done < size;) {
      if (this.#length - this.#chunkStart === CHUNK_LENGTH) await this.#endChunk();
      const room = this.#chunkStart + CHUNK_LENGTH - this.#length;
      const piece = bytes.subarray(done, Math.min(done + room, size));
      if (piece.byteLength === 0) throw new TypeError("The bytes of value went while it was put");
      this.#buffer.set(piece, this.#length);
      this.#length += piece.length;
      done += piece.length;
    }
    this.size += size;
  }

  /** The whole blob, if it is one chunk and nothing of it was written. */
  get unwritten(): Uint8Array | undefined {
    return this.#chunk === 0 && this.#units === 0
      ? this.#buffer.subarray(0, this.#length)
      : undefined;
  }

  /** Writes what is left. Gives what the record of the blob says. */
  async finish(): Promise<WrittenBlob> {
    const crc = this.#checksum();
    await this.#writeOut();
    const { space } = this.#state, parts = this.#parts;
    // What was taken too much goes back.
    let surplus = this.#units - space.unitsFor(this.#written);
    while (surplus > 0) {
      const last = parts.pop()!, units = Math.min(surplus, last.units);
      if (units < last.units) parts.push({ unit: last.unit, units: last.units - units });
      space.ranges.free(last.unit + last.units - units, units);
      surplus -= units;
    }
    const { size, seed } = this;
    return { size, seed, crc, parts };
  }

  /** Gives everything back. */
  abort(): void {
    this.#state.space.releaseAll(this.#parts.splice(0));
  }

  #checksum(): number {
    const chunk = this.#buffer.subarray(this.#chunkStart, this.#length);
    return this.#state.file.checksums.of(chunk, chunkSeed(this.seed, this.#chunk));
  }

  async #endChunk(): Promise<void> {
    setUint32(this.#buffer, this.#length, this.#checksum());
    this.#length += 4;
    this.#chunkStart = this.#length;
    this.#chunk++;
    if (this.#length === this.#buffer.length) await this.#writeOut();
  }

  async #writeOut(): Promise<void> {
    const { file, space } = this.#state, bytes = this.#buffer.subarray(0, this.#length);
    const needed = space.unitsFor(this.#written + bytes.length) - this.#units;
    if (needed > 0) await this.#takeSpace(needed);
    const pending = file.confirm();
    if (pending) await pending;
    await writeRanges(file, rangesOf(space, this.#parts), this.#written, bytes);
    this.#written += bytes.length;
    this.#length = this.#chunkStart = 0;
  }

  /** Takes space for what comes: as much again as there is, if that can be had. */
  async #takeSpace(needed: number): Promise<void> {
    const { space } = this.#state, parts = this.#parts, last = parts.at(-1);
    const wished = Math.max(needed, Math.min(this.#units, space.unitsFor(MAX_STEP)));
    if (last !== undefined && needed <= space.freeUnits) {
      if (space.ranges.resize(last.unit, last.units, last.units + needed)) {
        parts[parts.length - 1] = { unit: last.unit, units: last.units + needed };
        this.#units += needed;
        return;
      }
    }
    const unit = space.tryAllocate(wished);
    if (unit === NO_SPACE) {
      parts.push(...await this.#allocate(needed));
      this.#units += needed;
    } else {
      parts.push({ unit, units: wished });
      this.#units += wished;
    }
  }

  async #allocate(units: number): Promise<Part[]> {
    const { space } = this.#state;
    // What was superseded may only wait for a flush, or for the log to be done with.
    if (units > space.freeUnits) await this.#makeRoom();
    return await space.allocate(units);
  }
}
