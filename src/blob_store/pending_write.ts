/**
 * Puts, deletes, renames and copies on their way into the log.
 *
 * @module
 */

import type { Condition, Operation } from "./arguments.ts";
import type { WrittenBlob } from "./blob_writer.ts";
import type { Extra } from "./extra.ts";
import type { Part } from "./superblock.ts";

/** A put or a delete on its way into the log. */
export interface PendingWrite {
  readonly key: Uint8Array;
  readonly isDelete: boolean;
  readonly condition: Condition | undefined;
  /** The key whose blob it takes, of a rename or a copy: the commit finds out what that is. */
  readonly from: Uint8Array | undefined;
  /** True if what it takes stays where it is as well. */
  readonly isCopy: boolean;
  metadata: Uint8Array | undefined;
  size: number;
  time: number;
  seed: number;
  crc: number;
  extra: Extra | undefined;
  /** Where its bytes are staged; -1 where they are in the file already, or there are none. */
  at: number;
  /** Its parts: given with a streamed blob, taken in the commit for a staged one. */
  parts: readonly Part[];
  /** True if the parts are those of another key or write: it gives none of them back. */
  isBorrowed: boolean;
  /** True if its bytes were durable before its record. */
  isDurable: boolean;
  /** Where its bytes are in the log, or -1. */
  inlineAt: number;
  /** Of a rename: the delete of the key that it takes from. */
  gone: PendingWrite | undefined;
  /** Of a delete: whether there was a blob, and whether another key has its parts now. */
  hasFound: boolean;
  isMoved: boolean;
}

/** A put of an empty blob, or a delete, to be filled in. */
function newWrite(
  key: Uint8Array,
  isDelete: boolean,
  condition: Condition | undefined,
  from?: Uint8Array,
  isCopy = false,
): PendingWrite {
  return {
    key,
    isDelete,
    condition,
    from,
    isCopy,
    metadata: undefined,
    size: 0,
    time: 0,
    seed: 0,
    crc: 0,
    extra: undefined,
    at: -1,
    parts: [],
    isBorrowed: false,
    isDurable: false,
    inlineAt: -1,
    gone: undefined,
    hasFound: false,
    isMoved: false,
  };
}

/** A put on its way into the log, of a blob that was staged or written. */
export function newPut(
  key: Uint8Array,
  metadata: Uint8Array | undefined,
  time: number,
  { size, seed, crc, parts }: WrittenBlob,
  condition?: Condition,
  extra?: Extra,
): PendingWrite {
  const write = newWrite(key, false, condition);
  write.extra = extra;
  write.metadata = metadata;
  write.time = time;
  write.size = size;
  write.seed = seed;
  write.crc = crc;
  write.parts = parts;
  return write;
}

/** A delete on its way into the log. */
export function newDelete(key: Uint8Array, condition?: Condition): PendingWrite {
  return newWrite(key, true, condition);
}

/**
 * A put of what another key has, and for a rename the delete of that.
 *
 * @param from That key.
 * @param copied The copy that was made of it before the commit, if it was.
 */
export function newTransfer(
  { key, condition, isCopy }: Operation,
  from: Uint8Array,
  copied?: WrittenBlob,
): PendingWrite[] {
  const write = Object.assign(newWrite(key, false, condition, from, isCopy), copied);
  if (isCopy || isInPlace(write)) return [write];
  write.gone = newDelete(from);
  return [write, write.gone];
}

/** Gives a rename the parts of the key that it takes from, which then frees none of them. */
export function borrow(write: PendingWrite, parts: readonly Part[]): void {
  write.parts = parts;
  write.isBorrowed = true;
  if (write.gone !== undefined) write.gone.isMoved = true;
}

/** Tells whether it takes its own blob: it changes nothing. */
export function isInPlace({ key, from }: Pick<Operation, "key" | "from">): boolean {
  return from !== undefined && from.length === key.length && from.every((n, i) => n === key[i]);
}

/** Tells whether a write depends on what its keys have at the commit. */
export function isConditional({ condition, from }: PendingWrite): boolean {
  return condition !== undefined || from !== undefined;
}
