/**
 * The header of a store in its file: both slots, which of them holds, and how they are written.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { MAX_ROOT_LENGTH } from "./root.ts";
import { getUint32 } from "./codec.ts";
import type { StoreFile } from "./store_file.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  FORMAT_VERSION,
  HEAD_LENGTH,
  HEADER_LENGTH,
  MIN_FIRST_SEGMENT,
  SLOT_LENGTH,
  type SlotFault,
  type Superblock,
  versionOf,
} from "./superblock.ts";

/** Needs of the check of a header. */
export type HeadFile = Pick<StoreFile, "byteLength" | "matches">;

/** Both slots as they are in the file. */
export async function readHeader(file: StoreFile): Promise<Uint8Array> {
  const header = new Uint8Array(HEADER_LENGTH);
  const present = header.subarray(0, Math.min(HEADER_LENGTH, file.byteLength));
  const pending = file.read(0, present);
  if (pending) await pending;
  return header;
}

/** The same, and what is behind them at the start of the file is at hand until `dropHead`. */
export async function readHeadAndHeader(file: StoreFile): Promise<Uint8Array> {
  await file.readHead(HEAD_LENGTH);
  return await readHeader(file);
}

/**
 * Tells whether a store may be made here: there is nothing, or the start of a store whose
 * making was cut short. One slot is durable before the other is written.
 */
export function isVacant(header: Uint8Array, file: StoreFile): boolean {
  if (header[0] !== 0 && header[SLOT_LENGTH] !== 0) return false; // neither is blank
  const slots = slotsOf(header, file);
  return slots.includes("blank") && slots.every((slot) => slot === "blank" || slot === "damaged");
}

/**
 * Tells whether some bytes of a file are those that others begin with. Both begin at a multiple of
 * 4, and the length is one.
 */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  const words = wordsOf(one), others = wordsOf(other);
  let i = words.length;
  while (i > 0 && words[i - 1] === others[i - 1]) i--;
  return i === 0;
}

/** Bytes as words: a quarter of the steps. */
export function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength >>> 2);
}

/** The contents of each slot, or why it cannot be used. */
export function slotsOf(header: Uint8Array, file: HeadFile): (Superblock | SlotFault)[] {
  const slots = [0, SLOT_LENGTH].map((at) => header.subarray(at, at + SLOT_LENGTH));
  const first = decodeSuperblock(slots[0], file.matches);
  if (typeof first !== "string" && isSameSlot(slots[0], slots[1])) return [first, first];
  return [first, decodeSuperblock(slots[1], file.matches)];
}

/** Tells whether a slot is another one's copy, as far as that says how long it is. */
function isSameSlot(slot: Uint8Array, other: Uint8Array): boolean {
  const length = getUint32(slot, 16);
  return isSame(slot.subarray(0, length), other);
}

/** How many of the slots cannot be used. */
export function countDamaged(header: Uint8Array, file: StoreFile): number {
  return slotsOf(header, file).filter((slot) => typeof slot === "string").length;
}

/** The slot that holds. */
export interface CurrentSlot {
  readonly superblock: Superblock;
  /** 0 or 1. */
  readonly slot: number;
  /** True if the other one does not say the same. */
  readonly isAlone: boolean;
}

/**
 * The slot that holds.
 *
 * @throws {CorruptStoreError} There is none that makes sense.
 */
export function currentSlot(header: Uint8Array, file: HeadFile): CurrentSlot {
  const slots = slotsOf(header, file);
  const unknown = slots.indexOf("unknown");
  if (unknown >= 0) {
    const version = versionOf(header.subarray(unknown * SLOT_LENGTH));
    const reason = `it has version ${version} of the format, this code reads ${FORMAT_VERSION}`;
    throw new CorruptStoreError(8, reason);
  }
  let slot = -1, superblock: Superblock | undefined;
  slots.forEach((found, i) => {
    if (typeof found === "string") return;
    if (superblock !== undefined && superblock.generation >= found.generation) return;
    slot = i;
    superblock = found;
  });
  if (superblock !== undefined) {
    const other = slots[1 - slot];
    const isAlone = typeof other === "string" || other.generation !== superblock.generation;
    checkSuperblock(superblock, file);
    return { superblock, isAlone, slot };
  }
  if (slots.includes("damaged")) {
    throw new CorruptStoreError(0, "both of its headers are damaged");
  }
  throw new CorruptStoreError(0, "it is not a blob store");
}

/** Throws where a superblock speaks of what is not there. */
function checkSuperblock(superblock: Superblock, file: HeadFile): void {
  const { granule, root, rootLength, segments } = superblock;
  const isGranule = granule >= 16 && granule <= 65536 && (granule & (granule - 1)) === 0;
  const units = root.reduce((sum, part) => sum + part.units, 0);
  const hasLog = segments[0].units * granule >= MIN_FIRST_SEGMENT;
  if (!isGranule || !hasLog || rootLength > Math.min(units * granule, MAX_ROOT_LENGTH)) {
    throw new CorruptStoreError(0, "its header makes no sense");
  }
  for (const { unit, units } of [...root, ...segments]) {
    const end = HEADER_LENGTH + (unit + units) * granule;
    if (!(end <= file.byteLength)) {
      throw new CorruptStoreError(
        file.byteLength,
        `it is cut off, and had at least ${end} bytes`,
      );
    }
  }
  const logUnits = segments.reduce((sum, part) => sum + part.units, 0);
  if (logUnits * granule > file.byteLength - HEADER_LENGTH) {
    throw new CorruptStoreError(0, "its header makes no sense");
  }
}

/**
 * Writes both slots, one durable before the other is touched. Where that fails the file fails for
 * good. Confirm first that the store is no other writer's.
 */
export async function writeSuperblocks(file: StoreFile, superblock: Superblock): Promise<void> {
  const bytes = encodeSuperblock(superblock, file.crc32);
  const first = superblock.generation % 2;
  for (const slot of [first, 1 - first]) {
    try {
      const pending = file.write(slot * SLOT_LENGTH, bytes);
      if (pending) await pending;
    } catch (error) {
      // It may be there all the same, and would hide whatever the old log still took.
      file.fail(error);
      throw error;
    }
    await file.flush();
  }
}
